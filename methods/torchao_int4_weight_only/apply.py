"""torchao's 4-bit weights for processors on every linear layer that they fit."""

from collections.abc import Mapping

from torch import nn
from torchao.prototype.quantization.int4.inference_workflow import PrototypeInt4WeightOnlyConfig
from torchao.quantization.quantize_.workflows import Int4ChooseQParamsAlgorithm

from suite.contracts import Context, Value
from suite.surgery.torchao import quantized

GROUP, OUTPUTS = 32, 16
"""Inputs that share a scale, and what the number of outputs has to be a multiple of for PyTorch's product."""


def apply(parts: Mapping[str, nn.Module], parameters: Mapping[str, Value], context: Context) -> dict[str, nn.Module]:
    """Copies of the parts with every nn.Linear quantized that can be. parameters: `ranges`. Raises NotApplicable if there is none."""
    ranges = Int4ChooseQParamsAlgorithm(str(parameters["ranges"]))
    config = PrototypeInt4WeightOnlyConfig(GROUP, ranges, set_inductor_config=False)
    return quantized(parts, config, lambda layer: layer.in_features % GROUP == 0 and layer.out_features % OUTPUTS == 0)
