"""LiteRT on an x86-64 CPU, one thread."""

import platform

from suite.contracts import Skip, TargetCard

CARD = TargetCard(
    name="x86_cpu_litert",
    title="x86-64 CPU, LiteRT",
    summary="LiteRT (formerly TensorFlow Lite) with the XNNPACK kernels on one core: what phones and boards run, here on x86.",
    device="x86 CPU",
    runtime="ai-edge-litert",
    formats=("litert",),
    settings={"threads": 1, "delegate": "xnnpack", "batch_size": 1},
    reference="x86_cpu_ort",
    environment="litert",
)


def probe() -> Skip | None:
    """Why it does not run here, or None: what it needs is in its environment."""
    machine = platform.machine().lower()
    return None if machine in ("x86_64", "amd64") else Skip(f"this machine is {machine}, not x86-64")
