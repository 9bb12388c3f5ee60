"""Trains Scene VQA from scratch: what each image cell holds, then questions too, then harder scenes; no scene is seen twice."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from suite.contracts import Advance, Split
from suite.models import training
from suite.models.scene_vqa import data, task
from suite.models.scene_vqa.grounding import GRID, Grounding, targets, word_targets
from suite.models.scene_vqa.network import WIDTH, build
from suite.models.scene_vqa.questions import LENGTH
from suite.models.scenes import CLEAR

STEPS: Final = 8000
"""Steps on clear scenes."""
VISION_STEPS: Final = 1200
"""Those of them, at the start, that train the vision tower alone, on the dense loss."""
LAST_STEPS: Final = 1200
"""Steps that follow on scenes as published, on the answers alone."""
VISION_SCENES: Final = 16
"""Scenes of each of the first steps."""
SCENES: Final = 8
"""Scenes of each later step."""
WORD_BLOCK: Final = 1
"""The block of the fusion network after which words are asked what they fit."""
KINDS: Final = ("exist", "count", "query", "extreme", "compare", "relation") * 2 + ("relation",) * 2
"""The questions about each scene; relation, the slowest to be learned, comes twice as often."""
RATE: Final = 8e-4
LAST_RATE: Final = 4e-4
DECAY: Final = 0.03
VALIDATION_SCENES: Final = 150
VALIDATE_EVERY: Final = 400
SEED: Final = 0

logger = logging.getLogger(__name__)


def _share_images(fusion: nn.Module) -> None:
    """Lets several questions in a row look at one image: keys and values are computed once per image, not per question."""

    def together(_: nn.Module, inputs: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return inputs[0].reshape(len(inputs[1]), -1, WIDTH), inputs[1]

    def apart(_: nn.Module, __: Any, output: Tensor) -> Tensor:
        return output.reshape(-1, LENGTH, WIDTH)

    for block in fusion.get_submodule("blocks").children():
        cross = block.get_submodule("cross")
        cross.register_forward_pre_hook(together)
        cross.register_forward_hook(apart)


def start() -> nn.ModuleDict:
    """Fresh components: positions start as coordinates, and a word starts out looking at the cells that resemble it."""
    network = build()
    with torch.no_grad():
        network["vision"].get_parameter("position").add_(training.coordinates(GRID, WIDTH))
        for block in network["fusion"].get_submodule("blocks").children():
            for name in ("cross.query.weight", "cross.key.weight"):
                weight = block.get_parameter(name)
                weight.mul_(0.5).add_(torch.eye(WIDTH) * 0.5)
    _share_images(network["fusion"])
    return network


def _tensors(split: Split) -> tuple[Tensor, Tensor, Tensor]:
    images, ids, answers = split.inputs["images"], split.inputs["input_ids"], split.labels["answer"]
    return torch.from_numpy(task.pixels(images)), torch.from_numpy(ids), torch.from_numpy(answers)


def _images(chosen: list[data.Example]) -> Tensor:
    return torch.from_numpy(task.pixels(np.stack([example.image for example in chosen])))


def batch(index: int) -> dict[str, Tensor]:
    """A question of each kind about SCENES scenes as published that the training of the model never saw: `input_ids`, `answers`, and
    `pixel_values` of each scene, whose questions lie in a row."""
    chosen = data.take(SCENES, "training", STEPS + LAST_STEPS + index)
    _, ids, answers = _tensors(data.split(chosen))
    return {"input_ids": ids, "answers": answers, "pixel_values": _images(chosen)}


def outputs(parts: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The scores of the answers (questions, 24), and the tokens of the images (scenes, 64, 256)."""
    embeds, ids = parts["vision"](batch["pixel_values"]), batch["input_ids"]
    return {"logits": parts["fusion"](embeds.repeat_interleave(len(ids) // len(embeds), 0), ids), "image_embeds": embeds}


def loss(outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropy of the answers."""
    return functional.cross_entropy(outputs["logits"].float(), batch["answers"])


class Loss:
    """The losses of a step, which draw their own scenes."""

    def __init__(self, network: nn.ModuleDict, grounding: Grounding) -> None:
        self.vision, self.fusion, self.grounding = network["vision"], network["fusion"], grounding
        self.hidden = torch.zeros(0)
        self.fusion.get_submodule(f"blocks.{WORD_BLOCK}").register_forward_hook(self._keep)

    def _keep(self, _: nn.Module, __: Any, output: Tensor) -> None:
        self.hidden = output

    def first(self, step: int) -> Tensor:
        """On clear scenes, with every auxiliary loss: up to VISION_STEPS that of the cells alone."""
        if step < VISION_STEPS:
            return self._cells(data.take(VISION_SCENES, "training", step, (), CLEAR))[1]
        chosen = data.take(SCENES, "training", step, KINDS, CLEAR)
        embeds, loss = self._cells(chosen)
        answers = self._answers(embeds, chosen)
        with torch.autocast("cpu", torch.bfloat16):
            return answers + loss + self.grounding.word_loss(self.hidden, word_targets(chosen))

    def last(self, step: int) -> Tensor:
        """On scenes as published, that of the answers alone."""
        chosen = data.take(SCENES, "training", STEPS + step, KINDS)
        with torch.autocast("cpu", torch.bfloat16):
            embeds = self.vision(_images(chosen))
        return self._answers(embeds, chosen)

    def _answers(self, embeds: Tensor, chosen: list[data.Example]) -> Tensor:
        _, ids, answers = _tensors(data.split(chosen))
        with torch.autocast("cpu", torch.bfloat16):
            logits = self.fusion(embeds, ids)
        return functional.cross_entropy(logits.float(), answers)

    def _cells(self, chosen: list[data.Example]) -> tuple[Tensor, Tensor]:
        with torch.autocast("cpu", torch.bfloat16):
            embeds = self.vision(_images(chosen))
            return embeds, self.grounding.cell_loss(embeds, self.fusion.get_parameter("text.token.weight"), targets(chosen))


def right(network: nn.ModuleDict, split: Split) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether each answer is right, bool (items,)."""
    images, ids, answers = _tensors(split)
    with torch.no_grad():
        logits = [
            network["fusion"](network["vision"](part), questions)
            for part, questions in zip(torch.split(images, 50), torch.split(ids, 50 * len(ids) // len(images)), strict=True)
        ]
    return (torch.cat(logits).argmax(-1) == answers).numpy()


def by_kind(network: nn.ModuleDict, split: Split, name: str) -> dict[str, float]:
    """Accuracy on a split in all and of each question type, keyed by the name of the split and that of the figure."""
    correct, kinds = right(network, split), split.labels["kind"]
    figures = {f"{name} {kind}": float(correct[kinds == place].mean()) for place, kind in enumerate(task.KINDS)}
    return {f"{name} answer_accuracy": float(correct.mean()), **figures}


def train(out: Path, advance: Advance) -> dict[str, float]:
    """Writes `weights.safetensors` into the folder `out`; accuracies on the validation split, and once on the test split."""
    torch.manual_seed(SEED)
    network, grounding = start(), Grounding(WIDTH)
    held_out = data.split(data.take(VALIDATION_SCENES, "validation", SEED))

    def validate() -> float:
        figures = by_kind(network, held_out, "validation")
        logger.info(", ".join(f"{name} {value:.3f}" for name, value in figures.items()))
        return figures["validation answer_accuracy"]

    both, loss = nn.ModuleDict({"network": network, "grounding": grounding}), Loss(network, grounding)
    shared: Any = {"decay": DECAY, "validate": validate, "every": VALIDATE_EVERY}
    total = STEPS + LAST_STEPS
    training.fit(both, loss.first, steps=STEPS, rate=RATE, advance=lambda done, _, text: advance(done, total, text), **shared)
    training.fit(
        network, loss.last, steps=LAST_STEPS, rate=LAST_RATE, advance=lambda done, _, text: advance(STEPS + done, total, text), **shared
    )
    training.save(network, out / "weights.safetensors")
    return by_kind(network, held_out, "validation") | by_kind(network, data.test(0), "test")
