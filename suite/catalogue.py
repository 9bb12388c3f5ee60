"""What there is, in rows and in words: for `list`, `describe`, `plan` and `train`."""

from pathlib import Path
from typing import Any

from suite.comparable import newest_first
from suite.config import Config
from suite.contracts import BASELINE, Advance, MethodCard, ModelCard, TargetCard
from suite.errors import PlugInError, UnknownName
from suite.plan import Plan
from suite.plugins import model_folder, model_part
from suite.registry import Card, Registry
from suite.store import Store


def rows(registry: Registry, kind: str) -> list[dict[str, Any]]:
    """One object per plug-in of a kind."""
    return [{"kind": kind, "name": name, "title": card.title, **_facts(registry, card)} for name, card in registry.cards(kind).items()]


def _facts(registry: Registry, card: Card) -> dict[str, Any]:
    if isinstance(card, ModelCard):
        return {
            "tier": card.tier,
            "task": card.task,
            "metric": card.metric,
            "components": [component.name for component in card.components],
        }
    if isinstance(card, MethodCard):
        variants = [variant.name for variant in card.variants]
        return {"family": card.family, "stage": card.stage, "division": card.division, "variants": variants, "paper": card.paper}
    skip = registry.probes[card.name]()
    return {"device": card.device, "runtime": card.runtime, "runs_here": skip is None, "reason": skip.reason if skip else None}


def plan_rows(plan: Plan, config: Config) -> list[dict[str, Any]]:
    """One object per cell: `state` is recorded, to do, or unsupported."""
    recorded = Store(Path(config.results)).keys()
    found = []
    for planned in plan.cells:
        cell = planned.cell
        state = "unsupported" if planned.skip else "recorded" if planned.key in recorded else "to do"
        found.append({
            "name": f"{cell.model} {cell.method}/{cell.variant} {cell.target}", "state": state,
            "reason": planned.skip.reason if planned.skip else None, "model": cell.model, "method": cell.method,
            "variant": cell.variant, "target": cell.target, "tier": cell.tier, "key": planned.key,
        })  # fmt: skip
    return found


def find(registry: Registry, name: str) -> Card:
    """The card of that name, of whichever kind. Raises UnknownName, or the PlugInError of a plug-in that could not be read."""
    for kind in ("model", "method", "target"):
        if name in registry.cards(kind) or any((e.kind, e.name) == (kind, name) for e in registry.broken):
            return registry.find(kind, name)
    raise UnknownName("model, method or target", name, [*registry.models, *registry.methods, *registry.targets])


def describe(card: Card) -> str:
    """A card as text."""
    return "\n".join(_lines(card))


def baseline_line(registry: Registry, card: ModelCard, results: Path) -> str:
    """The uncompressed model as text: its newest record on a reference target, elsewhere if there is none."""
    measured = [r for r in newest_first(Store(results).records()) if (r.cell.model, r.cell.method) == (card.name, BASELINE)]
    references = {name for name, target in registry.targets.items() if target.is_reference}
    preferred = sorted(measured, key=lambda record: record.cell.target not in references)
    record = next((record for record in preferred if record.accuracy is not None), None)
    if record is None or record.accuracy is None:
        return f"not measured yet: squeezemark run --models {card.name} --methods {BASELINE} --results {results}"
    found = record.accuracy.metrics[record.accuracy.metric]
    items = f"{record.accuracy.items:,} test items, {record.cell.tier} tier, {record.cell.target}"
    return f"{record.accuracy.metric} {found.value:.3f} ({found.low:.3f} to {found.high:.3f}, 95 %; {items})"


def _lines(card: Card) -> list[str]:
    if isinstance(card, ModelCard):
        return _model_lines(card)
    return _method_lines(card) if isinstance(card, MethodCard) else _target_lines(card)


def _model_lines(card: ModelCard) -> list[str]:
    facts = [card.title, "", card.summary, "", f"task      {card.task}", f"metric    {card.metric} (chance: {card.chance:.3f})"]
    facts += [f"request   {card.request}", f"data      {card.data}", f"licence   {card.licence}", "", "components"]
    for component in card.components:
        inputs, outputs = (
            ", ".join(f"{t.name} {t.dtype}{_shape(t.shape)}" for t in side) for side in (component.inputs, component.outputs)
        )
        facts.append(f"  {component.name} ({component.modality}): {inputs} -> {outputs}")
    return facts


def _shape(shape: tuple[int | str, ...]) -> str:
    return "[" + ", ".join(map(str, shape)) + "]"


def _method_lines(card: MethodCard) -> list[str]:
    facts = [card.title, "", card.summary, "", f"family    {card.family}", f"stage     {card.stage}", f"division  {card.division}"]
    facts += [
        f"applies   to {', '.join(card.modalities) or 'every component'}",
        f"paper     {card.paper or '-'}",
        f"licence   {card.licence}",
    ]
    if card.parameters:
        facts += ["", "parameters", *(f"  {p.name} ({p.kind.__name__}): {p.help}" for p in card.parameters)]
    facts += ["", "variants"]
    for variant in card.variants:
        given = ", ".join(f"{name}={value}" for name, value in variant.parameters.items())
        given += ", ".join(f"{s.method}/{s.variant} on {', '.join(s.modalities) or 'all'}" for s in variant.steps)
        facts.append(f"  {card.name}/{variant.name}: {variant.summary}" + (f" ({given})" if given else ""))
    return facts


def _target_lines(card: TargetCard) -> list[str]:
    settings = ", ".join(f"{name}={value}" for name, value in card.settings.items())
    facts = [card.title, "", card.summary, "", f"device    {card.device}", f"runtime   {card.runtime}"]
    facts += [f"formats   {', '.join(card.formats)}", f"computes  in {', '.join(card.precisions)}", f"settings  {settings}"]
    if card.instruction_sets:
        facts.append(f"kernels   decided by {', '.join(card.instruction_sets)}")
    if card.reference:
        facts.append(f"beside    {card.reference}, the reference target of its device")
    if card.environment:
        facts.append(f"worker    in the environment {card.environment} (squeezemark env create {card.environment})")
    if not card.ranks_latency:
        facts.append("latency   not measured: it is emulated")
    return facts


def train(registry: Registry, name: str, out: Path | None, advance: Advance) -> tuple[Path, dict[str, float]]:
    """Trains a model from scratch into the folder `out` (None: its own); the weights file and the figures that its script reports.

    Raises UnknownName, PlugInError.
    """
    registry.find("model", name)
    try:
        script = model_part(name, "train")
    except ModuleNotFoundError as error:
        raise PlugInError("model", name, "it has no train.py") from error
    if not hasattr(script, "train"):
        raise PlugInError("model", name, "it has no function train()")
    folder = out or model_folder(name)
    folder.mkdir(parents=True, exist_ok=True)
    return folder / next(iter(registry.models[name].files), "weights.safetensors"), script.train(folder, advance)
