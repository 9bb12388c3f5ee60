"""PyTorch on an x86-64 CPU, one thread, operator by operator."""

import importlib.util
import platform

from suite.contracts import Skip, TargetCard

CARD = TargetCard(
    name="x86_cpu_torch",
    title="x86-64 CPU, PyTorch eager",
    summary="Programs of torch.export on one core, one operator after the other: PyTorch without a compiler, and without the model's code.",
    device="x86 CPU",
    runtime="torch",
    formats=("torch_export",),
    libraries=("torchao",),
    settings={"threads": 1, "compile": "none", "batch_size": 1},
    reference="x86_cpu_ort",
)


def probe() -> Skip | None:
    """Why it does not run here, or None."""
    machine = platform.machine().lower()
    if machine not in ("x86_64", "amd64"):
        return Skip(f"this machine is {machine}, not x86-64")
    if importlib.util.find_spec("torch") is None:
        return Skip("torch is not installed here: pip install 'squeezemark[run]'")
    return None
