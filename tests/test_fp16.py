"""Half precision against numpy's own."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_graphs import apply, arrays, chain, exported_tower, feeds, model, random, run


def test_every_weight_is_rounded_as_numpy_rounds_it(tmp_path: Path) -> None:
    weights = {"w0": random(40, 24), "w1": random(24, 6, seed=1)}
    found = arrays(apply("fp16", {"text": chain(*weights.values())}, tmp_path)["text"])
    for name, weight in weights.items():
        assert found[name].dtype == np.float16
        np.testing.assert_array_equal(found[name], weight.astype(np.float16))


def test_a_transformer_answers_as_the_original_and_takes_what_it_took(tmp_path: Path) -> None:
    tower = exported_tower()
    half = apply("fp16", {"fusion": tower}, tmp_path)["fusion"]
    onnx.checker.check_model(half, full_check=True)
    for side in ("input", "output"):
        kinds = [[(tensor.name, tensor.type) for tensor in getattr(graph.graph, side)] for graph in (half, tower)]
        assert kinds[0] == kinds[1]
    assert {array.dtype.name for array in arrays(half).values()} == {"float16", "int64"}
    for feed in feeds(5, seed=3):
        whole = run(tower, feed)
        assert 0 < np.abs(run(half, feed) - whole).max() < 5e-3 * np.abs(whole).max()


def test_a_mask_below_the_range_masks(tmp_path: Path) -> None:
    mask, x = np.float32([[0, -3e38, 0, -3e38]]), random(1, 4)
    nodes = [helper.make_node("Add", ["x", "mask"], ["h"]), helper.make_node("Softmax", ["h"], ["y"])]
    found = run(apply("fp16", {"text": model(nodes, {"mask": mask}, (1, 4), (1, 4))}, tmp_path)["text"], {"x": x})
    expected = np.exp(x[:, ::2]) / np.exp(x[:, ::2]).sum()
    np.testing.assert_allclose(found[:, ::2], expected, rtol=2e-3)
    assert not found[:, 1::2].any()


def test_a_weight_beyond_the_range_is_one_sentence(tmp_path: Path) -> None:
    weight = random(8, 4)
    weight[2, 3] = -1e5
    with pytest.raises(ValueError, match="the weight 'w0' of text holds 100000, and fp16 ends at 65504"):
        apply("fp16", {"text": chain(weight)}, tmp_path)
