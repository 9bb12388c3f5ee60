"""The AI Edge Quantizer's dynamic recipe on LiteRT models. Runs in the environment `litert`."""

from collections.abc import Mapping

from ai_edge_quantizer import quantizer, recipe

from suite.contracts import Context, Value


def apply(parts: Mapping[str, bytes], parameters: Mapping[str, Value], context: Context) -> dict[str, bytes]:
    """Quantized copies of the parts, which are the bytes of `.tflite` files."""
    made = {}
    for name, model in parts.items():
        work = quantizer.Quantizer(bytes(model), recipe.dynamic_wi8_afp32())
        made[name] = bytes(work.quantize().quantized_model)
    return made
