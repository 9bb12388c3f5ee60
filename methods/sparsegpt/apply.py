"""SparseGPT (2301.00774): prunes a weight input by input, and lets the inputs that are still to come make up for the error."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from suite.contracts import Context, NotApplicable, Value
from suite.surgery.activations import Calls, Moments, features, watch
from suite.surgery.importance import layers
from suite.surgery.pruning import lowest

BLOCK = 128
"""Inputs whose mask is chosen together, with the weights as they are by then, as in the paper; a multiple of 4."""

Weight = nn.Linear | nn.Conv1d | nn.Conv2d


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
    """What each output of a layer is a product of, float64 (groups, positions, inputs of a group): rows, or the patches of a plane."""
    if isinstance(layer, nn.Linear):
        return x.reshape(1, -1, x.shape[-1]).double()
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    x = functional.pad(x, layer._reversed_padding_repeated_twice, mode=mode)
    given = {name: tuple(getattr(layer, name)) for name in ("kernel_size", "dilation", "stride")}
    x = x.reshape(-1, *x.shape[-1 - len(layer.kernel_size) :])  # a batch of one may be left out
    if isinstance(layer, nn.Conv1d):
        x, given = x.unsqueeze(-2), {name: (1, *size) for name, size in given.items()}
    columns = functional.unfold(x, **given)
    grouped = columns.reshape(len(x), layer.groups, -1, columns.shape[-1])
    return grouped.permute(1, 0, 3, 2).flatten(1, 2).double()


class Hessians:
    """The sum of x xᵀ over what one weight is multiplied by, float64 (groups, inputs of a group, inputs of a group), from its layers."""

    def __init__(self) -> None:
        self.sum: Tensor | float = 0.0

    def hook(self, layer: nn.Module, given: tuple[Tensor, ...]) -> None:
        """Before the layer runs."""
        assert isinstance(layer, Weight)
        seen = patches(layer, given[0].detach())
        self.sum = self.sum + seen.transpose(1, 2) @ seen


def _sharing(module: nn.Module, calls: Calls, pattern: Value) -> list[list[Weight]]:
    """The layers of each weight, those that share one together, in the order in which they first run."""
    found: dict[int, list[Weight]] = {}
    kinds = nn.Linear if pattern == "2:4" else Weight
    for name in watch(module, calls, layers(module), Moments):
        layer = module.get_submodule(name)
        if isinstance(layer, kinds) and (pattern == "free" or features(layer) >= 4):
            found.setdefault(id(layer.weight), []).append(layer)
    return list(found.values())


@torch.no_grad()
def _prune(module: nn.Module, calls: Calls, parameters: Mapping[str, Value]) -> None:
    """In place, a weight after the other: each is calibrated on what it reads when those before it are pruned already."""
    if any(isinstance(layer, nn.MultiheadAttention) for layer in module.modules()):
        raise NotApplicable("it has an nn.MultiheadAttention, whose weights are no linear layers")
    weights = _sharing(module, calls, parameters["pattern"])
    if not weights:
        kind = "linear or convolutional layer" if parameters["pattern"] == "free" else "linear layer of four inputs or more"
        raise NotApplicable(f"it has no {kind}")
    for sharing in weights:
        hessians = Hessians()
        handles = [layer.register_forward_pre_hook(hessians.hook) for layer in sharing]
        for arguments in calls:
            module(*arguments)
        for handle in handles:
            handle.remove()
        assert isinstance(hessians.sum, Tensor)
        weight = sharing[0].weight
        parts = weight.flatten(1).chunk(len(hessians.sum))
        pruned = torch.cat([sparsify(part, hessian, parameters) for part, hessian in zip(parts, hessians.sum, strict=True)])
        weight.copy_(pruned.reshape(weight.shape))


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
