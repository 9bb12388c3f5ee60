"""What methods make for torch alone: the file bears out the card's claims, answers nearly as the module does, and weighs less."""

import importlib

import numpy as np
import pytest
import torch
from torch import nn

from suite import registry
from suite.claims import check_claims
from suite.contracts import Component, NotApplicable, Tensor
from suite.formats import torch_program

REGISTRY = registry.discover()
METHODS = ("torch_half", "torchao_float8_weight_only", "torchao_int8_dynamic", "torchao_int8_weight_only")
VARIANTS = [(name, variant) for name in METHODS for variant in REGISTRY.methods[name].variants]
COMPONENT = Component(
    "text", "text", (Tensor("ids", "int64", ("batch", 5)), Tensor("x", "float32", ("batch", 32))), (Tensor("y", "float32", ("batch", 8)),)
)


class Net(nn.Module):
    """Whole numbers and floating point go in; an embedding, a norm and two linear layers."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.table, self.norm, self.inner, self.head = nn.Embedding(11, 32), nn.LayerNorm(32), nn.Linear(32, 2048), nn.Linear(2048, 8)

    def forward(self, ids, x):
        return self.head(torch.relu(self.inner(self.norm(self.table(ids).sum(1) + x))))


@pytest.fixture
def calls():
    rng = np.random.default_rng(0)
    return [{"ids": rng.integers(0, 11, (2, 5)), "x": rng.normal(size=(2, 32)).astype(np.float32)} for _ in range(3)]


def applied(name, variant, part):
    if name.startswith("torchao"):
        pytest.importorskip("torchao", reason="pip install 'squeezemark[torchao]'")
    return importlib.import_module(f"methods.{name}.apply").apply({"text": part}, variant.parameters, None)["text"]


@pytest.mark.parametrize(("name", "variant"), VARIANTS, ids=[f"{name}-{variant.name}" for name, variant in VARIANTS])
def test_the_program_is_what_the_card_claims(name, variant, calls, tmp_path):
    net, files = Net().eval(), {}
    before = {key: tensor.clone() for key, tensor in net.state_dict().items()}
    for folder, module in (("whole", net), ("small", applied(name, variant, net))):
        (tmp_path / folder).mkdir()
        files[folder] = tmp_path / folder / "text.pt2"
        torch_program.lower(module, COMPONENT, calls, files[folder])
    (check,) = check_claims(variant.claims, {"text": files["small"]}, {"text": files["whole"]}, "torch_export")
    assert check.holds, check
    program = torch.export.load(files["small"]).module()
    for call in calls:
        given = [torch.from_numpy(call[name]) for name in ("ids", "x")]
        expected, found = net(*given).detach(), program(*given).detach()
        assert found.dtype == torch.float32
        assert not torch.equal(found, expected)
        assert torch.allclose(found, expected, atol=0.06 * float(expected.abs().max())), "float8 (e4m3) keeps 3 bits of a weight"
    assert files["small"].stat().st_size < 0.75 * files["whole"].stat().st_size
    assert all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items()), "the part that was given stays as it is"


@pytest.mark.parametrize("name", [name for name in METHODS if name.startswith("torchao")])
def test_where_there_is_no_linear_layer_torchao_has_nothing_to_do(name):
    with pytest.raises(NotApplicable, match="there is no linear layer in text"):
        applied(name, REGISTRY.methods[name].variants[0], nn.Conv2d(1, 1, 3))


@pytest.mark.parametrize("name", [name for name in METHODS if name.startswith("torchao")])
def test_a_row_of_zeros_as_pruning_leaves_it_stays_zero(name):
    whole = nn.Sequential(nn.Linear(64, 8, bias=False))
    nn.init.zeros_(whole[0].weight[3])
    found = applied(name, REGISTRY.methods[name].variants[0], whole)(torch.ones(2, 64))
    assert torch.all(found[:, 3] == 0)
    assert torch.all(found[:, 4] != 0)
