"""A cache in a narrower type than the card's: what the suite converts, what the method puts into the graph, and what it costs."""

import json
from dataclasses import replace

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import PLUGINS
from onnx import TensorProto, helper

from methods.kv_cache_int8.apply import apply, extremes, grid, ranges, steps
from suite import caches
from suite import registry as registries
from suite.audit import check_loads, inspect
from suite.claims import check_claims
from suite.conformance import _component
from suite.contracts import Claims, Component, Context, NotApplicable, Tensor
from suite.errors import CellFailed
from suite.store import Store

HEADS, WIDTH = 2, 3
DECODER = Component(
    "decoder",
    "decoder",
    (Tensor("new", "float32", ("batch", HEADS, "tokens", WIDTH)), Tensor("past", "float32", ("batch", HEADS, "past", WIDTH))),
    (Tensor("sum", "float32", ("batch", HEADS, WIDTH)), Tensor("present", "float32", ("batch", HEADS, "present", WIDTH))),
    cache={"past": "present"},
)


def graph() -> onnx.ModelProto:
    """Appends what is new to what was, and sums over positions: an attention that looks at everything alike."""
    nodes = [
        helper.make_node("Concat", ["past", "new"], ["present"], axis=2),
        helper.make_node("ReduceSum", ["present", "axes"], ["sum"], keepdims=0),
    ]

    def value(tensor: Tensor) -> onnx.ValueInfoProto:
        return helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT, tensor.shape)

    axes = helper.make_tensor("axes", TensorProto.INT64, [1], [2])
    made = helper.make_graph(nodes, "decoder", list(map(value, DECODER.inputs)), list(map(value, DECODER.outputs)), [axes])
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def calls() -> list[dict[str, np.ndarray]]:
    rng, scale = np.random.default_rng(0), np.array([1, 30], np.float32)[None, :, None, None]
    sizes = ((0, 4), (4, 1), (5, 1))
    return [
        {name: (rng.normal(size=(1, HEADS, n, WIDTH)) * scale).astype(np.float32) for name, n in zip(("past", "new"), size, strict=True)}
        for size in sizes
    ]


@pytest.fixture
def narrowed(tmp_path):
    def make(feeds=None, **parameters) -> onnx.ModelProto:
        context = Context(
            components={"decoder": DECODER}, seed=0, scratch=tmp_path, feeds=lambda name: feeds if feeds is not None else calls()
        )
        return apply({"decoder": graph()}, {"items": 128, "margin": 0.0, "granularity": "head"} | parameters, context)["decoder"]

    return make


def test_the_grid_of_a_head_holds_its_range():
    low, high = ranges([call["past"] for call in calls()], 1)
    rows = np.concatenate([call["past"][0] for call in calls()], 1)
    np.testing.assert_array_equal(low, [row.min() for row in rows])
    np.testing.assert_array_equal(high, [row.max() for row in rows])
    assert high[1] > 10 * high[0], "each head has a range of its own"
    scale, zero = grid(low, high, 0.0)
    np.testing.assert_allclose(scale, (high - low) / 255, rtol=1e-6)
    levels = np.round(np.stack([low, high]) / scale) + zero
    assert levels.min() >= -1
    assert levels.max() <= 256
    wider, _ = grid(low, high, 0.5)
    np.testing.assert_allclose(wider, scale * 1.5, rtol=1e-6)


def test_the_cache_goes_round_without_a_loss_and_answers_within_half_a_step(narrowed):
    model = narrowed(margin=0.5)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    low, high = ranges([call["past"] for call in calls()], 1)
    scale, zero = grid(low, high, 0.5)
    kept, seen = np.zeros((1, HEADS, 0, WIDTH), np.uint8), []
    for step in range(6):
        new = np.clip(calls()[1]["new"] * (step - 2) / 3, low[:, None, None], high[:, None, None]).astype(np.float32)
        before = kept
        total, kept = session.run(["sum", "present"], {"new": new, "past": kept})
        seen.append(new)
        assert kept.dtype == np.uint8
        np.testing.assert_array_equal(kept[:, :, :-1], before, err_msg="what was kept stays at its level")
        held = (kept.astype(np.float32) - zero[:, None, None]) * scale[:, None, None]
        assert (np.abs(held - np.concatenate(seen, 2)) <= 0.51 * scale[:, None, None]).all()
        np.testing.assert_allclose(total, held[:, :, :-1].sum(2) + new.sum(2), rtol=1e-4, atol=1e-4)


def test_the_step_of_a_channel_is_that_of_its_own_range():
    caches = [call["past"] for call in calls()]
    low, high = extremes(caches, 1, 3)
    for head in range(HEADS):
        for channel in range(WIDTH):
            seen = [float(value) for cache in caches for value in cache[0, head, :, channel]]
            assert (low[head, channel], high[head, channel]) == (min(seen), max(seen))
    step, lowest = steps(low, high, 0.1)
    np.testing.assert_allclose(step, (high - low) * 1.1 / 255, rtol=1e-5)
    np.testing.assert_allclose(lowest + 127.5 * step, (low + high) / 2, rtol=1e-4, atol=1e-4, err_msg="widened on both sides alike")


@pytest.mark.parametrize("offset", [0.0, 40.0])
def test_by_channel_the_cache_goes_round_without_a_loss_and_answers_within_half_a_step(narrowed, offset):
    """A channel far from zero has all levels for its own range, and one that never moved is kept as it is."""
    spread = np.array([0.0, 0.1, 30.0], np.float32)
    shifted = [{name: cache * spread + np.float32(offset) for name, cache in call.items()} for call in calls()]
    model = narrowed(shifted, granularity="channel", margin=0.5)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    seen = np.concatenate([call["past"][0] for call in shifted], 1)
    low, high = seen.min(1, keepdims=True), seen.max(1, keepdims=True)
    step = np.maximum((high - low) * 1.5 / 255, 1e-5 * np.abs([low, high]).max(0))
    lowest = low - (high - low) / 4
    kept, fed = np.zeros((1, HEADS, 0, WIDTH), np.uint8), []
    for new in (shifted[index % 3]["past"][:, :, :1] for index in range(1, 9) if index % 3):
        before = kept
        total, kept = session.run(["sum", "present"], {"new": new, "past": kept})
        fed.append(new)
        assert kept.dtype == np.uint8
        np.testing.assert_array_equal(kept[:, :, :-1], before, err_msg="what was kept stays at its level")
        held = kept.astype(np.float32) * step + lowest
        assert (np.abs(held - np.concatenate(fed, 2)) <= 0.51 * step + 1e-5).all()
        np.testing.assert_allclose(total, held[:, :, :-1].sum(2) + new.sum(2), rtol=1e-3, atol=1e-3)


def test_by_channel_every_level_survives_the_way_round(narrowed):
    low, high = np.float32([[100, -1e-3, 0], [-7, 5, 0]]), np.float32([[100.01, 1e3, 0], [-6.9, 5, 1e-9]])
    feeds = [{"past": np.stack([low, high], 1)[None], "new": np.zeros((1, HEADS, 1, WIDTH), np.float32)}]
    model = narrowed(feeds, granularity="channel")
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    past = np.broadcast_to(np.arange(256, dtype=np.uint8)[:, None], (1, HEADS, 256, WIDTH))
    (kept,) = session.run(["present"], {"past": past, "new": feeds[0]["new"]})
    np.testing.assert_array_equal(kept[:, :, :256], past)


@pytest.mark.parametrize("granularity", ["head", "channel"])
def test_the_audit_sees_what_is_kept_and_what_a_token_costs(granularity, narrowed, tmp_path):
    old, new = tmp_path / "old.onnx", tmp_path / "new.onnx"
    onnx.save(graph(), old)
    onnx.save(narrowed(granularity=granularity), new)
    before, after = (inspect(path, DECODER) for path in (old, new))
    assert (before.cache, before.cache_bytes_per_token) == ({}, HEADS * WIDTH * 4)
    assert (after.cache, after.cache_bytes_per_token) == ({"past": "uint8"}, HEADS * WIDTH)
    check_loads(new, DECODER, calls())
    (check,) = check_claims(Claims(cache_bits=8), {"decoder": new}, {"decoder": old})
    assert (check.holds, check.realised) == (True, "8 for decoder.past")
    (check,) = check_claims(Claims(cache_bits=8), {"decoder": old}, {"decoder": old})
    assert not check.holds
    with pytest.raises(CellFailed, match="keeps its caches in uint8, and no call begins with empty ones"):
        check_loads(new, DECODER, calls()[1:])


def test_an_input_that_is_no_cache_keeps_its_type(narrowed, tmp_path):
    path = tmp_path / "new.onnx"
    onnx.save(narrowed(), path)
    with pytest.raises(CellFailed, match="cannot run"):
        check_loads(path, replace(DECODER, cache={}), calls())


@pytest.mark.parametrize(
    ("feeds", "words"),
    [
        ([], "no calibration call has anything in its cache"),
        (calls()[:1], "no calibration call has anything in its cache"),
        ([call | {"past": call["past"] * np.nan} for call in calls()], "the cache holds NaN or infinity on the calibration split"),
    ],
)
def test_data_without_a_range_are_refused(feeds, words, narrowed):
    with pytest.raises(ValueError, match=words):
        narrowed(feeds)


def test_without_a_cache_there_is_nothing_to_do(tmp_path):
    context = Context(components={"decoder": replace(DECODER, cache={})}, seed=0, scratch=tmp_path, feeds=lambda name: calls())
    with pytest.raises(NotApplicable, match="no cache in decoder"):
        apply({"decoder": graph()}, {"items": 1, "margin": 0.0, "granularity": "head"}, context)


def test_only_what_is_empty_is_converted():
    feed = calls()[1]
    assert caches.entered(feed, {"past": "uint8"})["past"].dtype == np.float32
    first = caches.entered(calls()[0], {"past": "uint8"})
    assert (first["past"].dtype, first["new"].dtype) == (np.uint8, np.float32)
    assert [caches.begins(call, {"past": "uint8"}) for call in calls()] == [True, False, False]


@pytest.mark.parametrize(
    ("cache", "words"),
    [
        ({"pst": "present"}, "the cache 'pst' of decoder is to come back as 'present', and one of them is no tensor of it"),
        ({"past": "sum"}, "the cache 'past' of decoder comes back as 'sum' with another dtype or another number of axes"),
    ],
)
def test_the_conformance_suite_reads_what_the_card_says_of_caches(cache, words):
    assert list(_component(replace(DECODER, cache=cache))) == [words]
    assert list(_component(DECODER)) == []


def test_a_model_that_writes_is_measured_with_its_cache_in_eight_bits(squeezemark, tmp_path, work):
    place = ("--plugins", PLUGINS, "--work", work, "--results", tmp_path / "results")
    done = squeezemark("run", "--models", "tiny_writer,tiny_matcher", "--methods", "baseline_fp32,kv_cache_int8", *place)
    assert done.returncode == 0, done.stdout + done.stderr
    records = {(record.cell.model, record.cell.method): record for record in Store(tmp_path / "results").records()}
    assert records["tiny_matcher", "kv_cache_int8"].reason == "it applies to decoder, and tiny_matcher has no such component"
    old, new = (records["tiny_writer", name].artifact.parts["decoder"] for name in ("baseline_fp32", "kv_cache_int8"))
    assert (old.cache_bytes_per_token, new.cache_bytes_per_token, new.cache) == (64, 16, {"past": "uint8"})
    figures = [records["tiny_writer", name].accuracy.metrics["token_accuracy"].value for name in ("baseline_fp32", "kv_cache_int8")]
    assert abs(figures[0] - figures[1]) < 0.05


def test_what_is_delivered_runs_with_its_own_cache(squeezemark, tmp_path, work):
    out = tmp_path / "small"
    done = squeezemark(
        "compress", "--model", "tiny_writer", "--recipe", "kv_cache_int8/per_head", "--out", out, "--plugins", PLUGINS,
        "--work", work, "--results", tmp_path / "results",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    tensors = {
        tensor["name"]: tensor["dtype"] for tensor in json.loads((out / "manifest.json").read_text())["components"]["decoder"]["inputs"]
    }
    assert tensors == {"ids": "int64", "past": "uint8"}
    assert "`past` uint8 (batch, past, 16)" in (out / "README.md").read_text()
    assert np.load(out / "example_inputs.npz")["decoder.past"].dtype == np.uint8


def test_the_captioner_names_its_cache():
    (decoder,) = (part for part in registries.discover().models["scene_captioner"].components if part.name == "decoder")
    assert decoder.cache == {"past_keys": "keys", "past_values": "values"}
    assert caches.bytes_per_token(decoder, {}) == 2 * 16 * 64 * 4
