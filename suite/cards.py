"""What is wrong with a card: fields of other types than the contracts declare, names, parameters out of bounds, things that are named and
do not exist."""

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import is_dataclass
from functools import cache
from types import ModuleType, UnionType
from typing import Any, Literal, get_args, get_origin, get_type_hints

from suite import environments, formats
from suite.contracts import MethodCard, ModelCard, TargetCard
from suite.submission.texts import hidden, shown

PLAIN_NAME = re.compile(r"[a-z][a-z0-9_]*")
VARIANT_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
"""A variant is chosen as `method/variant`, and is part of a file's name."""
LONGEST_NAME = 48
"""Characters. A record's file is named after four plug-ins and what else tells it apart, and may have 255."""
INTEGERS = 1 << 63
"""A record holds whole numbers below it."""


def problem_of(kind: str, card: Any, module: ModuleType) -> str | None:
    """What is wrong with a card of the kind "model", "method" or "target", in words; None if nothing is. Raises nothing."""
    try:
        wrong = mistyped(card) if kind != "model" else ()  # of a model `check-model` says so, beside all that else is wrong with it
        return "; ".join(wrong) or next(iter((*_long(card), *CHECKS[kind](card, module))), None)
    except Exception as error:  # it may hold objects of any class, which may do anything when they are looked at
        return f"reading its card raised {type(error).__name__}: {error}"


def _long(card: Any) -> Iterator[str]:
    for name in (card.name, *(variant.name for variant in getattr(card, "variants", ()))):
        if len(name) > LONGEST_NAME:
            yield f"the name {shown(name, 60)!r} has {len(name)} characters, and may have {LONGEST_NAME}"


def mistyped(card: object) -> Iterator[str]:
    """Fields of a card, and of what it holds, that are of another type than the contracts declare, or words that these do not know."""
    yield from _unlike(card, type(card), "the card")


@cache
def _hints(kind: type) -> dict[str, Any]:
    """The types of its fields: working them out takes longer than holding the values of a card against them."""
    return get_type_hints(kind)


def _unlike(value: object, kind: Any, place: str) -> Iterator[str]:
    """What makes a value none of a type: a sentence for each part of it. `place`: what the value is, in words."""
    origin, inner = get_origin(kind), get_args(kind)
    if is_dataclass(kind) and isinstance(value, kind):  # type: ignore[arg-type]
        of = f"{kind.__name__} {value.name!r}" if place != "the card" and hasattr(value, "name") else place  # type: ignore[union-attr]
        for name, each in _hints(kind).items():  # type: ignore[arg-type]
            yield from _unlike(getattr(value, name), each, f"{name} of {of}")
    elif origin is tuple and isinstance(value, tuple):
        for each in value:
            yield from _unlike(each, inner[0], f"an entry of {place}")
    elif origin is Mapping and isinstance(value, Mapping):
        for name, each in value.items():
            yield from _unlike(name, str, f"a key of {place}")
            yield from _unlike(each, inner[1], f"{name} in {place}")
    elif problem := _problem(value, inner if isinstance(kind, UnionType) else (kind,)):
        yield f"{place} is {shown(repr(value), 80)}, {problem}"


def _problem(value: object, kinds: Iterable[Any]) -> str | None:
    """Why a value is none of these types, or one that no record can hold."""
    if not any(_is(value, kind) for kind in kinds):
        return f"not {' or '.join(map(_spelled, kinds))}"
    if isinstance(value, str) and (found := hidden(value)):
        return f"with the hidden character U+{ord(found):04X}"
    if isinstance(value, float) and not math.isfinite(value):
        return "no finite number"
    if isinstance(value, int) and abs(value) >= INTEGERS:
        return "too large for a record"
    return None


def _is(value: object, kind: Any) -> bool:
    """Whether a value is of a type without parts. True is no number, and a whole number may stand where a fraction may."""
    if get_origin(kind) in (Literal, type):
        return value in get_args(kind)
    plain = type(value) is kind or (kind is float and type(value) is int)
    return plain or (kind is str and isinstance(value, str))


def _spelled(kind: Any) -> str:
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Literal:
        return f"one of {', '.join(map(repr, inner))}"
    if origin is tuple:
        return "a tuple, such as ('one',)" if inner[0] is str else f"a tuple of {_spelled(inner[0])}"
    if origin is type:
        return f"the type {inner[0].__name__}"
    return "None" if kind is type(None) else "a mapping" if origin is Mapping else str(kind.__name__)


def _check_model(card: ModelCard, _: ModuleType) -> Iterable[str]:
    for metric in (card.metric, *card.other_metrics):
        if not PLAIN_NAME.fullmatch(metric):
            yield f"its metric {metric!r} needs a name of lower-case letters, digits and '_'"
    names = [component.name for component in card.components]
    if not names or len(set(names)) < len(names):
        yield "its components need names that differ" if names else "it has no components"
    for name in names:  # files are called by it
        if not PLAIN_NAME.fullmatch(name):
            yield f"its component {name!r} needs a name of lower-case letters, digits and '_'"


def _check_method(card: MethodCard, _: ModuleType) -> Iterable[str]:
    if not PLAIN_NAME.fullmatch(card.name):
        yield "it needs a name of lower-case letters, digits and '_'"
    names = [variant.name for variant in card.variants]
    if not names or len(set(names)) < len(names):
        yield "its variants need names that differ" if names else "it has no variants"
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
