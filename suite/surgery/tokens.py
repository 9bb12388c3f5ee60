"""Transformers with fewer tokens from block to block: a step between attention and feed-forward of each block takes some away.

A block is rewritten by torch.fx, and the rewritten network, with no token taken away, has to answer as the network itself does. What
follows the blocks gets all tokens back: each place gets the token that now stands for it (2303.17604, section 3).
"""

import copy
import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, fx, nn

from suite.contracts import Component, NotApplicable
from suite.surgery.attention import Attention, agrees, read
from suite.surgery.blocks import Call, Passed, opened, series, state, watched
from suite.surgery.calls import example

CLASS_TOKENS = frozenset({"cls_token", "class_token", "class_embedding", "cls"})
"""Names of a parameter that says that the first token is not a place of the image but stands for all of it: it is left alone."""

Make = Callable[[Sequence[int], bool], Sequence[nn.Module]]
"""Token counts before the first block and after each, and whether the first token is to be left alone -> the step of each block.

A step gets tokens (batch, m, width), keys (batch, m, d), sizes (batch, m, 1) and for each original place the token that stands for it
(batch, n), and returns all but the keys with fewer tokens.
"""


def schedule(tokens: int, blocks: int, keep: float, alone: bool) -> list[int]:
    """Token counts before the first block and after each: as many fewer in each as can be, the first ones taking the odd ones.

    Raises NotApplicable where a block would have to take more than half of its tokens.
    """
    removed, counts = tokens - max(1, round(keep * tokens)), [tokens]
    for block in range(blocks):
        counts.append(counts[-1] - removed // blocks - (block < removed % blocks))
        if counts[-2] - counts[-1] > (counts[-2] - alone) // 2:
            raise NotApplicable(f"{blocks} blocks cannot bring {tokens} tokens down to {tokens - removed}: a block at most halves them")
    return counts


class _Bound(nn.Module):
    """A block whose arguments but the hidden state are what they were in a call."""

    def __init__(self, block: nn.Module, call: Call) -> None:
        super().__init__()
        self.block, self.given, self.named = block, call.given, dict(call.named)

    def forward(self, x: Tensor) -> Tensor:
        if self.given:
            return self.block(x, *self.given[1:], **self.named)  # type: ignore[no-any-return]
        return self.block(**self.named | {next(iter(self.named)): x})  # type: ignore[no-any-return]


class _Tracer(fx.Tracer):
    """Looks into the block alone."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return module_qualified_name != "block"


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Without the fused path of torch's own encoder layer, whose conditions cannot be traced."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


def _attention(bound: _Bound, graph: fx.Graph, call: Call) -> tuple[fx.Node, Attention]:
    """The one node of a block that is its self-attention, and what it computes. Raises NotApplicable."""
    nodes = [node for node in graph.nodes if node.op == "call_module" and read(bound.get_submodule(str(node.target))) is not None]
    if len(nodes) != 1:
        raise NotApplicable(f"its blocks have {len(nodes)} modules with projections to query, key, value and output, not one")
    with watched(bound, [str(nodes[0].target)]) as calls, torch.no_grad(), _plain_attention():
        bound(call.before)
    (inner,), found = calls[str(nodes[0].target)], read(bound.get_submodule(str(nodes[0].target)))
    tensors = [value for value in (*inner.given, *inner.named.values()) if isinstance(value, Tensor)]
    if inner.before is None or inner.after is None or any(value is not tensors[0] for value in tensors):
        raise NotApplicable("its attention is not self-attention alone: it gets a mask or other tensors beside the tokens")
    if found is None or not agrees(found, inner.before, inner.after):
        raise NotApplicable("its attention is not the softmax of scaled products of queries and keys")
    return nodes[0], found


def _joined(graph: fx.Graph, attention: fx.Node) -> fx.Node:
    """The sum of what the block was given and what came of its attention. Raises NotApplicable."""
    (x,) = (node for node in graph.nodes if node.op == "placeholder")
    after, nodes = {attention}, list[fx.Node](graph.nodes)
    for node in nodes:
        if after.intersection(node.all_input_nodes):
            after.add(node)
            if x in node.all_input_nodes and node.target in (operator.add, operator.iadd, torch.add, "add", "add_"):
                return node
    raise NotApplicable("its blocks do not add their attention to what they are given")


def _rewritten(block: nn.Module, call: Call, step: nn.Module, sized: bool) -> nn.Module:
    """The block as (tokens, sizes, places) -> the same, with the step after its attention; `sized`: attention heeds the sizes."""
    if any(isinstance(value, Tensor) for value in (*call.given, *call.named.values()) if value is not state(call.given, call.named)):
        raise NotApplicable("its blocks get other tensors beside the tokens")
    bound = _Bound(block, call)
    try:
        with _plain_attention():
            graph = _Tracer().trace(bound)
    except Exception as error:  # whatever the block's own code raises when it is run on what stands for a tensor
        raise NotApplicable(f"torch.fx cannot trace its blocks: {error}") from error
    attention, found = _attention(bound, graph, call)
    joined = _joined(graph, attention)
    root = nn.ModuleDict({"block": block, "sized": found, "step": step})
    _edit(graph, attention, joined, sized)
    graph.lint()
    return fx.GraphModule(root, graph)


def _edit(graph: fx.Graph, attention: fx.Node, joined: fx.Node, sized: bool) -> None:
    """Gives the graph of a block the step and what it needs, in place."""
    x = next(node for node in graph.nodes if node.op == "placeholder")
    with graph.inserting_after(x):
        where = graph.placeholder("where")
        size = graph.placeholder("size")
    keys = joined
    if sized:
        fed = next(node for node in attention.all_input_nodes)
        with graph.inserting_before(attention):
            own = graph.call_module("sized", (fed, size))
            mixed, keys = (graph.call_function(operator.getitem, (own, place)) for place in range(2))
        _stand_in(graph, attention, mixed)
    with graph.inserting_after(joined):
        stepped = graph.call_module("step", (joined, keys, size, where))
    with graph.inserting_after(stepped):
        tokens, sizes, places = (graph.call_function(operator.getitem, (stepped, place)) for place in range(3))
    joined.replace_all_uses_with(tokens, delete_user_cb=lambda user: user is not stepped)
    (output,) = (node for node in graph.nodes if node.op == "output")
    output.args = ((output.args[0], sizes, places),)


def _stand_in(graph: fx.Graph, attention: fx.Node, mixed: fx.Node) -> None:
    """Puts the attention that was read in the place of the module's; of several outputs only the first is needed."""
    takes = [user for user in attention.users if user.target is operator.getitem]
    if any(user.args[1] != 0 and user.users for user in takes):
        raise NotApplicable("its blocks read more of their attention than its tokens")
    for user in takes:
        user.replace_all_uses_with(mixed)
        graph.erase_node(user)
    attention.replace_all_uses_with(mixed)
    graph.erase_node(attention)


class Reduced(nn.Module):
    """Blocks with fewer and fewer tokens, and all tokens again at their end."""

    def __init__(self, blocks: Sequence[nn.Module], tokens: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(blocks)
        self.register_buffer("places", torch.arange(tokens)[None], persistent=False)

    def forward(self, *given: object, **named: object) -> Tensor:
        """Tokens (batch, n, width), and what else a block is called with, to tokens of the same shape."""
        x: Tensor = state(given, named)
        size, where = torch.ones_like(x[..., :1]), self.get_buffer("places").expand(x.shape[0], -1)
        for block in self.blocks:
            x, size, where = block(x, where=where, size=size)
        return x.gather(1, where[..., None].expand(-1, -1, x.shape[-1]))


def _replace(module: nn.Module, row: Sequence[tuple[str, Call]], steps: Sequence[nn.Module], sized: bool) -> nn.Module:
    """A copy of the module whose first block of the row does the work of all."""
    result = copy.deepcopy(module)
    before = row[0][1].before
    assert before is not None
    blocks = [_rewritten(result.get_submodule(name), call, step, sized) for (name, call), step in zip(row, steps, strict=True)]
    result.set_submodule(row[0][0], Reduced(blocks, before.shape[1]))
    for name, call in row[1:]:
        result.set_submodule(name, Passed(result.get_submodule(name), call.output))
    return result


def _settled(component: Component) -> Component:
    """The component. Raises NotApplicable if a length other than the batch may differ."""
    for tensor in component.inputs:
        open_ended = [size for size in tensor.shape if isinstance(size, str) and size != "batch"]
        if open_ended:
            raise NotApplicable(f"the length {open_ended[0]!r} of {component.name!r} differs from call to call, and so may its tokens")
    return component


@torch.no_grad()
def shorten(module: nn.Module, component: Component, seed: int, keep: float, make: Make, sized: bool) -> nn.Module:
    """A copy of a vision transformer whose rows of blocks end with the share `keep` of their tokens.

    Raises NotApplicable with the reason, and ValueError for a module whose answer is not finite to begin with.
    """
    module, given = opened(module), example(_settled(component), seed)
    wanted = module(*given)
    if not all(bool(found.isfinite().all()) for found in (wanted if isinstance(wanted, tuple | list) else (wanted,))):
        raise ValueError(f"the uncompressed {component.name!r} gives NaN or infinity for random inputs")
    rows = [row for row in series(module, given).values() if row[0][1].before is not None and row[0][1].before.ndim == 3]
    if not rows:
        raise NotApplicable(f"{component.name!r} has no row of two or more transformer blocks of one class in a ModuleList or Sequential")
    alone = any(name.rpartition(".")[2] in CLASS_TOKENS for name, _ in module.named_parameters())
    whole, result = module, module
    try:
        for row in rows:
            tokens = row[0][1].before.shape[1]  # type: ignore[union-attr]
            counts = schedule(tokens, len(row), keep, alone)
            whole = _replace(whole, row, make([tokens] * len(counts), alone), sized)
            result = _replace(result, row, make(counts, alone), sized)
        _compare(wanted, whole(*given), result(*given))
    except Exception as error:  # the reasons of this file, and whatever the network's own code raises without its blocks
        raise NotApplicable(f"the tokens of {component.name!r} cannot get fewer: {error}") from error
    return result


def _compare(wanted: object, same: object, fewer: object) -> None:
    """Raises NotApplicable unless `same` is what was wanted and `fewer` has its shape."""
    several = [tuple(found) if isinstance(found, tuple | list) else (found,) for found in (wanted, same, fewer)]
    for expected, whole, short in zip(*several, strict=True):
        if expected.shape != short.shape or not torch.allclose(expected, whole, rtol=1e-4, atol=1e-4):
            raise NotApplicable("what comes after the blocks does not take its tokens from the last of them alone")
