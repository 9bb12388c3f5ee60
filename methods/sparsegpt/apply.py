"""SparseGPT (2301.00774): prunes a weight input by input, and lets the inputs that are still to come make up for the error."""

import contextlib
import copy
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional

from suite.contracts import Context, NotApplicable, Value
from suite.surgery.activations import Calls
from suite.surgery.pruning import lowest

BLOCK = 128
"""Inputs whose mask is chosen together, with the weights as they are by then, as in the paper; a multiple of 4."""
TOGETHER = 16
"""Calibration calls that run as one."""

Weight = nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d


def sparsify(weight: Tensor, hessian: Tensor, parameters: Mapping[str, Value]) -> Tensor:
    """The weight (outputs, inputs) with zeros in it, float64. hessian: the sum of x xᵀ over what is read, float64 (inputs, inputs).

    `parameters`: `sparsity` of each block of inputs or, with `pattern` "2:4", two of each four; `dampening`. What reads an input that is
    always zero is zero first. Raises torch.linalg.LinAlgError for a Hessian that is not positive definite even when dampened.
    """
    left, factor = weight.double().clone(), _factor(hessian, float(parameters["dampening"]))
    left[:, hessian.diagonal() == 0] = 0
    for start in range(0, left.shape[1], BLOCK):
        block, inner = left[:, start : start + BLOCK], factor[start : start + BLOCK, start : start + BLOCK]
        pick = lowest(_loss(block, inner), float(parameters["sparsity"]))
        errors = torch.zeros_like(block)
        for column in range(block.shape[1]):
            if parameters["pattern"] == "2:4" and column % 4 == 0:
                pick = _two_of_four(block, inner, column)
            errors[:, column] = torch.where(pick[:, column], block[:, column], 0) / inner[column, column]
            block[:, column + 1 :] -= torch.outer(errors[:, column], inner[column, column + 1 :])
            block[:, column].masked_fill_(pick[:, column], 0)
        left[:, start + BLOCK :] -= errors @ factor[start : start + BLOCK, start + BLOCK :]
    return left


def _loss(block: Tensor, inner: Tensor) -> Tensor:
    """What the output loses with each element, once the inputs after it have made up for it as far as they can."""
    return (block / inner.diagonal()).square()


def _two_of_four(block: Tensor, inner: Tensor, column: int) -> Tensor:
    """Bool, the shape of the block: in each row the two of the four from `column` on that cost least. None of an incomplete four."""
    pick = torch.zeros_like(block, dtype=torch.bool)
    if column + 4 <= block.shape[1]:
        four = _loss(block, inner)[:, column : column + 4]
        pick[:, column : column + 4].scatter_(1, four.argsort(stable=True, dim=1)[:, :2], True)
    return pick


def _factor(hessian: Tensor, dampening: float) -> Tensor:
    """The upper triangular U with Uᵀ U the inverse of the dampened matrix."""
    diagonal = hessian.diagonal()
    dead = diagonal == 0
    added = dampening * diagonal[~dead].mean() if (~dead).any() else diagonal.new_zeros(())
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(hessian + torch.diag(torch.where(dead, 1.0, added))))
    factor: Tensor = torch.linalg.cholesky(inverse, upper=True)
    return factor


def patches(layer: Weight, x: Tensor) -> Tensor:
    """What each output of a layer is a product of, float64 (groups, positions, inputs of a group): rows, or the patches of a line, a
    plane or a volume."""
    if isinstance(layer, nn.Linear):
        return x.reshape(1, -1, x.shape[-1]).double()
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    x = functional.pad(x, layer._reversed_padding_repeated_twice, mode=mode)
    depth = len(layer.kernel_size)
    x = x.reshape(-1, *x.shape[-1 - depth :])  # a batch of one may be left out
    for axis, (size, apart, stride) in enumerate(zip(layer.kernel_size, layer.dilation, layer.stride, strict=True), 2):
        x = x.unfold(axis, apart * (size - 1) + 1, stride)[..., ::apart]
    grouped = x.reshape(len(x), layer.groups, -1, *x.shape[2:]).transpose(0, 1).movedim(2, 2 + depth)
    return grouped.flatten(1, 1 + depth).flatten(2).double()


class Hessian:
    """The sum of x xᵀ over what a weight is multiplied by in its layers, float64 (groups, inputs of a group, inputs of a group)."""

    def __init__(self, sharing: Sequence[Weight]) -> None:
        self.sharing, self.sum = sharing, torch.zeros(())

    def add(self, layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        """Before a layer runs."""
        seen = patches(layer, given[0].detach())  # type: ignore[arg-type]
        self.sum = self.sum + seen.transpose(1, 2) @ seen

    def prune(self, parameters: Mapping[str, Value]) -> None:
        """The weight, in place."""
        weight = self.sharing[0].weight
        parts = weight.flatten(1).chunk(len(self.sum))
        shares = _shares([part.numel() for part in parts], float(parameters["sparsity"]))
        given = [{**parameters, "sparsity": share} for share in shares]
        pruned = torch.cat([sparsify(part, hessian, each) for part, hessian, each in zip(parts, self.sum, given, strict=True)])
        weight.copy_(pruned.reshape(weight.shape))


def _shares(sizes: Sequence[int], sparsity: float) -> list[float]:
    """The share of each group that goes: one takes over what those before it were rounded down by, as nine elements are."""
    if len(sizes) == 1:
        return [sparsity]
    ends = [int(sparsity * end + 1e-9) for end in itertools.accumulate(sizes)]
    return [(end - start) / size for start, end, size in zip([0, *ends], ends, sizes, strict=False)]


def _takes(layer: nn.Module, pattern: Value) -> TypeGuard[Weight]:
    if pattern == "2:4":
        return isinstance(layer, nn.Linear) and layer.in_features >= 4
    return isinstance(layer, Weight)


def _batches(calls: Calls) -> Iterator[tuple[Tensor, ...]]:
    """The calls, those of the same shapes together if the card says that every input has a batch: what is summed up is the same."""
    inputs = calls.context.components[calls.component].inputs
    most = TOGETHER if all(tensor.shape[:1] == ("batch",) for tensor in inputs) else 1
    waiting: dict[tuple[torch.Size, ...], list[tuple[Tensor, ...]]] = {}
    for arguments in calls:
        alike = waiting.setdefault(tuple(tensor.shape for tensor in arguments), [])
        alike.append(arguments)
        if len(alike) == most:
            yield tuple(map(torch.cat, zip(*alike, strict=True)))
            alike.clear()
    yield from (tuple(map(torch.cat, zip(*alike, strict=True))) for alike in waiting.values() if alike)


def _run(module: nn.Module, calls: Calls, hooks: Mapping[nn.Module, Callable[[nn.Module, tuple[Tensor, ...]], None]]) -> None:
    """Goes through all calls; each hook is called before its layer runs."""
    with contextlib.ExitStack() as stack:
        for layer, hook in hooks.items():
            stack.callback(layer.register_forward_pre_hook(hook).remove)
        for arguments in _batches(calls):
            module(*arguments)


def _passes(module: nn.Module, calls: Calls, pattern: Value) -> list[list[Hessian]]:
    """The weights in the order in which they are first read, those together that read the same tensor, as queries, keys and values do."""
    read: dict[nn.Module, Tensor] = {}

    def look(layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        if not given[0].isfinite().all():
            raise ValueError(f"a layer of {calls.component!r} is fed NaN or infinity on the calibration split")
        read.setdefault(layer, given[0])

    _run(module, calls, {layer: look for layer in module.modules() if _takes(layer, pattern)})
    weights: dict[int, list[Weight]] = {}
    for layer in read:
        weights.setdefault(id(layer.weight), []).append(layer)  # type: ignore[arg-type]
    found: list[list[Hessian]] = []
    last: Tensor | None = None
    for sharing in weights.values():
        if read[sharing[0]] is not last:
            found.append([])
        found[-1].append(Hessian(sharing))
        last = read[sharing[0]]
    return found


@torch.no_grad()
def _prune(module: nn.Module, calls: Calls, parameters: Mapping[str, Value]) -> None:
    """In place, layer after layer: each is calibrated on what it reads when those before it are pruned already."""
    if any(isinstance(layer, nn.MultiheadAttention) for layer in module.modules()):
        raise NotApplicable("it has an nn.MultiheadAttention, whose weights are no linear layers")
    passes = _passes(module, calls, parameters["pattern"])
    if not passes:
        kind = "linear or convolutional layer" if parameters["pattern"] == "free" else "linear layer of four inputs or more"
        raise NotApplicable(f"it has no {kind}")
    for together in passes:
        _run(module, calls, {layer: hessian.add for hessian in together for layer in hessian.sharing})
        for hessian in together:
            hessian.prune(parameters)


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Prunes copies of the parts; one that has nothing to prune stays as it is. Raises NotApplicable if none has any."""
    pruned, reasons = {}, []
    for name, module in parts.items():
        pruned[name] = copy.deepcopy(module).eval()
        try:
            _prune(pruned[name], Calls(context, name), parameters)
        except NotApplicable as error:
            reasons.append(f"{name}: {error}")
    if len(reasons) == len(parts):
        raise NotApplicable("; ".join(reasons))
    return pruned
