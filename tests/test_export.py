"""Components are exported with every named length dynamic, and only if their graph answers as their module does."""

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from suite.contracts import Component, Tensor
from suite.errors import CellFailed
from suite.export import Axis, answer, axes, check_call, check_parity, example, export
from suite.formats import torch_program

JOIN = Component(
    "decoder",
    "decoder",
    (Tensor("new", "float32", ("batch", "tokens", 4)), Tensor("past", "float32", ("batch", "past", 4)), Tensor("ids", "int64", ("batch",))),
    (Tensor("sum", "float32", ("batch", 4)), Tensor("all", "float32", ("batch", "present", 4))),
)
CALLS = [
    {"new": np.ones((1, 3, 4), np.float32), "past": np.zeros((1, 0, 4), np.float32), "ids": np.array([2])},
    {"new": np.full((1, 1, 4), 2, np.float32), "past": np.full((1, 3, 4), 7, np.float32), "ids": np.array([0])},
]


class Join(nn.Module):
    """Joins two sequences, as a KV cache does."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(3, 4)

    def forward(self, new, past, ids):
        whole = torch.cat([past, new], 1)
        return (whole * self.table(ids)[:, None]).sum(1), whole


def test_an_example_has_a_length_of_its_own_for_each_name():
    found = example(JOIN, CALLS)
    assert {name: array.shape for name, array in found.items()} == {"new": (2, 3, 4), "past": (2, 4, 4), "ids": (2,)}
    assert set(found["past"].ravel()) == {7}, "numbers that it is really fed"
    assert found["ids"].tolist() == [2, 0]
    assert not any(np.shares_memory(array, call[name]) for name, array in found.items() for call in CALLS)


def test_two_calls_become_the_two_items_of_a_batch():
    image = Component("vision", "vision", (Tensor("x", "float32", ("batch", 2)),), ())
    assert example(image, [{"x": np.float32([[1, 2]])}, {"x": np.float32([[3, 4]])}])["x"].tolist() == [[1, 2], [3, 4]]


@pytest.mark.parametrize(("batch", "tokens", "past"), [(1, 1, 0), (1, 0, 5), (3, 2, 9), (2, 3, 4), (1, 1, 1)])
def test_every_length_may_differ(batch, tokens, past, tmp_path):
    module = Join()
    export(module, JOIN, CALLS, tmp_path / "graph.onnx")
    rng = np.random.default_rng(0)
    feed = {name: rng.standard_normal((batch, length, 4)).astype(np.float32) for name, length in (("new", tokens), ("past", past))}
    feed["ids"] = rng.integers(0, 3, batch)
    wanted = answer(module, JOIN, feed)
    found = onnxruntime.InferenceSession(tmp_path / "graph.onnx").run(None, feed)
    for output, tensor in zip(found, JOIN.outputs, strict=True):
        assert output.shape == wanted[tensor.name].shape
        assert np.allclose(output, wanted[tensor.name], atol=1e-5)


def test_a_component_whose_batch_is_always_one(tmp_path):
    fixed = Component("vision", "vision", (Tensor("x", "float32", (1, 3)),), (Tensor("y", "float32", (1, 2)),))
    export(nn.Linear(3, 2), fixed, [{"x": np.ones((1, 3), np.float32)}], tmp_path / "graph.onnx")
    assert onnxruntime.InferenceSession(tmp_path / "graph.onnx").get_inputs()[0].shape == [1, 3]


class Sum(nn.Module):
    """Takes any number of inputs."""

    def forward(self, first, *others):
        return sum(others, first)


def test_a_module_of_any_number_of_inputs(tmp_path):
    inputs = tuple(Tensor(name, "float32", ("batch", 3)) for name in ("a", "b", "c"))
    fed = {name: np.full((1, 3), value, np.float32) for value, name in enumerate("abc", 1)}
    export(Sum(), Component("fusion", "fusion", inputs, (Tensor("y", "float32", ("batch", 3)),)), [fed], tmp_path / "graph.onnx")
    assert onnxruntime.InferenceSession(tmp_path / "graph.onnx").run(None, fed)[0].tolist() == [[6, 6, 6]]


WAVES = Component(
    "audio", "audio", (Tensor("wave", "float32", ("batch", 1, "samples")), Tensor("ids", "int64", ("batch", "words"))),
    (Tensor("y", "float32", ("batch", 4)),),
)  # fmt: skip


class Wide(nn.Module):
    """Its convolution is wider than the short lengths that others are traced with."""

    def __init__(self) -> None:
        super().__init__()
        self.front, self.table = nn.Conv1d(1, 4, 64, stride=16), nn.Embedding(3, 4)

    def forward(self, wave, ids):
        return self.front(wave).mean(2) + self.table(ids).mean(1)


def test_a_module_that_runs_no_short_lengths_is_traced_with_those_that_it_is_fed(tmp_path):
    rng = np.random.default_rng(0)
    shapes = ((1, 1, 5000), (1, 2)), ((1, 1, 100), (1, 100)), ((3, 1, 77), (3, 1)), ((1, 1, 6001), (1, 4))
    feeds = [{"wave": rng.standard_normal(wave).astype(np.float32), "ids": rng.integers(0, 3, ids)} for wave, ids in shapes]
    module, calls = Wide(), feeds[:2]
    assert axes(module, WAVES, calls) == [{"batch": Axis(2, 1, 4096), "samples": Axis(5000, 100, 5000), "words": Axis(100, 2, 4096)}]
    export(module, WAVES, calls, tmp_path / "graph.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "graph.onnx")
    for feed in feeds:
        assert np.allclose(session.run(None, feed)[0], answer(module, WAVES, feed)["y"], atol=1e-5)


def test_lengths_that_it_is_fed_are_told_apart():
    calls = [{"wave": np.zeros((1, 1, 70), np.float32), "ids": np.zeros((1, 70), np.int64)}]
    (found,) = axes(Wide(), WAVES, calls)
    assert [found[name].length for name in ("batch", "samples", "words")] == [2, 70, 71]


class Halving(nn.Module):
    """Of the three places that it is first traced with its convolution makes a single one, as a stem of a speech encoder does."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv1d(4, 6, 4, stride=2, padding=1), nn.Linear(6, 6)

    def forward(self, frames):
        places = self.stem(frames.transpose(1, 2)).transpose(1, 2)[:, None]
        return self.head(nn.functional.scaled_dot_product_attention(places, places, places)[:, 0]).mean(1)


FRAMES = Component(
    "audio", "audio", (Tensor("frames", "float32", ("batch", "frames", 4)),), (Tensor("y", "float32", ("batch", 6)),),
)  # fmt: skip


def _frames(*lengths):
    return [{"frames": np.random.default_rng(length).standard_normal((1, length, 4)).astype(np.float32)} for length in lengths]


def test_a_stem_that_makes_one_place_of_short_lengths_keeps_them_dynamic(tmp_path):
    module, feeds = Halving(), _frames(6, 24, 11, 40)
    export(module, FRAMES, feeds[:2], tmp_path / "graph.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "graph.onnx")
    assert session.get_inputs()[0].shape == ["batch", "frames", 4]
    for feed in feeds:
        assert np.allclose(session.run(None, feed)[0], answer(module, FRAMES, feed)["y"], atol=1e-5)


def test_the_same_as_a_program_of_torch(tmp_path):
    module, feeds = Halving(), _frames(6, 24, 11, 40)
    torch_program.lower(module, FRAMES, feeds[:2], tmp_path / "audio.pt2")
    program = torch.export.load(tmp_path / "audio.pt2").module()
    for feed in feeds:
        assert np.allclose(answer(program, FRAMES, feed)["y"], answer(module, FRAMES, feed)["y"], atol=1e-5)


class Literal(nn.Module):
    """Runs one length alone, although its card names it."""

    def forward(self, frames):
        return frames.view(frames.shape[0], 24)[:, :6]


def test_a_length_that_the_exporter_takes_for_a_number_is_told(tmp_path):
    with pytest.raises(CellFailed, match=r"torch.onnx.export of 'audio'.*'frames'.*6"):
        export(Literal(), FRAMES, _frames(6, 6), tmp_path / "graph.onnx")


class Placed(nn.Module):
    """Has eight places: the longest text and the longest cache that it is fed do not go together."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(5, 4), nn.Embedding(8, 4)

    def forward(self, ids, past):
        return self.words(ids) + self.places(torch.arange(ids.shape[1]) + past.shape[1]) + past.sum(1, keepdim=True)


def test_a_graph_is_held_against_its_module_at_lengths_that_go_together(tmp_path):
    component = Component(
        "decoder", "decoder", (Tensor("ids", "int64", ("batch", "length")), Tensor("past", "float32", ("batch", "past", 4))),
        (Tensor("y", "float32", ("batch", "length", 4)),),
    )  # fmt: skip
    calls = [{"ids": np.ones((1, length), np.int64), "past": np.ones((1, past, 4), np.float32)} for length, past in ((6, 0), (1, 7))]
    module = Placed()
    export(module, component, calls, tmp_path / "graph.onnx")
    check_parity(module, component, calls, tmp_path / "graph.onnx")
    with torch.no_grad():
        module.places.weight[4] += 1
    with pytest.raises(CellFailed, match="decoder"):
        check_parity(module, component, calls, tmp_path / "graph.onnx")


class Forgetful(nn.Module):
    """Answers otherwise each time."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        return x + self.calls


class Branching(nn.Module):
    """Looks at its data, which no exporter can follow."""

    def forward(self, x):
        return x * 2 if bool(x.sum() > 0) else x


PLAIN = Component("vision", "vision", (Tensor("x", "float32", ("batch", 3)),), (Tensor("y", "float32", ("batch", 3)),))


@pytest.mark.parametrize(
    ("module", "sentence"),
    [
        (Forgetful(), "does not answer as its torch module does"),
        (Branching(), "torch.onnx.export of 'vision' raised GuardOnDataDependentSymNode: Could not guard"),
    ],
)
def test_what_cannot_be_exported_faithfully(module, sentence, tmp_path):
    with pytest.raises(CellFailed, match=sentence) as failed:
        export(module, PLAIN, [{"x": np.ones((1, 3), np.float32)}], tmp_path / "graph.onnx")
    assert failed.value.status == "export_failed"


def test_outputs_that_the_card_does_not_name():
    with pytest.raises(CellFailed, match="returns 1 outputs, its card names sum, all"):
        answer(nn.Identity(), Component("decoder", "decoder", PLAIN.inputs, JOIN.outputs), {"x": np.ones((1, 3), np.float32)})


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ({}, "gets no 'x', which its card names"),
        ({"x": np.ones((1, 3))}, r"is float64 \(1, 3\), and its card says float32 \(batch, 3\)"),
        ({"x": np.ones((1, 4), np.float32)}, r"is float32 \(1, 4\), and its card says float32 \(batch, 3\)"),
        ({"x": np.ones(3, np.float32)}, r"is float32 \(3\), and its card says"),
    ],
)
def test_a_call_is_held_against_the_card(call, sentence):
    check_call(PLAIN, PLAIN.inputs, {"x": np.ones((5, 3), np.float32)}, "invalid_output")
    with pytest.raises(CellFailed, match=sentence):
        check_call(PLAIN, PLAIN.inputs, call, "invalid_output")
