"""Block-wise grids against ONNX Runtime's own quantizer, brute-force rounding and plain matrix products."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_graphs import Array, apply, arrays, chain, cosine, gemm, model, random, run

from suite.graph import attribute
from suite.surgery.grids import Grid, matrices, round_to_nearest, store, with_matmuls


def brute_force(weight: Array, bits: int, block: int) -> Array:
    """The largest magnitude of each block becomes the lowest integer, the rest the nearest of all 2^bits."""
    result, half = np.zeros_like(weight), 2 ** (bits - 1)
    for column in range(weight.shape[1]):
        for start in range(0, len(weight), block):
            values = weight[start : start + block, column]
            scale = values[np.argmax(np.abs(values))] / -half
            levels = np.arange(-half, half) * scale
            result[start : start + block, column] = [levels[np.argmin(np.abs(levels - value))] for value in values]
    return result


def stored(graph: onnx.ModelProto) -> dict[str, Array]:
    """The weight (inputs, outputs) that each MatMulNBits stands for, by the name of its output."""
    found, known = {}, arrays(graph)
    for node in graph.graph.node:
        if node.op_type == "MatMulNBits":
            rows, columns, bits, block = (attribute(node, name, None) for name in ("K", "N", "bits", "block_size"))
            packed = known[node.input[1]].reshape(columns, -1)
            integers = packed if bits == 8 else np.stack([packed & 15, packed >> 4], -1).reshape(columns, -1)
            scales = np.repeat(known[node.input[2]].reshape(columns, -1), block, 1)
            found[node.output[0]] = ((integers.astype(np.float32) - 2 ** (bits - 1)) * scales)[:, :rows].T
    return found


@pytest.mark.parametrize("bits", [3, 4, 8])
@pytest.mark.parametrize(("rows", "block"), [(64, 32), (70, 32), (20, 16), (300, 128)])
def test_values_are_the_nearest_of_the_grid(bits: int, rows: int, block: int) -> None:
    weight = random(rows, 5)
    quantized = round_to_nearest(weight, Grid(bits, block))
    np.testing.assert_allclose(quantized.values, brute_force(weight, bits, block), rtol=1e-5, atol=1e-6)
    assert quantized.integers.min() == -(2 ** (bits - 1))
    assert quantized.integers.max() < 2 ** (bits - 1)


@pytest.mark.parametrize("bits", [4, 8])
@pytest.mark.parametrize("block", [16, 32, 128])
def test_bytes_and_scales_are_those_of_the_library(bits: int, block: int) -> None:
    from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, DefaultWeightOnlyQuantizer

    weight = random(256, 24)
    weight[:block, 3] = 0
    config = DefaultWeightOnlyQuantConfig(block_size=block, is_symmetric=True, bits=bits)
    packed, scales, _ = DefaultWeightOnlyQuantizer(config).qbits_block_quant(weight)
    mine = round_to_nearest(weight, Grid(bits, block))
    np.testing.assert_array_equal(mine.scales.T, scales)
    np.testing.assert_array_equal(mine.packed, packed)
    assert mine.bytes == packed.nbytes + scales.nbytes


@pytest.mark.parametrize("bits", [3, 4, 8])
@pytest.mark.parametrize("rows", [64, 70])
def test_the_stored_weight_is_the_rounded_one_and_the_runtime_multiplies_by_it(bits: int, rows: int) -> None:
    weight, x = random(rows, 6), random(5, rows, seed=1)
    graph, quantized = chain(weight), round_to_nearest(weight, Grid(bits, 32))
    for accuracy_level, least in ((1, 0.999999), (4, 0.9995)):
        copy = with_matmuls(graph)
        store(copy, {"w0": quantized}, accuracy_level)
        np.testing.assert_allclose(stored(copy)["y"], quantized.values, rtol=1e-6)
        assert cosine(run(copy, {"x": x}), x @ quantized.values) > least


@pytest.mark.parametrize("transposed", [0, 1])
def test_a_gemm_is_a_product_and_a_sum(transposed: int) -> None:
    weight, bias, x = random(64, 6), random(6, seed=1), random(5, 64, seed=2)
    graph = gemm(weight, bias, transposed)
    before = graph.SerializeToString()
    split = with_matmuls(graph)
    assert [node.op_type for node in split.graph.node] == ["MatMul", "Add"]
    np.testing.assert_array_equal(next(iter(matrices(split).values())), weight)
    np.testing.assert_allclose(run(split, {"x": x}), x @ weight + bias, rtol=1e-4, atol=1e-5)
    assert graph.SerializeToString() == before


def test_a_weight_that_two_layers_share_is_turned_and_stored_once(tmp_path: Path) -> None:
    """The library's own split would turn it twice."""
    weight, x = random(32, 32), random(5, 32, seed=2)
    nodes = [helper.make_node("Gemm", [a, "w"], [b], name=b, transB=1) for a, b in (("x", "h"), ("h", "y"))]
    result = apply("int3_rtn", {"text": model(nodes, {"w": weight.T}, (1, 32), (1, 32))}, tmp_path, block_size=32, accuracy_level=1)
    rounded = brute_force(weight, 3, 32)
    assert len(arrays(result["text"])) == 2
    np.testing.assert_allclose(run(result["text"], {"x": x}), x @ rounded @ rounded, rtol=1e-4, atol=1e-4)


def test_a_gemm_that_scales_is_left_as_it_is(tmp_path: Path) -> None:
    weight, x = random(32, 32), random(5, 32, seed=2)
    nodes = [helper.make_node("Gemm", ["x", "w"], ["h"], alpha=0.5), helper.make_node("MatMul", ["h", "v"], ["y"])]
    graph = model(nodes, {"w": weight, "v": weight}, (1, 32), (1, 32))
    result = apply("int3_rtn", {"text": graph}, tmp_path, block_size=32, accuracy_level=1)["text"]
    assert [node.op_type for node in result.graph.node] == ["Gemm", "MatMulNBits"]
    np.testing.assert_allclose(run(result, {"x": x}), 0.5 * x @ weight @ brute_force(weight, 3, 32), rtol=1e-4, atol=1e-4)


def test_three_bits_use_eight_levels(tmp_path: Path) -> None:
    weight = random(64, 48)
    graph = apply("int3_rtn", {"text": chain(weight)}, tmp_path, block_size=32, accuracy_level=4)["text"]
    packed = next(array for array in arrays(graph).values() if array.dtype == np.uint8)
    assert set(np.unique(np.concatenate([packed & 15, packed >> 4]))) == set(range(4, 12))
    np.testing.assert_allclose(stored(graph)["y"], brute_force(weight, 3, 32), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("method", ["int3_rtn", "gptq", "mixed_precision"])
def test_nothing_to_quantize_is_said(method: str, tmp_path: Path) -> None:
    empty = model([helper.make_node("Relu", ["x"], ["y"])], {}, (1, 4), (1, 4))
    parameters = {"bits": 4, "block_size": 32, "items": 4, "budget": 0.5, "accuracy_level": 4}
    with pytest.raises(ValueError, match="no constant weight of a MatMul or Gemm in vision"):
        apply(method, {"vision": empty}, tmp_path, **parameters)
