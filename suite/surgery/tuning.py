"""Training within a method: AdamW over a fixed number of steps, which a killed run takes up again where it was."""

import math
from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from suite.contracts import Tutor

Tensors = Mapping[str, Tensor]
Loss = Callable[[Tensors, Tensors], Tensor]
"""Of a batch's outputs and the batch itself: what is minimised, a scalar."""
Schedule = Literal["cosine", "linear", "constant"]
Hook = Callable[[int], None]

WARM_UP = 0.1
"""Share of the steps in which the learning rate rises from nothing."""
KEPT_EVERY = 50
"""Steps between two states that a killed run can take up."""
CLIP = 1.0


def factor(schedule: str, step: int, steps: int) -> float:
    """What the learning rate of step `step` (the first is 0) of `steps` is multiplied by: warm-up, then the schedule."""
    rising = max(1, round(WARM_UP * steps))
    if step < rising:
        return (step + 1) / rising
    done = (step - rising) / max(1, steps - rising)
    falling = {"cosine": 0.5 * (1 + math.cos(math.pi * done)), "linear": 1 - done, "constant": 1.0}
    return falling[schedule]


def fit(
    parts: Mapping[str, nn.Module],
    tutor: Tutor,
    loss: Loss,
    *,
    steps: int,
    rate: float,
    schedule: str = "cosine",
    before: Hook = lambda step: None,
    mixed: bool = True,
) -> None:
    """Minimises `loss` over the parameters of `parts`, in place; the other components of the model are the teacher's.

    rate: the highest learning rate. schedule: what it does after its warm-up, see `Schedule`. before: called with the number of each step
    before it is taken, and with `steps` at the end. mixed: forward passes in bfloat16. Batches come by number and nothing else is drawn,
    so that a run that was killed and taken up ends as one that was not. Raises ValueError where the loss is not finite.
    """
    whole, network = {**tutor.teacher(), **parts}, nn.ModuleDict(dict(parts))
    network.train().requires_grad_(True)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate, betas=(0.9, 0.98), weight_decay=0.0)
    start = _restore(network, optimizer, tutor)
    for step in range(start, steps):
        before(step)
        for group in optimizer.param_groups:
            group["lr"] = rate * factor(schedule, step, steps)
        batch = tutor.batch(step, steps)
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed):
            value = loss(tutor.outputs(whole, batch), batch)
        if not torch.isfinite(value):
            raise ValueError(f"the loss is {value.item()} at step {step + 1}; a lower learning rate may help")
        optimizer.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), CLIP)
        optimizer.step()
        if (step + 1) % KEPT_EVERY == 0 or step + 1 == steps:
            tutor.save(step + 1, _state(network, optimizer))
    before(steps)
    network.eval().requires_grad_(False)


def _state(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Every parameter and buffer, and the moments of every parameter."""
    kept = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        kept |= {f"{key}.{name}": value for key, value in optimizer.state.get(parameter, {}).items()}
    return kept


def _restore(network: nn.Module, optimizer: torch.optim.Optimizer, tutor: Tutor) -> int:
    """How many steps were done before, and their state in `network` and `optimizer`; 0 if there is none that fits."""
    found = tutor.saved()
    if found is None:
        return 0
    step, tensors = found
    known = {name.partition(".")[2]: tensor for name, tensor in tensors.items() if name.startswith("network.")}
    own = network.state_dict()
    if {name: tensor.shape for name, tensor in known.items()} != {name: tensor.shape for name, tensor in own.items()}:
        return 0
    network.load_state_dict(known)
    for name, parameter in network.named_parameters():
        moments = {key: tensors[f"{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq") if f"{key}.{name}" in tensors}
        if moments:
            optimizer.state[parameter] = moments
    return step


def distance(student: Tensors, teacher: Tensors) -> Tensor:
    """The mean squared error of every feature (all outputs but the logits), each in units of the teacher's mean square; a scalar."""
    gaps = [
        (student[name].float() - told.float()).square().mean() / told.float().square().mean()
        for name, told in teacher.items()
        if name != "logits"
    ]
    return torch.stack(gaps).mean() if gaps else torch.zeros(())


def divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Kullback-Leibler divergence of the softened answers from the teacher's, mean over rows of logits (rows, classes), times the square of
    the temperature, which keeps gradients in size (1503.02531)."""
    soft, told = (nn.functional.log_softmax(logits.float() / temperature, -1) for logits in (student, teacher))
    return nn.functional.kl_div(soft, told, reduction="batchmean", log_target=True) * temperature**2
