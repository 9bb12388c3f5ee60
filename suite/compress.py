"""Applies a recipe to a model and checks the artifact, in a process of its own: `python -m suite.compress`.

The test split is neither named in the job nor reachable from the context that a method gets.
"""

import importlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from suite import formats
from suite.config import Budget
from suite.contracts import Claims, ModelCard
from suite.errors import CellFailed
from suite.plugins import model_part
from suite.protocol import Job, Progress, peak_bytes, serve
from suite.record import ClaimCheck, Part, RecipeStep
from suite.tutor import Tutor, school
from suite.workshop import Calibration, Workshop


@dataclass
class Lessons:
    """Makes the tutor of each step that trains, once, and adds up what they used."""

    card: ModelCard
    job: Job
    progress: Progress
    tutors: dict[int, Tutor] = field(default_factory=dict)

    def tutor(self, number: int) -> Tutor:
        """Of step `number`. Raises CellFailed (`unsupported`) for a model that cannot be trained further."""
        if number not in self.tutors:
            school(self.card)
            state, budget = Path(self.job["states"]) / f"{number}.safetensors", msgspec.convert(self.job["budget"], Budget)
            self.tutors[number] = Tutor(self.card, budget, state, self.progress)
        return self.tutors[number]

    @property
    def earlier_s(self) -> float:
        """Seconds that runs took which were killed while they trained."""
        return sum(tutor.spent_s for tutor in self.tutors.values())

    def used(self) -> dict[str, int]:
        """Steps and items of all of them."""
        known = self.tutors.values()
        return {"training_steps": sum(tutor.steps for tutor in known), "training_items": sum(tutor.items for tutor in known)}


def compress(job: Job, progress: Progress) -> dict[str, Any]:
    """Writes one file per component to `job["out"]`; the result has the audited parts, the claims and the cost.

    With `job["audit"]` false the cost alone: the parts and claims are those of another process, which has not run the method (`checked`).
    """
    card: ModelCard = model_part(str(job["model"]), "card").CARD
    steps = msgspec.convert(job["recipe"], tuple[RecipeStep, ...])
    baseline, out = Path(job["baseline"]), Path(job["out"])
    calibration = Calibration(baseline)
    lessons = Lessons(card, job, progress)
    lowered = {name: Path(path) for name, path in job["lowered"].items()}
    workshop = Workshop(card, baseline, lowered, str(job["format"]), Path(job["scratch"]), calibration, lessons.tutor)
    start = time.perf_counter()
    for done, step in enumerate(steps):
        progress(done, len(steps), f"{step.method}/{step.variant}")
        workshop.apply(step, importlib.import_module(f"methods.{step.method}").CARD, done)
    files = workshop.save(out)
    cost = {
        "seconds": time.perf_counter() - start + lessons.earlier_s,
        "peak_bytes": peak_bytes(),
        "items": max(calibration.used.values(), default=0),
    }
    cost |= lessons.used()
    if not job.get("audit", True):
        return {"cost": cost}
    progress(len(steps), len(steps), "checking the artifact")
    return audit(job, card, steps, files, baseline) | {"cost": cost}


def checked(job: Job, progress: Progress) -> dict[str, Any]:
    """The audited parts and the claims of what lies in `job["out"]`, in a process that never ran the method. Raises CellFailed."""
    progress(0, 1, "checking the artifact")
    card: ModelCard = model_part(str(job["model"]), "card").CARD
    files = {component.name: formats.place(Path(job["out"]), component.name, str(job["format"])) for component in card.components}
    for name, path in files.items():
        if path.is_symlink() or not path.is_file():
            raise CellFailed("compress_failed", f"its process ended, and there is no file of the component {name!r}")
    return audit(job, card, msgspec.convert(job["recipe"], tuple[RecipeStep, ...]), files, Path(job["baseline"]))


def audit(job: Job, card: ModelCard, steps: tuple[RecipeStep, ...], files: Mapping[str, Path], baseline: Path) -> dict[str, Any]:
    """What the artifact is, and whether it bears out what each step claims. Raises CellFailed."""
    from suite.claims import check_claims

    feeds, maker = Calibration(baseline), formats.maker(job["format"])
    for name, path in files.items():
        maker.check_loads(path, card.component(name), feeds.feeds(name))
    parts = {name: maker.inspect(path, card.component(name), next(feeds.feeds(name), None)) for name, path in files.items()}
    before = msgspec.json.decode((baseline / "parts.json").read_bytes(), type=dict[str, Part])
    checks: list[ClaimCheck] = []
    for step, claims in zip(steps, msgspec.convert(job["claims"], tuple[Claims, ...]), strict=True):
        after, known = ({name: Path(of[name]) for name in step.components} for of in (files, job["lowered"]))
        checks += check_claims(claims, after, known, job["format"])
    return {
        "parts": msgspec.to_builtins(parts),
        "claims": msgspec.to_builtins(checks),
        "baseline_parameters": sum(part.parameters for part in before.values()),
    }


if __name__ == "__main__":
    serve({"compress": compress, "checked": checked}, "compress_failed")
