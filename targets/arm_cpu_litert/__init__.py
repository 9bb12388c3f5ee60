"""LiteRT on an ARM CPU, one thread."""

import platform

from suite.contracts import Skip, TargetCard

CARD = TargetCard(
    name="arm_cpu_litert",
    title="ARM CPU, LiteRT",
    summary="LiteRT with the XNNPACK kernels on one 64-bit ARM core, which is where most of its models run: phones, Raspberry Pi, Apple.",
    device="ARM CPU",
    runtime="ai-edge-litert",
    formats=("litert",),
    instruction_sets=("asimd", "asimddp", "i8mm"),
    settings={"threads": 1, "delegate": "xnnpack", "batch_size": 1},
    reference="arm_cpu_ort",
    runner="x86_cpu_litert",
    environment="litert",
)


def probe() -> Skip | None:
    """Why it does not run here, or None: what it needs is in its environment."""
    machine = platform.machine().lower()
    return None if machine in ("aarch64", "arm64") else Skip(f"this machine is {machine}, not aarch64")
