"""Removal of whole blocks by block influence (ShortGPT, 2403.03853)."""

from collections.abc import Mapping
from itertools import islice

import torch
from torch import nn

from suite.contracts import Component, Context, NotApplicable, Value
from suite.surgery.blocks import Arrays, Call, arguments, influence, opened, series, without


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
def _dropped(module: nn.Module, component: Component, calls: list[Arrays], count: int) -> nn.Module | None:
    """The module without its least influential blocks; None if it has no row of blocks."""
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


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Copies of the parts with fewer blocks, a part without blocks as it is; NotApplicable if none has any."""
    blocks, items = int(parameters["blocks"]), int(parameters["items"])
    found = {
        name: _dropped(module, context.components[name], list(islice(context.feeds(name), items)), blocks) for name, module in parts.items()
    }
    if all(module is None for module in found.values()):
        raise NotApplicable(
            f"no row of two or more blocks of one class that keep the shape of a hidden state (in a ModuleList or Sequential) "
            f"in {', '.join(parts)}"
        )
    return {name: parts[name] if module is None else module for name, module in found.items()}
