"""PyTorch on an x86-64 CPU, one thread, compiled ahead of time by Inductor."""

import importlib.util
import os
import platform
import shutil
import sys

from suite.contracts import Skip, TargetCard

CARD = TargetCard(
    name="x86_cpu_inductor",
    title="x86-64 CPU, PyTorch compiled by Inductor",
    summary="The same programs of torch.export on one core, compiled by AOTInductor when they are first loaded.",
    device="x86 CPU",
    runtime="torch",
    formats=("torch_export",),
    libraries=("torchao",),
    settings={"threads": 1, "compile": "inductor", "batch_size": 1},
    reference="x86_cpu_ort",
    runner="x86_cpu_torch",
    patience=5.0,
)
COMPILER = os.environ.get("CXX") or ("clang++" if sys.platform == "darwin" else "g++")
"""What Inductor calls."""


def probe() -> Skip | None:
    """Why it does not run here, or None."""
    machine = platform.machine().lower()
    if machine not in ("x86_64", "amd64"):
        return Skip(f"this machine is {machine}, not x86-64")
    if importlib.util.find_spec("torch") is None:
        return Skip("torch is not installed here: pip install 'squeezemark[run]'")
    if shutil.which(COMPILER) is None:
        return Skip(f"Inductor compiles with {COMPILER}, which is not here: apt-get install g++")
    return None
