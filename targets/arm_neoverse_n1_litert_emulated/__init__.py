"""LiteRT on an emulated ARM Neoverse N1."""

from suite.contracts import Skip, TargetCard

CARD = TargetCard(
    name="arm_neoverse_n1_litert_emulated",
    title="ARM Neoverse N1 (emulated), LiteRT",
    summary="The kernels that LiteRT's XNNPACK takes on ARM cores with the dot product of bytes: phones since 2018, Raspberry Pi 5.",
    device="ARM CPU",
    runtime="ai-edge-litert",
    formats=("litert",),
    instruction_sets=("asimd", "asimddp"),
    settings={"threads": 1, "delegate": "xnnpack", "batch_size": 1, "cpu": "neoverse-n1"},
    runner="x86_cpu_litert",
    environment="arm-litert-emulated",
    ranks_latency=False,
    items=300,
    patience=40.0,
)


def probe() -> Skip | None:
    """QEMU and the ARM system are its environment's; its models are made in the environment `litert`."""
    return None
