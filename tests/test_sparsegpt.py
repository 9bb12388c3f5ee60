"""SparseGPT against least squares, its patches against the layers themselves, and the 2:4 pattern as a claim."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from methods.sparsegpt.apply import _batches, apply, patches, sparsify
from suite.claims import check_claims
from suite.contracts import Claims, Component, Context, NotApplicable, Tensor
from suite.surgery.activations import Calls
from suite.surgery.pruning import lowest

FREE = {"pattern": "free", "sparsity": 0.5, "dampening": 1e-6}
FLAT = Component("text", "text", (Tensor("x", "float32", ("batch", 16)),), (Tensor("y", "float32", ("batch", 3)),))


def related(positions: int = 400, inputs: int = 16, seed: int = 0) -> torch.Tensor:
    """Inputs that go together: four causes, and a little of their own. Float64 (positions, inputs)."""
    generator = torch.Generator().manual_seed(seed)
    causes, mixed, own = (torch.randn(*shape, generator=generator).double() for shape in ((positions, 4), (4, inputs), (positions, inputs)))
    return causes @ mixed + 0.3 * own


def pruned(module: nn.Module, x: torch.Tensor, **parameters: Any) -> nn.Module:
    context = Context(components={"text": FLAT}, seed=0, scratch=Path(), feeds=lambda name: ({"x": row[None].float().numpy()} for row in x))
    return apply({"text": module}, FREE | parameters, context)["text"]


def test_what_stays_after_the_first_input_goes_is_the_least_squares_fit() -> None:
    x, weight = related(inputs=6), torch.randn(4, 6, generator=torch.Generator().manual_seed(1)).double()
    weight[:, 0] = 1e-3
    hessian = x.T @ x
    found = sparsify(weight, hessian, FREE | {"sparsity": 1 / 6, "dampening": 1e-9})
    expected = weight[:, 1:] + weight[:, :1] @ torch.linalg.solve(hessian[1:, 1:], hessian[1:, :1]).T
    assert torch.all(found[:, 0] == 0)
    assert torch.allclose(found[:, 1:], expected, rtol=1e-6)


def dense(weight: torch.Tensor, hessian: torch.Tensor, parameters: dict[str, Any]) -> torch.Tensor:
    """The paper's algorithm without its factorisation: the inverse of the Hessian of what is left, by elimination at each input."""
    left, inputs = weight.double().clone(), len(hessian)
    inverse = torch.linalg.inv(hessian + parameters["dampening"] * hessian.diagonal().mean() * torch.eye(inputs).double())
    updates = []
    for _ in range(inputs):
        updates.append(inverse[0] / inverse[0, 0])
        inverse, updates[-1] = inverse[1:, 1:] - torch.outer(inverse[1:, 0], updates[-1][1:]), (inverse[0, 0], updates[-1])
    costs, mask = torch.stack([cost for cost, _ in updates]), torch.zeros(weight.shape, dtype=torch.bool)
    for j, (_, update) in enumerate(updates):
        if parameters["pattern"] == "free" and j % 128 == 0:
            loss = left[:, j : j + 128].square() / costs[j : j + 128]
            order = loss.flatten().argsort(stable=True)[: int(parameters["sparsity"] * loss.numel() + 1e-9)]
            mask[:, j : j + 128] = torch.zeros(loss.numel(), dtype=torch.bool).index_fill(0, order, True).reshape(loss.shape)
        if parameters["pattern"] == "2:4" and j % 4 == 0:
            loss = left[:, j : j + 4].square() / costs[j : j + 4]
            mask[:, j : j + 4] = loss.argsort(dim=1, stable=True).argsort(dim=1) < 2
        left[:, j:] -= torch.outer(torch.where(mask[:, j], left[:, j], 0), update)
        left[mask[:, j], j] = 0
    return left


@pytest.mark.parametrize("parameters", [FREE, FREE | {"sparsity": 0.7}, FREE | {"pattern": "2:4"}], ids=["half", "70", "2:4"])
def test_zeros_and_updates_are_those_of_the_paper_over_several_blocks(parameters) -> None:
    parameters = parameters | {"dampening": 0.01}
    x, weight = related(600, 200), torch.randn(24, 200, generator=torch.Generator().manual_seed(1)).double()
    hessian = x.T @ x
    found, expected = sparsify(weight, hessian, parameters), dense(weight, hessian, parameters)
    assert torch.equal(found == 0, expected == 0)
    assert torch.allclose(found, expected, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("parameters", [FREE, FREE | {"pattern": "2:4"}, FREE | {"sparsity": 0.7}], ids=["half", "2:4", "70"])
def test_outputs_change_by_half_of_what_wanda_does_to_them_or_less(parameters) -> None:
    x, weight = related(inputs=64), torch.randn(32, 64, generator=torch.Generator().manual_seed(1)).double()
    found = sparsify(weight, x.T @ x, parameters)
    wanda = torch.where(lowest(weight.abs() * x.norm(dim=0), float(parameters["sparsity"]), per_row=True), 0, weight)
    assert torch.count_nonzero(found == 0) == torch.count_nonzero(wanda == 0)
    assert (x @ (found - weight).T).norm() < 0.5 * (x @ (wanda - weight).T).norm()


def test_of_inputs_that_do_not_go_together_the_smallest_products_go_and_nothing_else_moves() -> None:
    sizes = torch.linspace(0.1, 3, 16).double()
    weight = torch.randn(8, 16, generator=torch.Generator().manual_seed(2)).double()
    found = sparsify(weight, torch.diag(sizes.square()), FREE | {"dampening": 1e-12})
    order = (weight * sizes).abs().flatten().argsort()
    expected = weight.flatten().clone()
    expected[order[: weight.numel() // 2]] = 0
    assert torch.allclose(found.flatten(), expected, rtol=1e-6, atol=0)


def test_an_input_that_is_always_zero_is_what_goes_first() -> None:
    x = related()
    x[:, [3, 7]] = 0
    found = sparsify(torch.ones(4, 16).double(), x.T @ x, FREE | {"sparsity": 2 / 16})
    assert torch.nonzero((found == 0).all(0)).flatten().tolist() == [3, 7]


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (nn.Linear(6, 5, bias=False), (2, 7, 6)),
        (nn.Conv2d(4, 6, 3, bias=False), (2, 4, 8, 9)),
        (nn.Conv2d(4, 6, (3, 2), stride=2, padding=1, dilation=2, groups=2, bias=False), (2, 4, 9, 8)),
        (nn.Conv2d(4, 4, 3, padding="same", groups=4, padding_mode="circular", bias=False), (1, 4, 6, 6)),
        (nn.Conv2d(4, 6, 3, bias=False), (4, 8, 9)),
        (nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2, bias=False), (3, 4, 11)),
        (nn.Conv3d(4, 6, (3, 2, 3), stride=(1, 2, 2), padding=1, dilation=(1, 1, 2), groups=2, bias=False), (2, 4, 5, 6, 9)),
    ],
    ids=["linear", "conv", "strided and grouped", "depthwise and circular", "no batch", "conv1d", "conv3d"],
)
def test_a_layer_is_the_product_of_its_patches_and_its_weight(layer, shape) -> None:
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = patches(layer, x)
    parts = layer.weight.detach().flatten(1).chunk(len(found))
    product = torch.cat([seen @ part.double().T for seen, part in zip(found, parts, strict=True)], 1)
    expected = layer(x).detach()
    if not isinstance(layer, nn.Linear):
        expected = expected.movedim(-1 - len(layer.kernel_size), -1)
    assert torch.allclose(product.flatten(), expected.flatten().double(), atol=1e-5)


def test_layers_that_share_a_weight_and_grouped_convolutions_are_pruned_as_a_whole() -> None:
    torch.manual_seed(0)
    first, second = nn.Linear(16, 16), nn.Linear(16, 16)
    second.weight = first.weight
    module = nn.Sequential(first, nn.Tanh(), second, nn.Unflatten(1, (4, 4)), nn.Conv1d(4, 4, 3, groups=2), nn.Flatten())
    before = first.weight.detach().clone()
    found = pruned(module, related(40))
    assert found[0].weight is found[2].weight
    assert torch.count_nonzero(found[0].weight == 0) == 128
    assert torch.count_nonzero(found[4].weight == 0) == 12
    assert torch.equal(first.weight, before), "the part that was given stays as it is"


def test_two_of_four_leaves_convolutions_and_says_where_there_is_nothing_to_prune() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(16, 10), nn.Unflatten(1, (2, 5)), nn.Conv1d(2, 2, 2), nn.Flatten())
    found = pruned(module, related(40), pattern="2:4")
    assert torch.all((found[0].weight == 0).reshape(10, 4, 4).sum(2) == 2)
    assert torch.equal(found[2].weight, module[2].weight)
    with pytest.raises(NotApplicable, match="text: it has no linear layer of four inputs or more"):
        pruned(nn.Sequential(nn.Unflatten(1, (4, 4)), nn.Conv1d(4, 1, 2)), related(4), pattern="2:4")


def graph(weight: np.ndarray, path: Path) -> Path:
    """A MatMul by it."""
    x, y = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", size]) for n, size in zip("xy", weight.shape, strict=True))
    node = helper.make_node("MatMul", ["x", "w"], ["y"])
    made = helper.make_graph([node], "g", [x], [y], [numpy_helper.from_array(weight, "w")])
    onnx.save(helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)]), path)
    return path


@pytest.mark.parametrize("axis", [0, 1])
def test_the_claim_tells_the_pattern_from_as_many_zeros_elsewhere(axis, tmp_path) -> None:
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(32, 32)).astype(np.float32)
    kept = np.tile(np.array([0, 1, 1, 0], np.float32), 8)
    patterned = weight * (kept if axis else kept[:, None])
    scattered = weight * (rng.permutation(1024).reshape(32, 32) < 512)
    files = {name: graph(array, tmp_path / f"{name}.onnx") for name, array in (("w", weight), ("p", patterned), ("s", scattered))}
    claims = Claims(layers=("MatMul",), semi_structured=0.9)
    found = {name: check_claims(claims, {"v": files[name]}, {"v": files["w"]})[0] for name in "wps"}
    assert {name: check.holds for name, check in found.items()} == {"w": False, "p": True, "s": False}
    assert found["p"].realised == "100.0 %"
    assert found["p"].claimed == "two zeros in each four, for 90.0 % of the weights of MatMul"


@pytest.mark.parametrize(
    ("first", "shapes"), [("batch", [(16, 2), (16, 3), (4, 2), (4, 3), (1, 5)]), ("n", [*[(1, 2), (1, 3)] * 20, (1, 5)])]
)
def test_calls_run_together_only_if_they_are_alike_and_have_a_batch(first, shapes) -> None:
    rows = [np.full((1, length), length, np.float32) for length in (*[2, 3] * 20, 5)]
    component = Component("text", "text", (Tensor("x", "float32", (first, "length")),), FLAT.outputs)
    context = Context(components={"text": component}, seed=0, scratch=Path(), feeds=lambda name: ({"x": row} for row in rows))
    assert [tuple(arguments[0].shape) for arguments in _batches(Calls(context, "text"))] == shapes


class Attention(nn.Module):
    """Queries and keys from one tensor, what comes of them through another layer, and a layer that never runs."""

    def __init__(self) -> None:
        super().__init__()
        self.query, self.key, self.out, self.idle = (nn.Linear(16, 16) for _ in range(4))
        self.runs = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.runs += 1
        return self.out(torch.softmax(self.query(x) * self.key(x), -1))


def test_layers_that_read_the_same_are_calibrated_together_and_one_that_never_runs_stays() -> None:
    torch.manual_seed(0)
    module = Attention()
    found = pruned(module, related(20))
    assert found.runs == 3 * 2, "20 calls in two batches: once to see what is read, then for both that read x, then for the last"
    assert [int(torch.count_nonzero(layer.weight == 0)) for layer in (found.query, found.key, found.out, found.idle)] == [128, 128, 128, 0]


def test_calibration_data_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="a layer of 'text' is fed NaN or infinity on the calibration split"):
        pruned(nn.Linear(16, 4), torch.full((2, 16), torch.nan))


def test_what_small_groups_round_down_by_is_made_up_for_by_the_next_ones() -> None:
    """Half of a depthwise 3 x 3 convolution: four or five of each nine."""
    torch.manual_seed(0)
    shape = ("batch", 16, 8, 8)
    plane = Component("vision", "vision", (Tensor("x", "float32", shape),), (Tensor("y", "float32", shape),))
    rng = np.random.default_rng(0)
    feeds = [{"x": rng.normal(size=(1, 16, 8, 8)).astype(np.float32)} for _ in range(8)]
    given = Context(components={"vision": plane}, seed=0, scratch=Path(), feeds=lambda name: iter(feeds))
    parameters = {"pattern": "free", "sparsity": 0.5, "dampening": 0.01}
    layer = apply({"vision": nn.Sequential(nn.Conv2d(16, 16, 3, padding=1, groups=16))}, parameters, given)["vision"][0]
    assert {int((kernel == 0).sum()) for kernel in layer.weight} == {4, 5}
    assert int((layer.weight == 0).sum()) == 16 * 9 // 2
