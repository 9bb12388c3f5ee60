"""How much the outputs of a component change with each weight: first-order Taylor terms without labels."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from suite.contracts import NotApplicable
from suite.surgery.activations import Calls
from suite.surgery.calls import outputs

DRAWS = 2
"""Random directions in the outputs of each call."""


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """Means over calls and draws, float64.

    elements: (w dL/dw)^2, shape of the weight. units: the same for all weights that read an input feature at once,
    (sum of w dL/dw)^2, shape (input features,): what a gate on that feature would have.
    """

    elements: Tensor
    units: Tensor


def sensitivity(module: nn.Module, calls: Calls, layers: Mapping[str, nn.Module], seed: int) -> dict[str, Sensitivity]:
    """Layer name -> its Taylor terms (1611.06440, 1906.10771), for the layers that the outputs depend on.

    The calibration split has no labels, so L is the projection of the outputs on a random Gaussian direction; each output tensor is
    divided by its root mean square over all calls and by the root of its number of elements, so that a large one (a cache) does not
    decide alone. The mean of (dL/dw)^2 over directions is the sum over outputs of (d output / dw)^2: the diagonal of the Gauss-Newton
    matrix of the squared change of the outputs, and w^2 times it twice the saliency of Optimal Brain Damage (LeCun, Denker and Solla,
    1989) at a minimum, which a network is of the distance to itself.
    """
    generator = torch.Generator().manual_seed(seed)
    scales, weights = _scales(module, calls), {name: _weight(layer) for name, layer in layers.items()}
    elements = {name: torch.zeros_like(weight).double() for name, weight in weights.items()}
    units = {name: torch.zeros(_by_input(layer, weights[name]).shape).double() for name, layer in layers.items()}
    turns, reached = 0, set()
    for arguments in calls:
        with torch.enable_grad():
            answers = [answer / scale for answer, scale in zip(outputs(module, arguments), scales, strict=True) if scale]
            answers = [answer for answer in answers if answer.requires_grad]
        if not answers:
            raise NotApplicable("no gradient of its outputs reaches its weights")
        for draw in range(DRAWS):
            directions = [torch.randn(answer.shape, generator=generator) / max(1, answer.numel()) ** 0.5 for answer in answers]
            slopes = torch.autograd.grad(answers, list(weights.values()), directions, retain_graph=draw < DRAWS - 1, allow_unused=True)
            for (name, weight), slope in zip(weights.items(), slopes, strict=True):
                if slope is not None:
                    reached.add(name)
                    term = (weight.detach() * slope).double()
                    elements[name] += term.square()
                    units[name] += _by_input(layers[name], term).square()
            turns += 1
    return {name: Sensitivity(elements[name] / turns, units[name] / turns) for name in weights if name in reached}


def _weight(layer: nn.Module) -> Tensor:
    assert isinstance(layer.weight, Tensor)
    return layer.weight.requires_grad_(True)


def _scales(module: nn.Module, calls: Calls) -> list[float]:
    """Root mean square of each output over all calls; 0 for one that is no float or always 0, which has no say."""
    seen: list[list[tuple[float, int]]] = []
    with torch.no_grad():
        for arguments in calls:
            floats = [answer.double() if answer.is_floating_point() else torch.zeros(1) for answer in outputs(module, arguments)]
            seen.append([(float(answer.square().sum()), answer.numel()) for answer in floats])
    return [float(sum(square for square, _ in each) / max(1, sum(count for _, count in each))) ** 0.5 for each in zip(*seen, strict=True)]


def _by_input(layer: nn.Module, term: Tensor) -> Tensor:
    """Sums over all that reads an input feature, (input features,); a grouped convolution reads each in its group alone."""
    groups = int(getattr(layer, "groups", 1))
    flat = term.detach().flatten(2).sum(2) if term.ndim > 2 else term.detach()
    return flat.reshape(groups, -1, flat.shape[1]).sum(1).flatten()
