"""Gradual magnitude pruning (1710.01878): the sparsity rises on a cubic curve while the network is trained."""

import copy
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from suite.contracts import Context, NotApplicable, Value
from suite.surgery.activations import LAYERS
from suite.surgery.tuning import fit

PRUNING = 0.7
"""Share of the steps after which the sparsity has reached its end; the rest are for recovery."""
EVERY = 10
"""Steps between two prunings."""


def target(sparsity: float, step: int, steps: int) -> float:
    """The share of zeros wanted before step `step` (the first is 0) of `steps`: nothing at first, then fast, then slowly all of it."""
    done = min(1.0, step / max(1, int(PRUNING * steps)))
    return sparsity * (1 - (1 - done) ** 3)


@torch.no_grad()
def prune(weight: Tensor, sparsity: float) -> None:
    """Zeroes exactly the share `sparsity` (rounded down) of the elements, those of the smallest magnitude, in place."""
    if count := int(sparsity * weight.numel()):
        weight.view(-1)[weight.abs().view(-1).argsort(stable=True)[:count]] = 0


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Prunes and trains copies of the parts together; biases, norms and embedding tables are trained, not pruned.

    Between two prunings the zeros may be trained away by a little; they are the smallest again at the next, and the last one is final.
    """
    pruned = {name: copy.deepcopy(module) for name, module in parts.items()}
    weights = [layer.weight for module in pruned.values() for layer in module.modules() if isinstance(layer, LAYERS)]
    if not weights:
        raise NotApplicable(f"there is no linear or convolutional layer in {', '.join(parts)}")
    tutor, steps, sparsity = context.tutor(), int(parameters["steps"]), float(parameters["sparsity"])

    def before(step: int) -> None:
        if step % EVERY == 0 or step >= PRUNING * steps:
            for weight in weights:
                prune(weight, target(sparsity, step, steps))

    fit(pruned, tutor, tutor.loss, steps=steps, rate=float(parameters["rate"]), before=before)
    return pruned
