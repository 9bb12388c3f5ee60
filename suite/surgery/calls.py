"""A component's inputs as arguments of its module, from data or from none, and its outputs."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from suite.contracts import Component

Array = np.ndarray[Any, np.dtype[Any]]
Arrays = Mapping[str, Array]


def arguments(component: Component, call: Arrays) -> tuple[Tensor, ...]:
    """The inputs of a component for its module's forward: tensors of their own, in the card's order."""
    return tuple(torch.from_numpy(np.array(call[tensor.name])) for tensor in component.inputs)


def example(component: Component, seed: int) -> tuple[Tensor, ...]:
    """Arguments of a component's forward that need no data: Gaussian numbers, index 0, every named length from 2 up, batch of 2."""
    generator = torch.Generator().manual_seed(seed)
    names = dict.fromkeys(size for tensor in component.inputs for size in tensor.shape if isinstance(size, str))
    lengths = {name: place for place, name in enumerate(sorted(names, key=lambda name: name != "batch"), 2)}
    shapes = [tuple(lengths[size] if isinstance(size, str) else size for size in tensor.shape) for tensor in component.inputs]
    return tuple(
        torch.randn(shape, generator=generator) if tensor.dtype == "float32" else torch.zeros(shape, dtype=torch.int64)
        for tensor, shape in zip(component.inputs, shapes, strict=True)
    )


def outputs(module: nn.Module, arguments: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """What a module answers, always as a tuple."""
    answer = module(*arguments)
    return tuple(answer) if isinstance(answer, tuple | list) else (answer,)
