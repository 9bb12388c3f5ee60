"""Trains audio-visual digits from scratch, and then each modality alone, to show that the fusion is one."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from suite.contracts import Advance, Split
from suite.models import training
from suite.models.audio_visual_digits import data, task
from suite.models.audio_visual_digits.network import build, build_alone

STEPS: Final = 1200
"""Steps of each of the three models."""
PAIRS: Final = 64
"""Pairs of each step."""
RATE: Final = 2e-3
DECAY: Final = 0.03
VALIDATION_PAIRS: Final = 2000
VALIDATE_EVERY: Final = 200
SEED: Final = 0

Arrays = Mapping[str, np.ndarray[Any, np.dtype[Any]]]
Score = Callable[[dict[str, Tensor]], Tensor]


def tensors(inputs: Arrays, chosen: slice) -> dict[str, Tensor]:
    """What each tower is fed, by its name, in the layout that convolutions are fastest on."""
    fed = task.feeds(inputs, chosen).items()
    return {name: torch.from_numpy(*feed.values()).contiguous(memory_format=torch.channels_last) for name, feed in fed}


def together(network: nn.ModuleDict) -> Score:
    """The logits of the fused model, as a function of what the towers are fed."""
    return lambda fed: network["fusion"](*(network[name](plane) for name, plane in fed.items()))


def only(name: str, alone: nn.ModuleDict) -> Score:
    """The logits of the model of one modality."""
    return lambda fed: alone[name](fed[name])


def right(score: Score, split: Split) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Whether each digit of a split is right, bool (items,)."""
    items = task.size(split.inputs)
    with torch.no_grad():
        logits = torch.cat([score(tensors(split.inputs, slice(first, first + 100))) for first in range(0, items, 100)])
    return task.score(split.labels, {"digit": logits.argmax(-1).numpy()})["top_1"]


def figures(scores: Mapping[str, Score], split: Split, name: str) -> dict[str, float]:
    """Top-1 accuracy of each model on a split, keyed by the name of the split, the metric, and what the model has."""
    return {f"{name} top_1{model}": float(right(score, split).mean()) for model, score in scores.items()}


def batch(index: int) -> dict[str, Tensor]:
    """What each tower is fed, by its name, and the digits of PAIRS pairs that the training of the model never saw."""
    drawn = data.pairs(PAIRS, "training", STEPS + index)
    return tensors(drawn.inputs, slice(None)) | {"digit": torch.from_numpy(drawn.labels["digit"])}


def outputs(parts: Mapping[str, nn.Module], batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The scores of the digits (pairs, 10), and the embedding that each tower gives (pairs, 128)."""
    embeds = {name: parts[name](batch[name]) for name in ("vision", "audio")}
    return {"logits": parts["fusion"](*embeds.values()), **embeds}


def loss(outputs: Mapping[str, Tensor], batch: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropy of the digits."""
    return functional.cross_entropy(outputs["logits"].float(), batch["digit"])


def fit(network: nn.Module, score: Score, held_out: Split, advance: Advance) -> None:
    """Minimises the cross-entropy of the scores over the parameters of one network; no pair is seen twice."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub forgets the one-argument form

    def drawn_loss(step: int) -> Tensor:
        drawn = data.pairs(PAIRS, "training", step)
        with torch.autocast("cpu", torch.bfloat16):
            logits = score(tensors(drawn.inputs, slice(None)))
        return functional.cross_entropy(logits.float(), torch.from_numpy(drawn.labels["digit"]))

    def validate() -> float:
        return float(right(score, held_out).mean())

    training.fit(network, drawn_loss, steps=STEPS, rate=RATE, decay=DECAY, validate=validate, every=VALIDATE_EVERY, advance=advance)


def _part(advance: Advance, turn: int, turns: int) -> Advance:
    return lambda done, total, text: advance(turn * total + done, turns * total, text)


def train(out: Path, advance: Advance) -> dict[str, float]:
    """Writes `weights.safetensors` and `alone.safetensors` into the folder `out`; the three accuracies on validation, and once on test."""
    torch.manual_seed(SEED)
    network, alone = build(), build_alone()
    scores = {"": together(network), " vision alone": only("vision", alone), " audio alone": only("audio", alone)}
    held_out = data.pairs(VALIDATION_PAIRS, "validation", SEED)
    for turn, (trained, score) in enumerate(zip((network, *alone.children()), scores.values(), strict=True)):
        fit(trained, score, held_out, _part(advance, turn, len(scores)))
    training.save(network, out / "weights.safetensors")
    training.save(alone, out / "alone.safetensors")
    return figures(scores, held_out, "validation") | figures(scores, data.test(0), "test")
