"""Finds plug-ins by name. Reading cards imports nothing heavy; a plug-in that cannot be read is set aside with its reason."""

import importlib
import pkgutil
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from suite import environments, formats, own_methods, plugins, recipes
from suite.cards import PLAIN_NAME, problem_of
from suite.contracts import MethodCard, ModelCard, Skip, TargetCard, Variant
from suite.errors import ConfigError, PlugInError, UnknownName
from suite.hashing import hash_file, hash_folder, hash_json
from suite.plugins import PACKAGES
from suite.sources import Sources, hash_method, hash_single, hash_training
from suite.submission.texts import shown

FOLDERS = {"model": "models", "method": "methods", "target": "targets"}
HASHES: dict[str, Callable[[Path], str]] = {"model": hash_folder, "method": hash_method, "target": hash_folder}
CARDS: dict[str, type] = {"model": ModelCard, "method": MethodCard, "target": TargetCard}

Card = ModelCard | MethodCard | TargetCard
Supports = Callable[[ModelCard, TargetCard, Variant], Skip | None]
Probe = Callable[[], Skip | None]


@dataclass(frozen=True, slots=True)
class Registry:
    """Every plug-in that was found.

    sources: the content hash of each plug-in, by (kind, name). files, recipe_files: the names of the files that models and recipes of
    the user's own are.
    """

    models: Mapping[str, ModelCard] = field(default_factory=dict)
    methods: Mapping[str, MethodCard] = field(default_factory=dict)
    targets: Mapping[str, TargetCard] = field(default_factory=dict)
    supports: Mapping[str, Supports] = field(default_factory=dict)
    probes: Mapping[str, Probe] = field(default_factory=dict)
    sources: Mapping[tuple[str, str], str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    recipe_files: Mapping[str, str] = field(default_factory=dict)
    broken: tuple[PlugInError, ...] = ()

    def cards(self, kind: str) -> Mapping[str, Card]:
        """The cards of one kind, by name."""
        found: dict[str, Mapping[str, Card]] = {"model": self.models, "method": self.methods, "target": self.targets}
        return found[kind]

    def native(self) -> tuple[str, ...]:
        """The names of the reference targets that run on the machine that the probes ask."""
        return tuple(name for name, card in self.targets.items() if card.is_reference and self.probes[name]() is None)

    def find(self, kind: str, name: str) -> Card:
        """Raises UnknownName, or the PlugInError of a plug-in that could not be read."""
        for error in self.broken:
            if (error.kind, error.name) == (kind, name):
                raise error
        cards = self.cards(kind)
        if name not in cards:
            raise UnknownName(kind, name, cards)
        return cards[name]


def extend(folders: Iterable[Path], models: Iterable[Path] = (), methods: Iterable[Path] = ()) -> dict[str, list[str]]:
    """Lets plug-ins under `<folder>/models`, `<folder>/methods` and `<folder>/targets` be imported, models in one file, and methods: those
    in or of the folders `methods`, and those that are installed.

    Returns what was added to each package, for the processes of the run (`paths` in a job). Raises ConfigError.
    """
    paths: dict[str, list[str]] = {}
    for folder in folders:
        found = {package: folder.resolve() / FOLDERS[kind] for kind, package in PACKAGES.items() if (folder / FOLDERS[kind]).is_dir()}
        if not found:
            raise ConfigError(f"The plug-in folder {folder} holds none of models/, methods/ and targets/.")
        for package, path in found.items():
            paths.setdefault(package, []).append(str(path))
    places = [*importlib.import_module(PACKAGES["model"]).__path__, *paths.get(PACKAGES["model"], ())]
    files: dict[str, Path] = {}
    for file in models:
        found_file = _model_file(file, places)
        if files.setdefault(file.stem, found_file) != found_file:
            raise ConfigError(f"Two models of the name {file.stem!r} were given, {files[file.stem]} and {found_file}; rename one of them.")
    if files:
        paths.setdefault(PACKAGES["model"], []).extend(map(str, files.values()))
    plugins.add(paths)
    own = own_methods.named(methods, own_methods.installed()[0])
    if own:
        paths.setdefault(PACKAGES["method"], []).extend(own.values())
        plugins.add(paths)
    return paths


def _model_file(file: Path, places: Iterable[str]) -> Path:
    if file.is_dir():
        raise ConfigError(f"{file} is a folder: a model is one file my_model.py (a folder of plug-ins goes to --plugins).")
    if file.suffix != ".py" or not file.is_file():
        raise ConfigError(f"There is no model file {file}: a model is one file my_model.py (squeezemark new-model writes one).")
    if not PLAIN_NAME.fullmatch(file.stem):
        raise ConfigError(f"The model file {file} needs a name of lower-case letters, digits and '_', such as my_model.py.")
    for place in places:
        taken = Path(place) / file.stem
        if taken.is_dir() or taken.with_suffix(".py").is_file():
            raise ConfigError(f"A model file cannot be called {file.name}: {file.stem!r} is taken already, by {taken.parent}; rename it.")
    return file.resolve()


def usable(registry: "Registry", files: Iterable[Path], recipe_files: Iterable[Path] = ()) -> "Registry":
    """The same registry. Raises the PlugInError of a file that was named and cannot be used: it is never left out silently."""
    for kind, named in (("model", files), ("method", recipe_files)):
        for file in named:
            registry.find(kind, file.stem)
    return registry


def discover(recipe_files: Iterable[Path] = ()) -> Registry:
    """Reads every card, and the recipes of every folder of methods and of `recipe_files`."""
    cards: dict[str, dict[str, Card]] = {kind: {} for kind in PACKAGES}
    modules: dict[tuple[str, str], ModuleType] = {}
    sources, broken = Sources(), list(own_methods.installed()[1])
    for kind, name, folder in sorted(_folders()):
        try:
            if (kind, name) in sources:
                raise PlugInError(kind, name, f"two of that name were found, one of them {folder}")
            modules[kind, name] = module = _import(kind, name)
            cards[kind][name] = _card(kind, name, module)
            _note(sources, kind, name, folder, cards[kind][name])
        except PlugInError as error:
            cards[kind].pop(name, None)
            broken.append(error)
    own = list(recipes.named(recipe_files))
    for file in [*recipes.files(importlib.import_module(PACKAGES["method"]).__path__), *own]:
        try:
            if ("method", file.stem) in sources:
                raise PlugInError("method", file.stem, f"two of that name were found, one of them {file}; rename one of them")
            cards["method"][file.stem] = _recipe(file, cards["method"])
            sources.later(("method", file.stem), hash_file, file)
        except PlugInError as error:
            cards["method"].pop(file.stem, None)
            broken.append(error)
    _borrow(cards["target"], sources, broken)  # type: ignore[arg-type]
    return Registry(
        models=cards["model"],  # type: ignore[arg-type]
        methods=dict(sorted(cards["method"].items())),  # type: ignore[arg-type]
        targets=cards["target"],  # type: ignore[arg-type]
        supports={n: _asked(m.supports) for (kind, n), m in modules.items() if kind == "method" and hasattr(m, "supports")},
        probes={n: _asked(_ready(m.probe, c)) for n, c in cards["target"].items() for m in [modules["target", n]]},  # type: ignore[arg-type]
        sources=sources,
        recipe_files={file.stem: file.name for file in own},
        files={name: file.name for name, file in plugins.single_files(PACKAGES["model"]).items()},
        broken=tuple(broken),
    )


def _note(sources: Sources, kind: str, name: str, place: Path, card: Card) -> None:
    """What a plug-in's results depend on: its folder, or its one file and those beside it. Raises PlugInError if one is missing."""
    if place.is_dir():
        sources.later((kind, name), HASHES[kind], place)
    else:
        sources[kind, name] = hash_single(place, card)
    if kind == "model":
        sources.later(("training", name), hash_training, name)


def _borrow(cards: dict[str, TargetCard], sources: Sources, broken: list[PlugInError]) -> None:
    """A target that runs with another's runner depends on that target's source as well. Sets aside those that name what is not there."""
    own = sources | {}  # its own copy, in which nothing is worked out yet
    for name, card in list(cards.items()):
        lost = ("runs with the runner of", card.runner) if card.runner not in (None, *cards) else ("is timed beside", card.reference)
        if lost[1] is not None and lost[1] not in cards:
            broken.append(PlugInError("target", name, f"it {lost[0]} {lost[1]!r}, and there is no such target"))
            del cards[name]
        elif card.runner is not None:
            sources.later(("target", name), _both, own, name, card.runner)


def _both(own: Sources, target: str, runner: str) -> str:
    return hash_json([own["target", target], own["target", runner]])


def _ready(probe: Probe, card: TargetCard) -> Probe:
    """Asks the target, and then whether the environments are there that its worker runs in and that its files are made in."""
    made = (formats.FORMATS[name].environment for name in card.formats if name in formats.FORMATS)
    needed = [name for name in dict.fromkeys((card.environment, *made)) if name]
    return lambda: probe() or next((skip for name in needed if (skip := environments.missing(name))), None)


def _recipe(file: Path, methods: Mapping[str, Any]) -> MethodCard:
    card = recipes.read(file, methods)
    if problem := problem_of("method", card, plugins):
        raise PlugInError("method", file.stem, problem)
    return card


def _asked(question: Callable[..., Skip | None]) -> Callable[..., Skip | None]:
    """A plug-in's function that answers with a Skip or None; one that raises has answered too."""

    def ask(*subjects: object) -> Skip | None:
        try:
            with redirect_stdout(sys.stderr):
                answer: object = question(*subjects)
        except Exception as error:
            return Skip(f"asked whether it can be done, it raised {type(error).__name__}: {error}")
        if answer is None or (isinstance(answer, Skip) and isinstance(answer.reason, str)):
            return answer
        return Skip(f'asked whether it can be done, it answered {shown(repr(answer), 80)}: None says yes, and Skip("the reason") no')

    return ask


def _folders() -> Iterable[tuple[str, str, Path]]:
    for kind, package in PACKAGES.items():
        for place in importlib.import_module(package).__path__:
            for module in pkgutil.iter_modules([place]):
                if module.ispkg:
                    yield kind, module.name, Path(place) / module.name
        for name, file in plugins.single_files(package).items():
            yield kind, name, file.parent if file.name == plugins.INIT else file


def _import(kind: str, name: str) -> ModuleType:
    """Raises PlugInError. What a plug-in prints is none of a command's answer, which a script may read."""
    try:
        with redirect_stdout(sys.stderr):
            return importlib.import_module(f"{PACKAGES[kind]}.{name}")
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # SystemExit, and what libraries raise beside Exception
        reason = str(error).strip().splitlines()
        raise PlugInError(kind, name, f"importing it raised {type(error).__name__}{': ' + reason[0] if reason else ''}") from error


def _card(kind: str, name: str, module: ModuleType) -> Card:
    card = getattr(module, "CARD", None)
    if not isinstance(card, CARDS[kind]):
        where = "__init__.py" if hasattr(module, "__path__") else "file"
        raise PlugInError(kind, name, f"its {where} has no CARD that is a {CARDS[kind].__name__}")
    if card.name != name:  # type: ignore[attr-defined]
        where = "folder" if hasattr(module, "__path__") else "file"
        raise PlugInError(kind, name, f"its card calls itself {card.name!r}, its {where} {name!r}")  # type: ignore[attr-defined]
    if problem := problem_of(kind, card, module):
        raise PlugInError(kind, name, problem)
    return card  # type: ignore[return-value]
