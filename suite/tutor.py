"""What a method that trains learns from: the model's labelled batches within a budget, the teacher, and a state that survives a kill."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from suite.config import Budget
from suite.contracts import ModelCard
from suite.errors import CellFailed
from suite.plugins import model_part
from suite.protocol import Progress

if TYPE_CHECKING:
    import torch
    from torch import nn

    Tensors = Mapping[str, torch.Tensor]

FUNCTIONS = ("batch", "outputs", "loss")
SHOWN_EVERY_S = 0.5


def school(card: ModelCard) -> ModuleType:
    """The module with the model's functions for further training. Raises CellFailed (`unsupported`) if it has none."""
    try:
        found = model_part(card.name, "train")
    except ModuleNotFoundError as error:
        if not str(error.name).startswith("suite.models."):
            raise
        found = None
    absent = [name for name in FUNCTIONS if not callable(getattr(found, name, None))]
    if found is None or absent:
        raise CellFailed("unsupported", f"the model {card.name!r} cannot be trained further: its code has no {', '.join(absent)}()")
    return found


@dataclass
class Tutor:
    """`suite.contracts.Tutor` for one step of a recipe. `state`: the file that its progress is kept in."""

    card: ModelCard
    budget: Budget
    state: Path
    progress: Progress
    steps: int = 0
    items: int = 0
    spent_s: float = 0.0
    start: float = field(default_factory=time.monotonic)
    shown: float = 0.0
    _school: ModuleType | None = None
    _teacher: "dict[str, nn.Module] | None" = None

    def teacher(self) -> "Mapping[str, nn.Module]":
        if self._teacher is None:
            from suite import reference

            loaded = reference.load(self.card)
            ready = [name for name, part in loaded.items() if reference.is_graph(part)]
            if ready:
                raise CellFailed("unsupported", f"the component {ready[0]!r} comes as an ONNX model, through which nothing can be trained")
            self._teacher = {name: module.eval().requires_grad_(False) for name, module in loaded.items()}
        return self._teacher

    @property
    def seconds(self) -> float:
        """Wall seconds spent, in the runs that were killed too."""
        return self.spent_s + time.monotonic() - self.start

    def batch(self, step: int, steps: int) -> "Tensors":
        spent = {
            "steps": (step + 1, self.budget.steps),
            "items": (self.items, self.budget.items),
            "seconds": (self.seconds, self.budget.seconds),
        }
        for name, (used, allowed) in spent.items():
            if used > allowed:
                raise CellFailed(
                    "compress_failed", f"the budget of the training division is spent at step {step + 1} of {steps}: {allowed:g} {name}"
                )
        found: Tensors = self._ask("batch", step)
        self.steps = max(self.steps, step + 1)
        self.items += len(next(iter(found.values())))
        if time.monotonic() - self.shown > SHOWN_EVERY_S:
            self.shown = time.monotonic()
            self.progress(step, steps, "training")
        return found

    def outputs(self, parts: "Mapping[str, nn.Module]", batch: "Tensors") -> "Tensors":
        found: Tensors = self._ask("outputs", parts, batch)
        return found

    def loss(self, outputs: "Tensors", batch: "Tensors") -> "torch.Tensor":
        found: torch.Tensor = self._ask("loss", outputs, batch)
        return found

    def _ask(self, name: str, *given: Any) -> Any:
        self._school = self._school or school(self.card)
        ask: Callable[..., Any] = getattr(self._school, name)
        try:
            return ask(*given)
        except CellFailed:
            raise
        except Exception as error:
            text = " ".join(str(error).split())
            raise CellFailed(
                "compress_failed", f"{name}() of the model {self.card.name!r} raised {type(error).__name__}: {text}"
            ) from error

    def save(self, step: int, tensors: "Tensors") -> None:
        from safetensors import torch as safetensors

        notes = {"step": str(step), "items": str(self.items), "seconds": str(self.seconds)}
        self.state.parent.mkdir(parents=True, exist_ok=True)
        part = self.state.with_suffix(".part")
        # Written by Python, whose error a full disk is told by; the library's own error hides what it was.
        part.write_bytes(safetensors.save({name: tensor.detach().contiguous().clone() for name, tensor in tensors.items()}, notes))
        os.replace(part, self.state)

    def saved(self) -> "tuple[int, Tensors] | None":
        from safetensors import SafetensorError, safe_open

        if not self.state.is_file():
            return None
        try:
            with safe_open(self.state, "pt") as file:
                notes: dict[str, str] = file.metadata()
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 — it is no mapping
                self.steps, self.items, self.spent_s = int(notes["step"]), int(notes["items"]), float(notes["seconds"])
        except (SafetensorError, KeyError, TypeError, ValueError):
            self.state.unlink()  # written over by something else: training starts anew
            return None
        return self.steps, tensors
