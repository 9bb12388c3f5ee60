"""torchao's own quantization of linear layers, as plain tensors that a program can hold."""

import copy
from collections.abc import Mapping

from torch import nn
from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_
from torchao.utils import unwrap_tensor_subclass

from suite.contracts import Context, NotApplicable, Value


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Copies of the parts with every nn.Linear quantized. Raises NotApplicable if there is none."""
    if not any(isinstance(layer, nn.Linear) for part in parts.values() for layer in part.modules()):
        raise NotApplicable(f"there is no linear layer in {', '.join(parts)}")
    made = {}
    for name, part in parts.items():
        made[name] = copy.deepcopy(part).eval()
        quantize_(made[name], Int8DynamicActivationInt8WeightConfig())
        unwrap_tensor_subclass(made[name])  # a tensor of a class of its own would be written as a pickle
    return made
