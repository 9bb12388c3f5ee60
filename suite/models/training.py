"""The training loop that the reference models share: AdamW, warm-up, cosine decay, a fixed number of steps."""

import math
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from suite import weights
from suite.contracts import Advance

WARM_UP = 60


def fit(
    network: nn.Module,
    loss: Callable[[int], Tensor],
    *,
    steps: int,
    rate: float,
    decay: float,
    advance: Advance,
    validate: Callable[[], float] | None = None,
    every: int = 100,
) -> None:
    """Minimises `loss(step)` over the parameters of `network` (2-D and higher ones decayed) in a fixed number of steps.

    Nothing depends on the clock: the same seeds give the same run on the same machine. `validate` is shown, never acted upon.
    """
    decayed = [p for p in network.parameters() if p.ndim > 1]
    others = [p for p in network.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [{"params": decayed, "weight_decay": decay}, {"params": others, "weight_decay": 0.0}], lr=rate, betas=(0.9, 0.98)
    )
    network.train()
    shown = ""
    for step in range(steps):
        factor = min(1.0, (step + 1) / WARM_UP) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * step / steps)))
        for group in optimizer.param_groups:
            group["lr"] = rate * factor
        optimizer.zero_grad(set_to_none=True)
        value = loss(step)
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        if validate is not None and (step + 1) % every == 0:
            network.eval()
            with torch.no_grad():
                shown = f", validation {validate():.3f}"
            network.train()
        advance(step + 1, steps, f"loss {value.item():.3f}{shown}")
    network.eval()


def coordinates(side: int, width: int) -> Tensor:
    """A first position embedding of a grid, (1, side x side, width): column and row of each cell, as lines and as three waves."""
    line = (torch.arange(side) - (side - 1) / 2) / (side / 2)
    waves = torch.stack([line * 1.5, *(wave(line * 3.1416 * length) for length in (0.5, 1, 2) for wave in (torch.sin, torch.cos))], 1)
    both = torch.cat([waves.repeat(side, 1), waves.repeat_interleave(side, 0)], 1)
    return nn.functional.pad(both, (0, width - both.shape[1]))[None] * 0.5


def save(network: nn.Module, path: Path) -> None:
    """Writes the parameters and buffers of `network` as safetensors, half-written never."""
    part = path.with_suffix(".part")
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, part)
    part.chmod(0o644)  # safetensors makes it readable by its owner alone, and git keeps no such mode
    part.replace(path)


def load(network: nn.Module, path: Path) -> nn.Module:
    """Loads exactly the tensors that `network` has from a safetensors file, and returns it in eval mode. Raises CellFailed."""
    return weights.fill(network, weights.read(path), path.name)
