"""torchao's Int8WeightOnlyConfig on every linear layer."""

from collections.abc import Mapping

from torch import nn
from torchao.quantization import Int8WeightOnlyConfig

from suite.contracts import Context, Value
from suite.surgery.torchao import quantized


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Copies of the parts with every nn.Linear quantized. Raises NotApplicable if there is none."""
    return quantized(parts, Int8WeightOnlyConfig())
