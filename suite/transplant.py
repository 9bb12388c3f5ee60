"""New weights for an exported graph: a module that differs from the uncompressed one in these alone need not be exported again."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from suite.graph import Array, initializers, replace

State = Mapping[str, Array]

NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
"""What the exporter folds into the layer before."""
PLAIN = (bool, int, float, str, bytes, type(None), tuple, list, torch.Size, torch.dtype, torch.device)
BOOKKEEPING = frozenset(vars(nn.Module()))
HOOKS = ("_forward_hooks", "_forward_pre_hooks")


def transplant(module: nn.Module, reference: nn.Module, exported: onnx.ModelProto) -> onnx.ModelProto | None:
    """A copy of `exported`, the graph of `reference`, with the weights of `module`; None where that cannot be told to be exact.

    A weight is looked for as the exporter stores it: under its own name, transposed, or with the batch norm that follows folded in.
    What it found is still to be held against the module's own answers.
    """
    if not alike(module, reference):
        return None
    before, after = _state(reference), _state(module)
    stored = {name: numpy_helper.to_array(tensor) for name, tensor in initializers(exported).items()}
    found, covered = _folded(module, reference, stored)
    for name in (name for name in before if not np.array_equal(before[name], after[name]) and name not in covered):
        place = _place(name, before[name], stored)
        if place is None or place in found:
            return None
        found[place] = after[name] if _same(stored[place], before[name]) else after[name].T
    grown = onnx.ModelProto()
    grown.CopyFrom(exported)
    replace(grown, found)
    return grown


def _state(module: nn.Module) -> State:
    return {name: tensor.detach().numpy() for name, tensor in module.state_dict().items()}


def _same(one: Array, other: Array) -> bool:
    return one.shape == other.shape and one.dtype == other.dtype and bool(np.array_equal(one, other))


def _place(name: str, weight: Array, stored: State) -> str | None:
    """The initializer that holds a weight as it is, or the only one that holds it transposed."""
    if name in stored and _same(stored[name], weight):
        return name
    turned = [key for key, array in stored.items() if weight.ndim == 2 and _same(array, weight.T)]
    return turned[0] if len(turned) == 1 else None


def _folded(module: nn.Module, reference: nn.Module, stored: State) -> tuple[dict[str, Array], set[str]]:
    """New values of the initializers that hold a layer and a batch norm in one, and the names of the tensors that went into them."""
    found: dict[str, Array] = {}
    covered: set[str] = set()
    norms = {name: norm for name, norm in reference.named_modules() if isinstance(norm, NORMS) and norm.affine and norm.track_running_stats}
    for name, layer in reference.named_modules():
        weight, bias = f"{name}.weight", f"{name}.weight_bias" if getattr(layer, "bias", None) is None else f"{name}.bias"
        if isinstance(layer, nn.Linear | nn.Conv1d | nn.Conv2d) and weight in stored and bias in stored:
            for key, norm in norms.items():
                if all(_same(stored[place], array) for place, array in zip((weight, bias), _fold(layer, norm), strict=True)):
                    found |= zip((weight, bias), _fold(module.get_submodule(name), module.get_submodule(key)), strict=True)
                    covered |= {f"{name}.{part}" for part in ("weight", "bias")}
                    covered |= {f"{key}.{part}" for part in norm.state_dict()}
                    break
    return found, covered


def _fold(layer: nn.Module, norm: nn.Module) -> tuple[Array, Array]:
    """Weight and bias of both in one, in the exporter's own order of operations."""
    of_layer, of_norm = _state(layer), _state(norm)
    weight, own, mean = of_layer["weight"], of_layer.get("bias", np.float32(0)), of_norm["running_mean"]
    if len(weight) != len(mean):
        return np.zeros(0), np.zeros(0)
    scale = of_norm["weight"] / np.sqrt(of_norm["running_var"] + np.array(norm.eps, np.float32))
    return weight * scale.reshape(-1, *[1] * (weight.ndim - 1)), (own - mean) * scale + of_norm["bias"]


def alike(module: nn.Module, reference: nn.Module) -> bool:
    """Whether two modules are made of the same parts with the same settings, so that only their weights may differ."""
    one, other = (list(network.named_modules()) for network in (module, reference))
    if [(name, type(part)) for name, part in one] != [(name, type(part)) for name, part in other]:
        return False
    shapes = [{name: (tensor.shape, tensor.dtype) for name, tensor in network.state_dict().items()} for network in (module, reference)]
    return shapes[0] == shapes[1] and all(_settled(a, b) for (_, a), (_, b) in zip(one, other, strict=True))


def _settled(part: nn.Module, twin: nn.Module) -> bool:
    """No hooks, and equal attributes where they can be compared; what cannot be is taken for a difference."""
    if any(getattr(each, hooks) for each in (part, twin) for hooks in HOOKS):
        return False
    mine, theirs = (dict(_own(each)) for each in (part, twin))
    return mine.keys() == theirs.keys() and all(_equal(mine[name], theirs[name]) for name in mine)


def _own(part: nn.Module) -> Iterator[tuple[str, Any]]:
    return ((name, value) for name, value in vars(part).items() if name not in BOOKKEEPING)


def _equal(one: Any, other: Any) -> bool:
    return one is other or (isinstance(one, PLAIN) and type(one) is type(other) and one == other)
