"""Reads the cards of submitted methods in a process of its own, `python -m suite.submission.card`: to read one is to run it.

Job `card`: `names` are methods of the folder in `paths`, `models` and `targets` those that they are asked about. The result is plain
values, from which `Card.card` makes a card: what asks for the process never imports what was submitted.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from suite import registry
from suite.contracts import Division, Family, MethodCard, Modality, ModelCard, Skip, Stage, TargetCard, Variant
from suite.errors import PlugInError
from suite.protocol import Job, Progress, serve

Supports = Callable[[ModelCard, TargetCard, Variant], Skip | None]


class Card(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What of a method's card the suite needs to plan, and what it answers when asked whether it can be applied.

    skips: `model target variant` -> the reason why not.
    """

    name: str
    title: str
    summary: str
    family: Family
    stage: Stage
    division: Division
    variants: tuple[Variant, ...]
    modalities: tuple[Modality, ...] = ()
    formats: tuple[str, ...] = ()
    licence: str
    paper: str | None = None
    skips: dict[str, str] = {}

    def card(self) -> MethodCard:
        """Without its parameters' bounds, which nothing outside of its process asks for."""
        values = {name: getattr(self, name) for name in self.__struct_fields__ if name != "skips"}
        return MethodCard(**values)

    def supports(self, model: ModelCard, target: TargetCard, variant: Variant) -> Skip | None:
        """What it answered."""
        reason = self.skips.get(_question(model.name, target.name, variant.name))
        return None if reason is None else Skip(reason)


def _question(*names: str) -> str:
    return " ".join(names)


def card(job: Job, progress: Progress) -> dict[str, Any]:
    """The cards of `job["names"]`. Raises PlugInError."""
    found = registry.discover()
    return {"cards": [_facts(found, str(name), job) for name in job["names"]]}


def _facts(found: registry.Registry, name: str, job: Mapping[str, Any]) -> dict[str, Any]:
    method = found.find("method", name)
    if not isinstance(method, MethodCard):
        raise PlugInError("method", name, "its card is of another kind")
    asked, skips = found.supports.get(name), {}
    for model in job["models"] if asked else ():
        for target in job["targets"]:
            for variant in method.variants:
                answer = asked(found.models[model], found.targets[target], variant) if asked else None
                if answer is not None:
                    skips[_question(model, target, variant.name)] = answer.reason
    plain = {field: getattr(method, field) for field in Card.__struct_fields__ if field != "skips"}
    return {**msgspec.to_builtins(plain), "skips": skips}


if __name__ == "__main__":
    serve({"card": card}, "compress_failed")
