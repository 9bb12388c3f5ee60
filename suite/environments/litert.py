"""LiteRT and what converts torch modules to it, in a virtual environment of their own: their pins conflict with the suite's.

Compressing for LiteRT runs there too, so it has what reference models and methods need besides.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from suite.contracts import Skip
from suite.environments import debian, emulated
from suite.executors.local import Interpreter

Say = Callable[[str], None]

LOCK = Path(__file__).with_suffix(".txt")
WANTED = (
    "litert-torch", "ai-edge-litert", "ai-edge-quantizer", "torch", "torch-pruning", "onnx", "onnxscript", "safetensors", "pillow",
    "matplotlib", "fonttools", "msgspec", "zstandard", "psutil",
)  # fmt: skip
PACKAGES = ("suite", "methods", "targets")
_VERSIONS = "import json, sys; from importlib.metadata import version; print(json.dumps({name: version(name) for name in sys.argv[1:]}))"


def build(folder: Path, say: Say) -> dict[str, str]:
    """Makes the virtual environment; the versions of what decides a result. Raises UsageError."""
    trial = "import litert_torch, ai_edge_litert.interpreter, ai_edge_quantizer"
    return made(folder, say, "LiteRT", LOCK, WANTED, WANTED[:4], trial)


def made(folder: Path, say: Say, title: str, lock: Path, wanted: Sequence[str], shown: Sequence[str], trial: str) -> dict[str, str]:
    """A virtual environment of locked versions, and of this Python's own numpy and ONNX Runtime; the versions of those and of `shown`.

    title: the runtime that it is for. trial: a line of Python that must run in it. Raises UsageError.
    """
    shared = emulated.pins()
    say("making a virtual environment")
    debian.run([sys.executable, "-m", "venv", str(folder / "venv")], "a virtual environment cannot be made")
    say(f"installing {title}, its converter and torch (about 2 GB)")
    python, pins = str(folder / "venv/bin/python"), [f"{name}=={version}" for name, version in shared.items()]
    command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"--constraint={lock}", *pins, *wanted]
    debian.run(command, f"pip could not install {title}")
    say("trying it")
    debian.run([python, "-c", trial], f"{title} does not run here")
    told: dict[str, str] = json.loads(debian.run([python, "-c", _VERSIONS, *shared, *shown], "its versions cannot be read"))
    return told


def interpreter(folder: Path, settings: Mapping[str, object]) -> Interpreter:
    """Its Python, which sees the suite's packages and none of the libraries that lie beside them."""
    return Interpreter((str(folder / "venv/bin/python"),), {"PYTHONPATH": str(_sources(folder))})


def counter(folder: Path, settings: Mapping[str, object]) -> Skip:
    """Instructions are counted where a clock says nothing, which is under an emulator."""
    return Skip("times are measured there, and instructions are not counted")


def _sources(folder: Path) -> Path:
    """A folder of links to the packages of this very installation: there may be others that use the same environment."""
    name = hashlib.sha256(str(emulated.ROOT).encode()).hexdigest()[:12]
    place = folder / "sources" / name
    for package in PACKAGES:
        link = place / package
        if folder.is_dir() and not link.exists():
            place.mkdir(parents=True, exist_ok=True)
            link.unlink(missing_ok=True)
            link.symlink_to(emulated.ROOT / package)
    return place
