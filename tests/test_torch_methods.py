"""What methods make for torch alone: the file bears out the card's claims, answers nearly as the module does, and weighs less."""

import functools
import importlib

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from suite import reference, registry
from suite.claims import check_claims
from suite.contracts import Component, NotApplicable, Tensor
from suite.export import answer
from suite.formats import torch_program
from suite.glue import Glue
from suite.plugins import model_part
from suite.prepare import calibration, record_feeds

REGISTRY = registry.discover()
METHODS = ("torch_half", "torchao_float8_weight_only", "torchao_int4_weight_only", "torchao_int8_dynamic", "torchao_int8_weight_only")
VARIANTS = [(name, variant) for name in METHODS for variant in REGISTRY.methods[name].variants]
COMPONENT = Component(
    "text", "text", (Tensor("ids", "int64", ("batch", 5)), Tensor("x", "float32", ("batch", 32))), (Tensor("y", "float32", ("batch", 16)),)
)


class Net(nn.Module):
    """Whole numbers and floating point go in; an embedding, a norm and two linear layers."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.table, self.norm, self.inner, self.head = nn.Embedding(11, 32), nn.LayerNorm(32), nn.Linear(32, 2048), nn.Linear(2048, 16)

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
        near = 0.15 if variant.claims.weight_bits == 4 else 0.06  # float8 (e4m3) keeps 3 bits of a weight besides its exponent
        assert torch.allclose(found, expected, atol=near * float(expected.abs().max()))
    assert files["small"].stat().st_size < 0.75 * files["whole"].stat().st_size
    assert all(torch.equal(tensor, before[key]) for key, tensor in net.state_dict().items()), "the part that was given stays as it is"


@pytest.mark.parametrize("name", [name for name in METHODS if name.startswith("torchao")])
def test_where_there_is_no_linear_layer_torchao_has_nothing_to_do(name):
    with pytest.raises(NotApplicable, match="there is no linear layer in text"):
        applied(name, REGISTRY.methods[name].variants[0], nn.Conv2d(1, 1, 3))


def test_four_bits_are_counted_as_they_are_packed_and_layers_of_other_sizes_stay_as_they_are(tmp_path):
    """PyTorch's product takes outputs in sixteens; 40 inputs are no multiple of 32."""
    whole = nn.Sequential(nn.Linear(64, 48), nn.Linear(48, 40), nn.Linear(40, 16), nn.Linear(16, 10)).eval()
    component = Component("text", "text", (Tensor("x", "float32", ("batch", 64)),), (Tensor("y", "float32", ("batch", 10)),))
    small = applied("torchao_int4_weight_only", REGISTRY.methods["torchao_int4_weight_only"].variants[0], whole)
    torch_program.lower(small, component, [{"x": np.ones((2, 64), np.float32)}], tmp_path / "text.pt2")
    held = torch_program.held(tmp_path / "text.pt2")
    weights = sorted((constant.type, constant.shape) for constant in held.weights(("MatMul", "Gemm")))
    assert weights == [("float32", (10, 16)), ("float32", (16, 40)), ("float32", (40, 48)), ("int4", (48, 64))]
    part = torch_program.inspect(tmp_path / "text.pt2", component)
    assert part.parameters_by_type["int4"] == 48 * 64
    with pytest.raises(NotApplicable, match="none of a size that it takes"):
        applied("torchao_int4_weight_only", REGISTRY.methods["torchao_int4_weight_only"].variants[0], nn.Linear(40, 10))


@pytest.mark.parametrize("name", [name for name in METHODS if name.startswith("torchao")])
def test_a_row_of_zeros_as_pruning_leaves_it_stays_zero(name):
    whole = nn.Sequential(nn.Linear(64, 16, bias=False))
    nn.init.zeros_(whole[0].weight[3])
    found = applied(name, REGISTRY.methods[name].variants[0], whole)(torch.ones(2, 64))
    assert torch.all(found[:, 3] == 0)
    assert torch.all(found[:, 4] != 0)


class Careful(nn.Module):
    """Goes back to fp32 before it normalises, as CLIP and many others do, and lays out positions in fp32; attention and a convolution."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.attention = nn.Conv1d(32, 32, 1), nn.MultiheadAttention(32, 4, batch_first=True)
        self.norm, self.head = nn.BatchNorm1d(32), nn.Linear(32, 16)

    def forward(self, ids, x):
        tokens = (x.float()[:, :, None] + torch.arange(3.0)).transpose(1, 2)
        tokens = self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return self.head(self.norm(self.conv(tokens.transpose(1, 2)).float())[:, :, 0])


@pytest.mark.parametrize("variant", REGISTRY.methods["torch_half"].variants, ids=lambda variant: variant.name)
def test_a_network_that_goes_back_to_fp32_here_and_there_stays_so_between_its_layers(variant, calls, tmp_path):
    whole = Careful().eval()
    half = applied("torch_half", variant, whole)
    seen = []
    half.part.head.register_forward_pre_hook(lambda layer, given: seen.append(given[0].dtype))
    torch_program.lower(half, COMPONENT, calls, tmp_path / "text.pt2")
    assert set(seen) == {torch.float32}, "what a layer was given in fp32 it gives back in fp32"
    stored = torch_program.held(tmp_path / "text.pt2").constants.values()
    assert {constant.type for constant in stored if len(constant.shape) > 1} == {variant.parameters["dtype"]}
    expected = answer(whole, COMPONENT, calls[0])["y"]
    assert np.allclose(answer(half, COMPONENT, calls[0])["y"], expected, atol=0.03 * np.abs(expected).max())


def added_mask(net, x, seen):
    scores = net.query(x) @ net.key(x).transpose(1, 2) + (1 - seen.float()) * -1e9
    return scores.softmax(-1) @ net.value(x)


def angles(net, x, seen):
    turn = torch.arange(16.0).cos()
    return functional.scaled_dot_product_attention(net.query(x) * turn, net.key(x) * turn, net.value(x))


def sums_in_place(net, x, seen):
    room = torch.zeros(2, 3, 16)
    room.scatter_(1, seen[:, 0, :, None].long().expand(-1, -1, 16), net.query(x))
    return net.key(room)


MIXED = {
    "a mask in fp32 that is added": added_mask,
    "angles in fp32": angles,
    "a softmax in fp32": lambda net, x, seen: net.query(x).softmax(-1, dtype=torch.float32) @ net.value(x).transpose(1, 2),
    "a projection that is no layer": lambda net, x, seen: x.float() @ net.projection,
    "a weight that two share": lambda net, x, seen: functional.linear(net.query(x).float(), net.value.weight),
    "einsum": lambda net, x, seen: torch.einsum("bnd,de->bne", x.float(), net.projection),
    "what is written in place": sums_in_place,
    "a number that fp16 has not": lambda net, x, seen: net.query(x).masked_fill(~seen[:, 0, :, None], -1e9).softmax(1),
    "the same, by its name": lambda net, x, seen: net.query(x).masked_fill(mask=~seen[:, 0, :, None], value=-(10**9)).softmax(1),
}
"""What people write beside the layers of a network that was fp32 throughout -> how it reads."""


class Beside(nn.Module):
    """Three layers, and a weight that is none's."""

    def __init__(self, read):
        super().__init__()
        torch.manual_seed(0)
        self.query, self.key, self.value = (nn.Linear(16, 16) for _ in range(3))
        self.projection, self.read = nn.Parameter(torch.randn(16, 8)), read

    def forward(self, x, seen):
        return self.read(self, x, seen)


@pytest.mark.parametrize("variant", REGISTRY.methods["torch_half"].variants, ids=lambda variant: variant.name)
@pytest.mark.parametrize("read", MIXED.values(), ids=MIXED)
def test_a_network_may_mix_both_types_where_torch_wants_one(read, variant):
    whole, x, seen = Beside(read).eval(), torch.randn(2, 3, 16), torch.tensor([True, True, False]).expand(2, 1, 3)
    half = applied("torch_half", variant, whole)
    expected, found = whole(x, seen).detach(), half(x, seen).detach()
    assert found.dtype == torch.float32
    assert not torch.equal(found, expected), "it is 16 bits that compute"
    assert torch.allclose(found, expected, atol=0.03 * float(expected.abs().max()))
    assert torch.allclose(torch.export.export(half, (x, seen)).module()(x, seen), found, atol=1e-6), "and what is exported does the same"


@pytest.mark.parametrize("name", [name for name in METHODS if name.startswith("torchao")])
def test_what_attention_reads_past_its_layer_stays_as_it_is(name, calls):
    whole = Careful().eval()
    small = applied(name, REGISTRY.methods[name].variants[0], whole)
    assert not hasattr(small.attention.out_proj, "parametrizations"), "torchao's tensors are taken apart as parametrizations"
    assert hasattr(small.head, "parametrizations")
    assert torch.equal(small.attention.out_proj.weight, whole.attention.out_proj.weight)
    expected = answer(whole, COMPONENT, calls[0])["y"]
    assert np.allclose(answer(small, COMPONENT, calls[0])["y"], expected, atol=0.2 * np.abs(expected).max())


@functools.cache
def known(model):
    """A reference model's parts, and what each is fed on the calibration split."""
    card = REGISTRY.models[model]
    parts = reference.load(card)
    return parts, record_feeds(card, parts, Glue(model_part(model, "task")), calibration(model))


def two(component, feed):
    """The first two of a batch: 16 bits take minutes on a processor that does not compute in them."""
    axes = {tensor.name: tensor.shape.index("batch") for tensor in component.inputs if "batch" in tensor.shape}
    return {name: array.take(range(min(2, array.shape[axes[name]])), axes[name]) if name in axes else array for name, array in feed.items()}


WIDELY = [(name, variant) for name, variant in VARIANTS if variant.name not in ("bf16", "hqq_32")]
"""One variant of each method: the others differ in a type, and in how a range is found."""


@pytest.mark.parametrize("model", sorted(REGISTRY.models))
@pytest.mark.parametrize(("name", "variant"), WIDELY, ids=[f"{name}-{variant.name}" for name, variant in WIDELY])
def test_each_reference_model_answers_nearly_as_before(name, variant, model):
    parts, feeds = known(model)
    small = importlib.import_module(f"methods.{name}.apply").apply(parts, variant.parameters, None)
    for component in REGISTRY.models[model].components:
        for feed in (two(component, feed) for feed in feeds[component.name][:2]):
            before, after = (answer(of[component.name], component, feed) for of in (parts, small))
            for tensor in component.outputs:
                pair = [np.asarray(found[tensor.name], np.float64).ravel() for found in (before, after)]
                assert np.corrcoef(*pair)[0, 1] > 0.98, (component.name, tensor.name)
