"""Recipes in TOML: several methods one after the other, some on some components only. Read like any other plug-in, never run."""

import difflib
import tomllib
from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import get_args

import msgspec

from suite.contracts import Division, MethodCard, Modality, ModelCard, Step, Variant
from suite.errors import ConfigError, PlugInError

DIVISIONS: tuple[Division, ...] = get_args(Division)
"""From the least that a method may use to the most: a recipe is of the greatest of its steps."""


class StepTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[variants.steps]]`: a method's variant, on the components of some modalities or names (none of both: all)."""

    method: str
    variant: str
    modalities: tuple[Modality, ...] = ()
    components: tuple[str, ...] = ()


class VariantTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`[[variants]]`."""

    name: str
    summary: str
    steps: tuple[StepTable, ...]


class RecipeTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole file."""

    title: str
    summary: str
    variants: tuple[VariantTable, ...]
    paper: str | None = None


def files(places: Iterable[str]) -> Iterator[Path]:
    """The recipes that lie in folders of methods."""
    for place in places:
        yield from sorted((Path(place) / "recipes").glob("*.toml"))


def named(given: Iterable[Path]) -> Iterator[Path]:
    """Recipes of the user's own. Raises ConfigError for one that is not there."""
    for file in given:
        if not file.is_file():
            raise ConfigError(f"There is no recipe file {file}: a recipe is one file my_recipe.toml (docs/methods.md shows one).")
        yield file


def read(file: Path, methods: Mapping[str, MethodCard]) -> MethodCard:
    """The card of a recipe, named like its file. Raises PlugInError: unreadable, unknown keys or methods, steps in an impossible order."""
    table = decode(file)
    if not table.variants:
        raise PlugInError("method", file.stem, "it has no variants")
    for variant in table.variants:
        if not variant.steps:
            raise PlugInError("method", file.stem, f"its variant {variant.name!r} has no steps")
        for problem in _problems(variant, methods):
            raise PlugInError("method", file.stem, f"its variant {variant.name!r} {problem}")
    used = {methods[step.method].division for variant in table.variants for step in variant.steps}
    return MethodCard(
        name=file.stem,
        title=table.title,
        summary=table.summary,
        family="recipe",
        stage="recipe",
        division=max(used, key=DIVISIONS.index),
        paper=table.paper,
        variants=tuple(
            Variant(
                name=variant.name,
                summary=variant.summary,
                steps=tuple(Step(step.method, step.variant, step.modalities, step.components) for step in variant.steps),
            )
            for variant in table.variants
        ),
    )


def decode(file: Path) -> RecipeTable:
    """A recipe's file as it stands, whatever methods there are. Raises PlugInError."""
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
        return msgspec.convert(found, RecipeTable)
    except OSError as error:
        raise PlugInError("method", file.stem, f"its file {file} cannot be read ({error.strerror})") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PlugInError("method", file.stem, f"its file {file} is not TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise PlugInError("method", file.stem, f"a value of its file {file} cannot be used: {error}") from error


def _problems(variant: VariantTable, methods: Mapping[str, MethodCard]) -> Iterator[str]:
    graphs: list[StepTable] = []
    for step in variant.steps:
        card = methods.get(step.method)
        if card is None:
            yield f"names the method {step.method!r}, which does not exist{_hint(step.method, methods)}"
            return
        names = [known.name for known in card.variants]
        if card.stage == "recipe":
            yield f"names the recipe {step.method!r} as a step; list the steps of that one instead"
        if step.variant not in names:
            yield f"names the variant {step.variant!r} of {step.method}, which has {', '.join(names)}"
        if step.modalities and step.components:
            yield f"gives {step.method} modalities and components; one of them says where it is applied"
        before = next((graph for graph in graphs if _same(graph, step)), None)
        if card.stage == "module" and before is not None:
            yield f"has {step.method} after {before.method}: it needs a torch module, and {before.method} has already made an ONNX graph"
        if card.stage == "graph":
            graphs.append(step)


def _same(one: StepTable, other: StepTable) -> bool:
    """Whether two steps work on the same components whatever the model: on all, or where the same is named."""
    whole = not (one.modalities or one.components) or not (other.modalities or other.components)
    return whole or bool(set(one.modalities) & set(other.modalities) or set(one.components) & set(other.components))


def _hint(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, known, 1)
    return f" (did you mean {near[0]!r}?)" if near else f" (there are {', '.join(sorted(known))})"


def check_components(card: MethodCard, models: Iterable[ModelCard]) -> None:
    """Raises ConfigError if a recipe names a component that none of the models has."""
    known = {component.name for model in models for component in model.components}
    for step in (step for variant in card.variants for step in variant.steps):
        for name in step.components:
            if name not in known:
                raise ConfigError(f"The recipe {card.name!r} names the component {name!r}, which no chosen model has{_hint(name, known)}.")
