"""Quantization by torchao's pt2e with the quantizer that ExecuTorch has for XNNPACK. Runs in the environment `executorch`."""

from collections.abc import Mapping
from typing import Any

import torch
from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer, get_symmetric_quantization_config
from torch import nn
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

from suite.contracts import Component, Context, NotApplicable, Value


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """The parts as torch.export sees them, every linear layer between quantized activations. Raises NotApplicable if there is none."""
    if not any(isinstance(layer, nn.Linear) for part in parts.values() for layer in part.modules()):
        raise NotApplicable(f"there is no linear layer in {', '.join(parts)}")
    return {name: _quantized(part.eval(), context.components[name]) for name, part in parts.items()}


def _quantized(part: nn.Module, component: Component) -> Any:
    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True, is_dynamic=True))
    given = tuple(_nothing(tensor.dtype, tensor.shape) for tensor in component.inputs)
    with torch.no_grad():
        prepared = prepare_pt2e(torch.export.export(part, given).module(), quantizer)
        prepared(*given)  # dynamic: ranges are those of each call, and this one only makes the weights' scales
        return convert_pt2e(prepared)


def _nothing(dtype: str, shape: tuple[int | str, ...]) -> torch.Tensor:
    """Zeros of an input's shape."""
    return torch.zeros([size if isinstance(size, int) else 1 for size in shape], dtype=getattr(torch, dtype))
