"""A student that is cut out of its teacher: what it has left, what it learns from, and what is refused."""

import copy
import re

import pytest
import torch
from conftest import PLUGINS
from torch import nn

from methods.distillation import CARD
from methods.distillation.apply import apply, size, student
from suite import registry as registries
from suite.config import Budget
from suite.contracts import Context, NotApplicable
from suite.models.layers import Block
from suite.surgery.tuning import distance, divergence
from suite.tutor import Tutor

NARROWER = dict(CARD.variant("narrower").parameters)


@pytest.fixture
def context(tmp_path):
    """Of the tiny matcher, with calls that look like its own."""
    registries.extend([PLUGINS])
    card = registries.discover().models["tiny_matcher"]
    tutor = Tutor(card, Budget(), tmp_path / "state.safetensors", lambda *progress: None)
    generator = torch.Generator().manual_seed(0)
    fed = {
        "vision": [{"pixels": torch.randn(1, 64, generator=generator).numpy()} for _ in range(40)],
        "text": [{"ids": torch.tensor([[name]]).numpy()} for name in range(32)],
    }
    components = {component.name: component for component in card.components}
    return Context(components=components, seed=0, scratch=tmp_path, feeds=lambda name: fed[name], tutor=lambda: tutor)


def parts(context):
    return {name: copy.deepcopy(module) for name, module in context.tutor().teacher().items()}


def test_a_narrower_student_has_that_share_of_the_inner_units(context):
    whole = parts(context)
    made = student(whole, 0.6, 0, context)
    for name, hidden in (("vision", 256), ("text", 160)):
        assert made[name].feed[0].weight.shape == (int(0.6 * hidden), 64)
        assert whole[name].feed[0].weight.shape == (hidden, 64), "the teacher's own parts are left alone"
    assert size(made) < size(whole)


def test_the_loss_is_the_weighted_sum_of_its_three_parts(context, monkeypatch):
    tutor, losses = context.tutor(), {}

    def seen(made, tutor, loss, **pace):
        batch = tutor.batch(0, 1)
        outputs = tutor.outputs(made, batch)
        told = tutor.outputs(tutor.teacher(), batch)
        losses["found"] = loss(outputs, batch).item()
        losses["wanted"] = (
            3 * tutor.loss(outputs, batch) + 5 * distance(outputs, told) + 7 * divergence(outputs["logits"], told["logits"], 4.0)
        ).item()

    monkeypatch.setattr("methods.distillation.apply.fit", seen)
    made = parts(context)
    with torch.no_grad():
        made["vision"].feed[0].weight.mul_(0.9)
    apply(made, NARROWER | {"keep": 1.0, "labels": 3.0, "alpha": 5.0, "beta": 7.0, "temperature": 4.0}, context)
    assert losses["found"] == pytest.approx(losses["wanted"], rel=1e-5)
    assert tutor.steps == 1


def test_a_teacher_brings_the_student_closer_to_itself_than_labels_do(context):
    gaps = {}
    for name in ("narrower", "narrower_no_teacher"):
        made = apply(parts(context), dict(CARD.variant(name).parameters) | {"steps": 200, "keep": 0.6}, context)
        context.tutor().state.unlink()
        batch = context.tutor().batch(500, 501)
        with torch.no_grad():
            told = context.tutor().outputs(context.tutor().teacher(), batch)
            gaps[name] = distance(context.tutor().outputs(made, batch), told).item()
    assert gaps["narrower"] < 0.8 * gaps["narrower_no_teacher"]


def test_the_control_differs_from_the_student_in_the_teacher_alone():
    taught, alone = (dict(CARD.variant(name).parameters) for name in ("narrower", "narrower_no_teacher"))
    assert {name for name in taught if taught[name] != alone[name]} == {"alpha", "beta"}
    assert alone["alpha"] == alone["beta"] == 0
    assert alone["labels"] > 0


def test_a_shallower_student_has_a_block_fewer(context, tmp_path):
    class Tower(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            torch.manual_seed(0)
            self.blocks = nn.ModuleList(Block(16, 2) for _ in range(3))

        def forward(self, pixels):
            x = pixels.reshape(-1, 4, 16)
            for block in self.blocks:
                x = block(x)
            return x.flatten(1)

    whole = {"vision": Tower().eval()}
    made = student(whole, 1.0, 1, context)
    assert size(whole) - size(made) == sum(parameter.numel() for parameter in Block(16, 2).parameters())
    with pytest.raises(NotApplicable, match="there is no row of two or more blocks in vision, text"):
        student(parts(context), 1.0, 1, context)


def test_a_student_that_is_larger_than_its_teacher_is_refused(context):
    grown = parts(context)
    grown["vision"].more = nn.Linear(64, 64)
    with pytest.raises(ValueError, match=r"the student has [\d,]+ parameters, more than the [\d,]+ of its teacher"):
        apply(grown, NARROWER | {"keep": 1.0}, context)


def test_without_anything_to_learn_from_it_is_refused(context):
    with pytest.raises(ValueError, match="alpha, beta and labels are all 0"):
        apply(parts(context), NARROWER | {"alpha": 0.0, "beta": 0.0, "labels": 0.0}, context)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("steps", 0, r"steps must lie in \[1, 1000000\], not 0"),
        ("keep", 1.5, r"keep must lie in \[0.05, 1.0\], not 1.5"),
        ("temperature", 0.0, "temperature must lie in"),
        ("schedule", "sudden", "schedule must be one of cosine, linear, constant, not sudden"),
    ],
)
def test_parameters_have_bounds(name, value, words):
    (parameter,) = (parameter for parameter in CARD.parameters if parameter.name == name)
    assert re.match(words, parameter.check(value) or "")
