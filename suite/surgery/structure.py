"""Where the units and heads of a network are that can go without a trace elsewhere, and how to remove them."""

import copy
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
import torch_pruning
from torch import Tensor, nn

from suite.contracts import NotApplicable
from suite.surgery.activations import LAYERS, features
from suite.surgery.calls import outputs

PASSED = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.PReLU)
"""Layers with parameters that treat each unit on its own."""

HEADS = ("heads", "num_heads", "n_heads", "n_head", "num_attention_heads")
"""What attention modules call the number of their heads."""

PARITY = 1e-4
"""How far, as a share of the largest output, a network without some units may be from one whose units nobody reads."""


@dataclass(frozen=True, slots=True)
class Group:
    """Units that can go one by one. `name` is that of the layer, or of the attention module, that they belong to.

    writers: layer name -> the unit that each of its output features is part of. readers: the same for input features, -1 for one
    that belongs to no unit of this group. `remove(units)` removes them from the module that the group was found in.
    """

    name: str
    size: int
    writers: dict[str, Tensor]
    readers: dict[str, Tensor]
    remove: Callable[[list[int]], None]


def units(module: nn.Module, arguments: Sequence[Tensor], only: str | None = None) -> Iterator[Group]:
    """Hidden units of feed-forward layers and inner channels of convolutions, found through Torch-Pruning's dependency graph (2301.12900).

    A layer's outputs are such units if no other layer writes into them but one that reads the same tensor, as the gate of a gated
    feed-forward layer does (2002.05202), only layers read them, and neither an output of the component nor a norm over units depends
    on their number: this leaves the residual stream and attention alone. `only`: of this layer. Raises NotApplicable if the graph
    cannot be traced.
    """
    inside = {id(layer) for _, attention in _attentions(module) for layer in attention.modules()}
    names = {layer: name for name, layer in module.named_modules() if isinstance(layer, LAYERS)}
    graph, beside = _graph(module, arguments), _beside(module, arguments)
    told: set[str] = set()
    for layer, name in names.items():
        if layer in graph.module2node and id(layer) not in inside and name not in told and only in (None, name):
            handler = torch_pruning.prune_linear_out_channels if isinstance(layer, nn.Linear) else torch_pruning.prune_conv_out_channels
            if _goes_alone(graph.get_pruning_group(layer, handler, [0]), {layer, *beside.get(layer, ())}):
                group = _unit_group(graph, layer, handler, names)
                told |= set(group.writers)
                yield group


def _graph(module: nn.Module, arguments: Sequence[Tensor]) -> Any:
    with warnings.catch_warnings(), torch.enable_grad():
        warnings.simplefilter("ignore")  # parameters outside of layers: they are part of no group that is accepted
        try:
            return torch_pruning.DependencyGraph().build_dependency(
                module.requires_grad_(True), tuple(arguments), output_transform=_differentiable
            )
        except Exception as error:  # whatever the tracer raises on operators that it does not know
            raise NotApplicable(f"Torch-Pruning cannot trace it ({type(error).__name__}: {first_line(error)})") from error


def first_line(error: Exception) -> str:
    """What an error says first."""
    return (str(error).strip().splitlines() or [""])[0]


def _differentiable(answer: Any) -> list[Tensor]:
    return [tensor for tensor in (answer if isinstance(answer, tuple | list) else (answer,)) if tensor.requires_grad]


def _beside(module: nn.Module, arguments: Sequence[Tensor]) -> dict[nn.Module, list[nn.Module]]:
    """Of each linear layer the others of its width that read the very tensor that it reads."""
    read: dict[nn.Linear, Any] = {}
    linear = [layer for layer in module.modules() if isinstance(layer, nn.Linear)]
    _watch(module, arguments, linear, lambda layer, given: read.update({layer: given[0] if given else None}))
    return {
        layer: [other for other in read if other is not layer and read[other] is tensor and other.out_features == layer.out_features]
        for layer, tensor in read.items() if tensor is not None
    }  # fmt: skip


def _goes_alone(group: Any, writers: Collection[nn.Module]) -> bool:
    """Whether units of `writers` can go: they are only read by layers, and only passed on by what treats each on its own."""
    readers = 0
    for dependency, _ in group:
        target = dependency.target.module
        if isinstance(target, LAYERS):
            groups = getattr(target, "groups", 1)
            depthwise, reads = groups == features(target) > 1, "in_channels" in dependency.handler.__name__
            if not (depthwise or (groups == 1 and (reads or target in writers))):
                return False
            readers += reads and not depthwise
        elif isinstance(target, nn.Parameter | torch_pruning.ops._OutputOp) or not (isinstance(target, PASSED) or _is_bare(target)):
            return False
    return readers > 0


def _is_bare(target: nn.Module) -> bool:
    return next(target.parameters(), None) is None


def _unit_group(graph: Any, root: nn.Module, handler: Any, names: Mapping[Any, str]) -> Group:
    size, writers, readers = len(root.weight), {}, {}  # type: ignore[arg-type]
    found = graph.get_pruning_group(root, handler, list(range(size)))
    for item in found.items:
        target = item.dep.target.module
        if target is root:
            writers[names[root]] = torch.arange(size)
        elif target in names and "in_channels" in item.dep.handler.__name__:
            readers[names[target]] = unit = torch.full((features(target),), -1)
            unit[torch.tensor(item.idxs)] = torch.tensor(item.root_idxs)
        elif isinstance(target, nn.Linear):
            writers[names[target]] = unit = torch.full((target.out_features,), -1)
            unit[torch.tensor(item.idxs)] = torch.tensor(item.root_idxs)
    return Group(names[root], size, writers, readers, lambda gone: graph.get_pruning_group(root, handler, gone).prune())


def heads(module: nn.Module, arguments: Sequence[Tensor], only: str | None = None) -> Iterator[Group]:
    """Whole attention heads of every module that has a number of heads and four linear layers.

    The layer that runs last is the output projection; the other three, of equal width, are queries, keys and values.
    """
    for name, attention in _attentions(module):
        if only in (None, name):
            children = {layer: f"{name}.{child}".lstrip(".") for child, layer in attention.named_children() if isinstance(layer, nn.Linear)}
            *projections, output = _in_order(module, arguments, list(children))
            attribute = next(found for found in HEADS if isinstance(getattr(attention, found, None), int))
            count, width = int(getattr(attention, attribute)), output.in_features
            if count > 1 and width % count == 0 and all(layer.out_features == width for layer in projections):
                head = torch.arange(count).repeat_interleave(width // count)
                remove = _head_remover(attention, attribute, projections, output)
                yield Group(name, count, {children[layer]: head for layer in projections}, {children[output]: head}, remove)


def _attentions(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, candidate in module.named_modules():
        linear = [layer for layer in candidate.children() if isinstance(layer, nn.Linear)]
        if len(linear) == 4 and any(isinstance(getattr(candidate, found, None), int) for found in HEADS):
            yield name, candidate


def _in_order(module: nn.Module, arguments: Sequence[Tensor], wanted: Sequence[nn.Linear]) -> list[nn.Linear]:
    """The layers in the order in which they run; the order of definition if that cannot be seen."""
    order: list[nn.Linear] = []
    _watch(module, arguments, wanted, lambda layer, given: order.append(layer))
    return order if sorted(map(id, order)) == sorted(map(id, wanted)) else list(wanted)


def _watch(module: nn.Module, arguments: Sequence[Tensor], layers: Sequence[nn.Linear], note: Callable[[Any, Any], None]) -> None:
    """Runs the module; `note` is given each of the layers, and its arguments, as it runs."""
    hooks = [layer.register_forward_pre_hook(lambda layer, given: note(layer, given)) for layer in layers]
    try:
        with torch.no_grad():
            module(*arguments)
    finally:
        for hook in hooks:
            hook.remove()


def _head_remover(attention: nn.Module, attribute: str, projections: Sequence[nn.Linear], output: nn.Linear) -> Callable[[list[int]], None]:
    def remove(gone: list[int]) -> None:
        count = int(getattr(attention, attribute))
        width = output.in_features // count
        places = [place for head in gone for place in range(head * width, (head + 1) * width)]
        for layer in projections:
            torch_pruning.prune_linear_out_channels(layer, places)
        torch_pruning.prune_linear_in_channels(output, places)
        setattr(attention, attribute, count - len(gone))

    return remove


Finder = Callable[..., Iterator[Group]]

FINDERS: dict[str, Finder] = {"units": units, "heads": heads}
"""Granularity -> what finds its groups."""


@torch.no_grad()
def unread(module: nn.Module, group: Group, gone: Sequence[int]) -> nn.Module:
    """A copy in which nothing reads these units any more: what a network without them has to answer."""
    masked = copy.deepcopy(module)
    for name, unit in group.readers.items():
        weight = masked.get_submodule(name).weight
        assert isinstance(weight, Tensor)
        weight[:, torch.isin(unit, torch.tensor(gone))] = 0
    return masked


@torch.no_grad()
def without(module: nn.Module, find: Finder, name: str, gone: list[int], arguments: Sequence[Tensor]) -> nn.Module:
    """A copy without these units of the group of that name. Raises NotApplicable unless it answers as if nothing read them."""
    smaller = copy.deepcopy(module)
    with torch.enable_grad():
        group = next(find(smaller, arguments, name))
        wanted = [answer.detach() for answer in outputs(unread(smaller, group, gone), arguments)]
        group.remove(gone)
    try:
        answers = outputs(smaller, arguments)
    except Exception as error:  # a forward with a literal size, for example
        raise NotApplicable(f"without some of them {name!r} does not run ({type(error).__name__}: {first_line(error)})") from error
    for answer, expected in zip(answers, wanted, strict=True):
        if answer.shape != expected.shape:
            raise NotApplicable(
                f"without some of them an output of {name!r} has the shape {tuple(answer.shape)}, not {tuple(expected.shape)}"
            )
        scale = PARITY * max(1e-30, float(expected.double().abs().max())) if expected.numel() else 0.0
        if not torch.allclose(answer.double(), expected.double(), rtol=0, atol=scale):
            raise NotApplicable(f"without some of them {name!r} does not answer as if nothing read them")
    return smaller
