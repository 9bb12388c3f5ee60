"""Structured pruning by weight norm, as 1608.08710 does for filters, of the hidden units of feed-forward blocks."""

import contextlib
import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from suite.contracts import Component, Context, NotApplicable, Value
from suite.surgery.calls import example
from suite.surgery.structure import units, without

ACTIVATIONS = (nn.GELU, nn.ReLU, nn.ReLU6, nn.SiLU, nn.Mish, nn.ELU, nn.LeakyReLU, nn.Hardswish, nn.Tanh, nn.Sigmoid)
ELEMENTWISE = (*ACTIVATIONS, nn.Dropout, nn.Identity)
"""Modules that treat each hidden unit on its own, so that one can go without a change to the others."""


def blocks(module: nn.Module) -> Iterator[tuple[nn.Linear, nn.Linear]]:
    """The two linear layers of each feed-forward block: in any nn.Sequential, with nothing but elementwise modules between them."""
    for sequence in module.modules():
        if isinstance(sequence, nn.Sequential):
            layers = [layer for layer in sequence if not isinstance(layer, ELEMENTWISE)]
            for first, second in pairwise(layers):
                if isinstance(first, nn.Linear) and isinstance(second, nn.Linear):
                    yield first, second


def importance(writers: Sequence[nn.Linear], reader: nn.Linear) -> Tensor:
    """Of each hidden unit: the L2 norm of its outgoing weights times that of its incoming ones, and of those of its gate, (units,)."""
    result: Tensor = torch.linalg.vector_norm(reader.weight, dim=0)
    for layer in writers:
        result = torch.linalg.vector_norm(layer.weight, dim=1) * result
    return result


def _kept(writers: Sequence[nn.Linear], reader: nn.Linear, keep: float) -> Tensor:
    """The most important units, in their order."""
    count = max(1, round(keep * reader.in_features))
    return importance(writers, reader).argsort(descending=True, stable=True)[:count].sort().values


def _shrink(first: nn.Linear, second: nn.Linear, keep: float) -> None:
    """Keeps the most important units in their order, in place."""
    kept = _kept([first], second, keep)
    first.weight, second.weight = nn.Parameter(first.weight[kept]), nn.Parameter(second.weight[:, kept])
    if first.bias is not None:
        first.bias = nn.Parameter(first.bias[kept])
    first.out_features = second.in_features = len(kept)


def _linear(module: nn.Module, names: Iterable[str]) -> list[nn.Linear]:
    return [layer for name in names if isinstance(layer := module.get_submodule(name), nn.Linear)]


def _traced(module: nn.Module, component: Component, keep: float, seed: int) -> nn.Module | None:
    """A copy whose blocks in no nn.Sequential are pruned, gated ones among them, found by what reads what as it runs; None without any."""
    arguments, smaller = example(component, seed), None
    known = {layer for pair in blocks(module) for layer in pair}
    try:
        groups = list(units(module, arguments))
    except Exception:  # whatever a module raises on inputs that are not of its data, and a tracer on operators that it does not know
        return None
    for group in groups:
        writers, readers = (_linear(module, side) for side in (group.writers, group.readers))
        places = [*group.writers.values(), *group.readers.values()]
        whole = len(readers) == 1 and len(places) == len(writers) + 1 and not known & {*writers, *readers}
        if whole and all(torch.equal(place, torch.arange(group.size)) for place in places):
            kept = set(_kept(writers, readers[0], keep).tolist())
            gone = [unit for unit in range(group.size) if unit not in kept]
            with contextlib.suppress(NotApplicable):
                smaller = without(smaller or module, units, group.name, gone, arguments) if gone else smaller
    return smaller


@torch.no_grad()
def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Prunes copies of the parts that have feed-forward blocks; NotApplicable if none has."""
    pruned, keep, found = {}, float(parameters["keep"]), False
    for name, module in parts.items():
        module = copy.deepcopy(module)
        traced = _traced(module, context.components[name], keep, context.seed)
        pruned[name] = traced or module
        pairs = list(blocks(pruned[name]))
        for first, second in pairs:
            _shrink(first, second, keep)
        found = found or traced is not None or bool(pairs)
    if not found:
        raise NotApplicable(f"no feed-forward block to prune in {', '.join(parts)}")
    return pruned
