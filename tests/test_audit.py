"""The audit: what a file holds is counted right, and what does not load, or answers nonsense, is caught."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import zstandard
from onnx import helper
from onnx_graphs import apply, chain, model, random

from suite.audit import check_loads, inspect
from suite.contracts import Component, Tensor
from suite.errors import CellFailed


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    """Writes a graph."""

    def write(graph: onnx.ModelProto, name: str = "vision") -> Path:
        path = tmp_path / f"{name}.onnx"
        onnx.save(graph, path)
        return path

    return write


def baseline() -> onnx.ModelProto:
    return chain(random(64, 96), random(96, 48, seed=1), random(48, 10, seed=2))


# What a file holds


def test_part_counts_what_the_file_holds(save: Callable[..., Path]) -> None:
    weight = random(4, 3)
    weight[0, :2] = 0
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Reshape", ["h", "shape"], ["g"]),
        helper.make_node("Constant", [], ["one"], value=onnx.numpy_helper.from_array(np.ones((), np.float32))),
        helper.make_node("Add", ["g", "one"], ["y"]),
    ]
    path = save(model(nodes, {"w": weight, "shape": np.array([-1, 3])}, (1, 4), (1, 3)))
    data, part = path.read_bytes(), inspect(path)
    assert (part.file, part.bytes, part.sha256) == ("vision.onnx", len(data), hashlib.sha256(data).hexdigest())
    assert part.zstd_bytes == len(zstandard.ZstdCompressor(level=10).compress(data))
    assert part.operators == {"Add": 1, "Constant": 1, "MatMul": 1, "Reshape": 1}
    assert part.parameters_by_type == {"float32": 13, "int64": 2}
    assert (part.parameters, part.nonzero_parameters) == (15, 13)


def test_constants_of_branches_are_counted(save: Callable[..., Path]) -> None:
    value = helper.make_tensor_value_info("o", onnx.TensorProto.FLOAT, ["batch", 4])
    branches = {}
    for name in ("then_branch", "else_branch"):
        weight = onnx.numpy_helper.from_array(random(4, 4), name)
        branches[name] = helper.make_graph([helper.make_node("MatMul", ["x", name], ["o"])], name, [], [value], [weight])
    nodes = [helper.make_node("If", ["condition"], ["y"], **branches)]
    part = inspect(save(model(nodes, {"condition": np.array(True)}, (1, 4), (1, 4))))
    assert part.parameters_by_type == {"bool": 1, "float32": 32}
    assert part.operators == {"If": 1, "MatMul": 2}


@pytest.mark.parametrize("rows", [64, 70])
def test_packed_int4_weights_count_as_their_elements(rows: int, save: Callable[..., Path], tmp_path: Path) -> None:
    weight = random(rows, 6)
    weight[::2] = 0
    part = inspect(save(apply("int4_rtn", {"v": chain(weight)}, tmp_path, block_size=32, accuracy_level=4)["v"]))
    blocks = -(-rows // 32)
    assert part.parameters_by_type == {"float32": 6 * blocks, "int4": rows * 6}
    assert part.nonzero_parameters <= 6 * blocks + rows * 3
    assert part.nonzero_parameters > 6 * blocks + rows * 3 * 0.8


def test_int4_tensors_count_as_their_elements(save: Callable[..., Path]) -> None:
    weight = helper.make_tensor("q", onnx.TensorProto.INT4, [4, 4], [0, 1, 2, 3] * 4)
    nodes = [helper.make_node("DequantizeLinear", ["q", "s"], ["w"]), helper.make_node("MatMul", ["x", "w"], ["y"])]
    graph = model(nodes, {"s": np.float32(0.1)}, (1, 4), (1, 4))
    graph.graph.initializer.append(weight)
    part = inspect(save(graph))
    assert part.parameters_by_type == {"float32": 1, "int4": 16}
    assert part.nonzero_parameters == 13


QUANTIZED = np.array([[0, 5, 7], [5, 5, 9]], np.uint8)


@pytest.mark.parametrize(
    ("kind", "points", "zeros"),
    [
        ("DequantizeLinear", np.uint8(5), 3),
        ("DequantizeLinear", np.array([0, 5, 9], np.uint8), 4),
        ("MatMulInteger", np.array([5, 5, 7], np.uint8), 4),
    ],
)
def test_quantized_zero_is_the_zero_point(kind: str, points: Any, zeros: int, save: Callable[..., Path]) -> None:
    constants = {"q": QUANTIZED, "s": np.full(np.shape(points), 0.1, np.float32), "z": points, "x8": np.ones((1, 2), np.uint8)}
    if kind == "DequantizeLinear":
        nodes = [helper.make_node(kind, ["q", "s", "z"], ["w"], axis=1), helper.make_node("MatMul", ["x", "w"], ["y"])]
    else:
        nodes = [helper.make_node(kind, ["x8", "q", "", "z"], ["i"]), helper.make_node("Cast", ["i"], ["y"], to=1)]
    before = inspect(save(model(nodes, constants | {"q": np.full_like(QUANTIZED, 1)}, (1, 2), (1, 3))))
    after = inspect(save(model(nodes, constants, (1, 2), (1, 3))))
    assert before.nonzero_parameters - after.nonzero_parameters == zeros


def test_zero_point_of_an_embedding_table_is_found_behind_its_gather(save: Callable[..., Path]) -> None:
    nodes = [helper.make_node("Gather", ["q", "i"], ["g"]), helper.make_node("DequantizeLinear", ["g", "s", "z"], ["y"])]
    constants = {"q": QUANTIZED, "i": np.array([1]), "s": np.float32(1), "z": np.uint8(5)}
    assert inspect(save(model(nodes, constants, (1, 2), (1, 3)))).nonzero_parameters == 3 + 1 + 1 + 1


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "vision.onnx"
    onnx.save(baseline(), path, save_as_external_data=True, location="elsewhere.bin", size_threshold=0)
    with pytest.raises(CellFailed, match="lies in another file"):
        inspect(path)
    with pytest.raises(CellFailed, match=r"the weight w0 of vision\.onnx lies in another file; store it inside the model"):
        check_loads(path, COMPONENT, [FEED])


def test_a_file_that_is_not_onnx_is_refused(tmp_path: Path) -> None:
    (path := tmp_path / "vision.onnx").write_bytes(b"not a model")
    with pytest.raises(CellFailed, match=r"vision\.onnx is not an ONNX model"):
        inspect(path)


# Loading


COMPONENT = Component("vision", "vision", (Tensor("x", "float32", ("batch", 64)),), (Tensor("y", "float32", ("batch", 10)),))
FEED = {"x": random(1, 64)}


def test_sound_artifact_loads(save: Callable[..., Path]) -> None:
    check_loads(save(baseline()), COMPONENT, [FEED])
    check_loads(save(baseline()), COMPONENT, [FEED, {"x": random(3, 64)}])


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_outputs_must_be_finite(value: float, save: Callable[..., Path]) -> None:
    weight = random(64, 10)
    weight[3, 3] = value
    with pytest.raises(CellFailed, match=r"the output y of vision\.onnx is not finite") as caught:
        check_loads(save(chain(weight)), COMPONENT, [FEED])
    assert caught.value.status == "invalid_output"


def renamed(output: str) -> onnx.ModelProto:
    node = helper.make_node("MatMul", ["x", "w"], [output])
    graph = model([node], {"w": random(64, 10)}, (1, 64), (1, 10))
    graph.graph.output[0].name = output
    return graph


def broken() -> onnx.ModelProto:
    return model([helper.make_node("NoSuchOperator", ["x"], ["y"])], {}, (1, 64), (1, 64))


@pytest.mark.parametrize(
    ("graph", "message"),
    [
        (chain(random(64, 9)), r"the output y of vision.onnx is float32 \(1, 9\), not float32 \(1, 10\)"),
        (renamed("z"), "vision.onnx has the outputs z, not y"),
        (chain(random(32, 10)), "ONNX Runtime cannot run vision.onnx"),
        (broken(), "ONNX Runtime cannot run vision.onnx"),
    ],
)
def test_what_the_component_declares_must_come_out(graph: onnx.ModelProto, message: str, save: Callable[..., Path]) -> None:
    with pytest.raises(CellFailed, match=message) as caught:
        check_loads(save(graph), COMPONENT, [FEED])
    assert caught.value.status == "invalid_output"


def test_wrong_type_is_refused(save: Callable[..., Path]) -> None:
    declared = Component("vision", "vision", COMPONENT.inputs, (Tensor("y", "int64", ("batch", 10)),))
    with pytest.raises(CellFailed, match=r"float32 \(1, 10\), not int64 \(1, 10\)"):
        check_loads(save(chain(random(64, 10))), declared, [FEED])


def test_a_file_that_the_runtime_cannot_read_is_refused(tmp_path: Path) -> None:
    (path := tmp_path / "vision.onnx").write_bytes(b"not a model")
    with pytest.raises(CellFailed, match=r"vision\.onnx is not an ONNX model"):
        check_loads(path, COMPONENT, [FEED])
    onnx.save(onnx.ModelProto(), path)
    with pytest.raises(CellFailed, match=r"ONNX Runtime cannot run vision\.onnx"):
        check_loads(path, COMPONENT, [FEED])
