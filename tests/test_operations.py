"""Multiply-accumulates and bit-operations: by hand on small graphs, and as torch counts them on the reference models."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_graphs import COMPONENT, apply, chain, exported_tower, feeds, gemm, make_tower, model, random
from torch.utils.flop_counter import FlopCounterMode

from suite import formats, prepare, reference
from suite.audit import inspect
from suite.export import arguments
from suite.glue import Glue
from suite.operations import Operations, count
from suite.plugins import model_part

FP32 = 32 * 32


def of(nodes: list[onnx.NodeProto], constants: dict[str, np.ndarray], x: tuple[int, ...], y: tuple[int, ...] = (1, 1)) -> Operations:
    """Of a graph from `x` to `y`, called with random numbers."""
    return count(model(nodes, constants, x, y), {"x": random(*x)})


def test_matrix_products_count_every_row_of_the_call() -> None:
    found = count(chain(random(64, 96), random(96, 10)), {"x": random(3, 64)})
    assert found == Operations(3 * (64 * 96 + 96 * 10), 3 * (64 * 96 + 96 * 10), FP32 * 3 * (64 * 96 + 96 * 10))


@pytest.mark.parametrize("transposed", [0, 1])
def test_gemm_counts_alike_however_its_weight_lies(transposed: int) -> None:
    assert count(gemm(random(8, 5), random(5), transposed), {"x": random(1, 8)}).macs == 8 * 5


def test_gemm_with_a_transposed_first_operand() -> None:
    node = helper.make_node("Gemm", ["x", "w"], ["y"], transA=1)
    assert of([node], {"w": random(7, 5)}, (7, 3)).macs == 3 * 7 * 5


@pytest.mark.parametrize(
    ("attributes", "weight", "macs"),
    [
        ({}, (6, 4, 3, 3), 6 * 8 * 8 * 4 * 9),
        ({"strides": [2, 2], "pads": [1, 1, 1, 1]}, (6, 4, 3, 3), 6 * 5 * 5 * 4 * 9),
        ({"group": 4}, (8, 1, 3, 3), 8 * 8 * 8 * 1 * 9),
    ],
)
def test_convolutions_count_each_place_of_their_output(attributes: dict[str, object], weight: tuple[int, ...], macs: int) -> None:
    assert of([helper.make_node("Conv", ["x", "w"], ["y"], **attributes)], {"w": random(*weight)}, (1, 4, 10, 10)).macs == macs


def test_transposed_convolutions_count_each_place_of_their_input() -> None:
    node = helper.make_node("ConvTranspose", ["x", "w"], ["y"], strides=[2, 2])
    assert of([node], {"w": random(4, 6, 3, 3)}, (1, 4, 5, 5)).macs == 4 * 5 * 5 * 6 * 9


def test_einsum_counts_the_product_of_its_lengths() -> None:
    node = helper.make_node("Einsum", ["x", "w"], ["y"], equation="bij, jk -> bik")
    assert of([node], {"w": random(5, 7)}, (2, 3, 5)).macs == 2 * 3 * 5 * 7


def test_products_of_activations_count() -> None:
    nodes = [helper.make_node("Transpose", ["x"], ["t"], perm=[0, 2, 1]), helper.make_node("MatMul", ["x", "t"], ["y"])]
    assert of(nodes, {}, (2, 3, 5)) == Operations(2 * 3 * 5 * 3, 2 * 3 * 5 * 3, FP32 * 2 * 3 * 5 * 3)


def test_a_fused_product_knows_which_axis_it_sums_over() -> None:
    node = helper.make_node("FusedMatMul", ["x", "w"], ["y"], domain="com.microsoft", transA=1)
    assert of([node], {"w": random(7, 5)}, (7, 3)).macs == 3 * 7 * 5


# Bits


QUANTIZED = {"w": random(16, 8), "ws": np.float32(0.02), "wz": np.int8(0)}
QUANTIZED["w"] = (QUANTIZED["w"] * 40).astype(np.int8)
WEIGHT = helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["wf"])


def test_a_quantized_weight_alone_leaves_activations_in_32_bits() -> None:
    found = of([WEIGHT, helper.make_node("MatMul", ["x", "wf"], ["y"])], QUANTIZED, (1, 16))
    assert (found.macs, found.bit_operations) == (128, 128 * 8 * 32)


def test_a_product_between_quantized_tensors_is_one_of_integers() -> None:
    pair = [helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["xq"]), helper.make_node("DequantizeLinear", ["xq", "xs", "xz"], ["xf"])]
    constants = QUANTIZED | {"xs": np.float32(0.02), "xz": np.uint8(128)}
    assert of([*pair, WEIGHT, helper.make_node("MatMul", ["xf", "wf"], ["y"])], constants, (1, 16)).bit_operations == 128 * 8 * 8


def test_integer_products_count_in_their_own_bits(tmp_path: Path) -> None:
    graph = apply("dynamic_int8", {"v": chain(random(64, 32))}, tmp_path, operators="linear", per_channel=False, reduce_range=False)["v"]
    assert {"MatMulInteger"} <= {node.op_type for node in graph.graph.node}
    found = count(graph, {"x": random(1, 64)})
    assert (found.macs, found.bit_operations) == (64 * 32, 64 * 32 * 8 * 8)


@pytest.mark.parametrize(("level", "activations"), [(0, 32), (4, 8)])
def test_weights_of_four_bits_meet_activations_as_their_kernel_takes_them(level: int, activations: int, tmp_path: Path) -> None:
    graph = apply("int4_rtn", {"v": chain(random(64, 32))}, tmp_path, block_size=32, accuracy_level=level)["v"]
    found = count(graph, {"x": random(1, 64)})
    assert (found.macs, found.bit_operations) == (64 * 32, 64 * 32 * 4 * activations)


def test_half_precision_counts_as_it_is_stored() -> None:
    nodes = [helper.make_node("Cast", ["w"], ["wf"], to=onnx.TensorProto.FLOAT), helper.make_node("MatMul", ["x", "wf"], ["y"])]
    assert of(nodes, {"w": random(4, 4).astype(np.float16)}, (1, 4)).bit_operations == 16 * 16 * 32


def test_zeros_are_multiplied_by_and_told_apart() -> None:
    weight = random(8, 4)
    weight[:6] = 0
    assert count(chain(weight), {"x": random(2, 8)}) == Operations(2 * 32, 2 * 8, FP32 * 2 * 32)


# What is not understood


def test_an_operator_that_is_not_understood_is_named_and_nothing_is_summed() -> None:
    sizes = {"w": random(1, 12, 4), "r": random(1, 12, 3)}
    nodes = [helper.make_node("GRU", ["x", "w", "r"], ["h", "y"], hidden_size=3), helper.make_node("MatMul", ["y", "v"], ["z"])]
    assert of(nodes, sizes | {"v": random(3, 2)}, (1, 1, 4)) == Operations(uncounted=("GRU",))


def test_an_operator_of_an_unknown_domain_is_named() -> None:
    assert of([helper.make_node("Mystery", ["x"], ["y"], domain="com.example")], {}, (1, 4)).uncounted == ("Mystery",)


def test_products_in_a_branch_are_not_counted() -> None:
    value = helper.make_tensor_value_info("o", onnx.TensorProto.FLOAT, ["batch", 4])
    weight = onnx.numpy_helper.from_array(random(4, 4), "k")
    branch = helper.make_graph([helper.make_node("MatMul", ["x", "k"], ["o"])], "b", [], [value], [weight])
    node = helper.make_node("If", ["condition"], ["y"], then_branch=branch, else_branch=branch)
    assert of([node], {"condition": np.array(True)}, (1, 4)).uncounted == ("If",)


def test_a_graph_without_products_costs_none() -> None:
    assert of([helper.make_node("Relu", ["x"], ["y"])], {}, (1, 4)) == Operations(0, 0, 0)


# Beside torch


@pytest.mark.parametrize("name", ["audio_visual_digits", "scene_captioner"])
def test_reference_models_count_as_torch_counts_them(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Convolutions and transformers, and a decoder with a cache: its first call, which is what `describe` counts too."""
    monkeypatch.setattr(prepare, "CALIBRATION_ITEMS", 4)
    card = model_part(name, "card").CARD
    parts = reference.load(card)
    calls = prepare.record_feeds(card, parts, Glue(model_part(name, "task")), prepare.calibration(name))
    for component in card.components:
        path, first = tmp_path / f"{component.name}.onnx", calls[component.name][0]
        formats.maker(formats.ONNX).lower(parts[component.name], component, calls[component.name], path)
        with FlopCounterMode(display=False) as counter:
            parts[component.name](*arguments(component, first))
        assert count(onnx.load(path), first).macs == counter.get_total_flops() // 2 > 0


def test_a_transformer_counts_as_torch_counts_it(tmp_path: Path) -> None:
    call = next(feeds(1))
    with FlopCounterMode(display=False) as counter:
        make_tower()(*arguments(COMPONENT, call))
    found = count(exported_tower(), call)
    assert found.macs == counter.get_total_flops() // 2 > 0
    assert found.bit_operations == FP32 * found.macs
    onnx.save(exported_tower(), tmp_path / "fusion.onnx")
    part = inspect(tmp_path / "fusion.onnx", COMPONENT, call)
    assert (part.macs, part.nonzero_macs, part.bit_operations) == (found.macs, found.nonzero_macs, found.bit_operations)
    assert inspect(tmp_path / "fusion.onnx", COMPONENT).macs is None, "without a call there are no lengths"
