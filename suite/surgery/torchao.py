"""torchao's own quantization of linear layers, as plain tensors that a program can hold. Needs torch; torchao when it is called."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from suite.contracts import NotApplicable


def quantized(parts: Mapping[str, nn.Module], config: Any, fits: Callable[[nn.Linear], bool] = lambda layer: True) -> dict[str, nn.Module]:
    """Copies of the parts with every nn.Linear that `fits` quantized by one of torchao's configurations, but the last one of attention,
    whose weight is read past its layer, as torchao itself has it. Raises NotApplicable if there is none."""
    from torchao.quantization import quantize_
    from torchao.utils import unwrap_tensor_subclass

    def chosen(layer: nn.Module, name: str = "") -> bool:
        return isinstance(layer, nn.Linear) and not isinstance(layer, NonDynamicallyQuantizableLinear) and fits(layer)

    if not any(chosen(layer) for part in parts.values() for layer in part.modules()):
        raise NotApplicable(f"there is no linear layer in {', '.join(parts)}, or none of a size that it takes")
    made = {}
    for name, part in parts.items():
        made[name] = copy.deepcopy(part).eval()
        quantize_(made[name], config, chosen)
        _keep_zeros(made[name])
        unwrap_tensor_subclass(made[name])  # a tensor of a class of its own would be written as a pickle
    return made


def _keep_zeros(part: nn.Module) -> None:
    """Rows of zeros, as pruning leaves them: their scale in float8 is zero, torchao divides by it, and the row is NaN without this."""
    from torchao.quantization import Float8Tensor

    for layer in part.modules():
        weight = getattr(layer, "weight", None)
        if isinstance(weight, Float8Tensor):
            weight.qdata.view(torch.uint8)[(weight.scale == 0).expand(weight.qdata.shape)] = 0  # +0.0 in every float8 type
