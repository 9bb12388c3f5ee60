"""Pruning by the correlation of activations, after NoiseOut (1611.06211) without its noise outputs and its retraining."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from suite.contracts import Context, Value
from suite.surgery.activations import Covariance
from suite.surgery.importance import Criterion, Layer
from suite.surgery.pruning import prune


def elements(layer: Layer[Covariance]) -> Tensor:
    """|w_ij| times what input j has that no other input predicts: its root mean square times sqrt(1 - its largest r^2)."""
    correlation = layer.inputs.correlation.fill_diagonal_(0)
    alone = (1 - correlation.square().amax(1)).clamp(min=0).sqrt()
    return layer.weight.abs() * layer.per_weight(layer.inputs.norm * alone)


def units(layer: Layer[Covariance]) -> Tensor:
    """The turn in which each unit goes, (input features,).

    In each turn, of the two units left that correlate most, the one goes that weighs less in what follows: the smaller standard
    deviation times norm of outgoing weights.
    """
    similar = layer.inputs.correlation.abs().fill_diagonal_(-1)
    outgoing = torch.linalg.vector_norm(layer.weight.double().transpose(0, 1).flatten(1), dim=1)
    weight, turns = layer.inputs.deviation * outgoing, torch.zeros(len(similar)).double()
    best, partner = similar.max(1)
    for turn in range(len(similar)):
        first = int(best.argmax())
        gone = min((first, int(partner[first])), key=lambda unit: (float(weight[unit]), unit))
        turns[gone], similar[gone], similar[:, gone] = turn, -2, -2
        stale = (partner == gone) | (torch.arange(len(similar)) == gone)
        best[stale], partner[stale] = similar[stale].max(1)
    return turns


def fold(inputs: Covariance, features: Tensor, gone: Tensor) -> tuple[Tensor, Tensor]:
    """Each unit that goes becomes the multiple of the unit that it correlates with most, of those that stay, plus a constant."""
    stay, out = features[~gone], features[gone]
    partner = inputs.correlation[out][:, stay].abs().argmax(1)
    variance = inputs.covariance.diagonal()[stay[partner]]
    slope = inputs.covariance[out, stay[partner]] / variance.clamp(min=1e-30)
    slope = torch.where(inputs.correlation[out, stay[partner]] == 0, 0.0, slope)
    gain = torch.zeros(len(out), len(stay)).double()
    gain[torch.arange(len(out)), partner] = slope
    return gain, inputs.mean[out] - slope * inputs.mean[stay[partner]]


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Removes what another unit says as well, and lets that one stand in for it."""
    return prune(parts, parameters, context, Criterion(elements=elements, units=units, watch=Covariance, fold=fold))
