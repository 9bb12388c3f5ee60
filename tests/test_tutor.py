"""Training within a method: its budget, its arithmetic, and that a run which was killed ends as one that was not."""

import copy
import importlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import PLUGINS, ROOT
from torch import nn

from suite import registry as registries
from suite.config import Budget
from suite.errors import CellFailed
from suite.protocol import NO_SPACE, _explain
from suite.store import Store
from suite.surgery.tuning import distance, divergence, factor, fit
from suite.tutor import Tutor, school


@pytest.fixture(scope="module")
def card():
    registries.extend([PLUGINS])
    return registries.discover().models["tiny_matcher"]


@pytest.fixture
def tutor(card, tmp_path):
    def make(**budget):
        return Tutor(card, Budget(**budget), tmp_path / "state.safetensors", lambda *progress: None)

    return make


def student(tutor):
    """A copy of the teacher that has something to learn."""
    torch.manual_seed(0)
    parts = {name: copy.deepcopy(module) for name, module in tutor.teacher().items()}
    with torch.no_grad():
        for module in parts.values():
            for parameter in module.parameters():
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return parts


def weights(parts):
    return torch.cat([tensor.flatten() for module in parts.values() for tensor in module.state_dict().values()])


@pytest.mark.parametrize(
    ("budget", "words"),
    [
        ({"steps": 3}, "the budget of the training division is spent at step 4 of 10: 3 steps"),
        ({"items": 70}, "the budget of the training division is spent at step 4 of 10: 70 items"),
        ({"seconds": 1e-9}, "the budget of the training division is spent at step 1 of 10: 1e-09 seconds"),
    ],
)
def test_a_budget_that_is_spent_fails_the_cell(tutor, budget, words):
    teacher = tutor(**budget)
    with pytest.raises(CellFailed) as caught:
        fit(student(teacher), teacher, teacher.loss, steps=10, rate=1e-3)
    assert (caught.value.status, caught.value.reason) == ("compress_failed", words)


def test_training_learns_and_counts_what_it_used(tutor):
    teacher = tutor()
    parts, batch = student(teacher), teacher.batch(999, 1000)
    before = teacher.loss(teacher.outputs(parts, batch), batch).item()
    teacher.steps = teacher.items = 0
    fit(parts, teacher, teacher.loss, steps=60, rate=1e-3)
    assert (teacher.steps, teacher.items) == (60, 60 * 32)
    assert teacher.loss(teacher.outputs(parts, batch), batch).item() < 0.7 * before
    assert not any(module.training for module in parts.values())


def test_a_killed_run_is_taken_up_and_ends_the_same(tutor):
    whole = tutor()
    straight = student(whole)
    fit(straight, whole, whole.loss, steps=120, rate=1e-3)
    whole.state.unlink()

    class Killed(Exception):
        pass

    def killed(step):
        if step == 70:
            raise Killed

    first = tutor()
    broken = student(first)
    with pytest.raises(Killed):
        fit(broken, first, first.loss, steps=120, rate=1e-3, before=killed)
    again, asked = tutor(), []
    parts = student(again)
    fit(parts, again, again.loss, steps=120, rate=1e-3, before=asked.append)
    assert asked == list(range(50, 121)), "it goes on from the state after 50 steps"
    assert torch.equal(weights(parts), weights(straight))
    assert (again.steps, again.items) == (120, 120 * 32)
    assert again.spent_s > 0


def test_a_state_that_is_cut_short_is_thrown_away(tutor):
    teacher = tutor()
    teacher.state.write_bytes(b"\x10\0\0\0\0\0\0\0{")
    assert teacher.saved() is None
    assert not teacher.state.exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no full disk to write to here")
def test_a_full_disk_ends_the_run_and_is_no_fault_of_the_method(tutor):
    teacher = tutor()
    teacher.state.with_suffix(".part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left") as caught:
        teacher.save(50, {"weight": torch.zeros(9)})
    assert _explain(caught.value, "compress_failed")[0] == NO_SPACE
    assert not teacher.state.exists()


def test_a_loss_that_is_not_finite_is_said(tutor):
    teacher = tutor()
    with pytest.raises(ValueError, match="the loss is nan at step 1; a lower learning rate may help"):
        fit(student(teacher), teacher, lambda outputs, batch: outputs["logits"].sum() * float("nan"), steps=5, rate=1e-3)


def test_a_model_that_cannot_be_trained_further_is_unsupported():
    card = registries.discover().models["tiny_writer"]
    with pytest.raises(
        CellFailed, match=r"the model 'tiny_writer' cannot be trained further: its code has no batch, outputs, loss\(\)"
    ) as caught:
        school(card)
    assert caught.value.status == "unsupported"


def test_what_the_models_functions_raise_is_named(tutor):
    teacher = tutor()
    with pytest.raises(CellFailed, match=r"outputs\(\) of the model 'tiny_matcher' raised KeyError: 'pixels'"):
        teacher.outputs(teacher.teacher(), {})


def test_schedules():
    assert [round(factor("cosine", step, 20), 3) for step in (0, 1, 2, 11, 19)] == [0.5, 1.0, 1.0, 0.5, 0.008]
    assert [round(factor("linear", step, 20), 3) for step in (0, 1, 2, 11, 19)] == [0.5, 1.0, 1.0, 0.5, 0.056]
    assert [factor("constant", step, 20) for step in (0, 1, 2, 19)] == [0.5, 1.0, 1.0, 1.0]


def test_distillation_losses_against_numpy():
    rng = np.random.default_rng(0)
    student_logits, teacher_logits = rng.normal(size=(2, 5, 7)).astype(np.float32)
    near, far = rng.normal(size=(2, 5, 3)).astype(np.float32)

    def soft(logits):
        powers = np.exp(logits.astype(np.float64) / 2)
        return powers / powers.sum(1, keepdims=True)

    told, said = soft(teacher_logits), soft(student_logits)
    wanted = 4 * (told * np.log(told / said)).sum(1).mean()
    assert divergence(torch.from_numpy(student_logits), torch.from_numpy(teacher_logits), 2.0).item() == pytest.approx(wanted, rel=1e-5)
    outputs = [{"logits": torch.zeros(5, 7), "seen": torch.from_numpy(feature)} for feature in (near, far)]
    assert distance(*outputs).item() == pytest.approx(((near - far) ** 2).mean() / (far**2).mean(), rel=1e-5)
    assert distance({"logits": torch.ones(1)}, {"logits": torch.ones(1)}).item() == 0


RUN = ("run", "--models", "tiny_matcher", "--plugins", PLUGINS, "--methods", "prune_finetune/elements_90")


def test_a_run_that_is_killed_while_it_trains_goes_on(squeezemark, tmp_path, work):
    """The same artifact comes out, the state is gone with the record, and the cost says what training took."""
    command = [sys.executable, "-m", "suite", *map(str, RUN), "--work", str(tmp_path / "work"), "--results", str(tmp_path / "killed")]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.DEVNULL, start_new_session=True, env=os.environ | {"PYTHONPATH": str(ROOT)}
    )
    deadline = time.monotonic() + 120
    while not list((tmp_path / "work").glob("training-*/*.safetensors")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert process.poll() is None, "it was to be killed while it trains"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert not list((tmp_path / "killed").glob("*.json"))

    again = squeezemark(*RUN, "--work", tmp_path / "work", "--results", tmp_path / "killed")
    straight = squeezemark(*RUN, "--work", work, "--results", tmp_path / "straight")
    assert again.returncode == straight.returncode == 0, again.stderr + straight.stderr
    assert not list((tmp_path / "work").glob("training-*"))
    (one,), (other,) = (list(Store(tmp_path / name).records()) for name in ("killed", "straight"))
    assert one.provenance.artifact_sha256 == other.provenance.artifact_sha256
    assert (one.cost.training_steps, one.cost.training_items) == (other.cost.training_steps, other.cost.training_items) == (250, 250 * 32)


def test_gradual_pruning_against_the_papers_curve_and_a_brute_force():
    from methods.prune_finetune.apply import prune, target

    assert [round(target(0.8, step, 100), 4) for step in (0, 35, 70, 99)] == [0.0, 0.7, 0.8, 0.8]
    weight = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    kept = sorted(weight.abs().flatten().tolist())[12:]
    prune(weight, 0.41)
    assert (weight == 0).sum() == 12
    assert sorted(weight[weight != 0].abs().tolist()) == kept


def test_fake_quantization_is_what_the_integers_hold():
    from methods.qat.apply import levelled, rounded

    weight = torch.tensor([[1.27, -0.634, 0.004], [0.0, 0.0, 0.0]], requires_grad=True)
    held = rounded(weight)
    assert torch.allclose(held, torch.tensor([[1.27, -0.63, 0.0], [0.0, 0.0, 0.0]]), atol=1e-6)
    held.sum().backward()
    assert torch.equal(weight.grad, torch.ones_like(weight)), "gradients pass straight through"
    x = torch.tensor([-1.0, 0.0, 0.013, 1.55, 9.0])
    assert torch.allclose(levelled(x, torch.tensor(-1.0), torch.tensor(1.55)), torch.tensor([-1.0, 0.0, 0.01, 1.55, 1.55]), atol=1e-6)


def test_quantization_aware_training_leaves_plain_layers_with_rounded_weights(tutor, tmp_path):
    from methods.qat.apply import apply
    from suite.contracts import Context

    teacher = tutor()
    context = Context(components={}, seed=0, scratch=tmp_path, feeds=lambda name: [], tutor=lambda: teacher)
    found = apply({"vision": student(teacher)["vision"]}, {"steps": 20, "rate": 1e-4}, context)["vision"]
    assert {type(layer) for layer in found.feed} == {nn.Linear, nn.ReLU}
    assert sorted(found.state_dict()) == sorted(teacher.teacher()["vision"].state_dict())
    weight = found.feed[0].weight
    scale = weight.abs().amax(1, keepdim=True) / 127
    assert torch.allclose((weight / scale).round(), weight / scale, atol=1e-3)


def _volumes():
    torch.manual_seed(0)
    return nn.Sequential(nn.Unflatten(1, (1, 4, 4, 4)), nn.Conv3d(1, 1, 3, padding=1), nn.Flatten())


@pytest.mark.parametrize("method", ["prune_finetune", "qat"])
def test_convolutions_over_volumes_are_compressed_too_for_claims_count_them(method, tutor, tmp_path):
    from suite.contracts import Context

    teacher = tutor()
    context = Context(components={}, seed=0, scratch=tmp_path, feeds=lambda name: [], tutor=lambda: teacher)
    apply = importlib.import_module(f"methods.{method}.apply").apply
    weight = apply({"vision": _volumes()}, {"steps": 10, "rate": 1e-4, "sparsity": 0.5}, context)["vision"][1].weight.flatten()
    if method == "prune_finetune":
        assert torch.count_nonzero(weight == 0) == 13
    else:
        levels = weight / weight.abs().max() * 127
        assert torch.allclose(levels.round(), levels, atol=1e-3)
