"""The audit of claims: every artifact that does not do what its card claims is caught, and no honest one is."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper
from onnx_graphs import apply, arrays, chain, model, random

from suite.claims import check_claims
from suite.contracts import Claims
from suite.errors import CellFailed
from suite.record import ClaimCheck

INT8 = {"operators": "linear", "per_channel": True, "reduce_range": False}
INT4 = {"block_size": 32, "accuracy_level": 4}
LOCAL = {"scope": "local", "sparsity": 0.5}


def check(claims: Claims, after: dict[str, onnx.ModelProto], before: dict[str, onnx.ModelProto], folder: Path) -> dict[str, ClaimCheck]:
    """The checks by claim."""
    files: list[dict[str, Path]] = []
    for side, graphs in (("after", after), ("before", before)):
        (folder / side).mkdir(exist_ok=True)
        files.append({name: folder / side / f"{name}.onnx" for name in graphs})
        for name, graph in graphs.items():
            onnx.save(graph, files[-1][name])
    return {found.claim: found for found in check_claims(claims, files[0], files[1])}


def baseline() -> onnx.ModelProto:
    return chain(random(64, 96), random(96, 48, seed=1), random(48, 10, seed=2))


@pytest.mark.parametrize(
    ("method", "parameters", "claims"),
    [
        ("dynamic_int8", INT8, Claims(weight_bits=8, operators=("MatMulInteger",))),
        ("int4_rtn", INT4, Claims(weight_bits=4, mean_bits=4.0, operators=("MatMulNBits",))),
        ("magnitude_pruning", LOCAL, Claims(sparsity=0.5)),
        ("svd_low_rank", {"keep": 0.5}, Claims(parameters=0.5)),
    ],
)
def test_honest_claims_hold_and_those_of_a_method_that_did_nothing_fail(
    method: str, parameters: dict[str, Any], claims: Claims, tmp_path: Path
) -> None:
    before = {"vision": baseline(), "text": baseline()}
    done = check(claims, apply(method, before, tmp_path, **parameters), before, tmp_path)
    nothing = check(claims, before, before, tmp_path)
    assert done.keys() == nothing.keys() != set()
    assert all(found.holds for found in done.values())
    assert not any(found.holds for found in nothing.values())


@pytest.mark.parametrize(
    ("method", "parameters", "claims"),
    [
        ("dynamic_int8", INT8, Claims(weight_bits=8)),
        ("dynamic_int8", INT8, Claims(operators=("MatMulInteger",))),
        ("svd_low_rank", {"keep": 0.5}, Claims(parameters=0.5, coverage=0.9)),
        ("magnitude_pruning", LOCAL, Claims(sparsity=0.5)),
    ],
)
def test_one_component_left_out_fails(method: str, parameters: dict[str, Any], claims: Claims, tmp_path: Path) -> None:
    before = {"vision": baseline(), "text": baseline()}
    after = before | apply(method, {"text": before["text"]}, tmp_path, **parameters)
    assert not any(found.holds for found in check(claims, after, before, tmp_path).values())


def test_card_that_claims_4_bits_and_stores_8_is_caught(tmp_path: Path) -> None:
    before = {"vision": baseline()}
    found = check(Claims(weight_bits=4), apply("dynamic_int8", before, tmp_path, **INT8), before, tmp_path)["weight bits"]
    assert (found.holds, found.realised) == (False, "0.0 % of vision")


@pytest.mark.parametrize(
    ("method", "done", "claims"),
    [
        ("magnitude_pruning", {"scope": "local", "sparsity": 0.45}, Claims(sparsity=0.5)),
        ("svd_low_rank", {"keep": 0.6}, Claims(parameters=0.5)),
    ],
)
def test_less_than_claimed_is_caught(method: str, done: dict[str, Any], claims: Claims, tmp_path: Path) -> None:
    before = {"vision": baseline()}
    assert not any(found.holds for found in check(claims, apply(method, before, tmp_path, **done), before, tmp_path).values())


def test_one_small_weight_made_smaller_does_not_bear_out_the_claim(tmp_path: Path) -> None:
    before, factorised = baseline(), apply("svd_low_rank", {"v": chain(arrays(baseline())["w2"])}, tmp_path, keep=0.5)["v"]
    left, right = arrays(factorised).values()
    after = chain(arrays(before)["w0"], arrays(before)["w1"], left, right)
    found = check(Claims(parameters=0.5), {"v": after}, {"v": before}, tmp_path)["parameters"]
    assert not found.holds
    assert found.realised == "48.3 % left of 4.3 %"
    assert check(Claims(parameters=0.5, coverage=0.04), {"v": after}, {"v": before}, tmp_path)["parameters"].holds


def test_smaller_layers_bear_out_their_claim(tmp_path: Path) -> None:
    """As width pruning leaves them: a quarter of the units between two layers is gone, a third layer is as it was."""
    before, after = baseline(), chain(random(64, 72), random(72, 48), random(48, 10))
    found = check(Claims(parameters=0.75), {"v": after}, {"v": before}, tmp_path)["parameters"]
    assert (found.holds, found.realised) == (True, "75.0 % left of 95.7 %")
    assert not check(Claims(parameters=0.5), {"v": after}, {"v": before}, tmp_path)["parameters"].holds


def coded(entries: int, *, largest: float = 1.0, table: tuple[float, ...] = ()) -> dict[str, np.ndarray[Any, Any]]:
    """Indices of a codebook in blocks of 64 with a scale each, as NF4 keeps a weight of 64 x 96 (Dettmers et al. 2023)."""
    indices = np.random.default_rng(0).integers(0, entries, (96, 64)).astype(np.uint8)
    return {"i": indices, "t": np.array(table or np.linspace(0, largest, entries), np.float32), "s": np.ones((96, 1), np.float32)}


def given_back(constants: dict[str, np.ndarray[Any, Any]], *more: onnx.NodeProto, last: str = "m") -> onnx.ModelProto:
    """A MatMul with the weight that the indices stand for."""
    nodes = [
        helper.make_node("Cast", ["i"], ["c"], to=onnx.TensorProto.INT32),
        helper.make_node("Gather", ["t", "c"], ["g"]),
        helper.make_node("Mul", ["g", "s"], ["m"]),
        *more,
        helper.make_node("Reshape", [last, "shape"], ["w"]),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
    ]
    return model(nodes, {**constants, "shape": np.array([64, 96])}, ("batch", 64), ("batch", 96))


def test_a_weight_that_a_codebook_gives_back_has_the_width_of_its_indices(tmp_path: Path) -> None:
    before, after = {"v": chain(random(64, 96))}, {"v": given_back(coded(16))}
    found = check(Claims(weight_bits=8, mean_bits=8.0, sparsity=0.05), after, before, tmp_path)
    assert {claim: one.realised for claim, one in found.items()} == {
        "weight bits": "100.0 % of v", "mean bits": "8.0 bits", "sparsity": f"{np.mean(coded(16)['i'] == 0):.1%}".replace("%", " %")
    }  # fmt: skip
    assert not check(Claims(weight_bits=4), after, before, tmp_path)["weight bits"].holds


def test_what_is_no_zero_of_a_codebook_counts_as_none(tmp_path: Path) -> None:
    """The most frequent index stands for another number than zero, or an offset is added to what it stands for."""
    before = {"v": chain(random(64, 96))}
    halves = coded(2, table=(-1.0, 1.0))
    assert not check(Claims(sparsity=0.4), {"v": given_back(halves)}, before, tmp_path)["sparsity"].holds
    shifted = given_back(coded(2), helper.make_node("Sub", ["m", "s"], ["n"]), last="n")
    assert not check(Claims(sparsity=0.4), {"v": shifted}, before, tmp_path)["sparsity"].holds
    assert check(Claims(sparsity=0.4), {"v": given_back(coded(2))}, before, tmp_path)["sparsity"].holds


def test_a_weight_behind_narrow_numbers_is_no_narrow_weight(tmp_path: Path) -> None:
    """Multiplied by ones in 8 bits, or one table entry for each weight: the floating-point numbers are still what is stored."""
    before, weight = {"v": chain(random(64, 96))}, random(96, 64)
    ones = coded(16) | {"o": weight}
    assert not check(
        Claims(weight_bits=8), {"v": given_back(ones, helper.make_node("Mul", ["m", "o"], ["n"]), last="n")}, before, tmp_path
    )["weight bits"].holds
    table = coded(16) | {"i": np.arange(96 * 64, dtype=np.int16).reshape(96, 64), "t": weight.ravel()}
    assert not check(Claims(weight_bits=16), {"v": given_back(table)}, before, tmp_path)["weight bits"].holds
    hidden = model(
        [helper.make_node("Mul", ["w", "o"], ["m"]), helper.make_node("MatMul", ["x", "m"], ["y"])],
        {"w": weight.T, "o": np.ones((64, 1), np.float32)}, ("batch", 64), ("batch", 96),
    )  # fmt: skip
    assert check(Claims(weight_bits=8), {"v": hidden}, before, tmp_path)["weight bits"].realised == "0.0 % of v"


def test_a_claim_is_about_the_layers_that_it_names(tmp_path: Path) -> None:
    """MatMul alone is quantized: what is claimed of it holds, the same of convolutions does not, nor of a graph that has none."""
    kernels = model(
        [
            helper.make_node("Conv", ["x", "k"], ["c"], kernel_shape=[3, 3], pads=[1, 1, 1, 1]),
            helper.make_node("ReduceMean", ["c", "axes"], ["m"], keepdims=0),
            helper.make_node("MatMul", ["m", "w"], ["y"]),
        ],
        {"k": random(64, 3, 3, 3), "axes": np.array([2, 3]), "w": random(64, 10)},
        (1, 3, 8, 8),
        (1, 10),
    )
    before = {"vision": kernels}
    after = apply("dynamic_int8", before, tmp_path, **INT8)
    linear, every, convolutions = (
        check(Claims(layers=layers, weight_bits=8, coverage=0.9), after, before, tmp_path)["weight bits"]
        for layers in (("MatMul", "Gemm"), ("MatMul", "Gemm", "Conv"), ("Conv",))
    )
    assert (linear.holds, linear.claimed) == (True, "8 bits or fewer for 90.0 % of the weights of MatMul and Gemm")
    assert (every.holds, every.realised) == (False, f"{100 * 640 / (640 + 1728):.1f} % of vision")
    assert (convolutions.holds, convolutions.realised) == (False, "0.0 % of vision")
    plain = {"text": baseline()}
    with pytest.raises(CellFailed, match="there is no weight of Conv in text") as failed:
        check(Claims(layers=("Conv",), weight_bits=8), plain, plain, tmp_path)
    assert failed.value.status == "unsupported"


def test_an_operator_is_asked_only_of_components_that_have_what_it_stands_for(tmp_path: Path) -> None:
    kernels = model([helper.make_node("Conv", ["x", "k"], ["y"])], {"k": random(4, 3, 1, 1)}, (1, 3, 8, 8), (1, 4, 8, 8))
    before = {"vision": kernels, "text": baseline()}
    after = {"vision": kernels} | apply("dynamic_int8", {"text": baseline()}, tmp_path, **INT8)
    claim = Claims(operators=("MatMulInteger",))
    assert check(claim, after, before, tmp_path)["operators"].holds
    assert not check(claim, before, before, tmp_path)["operators"].holds
    assert not check(Claims(operators=("ConvInteger",)), after, before, tmp_path)["operators"].holds
    assert not check(Claims(operators=("DynamicQuantizeLinear",)), after, before, tmp_path)["operators"].holds


@pytest.mark.parametrize(("method", "parameters"), [("dynamic_int8", INT8), ("int4_rtn", INT4)])
@pytest.mark.parametrize(
    ("first", "settings", "claims"),
    [("magnitude_pruning", LOCAL, Claims(sparsity=0.5)), ("svd_low_rank", {"keep": 0.5}, Claims(parameters=0.5))],
)
def test_claims_of_a_step_survive_the_steps_after_it(
    first: str, settings: dict[str, Any], claims: Claims, method: str, parameters: dict[str, Any], tmp_path: Path
) -> None:
    before = {"vision": baseline()}
    after = apply(method, apply(first, before, tmp_path, **settings), tmp_path, **parameters)
    assert all(found.holds for found in check(claims, after, before, tmp_path).values())
    untouched = apply(method, before, tmp_path, **parameters)
    assert not any(found.holds for found in check(claims, untouched, before, tmp_path).values())


def test_weights_in_half_precision_are_seen_through_their_cast(tmp_path: Path) -> None:
    weight = random(40, 24)
    weight[::2] = 0
    nodes = [helper.make_node("Cast", ["w"], ["f"], to=1), helper.make_node("MatMul", ["x", "f"], ["y"])]
    half = model(nodes, {"w": weight.astype(np.float16)}, (1, 40), (1, 24))
    found = check(Claims(weight_bits=16, coverage=0.99, sparsity=0.5), {"v": half}, {"v": chain(weight)}, tmp_path)
    assert [found[claim].holds for claim in ("weight bits", "sparsity")] == [True, True]


def test_nothing_claimed_is_nothing_checked(tmp_path: Path) -> None:
    assert check(Claims(), {"v": baseline()}, {"v": baseline()}, tmp_path) == {}


def test_average_width_is_over_all_components_and_all_their_weights(tmp_path: Path) -> None:
    before = {"vision": baseline(), "text": chain(random(64, 16))}
    after = before | apply("int4_rtn", {"vision": before["vision"]}, tmp_path, **INT4)
    large, small = 64 * 96 + 96 * 48 + 48 * 10, 64 * 16
    mean = (4 * large + 32 * small) / (large + small)
    for claimed, holds in ((mean + 0.01, True), (mean - 0.01, False)):
        found = check(Claims(mean_bits=claimed), after, before, tmp_path)["mean bits"]
        assert (found.holds, found.realised) == (holds, f"{mean:.1f} bits")


def _hidden(how: str, weight: Any) -> onnx.ModelProto:
    """x -> a large layer whose weight reaches it in a way of its own -> a small layer, with the weights `large` and `small`."""
    make = helper.make_node
    constants = {"small": random(48, 32), "large": weight}
    if how == "on the left":  # y = (large x')' small
        layers = [make("Transpose", ["x"], ["turned"]), make("MatMul", ["large", "turned"], ["h"]), make("Transpose", ["h"], ["back"])]
        constants["large"] = weight.T
    else:
        middle = {
            "reshaped": make("Reshape", ["large", "shape"], ["w"]),
            "scaled": make("Mul", ["large", "scale"], ["w"]),
            "sliced": make("Slice", ["large", "shape", "end", "axes"], ["w"]),
        }
        layers = [middle[how], make("MatMul", ["x", "w"], ["back"])]
        used = {"shape": np.array([64, 48]), "scale": np.float32([2])} if how != "sliced" else {}
        used |= {"shape": np.array([0]), "end": np.array([48]), "axes": np.array([1])} if how == "sliced" else {}
        constants |= {name: used[name] for name in middle[how].input if name in used}
    return model([*layers, make("MatMul", ["back", "small"], ["y"])], constants, (1, 64), (1, 32))


@pytest.mark.parametrize("how", ["on the left", "reshaped", "scaled", "sliced"])
def test_a_large_weight_that_is_no_plain_operand_counts_too(how: str, tmp_path: Path) -> None:
    before = {"fusion": _hidden(how, random(64, 48))}
    found = check(Claims(weight_bits=4), apply("int4_rtn", before, tmp_path, **INT4), before, tmp_path)["weight bits"]
    assert (found.holds, found.realised) == (False, f"{100 * 48 * 32 / (48 * 32 + 64 * 48):.1f} % of fusion")
