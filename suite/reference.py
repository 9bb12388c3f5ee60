"""The uncompressed parts of a model, as its own code makes them: loaded, checked against its card, ready to answer in this process."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from suite.contracts import Component, ModelCard
from suite.errors import CellFailed
from suite.export import answer, check_call
from suite.plugins import model_folder, model_part

Array = np.ndarray[Any, np.dtype[Any]]
Arrays = Mapping[str, Array]
Run = Callable[[str, Arrays], Arrays]


def load(card: ModelCard) -> dict[str, Any]:
    """Component -> torch module in eval mode, or ready ONNX model. Raises CellFailed (`export_failed`)."""
    try:
        found = model_part(card.name, "network").load(model_folder(card.name))
    except CellFailed:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise CellFailed("export_failed", f"load() of the model {card.name!r} raised {type(error).__name__}: {reason}") from error
    names = {component.name for component in card.components}
    if not isinstance(found, Mapping) or set(found) != names:
        given = ", ".join(map(str, found)) if isinstance(found, Mapping) else type(found).__name__
        raise CellFailed(
            "export_failed", f"load() gives {given or 'nothing'}, and the card names the components {', '.join(sorted(names))}"
        )
    for name, part in found.items():
        if not is_graph(part) and not hasattr(part, "state_dict"):
            raise CellFailed(
                "export_failed", f"what load() gives for {name!r} is {type(part).__name__}, not a torch module or an ONNX model"
            )
        if training := _training(part):
            raise CellFailed(
                "export_failed",
                f"load() gives {name!r} with {training} in training mode, in which batch norm and dropout act on a batch; call its eval()",
            )
    return dict(found)


def _training(part: Any) -> str:
    """The first layer of a torch module that is in training mode, the module itself as `all of it`; empty if there is none."""
    found = next((name or "all of it" for name, layer in part.named_modules() if layer.training), "") if not is_graph(part) else ""
    return found if found in ("", "all of it") else repr(found)


def is_graph(part: Any) -> bool:
    """Whether a part is an ONNX model already."""
    import onnx

    return isinstance(part, onnx.ModelProto)


def runner(card: ModelCard, parts: Mapping[str, Any]) -> Run:
    """Calls the parts as a target's runner would, and holds each call against the card. Raises CellFailed (`invalid_output`)."""
    answers = {component.name: _answer(component, parts[component.name]) for component in card.components}
    known = {component.name: component for component in card.components}

    def run(name: str, inputs: Arrays) -> Arrays:
        if name not in known:
            raise CellFailed("invalid_output", f"the glue calls the component {name!r}, and the card names {', '.join(known)}")
        check_call(known[name], known[name].inputs, inputs, "invalid_output")
        outputs = answers[name](inputs)
        check_call(known[name], known[name].outputs, outputs, "invalid_output")
        for tensor, array in outputs.items():
            if not np.isfinite(array).all():
                raise CellFailed("invalid_output", f"the uncompressed component {name!r} gives NaN or infinity in {tensor!r}")
        return outputs

    return run


def _answer(component: Component, part: Any) -> Callable[[Arrays], dict[str, Array]]:
    if not is_graph(part):
        return lambda call: answer(part, component, call)
    import onnxruntime

    session = onnxruntime.InferenceSession(part.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    wanted = [tensor.name for tensor in component.inputs]

    def run(call: Arrays) -> dict[str, Array]:
        return dict(zip(names, session.run(names, {name: call[name] for name in wanted}), strict=True))

    return run
