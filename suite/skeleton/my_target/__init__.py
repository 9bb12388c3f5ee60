"""A target of my own: what it is, and whether it runs here. Reading this must import nothing heavy."""

import importlib.util

from suite.contracts import Skip, TargetCard

CARD = TargetCard(
    name="my_target",
    title="x86-64 CPU, ONNX Runtime, two threads",
    summary="ONNX Runtime's CPU execution provider with two threads. Replace this by what your target is, in a sentence or two.",
    device="x86 CPU",
    runtime="onnxruntime",
    formats=("onnx",),
    precisions=("fp32", "int8"),
    libraries=(),  # distributions, besides the suite's own, whose versions decide what it answers or how fast
    settings={"threads": 2, "batch_size": 1},  # all that is set in runner.py: other settings are another target
    reference="x86_cpu_ort",  # timed beside it too, so that both share a board
)


def probe() -> Skip | None:
    """Why it does not run here, in words that say what to do, or None."""
    if importlib.util.find_spec("onnxruntime") is None:
        return Skip("onnxruntime is not installed here: pip install onnxruntime")
    return None
