"""Knowledge distillation (1503.02531) of features and softened answers into a student that is cut out of its teacher."""

import copy
from collections.abc import Mapping
from itertools import islice

import torch
from torch import Tensor, nn

from suite.contracts import Context, NotApplicable, Value
from suite.surgery.blocks import shallower
from suite.surgery.pruning import prune
from suite.surgery.taylor import TAYLOR
from suite.surgery.tuning import distance, divergence, fit

ITEMS = 64
"""Calibration calls that decide which blocks the student has not."""

Parts = Mapping[str, nn.Module]


def student(parts: Parts, keep: float, drop: int, context: Context) -> dict[str, nn.Module]:
    """Copies of the parts with fewer blocks, then with the inner units alone that the outputs depend on most.

    A part with nothing to cut stays as it is. Raises NotApplicable if nothing can be cut where something was to be.
    """
    cut: dict[str, nn.Module] = {name: copy.deepcopy(module) for name, module in parts.items()}
    if drop:
        found = {
            name: shallower(part, context.components[name], list(islice(context.feeds(name), ITEMS)), drop) for name, part in cut.items()
        }
        cut |= {name: smaller for name, smaller in found.items() if smaller is not None}
        if not any(found.values()):
            raise NotApplicable(f"there is no row of two or more blocks in {', '.join(parts)}")
    if keep < 1:
        cut = prune(cut, {"granularity": "units", "sparsity": 1 - keep}, context, TAYLOR)
    return cut


def size(parts: Parts) -> int:
    """How many parameters they have."""
    return sum(parameter.numel() for module in parts.values() for parameter in module.parameters())


def apply(parts: Parts, parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Minimises labels x task loss + alpha x MSE(features) + beta x KL(answers / temperature) over the student.

    Raises ValueError for a student that is larger than its teacher, and where no loss has a weight.
    """
    alpha, beta, labels = (float(parameters[name]) for name in ("alpha", "beta", "labels"))
    if not alpha + beta + labels:
        raise ValueError("alpha, beta and labels are all 0, so that there is nothing to learn from")
    tutor = context.tutor()
    made = student(parts, float(parameters["keep"]), int(parameters["drop"]), context)
    small, large = size(made), size({name: tutor.teacher()[name] for name in made})
    if small > large:
        raise ValueError(f"the student has {small:,} parameters, more than the {large:,} of its teacher")

    def loss(outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
        value = labels * tutor.loss(outputs, batch) if labels else torch.zeros(())
        if alpha or beta:
            with torch.no_grad():
                told = tutor.outputs(tutor.teacher(), batch)
            value = value + alpha * distance(outputs, told)
            value = value + beta * divergence(outputs["logits"], told["logits"], float(parameters["temperature"]))
        return value

    fit(made, tutor, loss, steps=int(parameters["steps"]), rate=float(parameters["rate"]), schedule=str(parameters["schedule"]))
    return made
