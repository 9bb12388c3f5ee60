"""What is wrong with a card beyond its types: names, parameters out of bounds, things that are named and do not exist."""

import re
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import Any

from suite import environments, formats
from suite.contracts import MethodCard, ModelCard, TargetCard

PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]*")
VARIANT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""A variant is chosen as `method/variant`, and is part of a file's name."""


def _check_model(card: ModelCard, _: ModuleType) -> Iterable[str]:
    for metric in (card.metric, *card.other_metrics):
        if not PLAIN_NAME.fullmatch(metric):
            yield f"its metric {metric!r} needs a name of lower-case letters, digits and '_'"
    names = [component.name for component in card.components]
    if not names or len(set(names)) < len(names):
        yield "its components need names that differ"
    for name in names:  # files are called by it
        if not PLAIN_NAME.fullmatch(name):
            yield f"its component {name!r} needs a name of lower-case letters, digits and '_'"


def _check_method(card: MethodCard, _: ModuleType) -> Iterable[str]:
    if not PLAIN_NAME.fullmatch(card.name):
        yield "it needs a name of lower-case letters, digits and '_'"
    names = [variant.name for variant in card.variants]
    if not names or len(set(names)) < len(names):
        yield "its variants need names that differ"
    parameters = {parameter.name: parameter for parameter in card.parameters}
    for variant in card.variants:
        if not VARIANT_NAME.fullmatch(variant.name):
            yield f"variant {variant.name!r}: a name is made of letters, digits, '_', '-' and '.'"
        if set(variant.parameters) != set(parameters):
            yield f"variant {variant.name!r} gives {sorted(variant.parameters)}, the card declares {sorted(parameters)}"
        for name, value in variant.parameters.items():
            if problem := parameters[name].check(value) if name in parameters else None:
                yield f"variant {variant.name!r}: {problem}"
        if bool(variant.steps) != (card.stage == "recipe"):
            yield f"variant {variant.name!r}: a recipe has steps, and nothing else has"


def _check_target(card: TargetCard, module: ModuleType) -> Iterable[str]:
    if not callable(getattr(module, "probe", None)):
        yield "its __init__.py has no function probe()"
    if card.environment is not None and card.environment not in environments.NAMES:
        yield f"its worker runs in the environment {card.environment!r}, and there are {', '.join(environments.NAMES)}"
    if unknown := [name for name in card.formats if name not in formats.FORMATS]:
        yield f"it runs the format {unknown[0]!r}, and there are {', '.join(formats.FORMATS)}"
    if card.items is not None and card.items < 1:
        yield "its items must be 1 or more"
    if not card.patience >= 1:
        yield "its patience must be 1 or more"


CHECKS: dict[str, Callable[[Any, ModuleType], Iterable[str]]] = {
    "model": _check_model,
    "method": _check_method,
    "target": _check_target,
}
