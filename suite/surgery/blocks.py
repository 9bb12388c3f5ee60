"""The residual blocks of a network, found by what they do on one call: a row of modules of one class that keep the shape of a state."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any, cast

import torch
from torch import Tensor, nn

from suite.contracts import Component, NotApplicable
from suite.surgery.calls import Arrays, arguments


@dataclass(frozen=True, slots=True)
class Call:
    """What a module was called with, and what it answered.

    before, after: copies of the hidden state that went in and of the one that came out (the output, or the first of several): a
    network may add to either in place.
    """

    given: tuple[Any, ...]
    named: Mapping[str, Any]
    output: Any
    before: Tensor | None
    after: Tensor | None


def state(given: tuple[Any, ...], named: Mapping[str, Any]) -> Any:
    """The first argument of a call, by place or by name; None if there is none."""
    return next(iter((*given, *named.values())), None)


@contextmanager
def watched(module: nn.Module, names: Iterable[str]) -> Iterator[dict[str, list[Call]]]:
    """Notes the calls of these submodules while it is open: name -> its calls so far."""
    calls: dict[str, list[Call]] = {name: [] for name in names}
    entered: dict[str, list[Tensor | None]] = {name: [] for name in calls}

    def enter(name: str) -> Any:
        return lambda _, given, named: entered[name].append(_copy(state(given, named)))

    def leave(name: str) -> Any:
        return lambda _, given, named, output: calls[name].append(
            Call(given, dict(named), output, entered[name].pop(), _copy(output[0] if isinstance(output, tuple) and output else output))
        )

    hooks = [module.get_submodule(name).register_forward_pre_hook(enter(name), with_kwargs=True) for name in calls]
    hooks += [module.get_submodule(name).register_forward_hook(leave(name), with_kwargs=True) for name in calls]
    try:
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def _copy(value: Any) -> Tensor | None:
    return value.clone() if isinstance(value, Tensor) else None


def _candidates(module: nn.Module) -> list[list[str]]:
    """Rows of two or more neighbours of one class in a ModuleList or Sequential, by name; a class that has parts of its own.

    Blocks that are gone do not part neighbours.
    """
    rows = []
    for owner, found in module.named_modules():
        if isinstance(found, nn.ModuleList | nn.Sequential):
            named = [(f"{owner}.{name}" if owner else name, child) for name, child in found.named_children()]
            children = [pair for pair in named if not isinstance(pair[1], Passed)]
            for kind, row in groupby(children, lambda pair: type(pair[1])):
                if kind not in (nn.Sequential, nn.ModuleList, nn.ModuleDict):
                    rows.append([name for name, child in row if any(child.children()) and any(True for _ in child.parameters())])
    return [row for row in rows if len(row) > 1]


@torch.no_grad()
def series(module: nn.Module, given: tuple[Tensor, ...]) -> dict[str, list[tuple[str, Call]]]:
    """The rows of residual blocks that this call of a module runs through: name of the row -> name and call of each block, in order.

    A block is called once and gives back a hidden state of the shape and dtype that it was given. Blocks inside of a block do not count.
    """
    rows = _candidates(module)
    with watched(module, dict.fromkeys(name for row in rows for name in row)) as calls:
        module(*given)
    found: dict[str, list[tuple[str, Call]]] = {}
    taken: list[str] = []
    for row in rows:
        blocks = [(name, calls[name][0]) for name in row if len(calls[name]) == 1 and _keeps_shape(calls[name][0])]
        if len(blocks) > 1 and not any(blocks[0][0].startswith(f"{outer}.") for outer in taken):
            found[blocks[0][0].rpartition(".")[0] or "the network"] = blocks
            taken += [name for name, _ in blocks]
    return found


def _keeps_shape(call: Call) -> bool:
    before, after = call.before, call.after
    if before is None or after is None or not before.is_floating_point() or before.ndim < 3:
        return False
    return before.shape == after.shape and before.dtype == after.dtype


class Passed(nn.Module):
    """In the place of a block that is gone: gives back the hidden state that it is given.

    What a block returns beside the state (keys and values of a cache) is still computed by `block`; an exporter leaves out of it
    what nobody reads. A block that returns nothing else is not kept.
    """

    def __init__(self, block: nn.Module, output: Any) -> None:
        super().__init__()
        rest: tuple[Any, ...] | None = output[1:] if isinstance(output, tuple) else None
        several = any(isinstance(value, Tensor) for value in rest or ())
        self.block, self.rest = block if several else None, None if several else rest

    def forward(self, *given: Any, **named: Any) -> Any:
        """As the block's."""
        hidden = state(given, named)
        if self.block is not None:
            return (hidden, *self.block(*given, **named)[1:])
        return hidden if self.rest is None else (hidden, *self.rest)


class _Chain(nn.Module):
    """A torch.nn.TransformerEncoder without its shortcuts, for which it looks into its first layer."""

    def __init__(self, encoder: nn.TransformerEncoder) -> None:
        super().__init__()
        self.layers, self.norm = encoder.layers, encoder.norm

    def forward(
        self, src: Tensor, mask: Tensor | None = None, src_key_padding_mask: Tensor | None = None, is_causal: bool | None = None
    ) -> Tensor:
        """As the encoder's; `is_causal` only tells it what `mask` says."""
        for layer in self.layers:
            src = layer(src, mask, src_key_padding_mask)
        return src if self.norm is None else self.norm(src)


def opened(module: nn.Module) -> nn.Module:
    """A copy of a module in which every torch.nn.TransformerEncoder is a plain loop over its layers, so that any of them may go."""
    result = copy.deepcopy(module)
    if isinstance(result, nn.TransformerEncoder):
        return _Chain(result)
    for name in [name for name, part in result.named_modules() if isinstance(part, nn.TransformerEncoder)]:
        result.set_submodule(name, _Chain(cast(nn.TransformerEncoder, result.get_submodule(name))))
    return result


def without(module: nn.Module, blocks: Mapping[str, Call]) -> nn.Module:
    """A copy of the module in which these blocks pass the hidden state on; the rows keep their length, as a network may count on it."""
    result = copy.deepcopy(module)
    for name, call in blocks.items():
        result.set_submodule(name, Passed(result.get_submodule(name), call.output))
    return result


@torch.no_grad()
def influence(module: nn.Module, component: Component, calls: Iterable[Arrays], blocks: Iterable[str]) -> dict[str, float]:
    """Block influence (2403.03853): 1 - the mean cosine of a block's input and output over all tokens of the calls.

    A hidden state (batch, channels, height, width) has a token at each place. Raises ValueError without a call, and for states
    that are not finite.
    """
    cosines: dict[str, list[Tensor]] = {name: [] for name in blocks}
    for call in calls:
        with watched(module, cosines) as seen:
            module(*arguments(component, call))
        for name, found in cosines.items():
            found.append(_cosines(seen[name][0]))
            if not bool(found[-1].isfinite().all()):
                raise ValueError(f"the hidden states of {name!r} in {component.name!r} are not finite on the calibration split")
    if not all(cosines.values()):
        raise ValueError(f"there is no calibration item to measure the influence of the blocks of {component.name!r} on")
    return {name: 1 - float(torch.cat(found).mean()) for name, found in cosines.items()}


def _cosines(call: Call) -> Tensor:
    """Of every token, shape (tokens,), float64."""
    before, after = call.before, call.after
    assert before is not None
    assert after is not None
    return nn.functional.cosine_similarity(before.double(), after.double(), dim=1 if before.ndim == 4 else -1).flatten()


def chosen(rows: list[list[str]], influences: Mapping[str, float], count: int) -> list[str]:
    """The `count` least influential blocks, fewer where that would leave a row empty; of equals the earlier one goes."""
    left = {name: row for row in map(list, rows) for name in row}
    dropped: list[str] = []
    for name in sorted(left, key=lambda name: influences[name]):
        if len(dropped) < count and len(left[name]) > 1:
            left[name].remove(name)
            dropped.append(name)
    return dropped


@torch.no_grad()
def shallower(module: nn.Module, component: Component, calls: list[Arrays], count: int) -> nn.Module | None:
    """A copy without the `count` blocks of least influence, of which a row keeps one; None if the module has no row of blocks.

    Raises ValueError without a calibration call, NotApplicable if the network does not run without them.
    """
    if not calls:
        raise ValueError(f"there is no calibration item to measure the influence of the blocks of {component.name!r} on")
    module, given = opened(module), arguments(component, calls[0])
    rows = series(module, given)
    known: dict[str, Call] = {name: call for row in rows.values() for name, call in row}
    if not known:
        return None
    influences = influence(module, component, calls, known)
    names = chosen([[name for name, _ in row] for row in rows.values()], influences, count)
    result = without(module, {name: known[name] for name in names})
    try:
        result(*given)
    except Exception as error:  # whatever the network's own code raises
        raise NotApplicable(f"{component.name!r} does not run without its block {' or '.join(names)}: {error}") from error
    return result
