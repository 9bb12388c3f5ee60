"""LiteRT on a Coral Edge TPU."""

import ctypes
import shutil
import sys

from suite.contracts import Skip, TargetCard

CARD = TargetCard(
    name="edge_tpu_litert",
    title="Edge TPU, LiteRT",
    summary="A Coral Edge TPU, which computes in 8 bits alone. Files in floating point, as the uncompressed model's, run on its host.",
    device="Edge TPU",
    runtime="edgetpu",
    formats=("litert",),
    precisions=("int8",),
    settings={"threads": 1, "delegate": "edgetpu", "batch_size": 1},
    environment="litert",
)
COMPILER, DELEGATE = "edgetpu_compiler", "libedgetpu.so.1"


def probe() -> Skip | None:
    """Why it does not run here, or None."""
    if not sys.platform.startswith("linux"):
        return Skip(f"the Edge TPU's compiler and delegate are for Linux, and this is {sys.platform}")
    if shutil.which(COMPILER) is None:
        return Skip(
            f"{COMPILER} is not here: apt-get install edgetpu-compiler, from Coral's packages (https://coral.ai/docs/edgetpu/compiler)"
        )
    try:
        ctypes.CDLL(DELEGATE)
    except OSError:
        return Skip(f"{DELEGATE} is not here: apt-get install libedgetpu1-std, from Coral's packages (https://coral.ai/software)")
    return None
