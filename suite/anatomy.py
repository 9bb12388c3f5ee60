"""What a model is made of: parameters, multiply-accumulates and activations of each component, on inputs that it is really fed."""

from dataclasses import dataclass
from typing import Any

from suite import reference, stored
from suite.contracts import Component, ModelCard
from suite.export import arguments
from suite.glue import Glue
from suite.plugins import model_part
from suite.prepare import calibration, record_feeds


@dataclass(frozen=True, slots=True)
class Anatomy:
    """A component in numbers, of the first call of a request.

    macs: multiply-accumulates of matrix products and convolutions, as torch.utils.flop_counter counts them; activations: elements that
    the innermost modules put out. Both None for a component that comes as an ONNX model.
    """

    component: Component
    parameters: int
    macs: int | None
    activations: int | None


def anatomy(card: ModelCard) -> list[Anatomy]:
    """Every component of a model. Raises CellFailed."""
    parts = reference.load(card)
    feeds = record_feeds(card, parts, Glue(model_part(card.name, "task")), calibration(card.name))
    return [
        _graph(c, parts[c.name]) if reference.is_graph(parts[c.name]) else _module(c, parts[c.name], feeds[c.name][0])
        for c in card.components
    ]


def _graph(component: Component, part: Any) -> Anatomy:
    return Anatomy(component, sum(constant.elements for constant in stored.constants(part).values()), None, None)


def _module(component: Component, module: Any, call: Any) -> Anatomy:
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    seen: list[int] = []

    def count(_: Any, __: Any, output: Any) -> None:
        seen.append(
            sum(tensor.numel() for tensor in (output if isinstance(output, tuple) else (output,)) if isinstance(tensor, torch.Tensor))
        )

    hooks = [inner.register_forward_hook(count) for inner in module.modules() if not list(inner.children())]
    try:
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(*arguments(component, call))
    finally:
        for hook in hooks:
            hook.remove()
    return Anatomy(component, sum(parameter.numel() for parameter in module.parameters()), counter.get_total_flops() // 2, sum(seen))
