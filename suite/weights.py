"""Reads trained weights, never a pickle: safetensors or numpy's .npz, and says in one sentence what does not fit."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from suite.errors import CellFailed

if TYPE_CHECKING:
    import torch

Array = np.ndarray[Any, np.dtype[Any]]

PICKLES = (b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")
SHOWN = 3


def read(path: Path) -> dict[str, Array]:
    """The tensors of a `.safetensors` or `.npz` file by name. Raises CellFailed (`export_failed`)."""
    _check_kind(path)
    try:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        from safetensors.numpy import load_file

        return dict(load_file(path))
    except Exception as error:  # safetensors raises a type of its own
        raise CellFailed("export_failed", f"the weights {path.name} cannot be read: {' '.join(str(error).split())}") from error


def fill(module: "torch.nn.Module", tensors: Mapping[str, Array], source: str) -> "torch.nn.Module":
    """Gives `module` exactly the tensors that it has, by name; it is returned in eval mode. `source` names them in errors.

    Raises CellFailed (`export_failed`) if one is missing, left over, or of another shape.
    """
    import torch

    wanted = module.state_dict()
    for problem, names in (("lacks", set(wanted) - set(tensors)), ("has, and the network has not,", set(tensors) - set(wanted))):
        if names:
            raise CellFailed("export_failed", f"{source} {problem} {_some(names)}")
    for name, tensor in wanted.items():
        if tuple(tensor.shape) != tensors[name].shape:
            raise CellFailed(
                "export_failed", f"{name} in {source} has the shape {tensors[name].shape}, the network's {tuple(tensor.shape)}"
            )
    module.load_state_dict({name: torch.from_numpy(np.array(array)) for name, array in tensors.items()})
    return module.eval()


def _some(names: set[str]) -> str:
    ordered = sorted(names)
    more = f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else ""
    return f"the tensor{'s' if len(ordered) > 1 else ''} {', '.join(ordered[:SHOWN])}{more}"


def _check_kind(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise CellFailed("export_failed", f"the weights {path} cannot be read ({error.strerror})") from error
    if start[:2] in PICKLES or (start == b"PK\x03\x04" and path.suffix != ".npz"):
        raise CellFailed(
            "export_failed",
            f"the weights {path.name} are a pickle (as torch.save writes), which can run code when it is read and is never loaded; "
            "save them with safetensors.torch.save_file or numpy.savez",
        )
    if path.suffix not in (".safetensors", ".npz"):
        raise CellFailed("export_failed", f"the weights {path.name} are neither .safetensors nor .npz")
