"""The AI Edge Quantizer's static recipe on LiteRT models. Runs in the environment `litert`."""

from collections.abc import Mapping
from itertools import islice
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from ai_edge_quantizer import algorithm_manager, qtyping, quantizer, recipe, recipe_manager

from suite.contracts import Context, Value


def apply(parts: Mapping[str, bytes], parameters: Mapping[str, Value], context: Context) -> dict[str, bytes]:
    """Quantized copies of the parts, which are the bytes of `.tflite` files, calibrated on what each is fed on the calibration split."""
    made = {}
    for name, model in parts.items():
        signature, wanted = _inputs(model)
        feeds = [
            {each: np.asarray(feed[each]).astype(dtype, copy=False) for each, dtype in wanted.items()}
            for feed in islice(context.feeds(name), int(parameters["items"]))
        ]
        work = quantizer.Quantizer(bytes(model), _recipe())
        made[name] = bytes(work.quantize(work.calibrate({signature: feeds})).quantized_model)
    return made


def _inputs(model: bytes) -> tuple[str, dict[str, Any]]:
    """The name of a model's signature, and the type of each input."""
    interpreter = Interpreter(model_content=bytes(model))
    (signature,) = interpreter.get_signature_list()
    return signature, {name: told["dtype"] for name, told in interpreter.get_signature_runner(signature).get_input_details().items()}


def _recipe() -> Any:
    """Everything in 8 bits but the inputs and outputs of the model, whose types are the card's."""
    manager = recipe_manager.RecipeManager()
    manager.load_quantization_recipe(recipe.static_wi8_ai8())
    for side in (qtyping.TFLOperationName.INPUT, qtyping.TFLOperationName.OUTPUT):
        manager.add_quantization_config(".*", side, algorithm_key=algorithm_manager.AlgorithmName.NO_QUANTIZE)
    return manager.get_quantization_recipe()
