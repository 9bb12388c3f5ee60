"""Residual blocks are found, measured and left out as explicit loops say, and an exporter leaves out what nobody reads."""

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from methods.layer_drop import CARD
from methods.layer_drop.apply import apply
from suite.claims import check_claims
from suite.contracts import Component, Context, NotApplicable, Tensor
from suite.export import export
from suite.models.layers import Block
from suite.models.scene_captioner.network import CausalBlock
from suite.surgery.blocks import chosen, influence, opened, series
from suite.surgery.calls import arguments

TOKENS = Component(
    "text",
    "text",
    (Tensor("x", "float32", ("batch", 5, 16)),),
    (Tensor("y", "float32", ("batch", 5, 16)),),
)
CACHED = Component(
    "decoder",
    "decoder",
    (
        Tensor("x", "float32", ("batch", "tokens", 16)),
        *(Tensor(n, "float32", ("batch", 6, "past", 8)) for n in ("past_keys", "past_values")),
    ),
    (Tensor("y", "float32", ("batch", 16)), *(Tensor(name, "float32", ("batch", 6, "present", 8)) for name in ("keys", "values"))),
)


class Chain(nn.Module):
    """Three blocks; the one in the middle does next to nothing, the last one little."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(16, 2) for _ in range(3))
        for place, scale in ((1, 1e-3), (2, 0.3)):
            with torch.no_grad():
                for layer in (self.blocks[place].attention.output, self.blocks[place].feed[2]):
                    layer.weight.mul_(scale), layer.bias.mul_(scale)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for place in range(3):
            x = self.blocks[place](x)
        return x


class Cached(nn.Module):
    """A decoder as the captioner's, smaller: three blocks whose keys and values are inputs and outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(CausalBlock(16, 2, 2) for _ in range(3))

    def forward(self, x: torch.Tensor, past_keys: torch.Tensor, past_values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        past = past_keys.shape[2]
        places = torch.arange(past + x.shape[1], device=x.device)
        visible, keys, values = places[None, :] <= places[past:, None], [], []
        for layer, block in enumerate(self.blocks):
            heads = slice(2 * layer, 2 * layer + 2)
            x, layer_keys, layer_values = block(x, past_keys[:, heads], past_values[:, heads], visible)
            keys.append(layer_keys)
            values.append(layer_values)
        return x[:, -1], torch.cat(keys, 1), torch.cat(values, 1)


class Encoder(nn.Module):
    """torch's own encoder, with a padding mask."""

    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 3, nn.LayerNorm(16), enable_nested_tensor=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.encoder(x, src_key_padding_mask=x[..., 0] > 0.5)


def make(kind: type[nn.Module]) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return kind().eval()


def feeds(component: str = "text", items: int = 6) -> list[dict[str, Any]]:
    rng = np.random.default_rng(0)
    if component == "text":
        return [{"x": rng.normal(size=(1, 5, 16)).astype(np.float32)} for _ in range(items)]
    shapes = [
        {"x": (1, 3 if item == 0 else 1, 16), **dict.fromkeys(("past_keys", "past_values"), (1, 6, 4 * item, 8))} for item in range(items)
    ]
    return [{name: rng.normal(size=shape).astype(np.float32) for name, shape in call.items()} for call in shapes]


def drop(module: nn.Module, component: Component, blocks: int, calls: Any = None) -> Any:
    given = feeds(component.name) if calls is None else calls
    context = Context(components={component.name: component}, seed=0, scratch=Path(), feeds=lambda name: given)
    return apply({component.name: module}, {"blocks": blocks, "items": 128}, context)[component.name]


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    return float(a @ b / math.sqrt((a @ a) * (b @ b)))


@torch.no_grad()
def test_influence_is_what_loops_over_tokens_give():
    module, calls = make(Chain), feeds()
    found = influence(module, TOKENS, calls, [f"blocks.{place}" for place in range(3)])
    sums, tokens = [0.0] * 3, 0
    for call in calls:
        states = [torch.from_numpy(call["x"])]
        for block in module.blocks:
            states.append(block(states[-1]))
        for token in range(5):
            tokens += 1
            for place, (before, after) in enumerate(pairwise(states)):
                sums[place] += cosine(before[0, token].double().numpy(), after[0, token].double().numpy())
    assert found == {f"blocks.{place}": pytest.approx(1 - total / tokens, abs=1e-9) for place, total in enumerate(sums)}
    assert found["blocks.1"] < found["blocks.2"] < found["blocks.0"]


@torch.no_grad()
def test_the_block_that_does_next_to_nothing_goes_first():
    module, x = make(Chain), torch.from_numpy(feeds()[3]["x"])
    before = module(x)
    one, two, many = (drop(module, TOKENS, blocks) for blocks in (1, 2, 50))
    torch.testing.assert_close(one(x), before, atol=1e-2, rtol=0)
    torch.testing.assert_close(one(x), module.blocks[2](module.blocks[0](x)))
    torch.testing.assert_close(two(x), module.blocks[0](x))
    torch.testing.assert_close(many(x), two(x))
    assert sum(p.numel() for p in one.parameters()) * 3 == 2 * sum(p.numel() for p in module.parameters())
    assert torch.equal(module(x), before), "the module that was handed in has changed"


def test_rows_share_a_count_and_none_is_emptied():
    rows = [["a.0", "a.1"], ["b.0", "b.1", "b.2"]]
    influences = {"a.0": 0.1, "a.1": 0.2, "b.0": 0.3, "b.1": 0.1, "b.2": 0.05}
    assert [chosen(rows, influences, count) for count in (1, 2, 3, 9)] == [
        ["b.2"], ["b.2", "a.0"], ["b.2", "a.0", "b.1"], ["b.2", "a.0", "b.1"]
    ]  # fmt: skip
    assert rows == [["a.0", "a.1"], ["b.0", "b.1", "b.2"]]


@torch.no_grad()
def test_a_block_with_a_cache_still_gives_its_keys_and_the_rest_of_it_is_not_exported(tmp_path):
    module, calls = make(Cached), feeds("decoder")
    dropped = drop(module, CACHED, 1)
    (place,) = (int(name.split(".")[1]) for name, part in dropped.named_modules() if type(part).__name__ == "Passed")
    full, files = [], {}
    for name, part in (("before", module), ("after", dropped)):
        export(part, CACHED, calls, tmp_path / f"{name}.onnx")
        files[name] = {"decoder": tmp_path / f"{name}.onnx"}
        full.append(
            sum(math.prod(tensor.dims) for tensor in onnx.load(tmp_path / f"{name}.onnx").graph.initializer if len(tensor.dims) == 2)
        )
    block = module.blocks[place]
    gone = (block.attention.query, block.attention.output, block.feed[0], block.feed[2])
    assert full[0] - full[1] == sum(layer.weight.numel() for layer in gone)
    session = onnxruntime.InferenceSession(tmp_path / "after.onnx")
    for call in (calls[0], calls[-1]):
        x, past = torch.from_numpy(call["x"]), [torch.from_numpy(call[name]) for name in ("past_keys", "past_values")]
        visible = torch.arange(past[0].shape[2] + x.shape[1])[None] <= torch.arange(x.shape[1])[:, None] + past[0].shape[2]
        cache = []
        for layer, block in enumerate(module.blocks):
            y, *own = block(x, *(part[:, 2 * layer : 2 * layer + 2] for part in past), visible)
            cache.append(own)
            x = x if layer == place else y
        wanted = [x[:, -1], *(torch.cat(parts, 1) for parts in zip(*cache, strict=True))]
        for found, expected in zip(session.run(None, call), wanted, strict=True):
            np.testing.assert_allclose(found, expected.numpy(), rtol=1e-4, atol=1e-5)
    claims = CARD.variants[0].claims
    assert [check.holds for check in check_claims(claims, files["after"], files["before"])] == [True]
    assert [check.holds for check in check_claims(claims, files["before"], files["before"])] == [False]


@torch.no_grad()
def test_the_encoder_of_torch_is_opened_and_its_first_layer_may_go():
    module, x = make(Encoder), torch.from_numpy(np.concatenate([call["x"] for call in feeds()]))
    torch.testing.assert_close(opened(module)(x), module(x))
    for parameter in (module.encoder.layers[0].self_attn.out_proj, module.encoder.layers[0].linear2):
        parameter.weight.mul_(1e-4), parameter.bias.mul_(1e-4)
    dropped = drop(module, TOKENS, 1)
    torch.testing.assert_close(dropped(x), module(x), atol=1e-2, rtol=0)
    assert len(list(dropped.parameters())) == len(list(module.parameters())) - len(list(module.encoder.layers[0].parameters()))


class InPlace(nn.Module):
    """A block that adds to what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(16, 16)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x += self.layer(x)
        return x


@torch.no_grad()
def test_a_block_that_adds_in_place_is_measured_on_what_it_was_given():
    module = make(lambda: nn.Sequential(InPlace(), InPlace()))  # type: ignore[arg-type]
    x = feeds()[0]["x"]
    found = influence(module, TOKENS, [{"x": x}], ["0"])["0"]
    after = x + (x @ module[0].layer.weight.numpy().T + module[0].layer.bias.numpy())
    assert found == pytest.approx(1 - np.mean([cosine(a, b) for a, b in zip(x[0], after[0], strict=True)]), abs=1e-6)


def test_what_is_no_row_of_blocks_is_left_and_none_at_all_is_said():
    layers = nn.Sequential(nn.Linear(16, 16), nn.Linear(16, 16), nn.Sequential(nn.Linear(16, 16)), nn.Sequential(nn.Linear(16, 16)))
    narrowing = nn.Sequential(Narrowing(16, 8), Narrowing(8, 4))
    twice = nn.Sequential(block := Block(16, 2), block)
    for module in (layers, narrowing, twice):
        assert series(module.eval(), arguments(TOKENS, feeds()[0])) == {}
        with pytest.raises(NotApplicable, match=r"no row of two or more blocks of one class .* in text"):
            drop(module, TOKENS, 1)


class Narrowing(nn.Module):
    """Keeps no shape."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.layer = nn.Linear(before, after)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.layer(x)


def test_bad_input_is_one_sentence():
    broken = feeds()
    broken[2]["x"][0, 1, 3] = np.nan
    with pytest.raises(ValueError, match=r"^the hidden states of 'blocks.0' in 'text' are not finite on the calibration split$"):
        drop(make(Chain), TOKENS, 1, broken)
    with pytest.raises(ValueError, match=r"^there is no calibration item to measure the influence of the blocks of 'text' on$"):
        drop(make(Chain), TOKENS, 1, [])
    (blocks, items) = CARD.parameters
    assert blocks.check(0) == "blocks must lie in [1, 1000], not 0"
    assert items.check(0) == "items must lie in [1, 4096], not 0"
