"""From a config and cards to cells. Pure: no plug-in code runs but `supports`, nothing is printed, nothing is read."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from msgspec import structs

from suite import __version__, formats
from suite.config import Config
from suite.contracts import BASELINE, Claims, MethodCard, ModelCard, Skip, Step, TargetCard, Variant
from suite.errors import ConfigError, PlugInError, UnknownName
from suite.hashing import hash_json
from suite.record import Cell, RecipeStep
from suite.registry import Registry
from suite.scenarios import NAMES

SCENARIOS: Mapping[str, tuple[str, ...]] = {"quick": (), "full": ("batch_8",)}
"""What each tier measures beside the headline unless told otherwise."""

Own = Callable[[TargetCard], Mapping[str, str]]

PROTOCOL = 3
"""Raised whenever a change of the suite makes older measurements incomparable with new ones of the same version."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCell:
    """A cell, its content key, the claims of each recipe step, why it cannot be done (None: it can), and the format of its files.

    file, recipe_file: the names of the files that the model and the recipe are, if they are the user's own.
    """

    cell: Cell
    key: str
    claims: tuple[Claims, ...]
    skip: Skip | None
    file: str | None = None
    recipe_file: str | None = None
    format: str = formats.ONNX

    @property
    def title(self) -> str:
        return self.cell.title

    @property
    def command(self) -> str:
        """What measures this very cell again."""
        cell = self.cell
        recipe = f" --recipe {self.recipe_file}" if self.recipe_file else ""
        where = f"{recipe} --targets {cell.target} --tier {cell.tier}" + (f" --test-seed {cell.test_seed}" if cell.test_seed else "")
        where += f" --scenarios {','.join(cell.scenarios)}" if cell.scenarios not in ((), SCENARIOS[cell.tier]) else ""
        if cell.component:
            return f"squeezemark sensitivity {self.file or cell.model} --methods {cell.method}/{cell.variant}{where}"
        model = f"--model {self.file}" if self.file else f"--models {cell.model}"
        return f"squeezemark run {model} --methods {BASELINE},{cell.method}/{cell.variant}{where}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Cells in the order in which they run: by model, the baseline first, and a variant on every target before the next variant."""

    cells: tuple[PlannedCell, ...]

    @property
    def runnable(self) -> tuple[PlannedCell, ...]:
        return tuple(cell for cell in self.cells if cell.skip is None)


def plan(config: Config, registry: Registry, host: str, libraries: Mapping[str, str], own: Own = lambda target: {}) -> Plan:
    """Every cell that the config asks for. `host` and `libraries` are part of a cell's key: another machine measures anew.

    own: versions of what the results of one target depend on besides. Where no target is named, the reference targets that run here.

    Raises UnknownName, ConfigError, and the PlugInError of a plug-in that is asked for by name and cannot be read.
    """
    models: list[ModelCard] = _select(registry, "model", config.models)  # type: ignore[assignment]
    targets: list[TargetCard] = _select(registry, "target", config.targets or _default_targets(registry))  # type: ignore[assignment]
    chosen = {(card.name, variant.name): (card, variant) for card, variant in _select_variants(registry, config)}
    pairs = sorted(chosen.values(), key=lambda pair: pair[0].name != BASELINE)
    probes = {card.name: registry.probes[card.name]() for card in targets}
    planner = _Planner(config, registry, hash_json([__version__, PROTOCOL, host, dict(libraries)]), own)
    whole = [
        (model, planner.cell(model, method, variant, target, probes[target.name]))
        for model in models
        for method, variant in pairs
        for target in targets
        if _has_row(method, target, config)
    ]
    if not config.one_component:
        return Plan(tuple(cell for _, cell in whole))
    return Plan(tuple(part for model, cell in whole for part in planner.alone(model, cell)))


def _has_row(method: MethodCard, target: TargetCard, config: Config) -> bool:
    """A method for some formats or runtimes alone has no row where none of them is, unless somebody asks for it and is told why."""
    asked = any(name.partition("/")[0] == method.name for name in config.methods)
    return asked or not (method.formats or method.runtimes) or formats.fits(method, target)


def _default_targets(registry: Registry) -> tuple[str, ...]:
    """The reference targets that run here; if none does, all of them, so that each can say why."""
    return registry.native() or tuple(name for name, card in registry.targets.items() if card.is_reference)


def _select(registry: Registry, kind: str, names: Iterable[str]) -> list[object]:
    chosen = tuple(dict.fromkeys(names)) or tuple(registry.cards(kind))
    if not chosen:
        raise ConfigError(f"There is no {kind} to run.")
    return [registry.find(kind, name) for name in chosen]


def _select_variants(registry: Registry, config: Config) -> Iterator[tuple[MethodCard, Variant]]:
    """Those that are named. Of a method that is named alone, and of every method where none is, those that stand for themselves; of the
    latter, in the quick tier, only the first of each method that does not train."""
    quick = config.tier == "quick" and not config.methods
    for name in dict.fromkeys(config.methods) or tuple(registry.methods):
        method_name, _, variant_name = name.partition("/")
        card: MethodCard = registry.find("method", method_name)  # type: ignore[assignment]
        variants = {variant.name: variant for variant in card.variants}
        if variant_name and variant_name not in variants:
            raise UnknownName(f"variant of the method {method_name}", variant_name, variants)
        rows = [variant for variant in card.variants if not variant.step_only]
        if quick:
            rows = rows[:1] if card.division != "training" else []
        for variant in [variants[variant_name]] if variant_name else rows:
            yield card, variant


@dataclass(frozen=True, slots=True)
class _Planner:
    config: Config
    registry: Registry
    surroundings: str
    own: Own

    def cell(self, model: ModelCard, method: MethodCard, variant: Variant, target: TargetCard, probe: Skip | None) -> PlannedCell:
        steps = variant.steps or (Step(method.name, variant.name, method.modalities),)
        recipe, claims, skip, format = [], [], probe, formats.ONNX
        try:
            for step in steps:
                found = self._step(model, target, step)
                recipe.append(found[0])
                claims.append(found[1])
                skip = skip or found[2]
            skip = skip or self._order(recipe)
            made = formats.choose(target, [self.registry.methods[step.method] for step in recipe])
            skip, format = (skip or made, formats.ONNX) if isinstance(made, Skip) else (skip, made)
        except (UnknownName, PlugInError) as error:
            skip = Skip(str(error))
        cell = Cell(
            model.name,
            method.name,
            variant.name,
            target.name,
            self.config.tier,
            self.config.test_seed,
            tuple(recipe),
            dict(target.settings),
            scenarios=self._scenarios(target),
        )
        return self._planned(cell, claims, skip, format)

    def _scenarios(self, target: TargetCard) -> tuple[str, ...]:
        """In the order in which they are known, whatever the order in which they were named."""
        wanted = self.config.scenarios or SCENARIOS[self.config.tier]
        return tuple(name for name in NAMES if name in wanted) if target.ranks_latency else ()

    def alone(self, model: ModelCard, whole: PlannedCell) -> Iterator[PlannedCell]:
        """The cell itself, and where it compresses several components, a cell for each in which the others stay as they are."""
        yield whole
        touched = [c.name for c in model.components if any(c.name in step.components for step in whole.cell.recipe)]
        for name in touched if len(touched) > 1 and whole.cell.method != BASELINE else ():
            steps = [(step, claims) for step, claims in zip(whole.cell.recipe, whole.claims, strict=True) if name in step.components]
            recipe = tuple(structs.replace(step, components=(name,)) for step, _ in steps)
            cell = structs.replace(whole.cell, recipe=recipe, component=name, scenarios=())
            yield self._planned(cell, [claims for _, claims in steps], whole.skip, whole.format)

    def _planned(self, cell: Cell, claims: Iterable[Claims], skip: Skip | None, format: str) -> PlannedCell:
        files = {"file": self.registry.files.get(cell.model), "recipe_file": self.registry.recipe_files.get(cell.method)}
        return PlannedCell(cell=cell, key=self._key(cell), claims=tuple(claims), skip=skip, format=format, **files)

    def _step(self, model: ModelCard, target: TargetCard, step: Step) -> tuple[RecipeStep, Claims, Skip | None]:
        card: MethodCard = self.registry.find("method", step.method)  # type: ignore[assignment]
        try:
            variant = card.variant(step.variant)
        except KeyError:
            raise UnknownName(f"variant of the method {card.name}", step.variant, [v.name for v in card.variants]) from None
        wanted = () if step.components else step.modalities or card.modalities
        names = step.components or tuple(c.name for c in model.components if not wanted or c.modality in wanted)
        components = tuple(c.name for c in model.components if c.name in names)
        supports = self.registry.supports.get(card.name)
        skip = supports(model, target, variant) if supports else None
        if absent := [name for name in step.components if name not in components]:
            skip = Skip(f"it names the component {absent[0]!r}, and {model.name} has {', '.join(c.name for c in model.components)}")
        elif not components:
            skip = Skip(f"it applies to {', '.join(wanted)}, and {model.name} has no such component")
        recipe = RecipeStep(card.name, variant.name, components, dict(variant.parameters), self.registry.sources["method", card.name])
        return recipe, variant.claims, skip

    def _order(self, recipe: Iterable[RecipeStep]) -> Skip | None:
        """The stages module, graph, runtime in this order on each component: torch modules become graphs once."""
        reached: dict[str, str] = {}
        for step in recipe:
            stage = self.registry.methods[step.method].stage
            if any(reached.get(name) == "graph" != stage for name in step.components):
                return Skip(f"{step.method} needs a torch module, and an earlier step has already made an ONNX graph")
            if any(reached.get(name) == "runtime" != stage for name in step.components):
                return Skip(f"{step.method} cannot follow a step that has made what only a runtime knows")
            reached |= dict.fromkeys(step.components, stage)
        return None

    def _key(self, cell: Cell) -> str:
        """Everything that decides the result, by content."""
        steps = [[s.method, s.variant, s.components, s.parameters, s.source_sha256] for s in cell.recipe]
        sources = [self.registry.sources["model", cell.model], self.registry.sources["target", cell.target]]
        if any(self.registry.methods[step.method].division == "training" for step in cell.recipe):
            sources.append(self.registry.sources.get(("training", cell.model), ""))
        target = self.registry.targets[cell.target]
        own = [cell.model, cell.method, cell.variant, cell.target, cell.tier, cell.test_seed, cell.settings, cell.component]
        parts: list[object] = [self.surroundings, own, steps, sources, cell.scenarios]
        if libraries := dict(self.own(target)):
            parts.append(libraries)
        if target.reference:
            parts.append(self.registry.sources["target", target.reference])
        return hash_json(parts)
