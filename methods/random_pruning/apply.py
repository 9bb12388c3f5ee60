"""Pruning at random."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from suite.contracts import Context, Value
from suite.surgery.importance import Criterion, Layer
from suite.surgery.pruning import prune


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Every score is a random number between 0 and 1."""
    generator = torch.Generator().manual_seed(context.seed)

    def score(layer: Layer[None]) -> Tensor:
        return torch.rand(layer.weight.shape, generator=generator)

    return prune(parts, parameters, context, Criterion(elements=score))
