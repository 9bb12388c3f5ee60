"""ExecuTorch on an x86-64 CPU, one thread."""

import platform

from suite.contracts import Skip, TargetCard

CARD = TargetCard(
    name="x86_cpu_executorch",
    title="x86-64 CPU, ExecuTorch",
    summary="PyTorch's runtime for phones and boards on one core, with the XNNPACK kernels wherever these have an operator.",
    device="x86 CPU",
    runtime="executorch",
    formats=("executorch",),
    settings={"threads": 1, "delegate": "xnnpack", "batch_size": 1},
    reference="x86_cpu_ort",
    environment="executorch",
)


def probe() -> Skip | None:
    """Why it does not run here, or None: what it needs is in its environment."""
    machine = platform.machine().lower()
    return None if machine in ("x86_64", "amd64") else Skip(f"this machine is {machine}, not x86-64")
