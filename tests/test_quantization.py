"""The quantizers against an independent reference: brute-force rounding, half a step, the uncompressed transformer."""

import importlib
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import helper
from onnx_graphs import Array, apply, arrays, chain, cosine, exported_tower, feeds, gemm, model, random, run

from suite import stored
from suite.contracts import Context
from suite.graph import replace, weights


@pytest.fixture(scope="module")
def tower() -> onnx.ModelProto:
    return exported_tower()


def agreement(first: onnx.ModelProto, second: onnx.ModelProto) -> float:
    """Cosine of what the outputs say about inputs that calibration has not seen, less what they say about every input."""
    unseen = list(feeds(20, seed=2))
    outputs = [run(graph, {name: np.concatenate([feed[name] for feed in unseen]) for name in unseen[0]}) for graph in (first, second)]
    return cosine(*(output - outputs[0].mean(0) for output in outputs))


def round_to_nearest(weight: Array, block: int) -> Array:
    """Symmetric 4-bit values of each column in blocks of rows: the largest magnitude becomes -8, the rest the nearest of -8..7."""
    result = np.zeros_like(weight)
    for column in range(weight.shape[1]):
        for start in range(0, weight.shape[0], block):
            values = weight[start : start + block, column]
            scale = values[np.argmax(np.abs(values))] / -8
            result[start : start + block, column] = [min(7, max(-8, round(float(value / scale)))) * scale for value in values]
    return result


def dequantized(result: onnx.ModelProto, block: int) -> Array:
    """The weight (K, N) that the graph's MatMulNBits stands for: two values to a byte, the low half first, 8 meaning 0."""
    node = next(node for node in result.graph.node if node.op_type == "MatMulNBits")
    size = {found.name: found.i for found in node.attribute}
    packed, scales = (arrays(result)[name].reshape(size["N"], -1) for name in node.input[1:3])
    values = np.stack([packed & 15, packed >> 4], axis=-1).reshape(size["N"], -1).astype(np.float32) - 8
    return (values * np.repeat(scales, block, axis=1))[:, : size["K"]].T


@pytest.mark.parametrize("block", [32, 128])
@pytest.mark.parametrize("rows", [128, 150])
def test_int4_weights_are_rounded_to_nearest(block: int, rows: int, tmp_path: Path) -> None:
    weight, x = random(rows, 6), random(5, rows, seed=1)
    result = apply("int4_rtn", {"text": chain(weight)}, tmp_path, block_size=block, accuracy_level=4)["text"]
    np.testing.assert_allclose(dequantized(result, block), round_to_nearest(weight, block), rtol=1e-5, atol=1e-6)
    assert cosine(run(result, {"x": x}), x @ round_to_nearest(weight, block)) > 0.9995


@pytest.mark.parametrize("transposed", [0, 1])
def test_int4_does_not_pass_over_gemm(transposed: int, tmp_path: Path) -> None:
    weight, bias, x = random(64, 6), random(6, seed=1), random(5, 64, seed=2)
    result = apply("int4_rtn", {"text": gemm(weight, bias, transposed)}, tmp_path, block_size=32, accuracy_level=1)["text"]
    assert [node.op_type for node in result.graph.node] == ["MatMulNBits", "Add"]
    np.testing.assert_allclose(run(result, {"x": x}), x @ round_to_nearest(weight, 32) + bias, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["block_32", "block_128"])
def test_int4_transformer_answers_as_one_with_rounded_weights(name: str, tower: onnx.ModelProto, tmp_path: Path) -> None:
    parameters = importlib.import_module("methods.int4_rtn").CARD.variant(name).parameters
    result = apply("int4_rtn", {"fusion": tower}, tmp_path, **parameters)["fusion"]
    rounded, block = onnx.ModelProto(), int(name.removeprefix("block_"))
    rounded.CopyFrom(tower)
    for weight in weights(tower):
        if weight.node.op_type != "Conv":
            matrix = weight.array if weight.axis == 1 else weight.array.T
            nearest = round_to_nearest(matrix, block)
            replace(rounded, {weight.name: nearest if weight.axis == 1 else nearest.T})
    assert agreement(rounded, result) > 0.99 > agreement(tower, result)


@pytest.mark.parametrize(("per_channel", "reduce_range"), [(False, False), (True, False), (True, True)])
def test_dynamic_int8_weights_are_within_half_a_step(per_channel: bool, reduce_range: bool, tmp_path: Path) -> None:
    weight = random(40, 6) * np.geomspace(0.01, 1, 6, dtype=np.float32)
    parameters = {"operators": "linear", "per_channel": per_channel, "reduce_range": reduce_range}
    found = arrays(apply("dynamic_int8", {"text": chain(weight)}, tmp_path, **parameters)["text"])
    quantized, scale = found["w0_quantized"], found["w0_scale"]
    assert quantized.dtype == np.int8
    assert np.size(scale) == (6 if per_channel else 1)
    assert np.abs(quantized.astype(int)).max() <= (64 if reduce_range else 127)
    assert (np.abs(weight - quantized * scale) <= scale / 2 * 1.001).all()


@pytest.mark.parametrize(
    ("method", "name", "kinds"),
    [
        ("dynamic_int8", "per_tensor", {"MatMulInteger", "Conv"}),
        ("dynamic_int8", "per_channel", {"MatMulInteger", "Conv"}),
        ("dynamic_int8", "all_ops", {"MatMulInteger", "ConvInteger"}),
        ("static_int8", "matmul", {"DequantizeLinear", "Conv", "MatMul", "Gemm"}),
        ("static_int8", "matmul_conv", {"DequantizeLinear", "Conv", "MatMul", "Gemm"}),
        ("static_int8", "matmul_float_outputs", {"DequantizeLinear", "Conv", "MatMul", "Gemm"}),
        ("static_int8", "matmul_conv_float_outputs", {"DequantizeLinear", "Conv", "MatMul", "Gemm"}),
    ],
)
def test_quantized_transformer_answers_as_the_original(
    method: str, name: str, kinds: set[str], tower: onnx.ModelProto, tmp_path: Path
) -> None:
    variant = importlib.import_module(f"methods.{method}").CARD.variant(name)
    result = apply(method, {"fusion": tower}, tmp_path, **variant.parameters)["fusion"]
    assert kinds <= {node.op_type for node in result.graph.node}
    assert agreement(tower, result) > 0.98


def quantized_layers(graph: onnx.ModelProto) -> Counter[str]:
    """How many layers of each kind read their weight through a DequantizeLinear of an initializer."""
    known = {node.output[0] for node in graph.graph.node if node.op_type == "DequantizeLinear" and node.input[0] in arrays(graph)}
    return Counter(node.op_type for node in graph.graph.node if len(node.input) > 1 and node.input[1] in known)


def test_static_int8_quantizes_the_layers_that_it_names(tower: onnx.ModelProto, tmp_path: Path) -> None:
    layers = Counter(n.op_type for n in tower.graph.node if n.op_type in ("MatMul", "Gemm", "Conv") and n.input[1] in arrays(tower))
    common = {"items": 4, "reduce_range": False, "float_outputs": False}
    matmul, conv = (apply("static_int8", {"f": tower}, tmp_path, operators=o, **common)["f"] for o in ("matmul", "matmul_conv"))
    assert quantized_layers(conv) == layers
    assert quantized_layers(matmul) == Counter({kind: count for kind, count in layers.items() if kind != "Conv"})


def test_static_int8_ranges_are_those_of_its_calibration_items(tmp_path: Path) -> None:
    taken = [random(1, 8, seed=index) for index in range(100)]
    left = iter(taken)
    given = Context(components={}, seed=0, scratch=tmp_path, feeds=lambda component: ({"x": x} for x in left))
    graph = importlib.import_module("methods.static_int8.apply").apply(
        {"text": chain(random(8, 4))}, {"operators": "matmul", "items": 7, "reduce_range": False, "float_outputs": False}, given
    )["text"]
    seen = np.stack(taken[:7])
    assert len(list(left)) == 93
    assert arrays(graph)["x_scale"] == pytest.approx((seen.max() - seen.min()) / 255, rel=1e-5)


def optimized(graph: onnx.ModelProto, folder: Path) -> onnx.ModelProto:
    """What ONNX Runtime runs of a graph, its fused kernels among the nodes."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.optimized_model_filepath = 3, str(folder / "optimized.onnx")
    onnxruntime.InferenceSession(graph.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return onnx.load(folder / "optimized.onnx")


@pytest.mark.parametrize("transposed", [None, 0, 1])
def test_with_float_outputs_a_product_rounds_its_inputs_alone(transposed: int | None, tmp_path: Path) -> None:
    weight, bias = random(24, 5), random(5, seed=1) * 40
    graph = chain(weight) if transposed is None else gemm(weight, bias, transposed)
    taken = [random(1, 24, seed=10 + index) for index in range(20)]
    given = Context(components={}, seed=0, scratch=tmp_path, feeds=lambda component: ({"x": x} for x in taken))
    parameters = {"operators": "matmul", "items": 20, "reduce_range": False}
    made, published = (
        importlib.import_module("methods.static_int8.apply").apply({"text": graph}, parameters | {"float_outputs": wanted}, given)["text"]
        for wanted in (True, False)
    )
    x = np.concatenate(taken)
    scale = (x.max() - x.min()) / 255
    zero = np.round(-x.min() / scale)
    read = (np.clip(np.round(x / scale) + zero, 0, 255) - zero) * scale
    step = np.abs(weight).max(0) / 127
    expected = read @ (np.round(weight / step) * step) + (0 if transposed is None else bias)
    np.testing.assert_allclose(run(made, {"x": x}, as_it_says=True), expected, rtol=1e-3, atol=1e-3)
    error = [np.abs(run(each, {"x": x}, as_it_says=True) - expected).max() for each in (made, published)]
    assert error[0] < 0.1 * error[1], "the outputs of the published variant are rounded besides"


@pytest.mark.parametrize("name", ["matmul_float_outputs", "matmul_conv_float_outputs"])
def test_with_float_outputs_each_layer_runs_on_integers_and_attention_does_not(name: str, tower: onnx.ModelProto, tmp_path: Path) -> None:
    variant = importlib.import_module("methods.static_int8").CARD.variant(name)
    made = optimized(apply("static_int8", {"f": tower}, tmp_path, **variant.parameters)["f"], tmp_path)
    ran, constants = Counter(node.op_type for node in made.graph.node), arrays(tower)
    layers = Counter(node.op_type for node in tower.graph.node if node.input[1:2] and node.input[1] in constants)
    attention = sum(node.op_type == "MatMul" and node.input[1] not in constants for node in tower.graph.node)
    integer = ran["MatMulIntegerToFloat"] + ran["QLinearMatMul"] + ran["QGemm"]
    assert integer == layers["MatMul"] + layers["Gemm"] > 0
    assert ran["MatMul"] + ran["FusedMatMul"] == attention > 0
    assert ran["QLinearConv"] == (layers["Conv"] if "conv" in name else 0)
    assert sum(ran[kind] for kind in ("Conv", "FusedConv")) == (0 if "conv" in name else layers["Conv"])


@pytest.mark.parametrize("name", ["matmul_float_outputs", "matmul_conv_float_outputs"])
def test_float_outputs_are_nearer_to_the_original(name: str, tower: onnx.ModelProto, tmp_path: Path) -> None:
    feed = {key: np.concatenate([each[key] for each in feeds(40, seed=2)]) for key in ("pixel_values", "input_ids")}
    card, expected, errors = importlib.import_module("methods.static_int8").CARD, run(tower, feed), []
    for each in (name, name.removesuffix("_float_outputs")):
        made = apply("static_int8", {"f": tower}, tmp_path, **card.variant(each).parameters)["f"]
        errors.append(np.linalg.norm(run(made, feed, as_it_says=True) - expected))
    assert errors[0] < 0.9 * errors[1]


def tied(square: bool) -> onnx.ModelProto:
    """y = relu(mean of table[x]) table', the table read by a Gather and, transposed, by a Gemm; twice by that where it is square."""
    make = helper.make_node
    layers = [
        make("Cast", ["x"], ["ids"], to=onnx.TensorProto.INT64),
        make("Gather", ["table", "ids"], ["rows"]),
        make("ReduceMean", ["rows", "axes"], ["mean"], keepdims=0),
        make("Gemm", ["mean", "table"], ["h" if square else "y"], name="first", transB=1),
        *([make("Gemm", ["h", "table"], ["y"], name="second", transB=1)] if square else ()),
    ]
    return model(layers, {"table": random(64 if square else 96, 64), "axes": np.array([1])}, (1, 5), (1, 64 if square else 96))


@pytest.mark.parametrize("square", [True, False])
@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("dynamic_int8", {"operators": "linear", "per_channel": True, "reduce_range": False}),
        ("int4_rtn", {"block_size": 32, "accuracy_level": 0}),
    ],
)
def test_a_weight_that_a_layer_shares_with_an_embedding_table_stays_whole_for_both(method, parameters, square, tmp_path):
    """ONNX Runtime transposes it where it is stored: rows became columns, which a square table does not even tell by its shape."""
    graph = tied(square)
    quantized = apply(method, {"text": graph}, tmp_path, **parameters)["text"]
    feed = {"x": np.random.default_rng(0).integers(0, 64, (40, 5)).astype(np.float32)}
    assert cosine(run(graph, feed), run(quantized, feed)) > 0.98
    assert {weight.bits for weight in stored.weights(quantized)} == {8 if method == "dynamic_int8" else 4}
    assert onnx.checker.check_model(graph) is None
    assert len(graph.graph.initializer) == 2, "the model that it was given stays as it was"
