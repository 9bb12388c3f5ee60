"""Further training of the tiny matcher: noisy patterns against all names."""

import torch
from suite.models.tiny_matcher.data import NAMES, _noisy
from torch.nn import functional

ITEMS = 32


def batch(index):
    """Patterns that are in no other split."""
    inputs, labels = _noisy(2, index, ITEMS)
    return {"pixels": torch.from_numpy(inputs["pixels"]), "names": torch.from_numpy(labels)}


def outputs(parts, batch):
    images, texts = parts["vision"](batch["pixels"]), parts["text"](torch.arange(NAMES)[:, None])
    return {"logits": images @ texts.T / 8, "image_embeds": images, "text_embeds": texts}


def loss(outputs, batch):
    return functional.cross_entropy(outputs["logits"].float(), batch["names"])
