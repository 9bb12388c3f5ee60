"""Pruning by importance: a criterion gives scores, and the elements, units or heads with the lowest go."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from suite.contracts import Context, NotApplicable, Value
from suite.surgery.calls import example, outputs
from suite.surgery.importance import Criterion, Layer, checked, observe
from suite.surgery.structure import FINDERS, Group, first_line, without


def prune(
    parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context, criterion: Criterion[Any]
) -> dict[str, nn.Module]:
    """Prunes copies of the parts. `parameters`: `granularity` (elements, units or heads) and `sparsity`, the share of them that goes.

    A component that has nothing to prune stays as it is. Raises NotApplicable if none has any, ValueError for a sparsity outside
    of (0, 1) and for data that no score can be made of.
    """
    granularity, sparsity = str(parameters["granularity"]), float(parameters["sparsity"])
    if not 0 < sparsity < 1:
        raise ValueError(f"the sparsity must lie between 0 and 1, both excluded, not be {sparsity}")
    pruned, reasons = {}, []
    for name, module in parts.items():
        pruned[name] = copy.deepcopy(module).eval()
        try:
            if granularity == "elements":
                _prune_elements(pruned[name], name, sparsity, context, criterion)
            else:
                pruned[name] = _prune_groups(pruned[name], name, granularity, sparsity, context, criterion)
        except NotApplicable as error:
            reasons.append(f"{name}: {error}")
    if len(reasons) == len(parts):
        raise NotApplicable("; ".join(reasons))
    return pruned


def lowest(scores: Tensor, sparsity: float, per_row: bool = False) -> Tensor:
    """Bool, the shape of `scores`: the share `sparsity` (rounded down) with the lowest, the first of equals.

    per_row: as many in each row, and what is left over from the rows with the lowest that come next.
    """
    flat = scores.flatten(1).numpy()
    rank = np.argsort(np.argsort(flat, 1, kind="stable"), 1, kind="stable") if per_row else np.zeros(flat.shape)
    order = np.lexsort((flat.ravel(), rank.ravel()))
    mask = np.zeros(flat.size, bool)
    mask[order[: int(sparsity * flat.size + 1e-9)]] = True
    return torch.from_numpy(mask).reshape(scores.shape)


@torch.no_grad()
def _prune_elements(module: nn.Module, component: str, sparsity: float, context: Context, criterion: Criterion[Any]) -> None:
    """Zeroes elements of every weight, in place. Layers that share a weight add their scores up."""
    if any(isinstance(found, nn.MultiheadAttention) for found in module.modules()):
        raise NotApplicable("it has an nn.MultiheadAttention, whose weights are no linear layers")
    scores: dict[int, Tensor] = {}
    weights: dict[int, Tensor] = {}
    for layer in observe(module, component, context, criterion).values():
        score = checked(criterion.elements(layer), layer.weight.shape, layer.name)
        weight = layer.module.weight
        assert isinstance(weight, Tensor)
        weights[id(weight)], scores[id(weight)] = weight, scores.get(id(weight), 0) + score
    if not weights:
        raise NotApplicable("it has no linear or convolutional layer")
    for key, weight in weights.items():
        weight[lowest(scores[key], sparsity, criterion.per_row)] = 0


def _prune_groups(
    module: nn.Module, component: str, granularity: str, sparsity: float, context: Context, criterion: Criterion[Any]
) -> nn.Module:
    """Without the least important of each group: at least the share `sparsity`, but never the last."""
    arguments = example(context.components[component], context.seed)
    try:
        with torch.no_grad():
            outputs(module, arguments)
    except Exception as error:  # whatever a module raises on inputs that are not of its data
        raise NotApplicable(f"it does not run on random inputs of its shapes ({type(error).__name__}: {first_line(error)})") from error
    groups = list(FINDERS[granularity](module, arguments))
    if not groups:
        raise NotApplicable(f"no {granularity} to prune")
    known, find = observe(module, component, context, criterion), FINDERS[granularity]
    before, refused = module, [f"no group of {granularity} is large enough"]
    for group in groups:
        kept = max(1, int((1 - sparsity) * group.size + 1e-9))
        if kept < group.size and set(group.readers) | set(group.writers) <= set(known):
            order = _scores(group, known, criterion).argsort(stable=True)
            gone = sorted(order[: group.size - kept].tolist())
            try:
                now = next(find(module, arguments, group.name))
                module = without(_folded(module, group, now, gone, known, criterion), find, group.name, gone, arguments)
            except NotApplicable as error:
                refused.append(str(error))
    if module is before:
        raise NotApplicable(refused[-1])
    return module


def _scores(group: Group, known: Mapping[str, Layer[Any]], criterion: Criterion[Any]) -> Tensor:
    """Of each unit, float64 (units,): what the criterion gives what is read, or the sum over all elements that write or read it.

    Each layer's part is divided by its mean first, so that a layer with large weights does not decide alone.
    """
    total = torch.zeros(group.size).double()
    sides = [(name, unit, False) for name, unit in group.writers.items()] + [(name, unit, True) for name, unit in group.readers.items()]
    for name, unit, reads in sides:
        layer = known[name]
        if criterion.units is not None and not reads:
            continue
        if criterion.units is not None:
            score = checked(criterion.units(layer), unit.shape, name)
        else:
            elements = checked(criterion.elements(layer), layer.weight.shape, name)
            score = elements.transpose(0, 1).flatten(1).sum(1) if reads else elements.flatten(1).sum(1)
        part = torch.zeros(group.size).double().index_add(0, unit[unit >= 0], score[unit >= 0])
        total += part / part.abs().mean().clamp(min=1e-300)
    return total


@torch.no_grad()
def _folded(
    module: nn.Module, group: Group, now: Group, gone: Sequence[int], known: Mapping[str, Layer[Any]], criterion: Criterion[Any]
) -> nn.Module:
    """A copy whose readers of the group take what goes from what stays, if the criterion says how; the module itself otherwise.

    `group` has the places that the features had when they were observed, `now` those that they have in `module`. A convolution's
    offset goes into its bias, as if its plane had no border.
    """
    if criterion.fold is None:
        return module
    module = copy.deepcopy(module)
    for name, unit in now.readers.items():
        places, seen = (torch.nonzero(found >= 0).flatten() for found in (unit, group.readers[name]))
        out = torch.isin(unit[places], torch.tensor(gone))
        gain, offset = (found.float() for found in criterion.fold(known[name].inputs, seen, out))
        layer = module.get_submodule(name)
        weight, lost = layer.weight, layer.weight[:, places[out]]  # type: ignore[index]
        weight[:, places[~out]] += torch.einsum("or...,rk->ok...", lost, gain)  # type: ignore[index, operator]
        shift = torch.einsum("or,r->o", lost.flatten(2).sum(2) if lost.ndim > 2 else lost, offset)
        layer.bias = nn.Parameter(shift if layer.bias is None else layer.bias + shift)  # type: ignore[operator]
    return module
