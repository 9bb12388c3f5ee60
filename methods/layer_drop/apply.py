"""Removal of whole blocks by block influence (ShortGPT, 2403.03853)."""

from collections.abc import Mapping
from itertools import islice

from torch import nn

from suite.contracts import Context, NotApplicable, Value
from suite.surgery.blocks import shallower


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Copies of the parts with fewer blocks, a part without blocks as it is; NotApplicable if none has any."""
    blocks, items = int(parameters["blocks"]), int(parameters["items"])
    found = {
        name: shallower(module, context.components[name], list(islice(context.feeds(name), items)), blocks)
        for name, module in parts.items()
    }
    if all(module is None for module in found.values()):
        raise NotApplicable(
            f"no row of two or more blocks of one class that keep the shape of a hidden state (in a ModuleList or Sequential) "
            f"in {', '.join(parts)}"
        )
    return {name: parts[name] if module is None else module for name, module in found.items()}
