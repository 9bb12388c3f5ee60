"""Merging and dropping of tokens against loops over single tokens, on networks of several makes."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn
from vision_networks import COMPONENT, NETWORKS, Taps, make, pictures

from methods.token_dropping import CARD as DROPPING
from methods.token_dropping.apply import nearest
from methods.token_dropping.apply import steps as dropping
from methods.token_merging import CARD as MERGING
from methods.token_merging.apply import Merging, matching
from methods.token_merging.apply import steps as merging
from suite.claims import check_claims
from suite.contracts import Component, Context, NotApplicable, Tensor
from suite.export import export
from suite.models.layers import VisionTransformer
from suite.surgery.attention import Attention, read
from suite.surgery.blocks import series, without
from suite.surgery.tokens import schedule, shorten

CALLS = [{"x": pictures(1, seed).numpy()} for seed in range(3)]
METHODS = {"merging": (merging, True), "dropping": (partial(dropping, seed=0), False)}


def loops(keys: np.ndarray, count: int, alone: bool) -> tuple[list[list[int]], list[int]]:
    """Bipartite soft matching of one item as section 3.2 of 2210.09461 tells it: the old tokens that each new one is made of."""
    unit = keys / np.linalg.norm(keys, axis=-1, keepdims=True)
    edges = []
    for a in range(0, len(keys), 2):
        b = max(range(1, len(keys), 2), key=lambda b: unit[a] @ unit[b])
        if not (alone and a == 0):
            edges.append((float(unit[a] @ unit[b]), a, b))
    chosen = {a: b for _, a, b in sorted(edges, reverse=True)[:count]}
    groups = [[a] for a in range(0, len(keys), 2) if a not in chosen]
    groups += [[b, *(a for a, partner in chosen.items() if partner == b)] for b in range(1, len(keys), 2)]
    return groups, [next(new for new, group in enumerate(groups) if old in group) for old in range(len(keys))]


@pytest.mark.parametrize(("tokens", "count"), [(8, 1), (8, 3), (9, 4), (25, 6), (3, 1)])
@pytest.mark.parametrize("alone", [False, True])
def test_matching_and_merging_are_what_loops_give(tokens: int, count: int, alone: bool) -> None:
    generator = torch.Generator().manual_seed(tokens)
    x, keys = torch.randn(3, tokens, 5, generator=generator), torch.randn(3, tokens, 4, generator=generator)
    size = torch.randint(1, 5, (3, tokens, 1), generator=generator).float()
    where = torch.randint(0, tokens, (3, 11), generator=generator)
    new = matching(keys, count, alone)
    merged, sizes, places = Merging(tokens, count, alone)(x, keys, size, where)
    for item in range(3):
        groups, wanted = loops(keys[item].double().numpy(), count, alone)
        assert new[item].tolist() == wanted
        assert places[item].tolist() == [wanted[old] for old in where[item].tolist()]
        for place, group in enumerate(groups):
            weights = size[item, group]
            torch.testing.assert_close(merged[item, place], (x[item, group] * weights).sum(0) / weights.sum())
            assert sizes[item, place] == weights.sum()


def test_of_equals_the_first_is_merged() -> None:
    assert matching(torch.ones(1, 6, 2), 2, alone=False).tolist() == [[1, 1, 1, 2, 0, 3]]
    assert matching(torch.ones(1, 6, 2), 2, alone=True).tolist() == [[0, 1, 1, 2, 1, 3]]


@torch.no_grad()
def test_a_token_of_size_three_is_heeded_like_three_tokens() -> None:
    torch.manual_seed(0)
    attention = Attention(*(nn.Linear(8, 8) for _ in range(4)), heads=2)
    x, size = torch.randn(2, 4, 8), torch.tensor([1.0, 3.0, 1.0, 2.0])[None, :, None].expand(2, -1, -1)
    several = x[:, [0, 1, 1, 1, 2, 3, 3]]
    torch.testing.assert_close(attention(x, size)[0], attention(several, torch.ones(2, 7, 1))[0][:, [0, 1, 4, 5]])
    keys = attention.key(x)
    torch.testing.assert_close(attention(x, size)[1], (keys[..., :4] + keys[..., 4:]) / 2)


@torch.no_grad()
def test_a_vision_transformer_is_merged_as_loops_over_its_layers_do() -> None:
    torch.manual_seed(0)
    module, images = VisionTransformer(3, 32, 16, 3, 2).eval(), torch.randn(2, 3, 32, 32)
    found = shorten(module, COMPONENT, 0, 0.5, merging, sized=True)(images)
    for item in range(2):
        x = (module.stem(images[item : item + 1]).flatten(2).transpose(1, 2) + module.position)[0]
        groups = [[place] for place in range(16)]
        for block, count in zip(module.blocks, (3, 3, 2), strict=True):
            y, size = block.norm_attention(x), torch.tensor([float(len(group)) for group in groups])
            x = x + block.attention(y[None], y[None], size.log()[None, None, None])[0]
            keys = block.attention.key(y)
            joined, _ = loops((keys[:, :8] + keys[:, 8:]).double().numpy() / 2, count, alone=False)
            x = torch.stack([sum(x[old] * size[old] for old in group) / size[group].sum() for group in joined])
            x = x + block.feed(block.norm_feed(x))
            groups = [[place for old in group for place in groups[old]] for group in joined]
        assert len(groups) == 8
        wanted = torch.stack([x[next(new for new, group in enumerate(groups) if place in group)] for place in range(16)])
        torch.testing.assert_close(found[item], module.norm(wanted), rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_a_vision_transformer_drops_the_same_tokens_of_every_image() -> None:
    torch.manual_seed(0)
    module, images = VisionTransformer(3, 32, 16, 2, 2).eval(), torch.randn(2, 3, 32, 32)
    left = [*range(16)]
    x = module.stem(images).flatten(2).transpose(1, 2) + module.position
    for block, step in zip(module.blocks, dropping([16, 12, 8], False, 0), strict=True):
        y = block.norm_attention(x)
        x, left = (x + block.attention(y, y))[:, step.kept], [left[place] for place in step.kept]
        x = x + block.feed(block.norm_feed(x))
    assert len(left) == 8 == len(set(left))
    assert left != dropping([16, 12, 8], False, 1)[1].kept.tolist()
    found = shorten(module, COMPONENT, 0, 0.5, partial(dropping, seed=0), sized=False)(images)
    torch.testing.assert_close(found, module.norm(x)[:, nearest(16, left, False)], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("tokens", "kept", "alone"), [(16, [1, 6, 15], False), (17, [0, 3, 9], True), (12, [2, 7], False), (13, [0, 5], True)]
)
def test_the_nearest_token_is_that_of_a_search(tokens: int, kept: list[int], alone: bool) -> None:
    width = 4 if tokens - alone == 16 else 100

    def far(one: int, other: int) -> float:
        if alone and 0 in (one, other):
            return 0 if one == other else 1e9
        (row, column), (r, c) = (divmod(place - alone, width) for place in (one, other))
        return (row - r) ** 2 + (column - c) ** 2

    wanted = [min(range(len(kept)), key=lambda index: far(place, kept[index])) for place in range(tokens)]
    assert nearest(tokens, kept, alone).tolist() == wanted


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("method", METHODS)
@torch.no_grad()
def test_networks_of_other_makes_are_rewritten(name: str, method: str) -> None:
    """The feed-forward sees fewer tokens. Of an image whose places are all alike nothing is lost when they are merged."""
    module, (make_steps, sized) = make(name), METHODS[method]
    short, seen = shorten(module, COMPONENT, 0, 0.5, make_steps, sized), []
    for part in short.modules():
        if isinstance(part, nn.Linear) and part.out_features == 64:
            part.register_forward_hook(lambda _, given, __: seen.append(given[0].shape[1]))
    before = module(pictures(2))
    assert not torch.allclose(short(pictures(2)), before, atol=1e-3)
    assert seen == [14, 11, 8]
    assert torch.equal(module(pictures(2)), before), "the module that was handed in has changed"
    module.position.zero_()
    flat = torch.full((1, 3, 32, 32), 0.3)
    found = shorten(module, COMPONENT, 0, 0.5, make_steps, sized)(flat)
    assert torch.allclose(found, module(flat), rtol=1e-4, atol=1e-4) == (method == "merging")


@torch.no_grad()
def test_a_network_that_has_lost_a_block_can_still_lose_tokens() -> None:
    module = make("fused")
    ((row, blocks),) = series(module, (pictures(2),)).items()
    (name, call) = blocks[1]
    assert (row, name) == ("blocks", "blocks.1")
    left = without(module, {name: call})
    two = make("fused")
    two.blocks = nn.ModuleList([two.blocks[0], two.blocks[2]])
    found, wanted = (shorten(part, COMPONENT, 0, 0.5, merging, sized=True)(pictures(2)) for part in (left, two))
    torch.testing.assert_close(found, wanted)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The exported network of which no token is taken."""
    path = tmp_path_factory.mktemp("whole") / "vision.onnx"
    export(make("fused"), COMPONENT, CALLS, path)
    return path


@pytest.mark.parametrize(("method", "card"), [("merging", MERGING), ("dropping", DROPPING)])
def test_the_graph_answers_to_any_batch_and_bears_out_the_claims(method: str, card: Any, whole: Path, tmp_path: Path) -> None:
    module, (make_steps, sized) = make("fused"), METHODS[method]
    for name in ("one", "two"):
        export(shorten(module, COMPONENT, 0, 0.5, make_steps, sized), COMPONENT, CALLS, tmp_path / f"{name}.onnx")
    one, two = (tmp_path / f"{name}.onnx" for name in ("one", "two"))
    assert one.read_bytes() == two.read_bytes()
    claims = card.variants[1].claims
    assert [check.holds for check in check_claims(claims, {"vision": one}, {"vision": whole})] == [True]
    assert [check.holds for check in check_claims(claims, {"vision": whole}, {"vision": whole})] == [False]
    session, short = onnxruntime.InferenceSession(one), shorten(module, COMPONENT, 0, 0.5, make_steps, sized)
    for batch in (1, 2, 5):
        with torch.no_grad():
            wanted = short(pictures(batch, 9)).numpy()
        np.testing.assert_allclose(session.run(None, {"x": pictures(batch, 9).numpy()})[0], wanted, rtol=1e-3, atol=1e-4)
    assert not any("Loop" in node.op_type for node in onnx.load(one).graph.node)


def test_counts_are_spread_evenly_and_the_same_for_both_methods() -> None:
    assert schedule(25, 4, 0.5, False) == [25, 21, 18, 15, 12]
    assert schedule(25, 4, 0.75, False) == [25, 23, 21, 20, 19]
    assert schedule(64, 2, 0.5, False) == [64, 48, 32]
    assert [step.tokens - step.count for step in merging([9, 6, 4], True)] == [len(step.kept) for step in dropping([9, 6, 4], True, 0)]
    orders = [[step.kept[0].item() for step in dropping([17, 9, 5], True, seed)] for seed in range(9)]
    assert orders == [[0, 0]] * 9, "a class token stays"
    with pytest.raises(NotApplicable, match=r"^2 blocks cannot bring 64 tokens down to 6: a block at most halves them$"):
        schedule(64, 2, 0.1, False)


@pytest.mark.parametrize(
    ("network", "component", "reason"),
    [
        (Taps(), COMPONENT, "cannot get fewer: what comes after the blocks does not take its tokens from the last of them alone"),
        (make("masked"), COMPONENT, "cannot get fewer: its blocks get other tensors beside the tokens"),
        (make("biased"), COMPONENT, "cannot get fewer: its attention is not the softmax of scaled products of queries and keys"),
        (make("parallel"), COMPONENT, "cannot get fewer: "),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), COMPONENT, "'vision' has no row of two or more transformer blocks"),
        (make("fused"), Component("v", "vision", (Tensor("x", "float32", ("batch", 3, "h", 32)),), ()), "the length 'h' of 'v' differs"),
    ],
)
@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_rewritten_is_said(method: str, network: nn.Module, component: Component, reason: str) -> None:
    with pytest.raises(NotApplicable, match=reason):
        shorten(network.eval(), component, 0, 0.5, *METHODS[method])


@pytest.mark.parametrize("card", [MERGING, DROPPING])
def test_keeping_all_or_nothing_is_refused(card: Any) -> None:
    assert card.parameters[0].check(1.0) == "keep must lie in [0.1, 0.95], not 1.0"
    assert card.parameters[0].check(0.0) == "keep must lie in [0.1, 0.95], not 0.0"


def test_weights_that_are_not_numbers_are_refused() -> None:
    module = make("fused")
    module.blocks[0].attn.qkv.weight.data[0, 0] = float("nan")
    context = Context(components={"vision": COMPONENT}, seed=0, scratch=Path(), feeds=lambda name: [])
    from methods.token_merging.apply import apply

    with pytest.raises(ValueError, match=r"^the uncompressed 'vision' gives NaN or infinity for random inputs$"):
        apply({"vision": module}, {"keep": 0.5}, context)
    assert read(nn.Sequential(nn.Linear(4, 4))) is None
