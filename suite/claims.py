"""Whether an artifact bears out what its method claims: each claim beside what the files show."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import numpy as np

from suite import formats
from suite.contracts import Claims
from suite.errors import CellFailed
from suite.record import ClaimCheck
from suite.stored import Constant

TOLERANCE = 0.01
"""By how much a share may miss what is claimed: widths and ranks are whole numbers."""

Models = Mapping[str, formats.Held]


def check_claims(
    claims: Claims, artifact: Mapping[str, Path], baseline: Mapping[str, Path], format: str = formats.ONNX
) -> tuple[ClaimCheck, ...]:
    """Each thing that a step claims beside what the files of the components that it was applied to show.

    `artifact` is what is deployed in the end, later steps of a recipe included: they may do more than is claimed, never less.
    Both are files of one format. Raises CellFailed (`unsupported`) if nothing that the claims are about was there to begin with.
    """
    held = formats.maker(format).held
    after, before = ({name: held(path) for name, path in files.items()} for files in (artifact, baseline))
    about_weights = (claims.weight_bits, claims.mean_bits, claims.sparsity, claims.semi_structured, claims.parameters)
    if any(claim is not None for claim in about_weights) and not any(model.weights(claims.layers) for model in before.values()):
        raise CellFailed("unsupported", f"there is no weight of {' or '.join(claims.layers)} in {', '.join(before)}")
    return tuple(check(claims, after, before) for field, check in _CHECKS.items() if getattr(claims, field) not in (None, ()))


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _layers(claims: Claims) -> str:
    *first, last = claims.layers
    return f"{', '.join(first)} and {last}" if first else last


def _by_component(shares: Mapping[str, float]) -> str:
    return ", ".join(f"{_percent(share)} of {name}" for name, share in shares.items())


def _weight_bits(claims: Claims, after: Models, before: Models) -> ClaimCheck:
    shares = {}
    for name, model in after.items():
        if weights := model.weights(claims.layers):
            narrow = sum(weight.elements for weight in weights if weight.bits <= (claims.weight_bits or 0))
            shares[name] = narrow / sum(weight.elements for weight in weights)
    return ClaimCheck(
        claim="weight bits",
        claimed=f"{claims.weight_bits} bits or fewer for {_percent(claims.coverage)} of the weights of {_layers(claims)}",
        realised=_by_component(shares) or "no such weight",
        holds=min(shares.values(), default=0.0) >= claims.coverage,
    )


def _mean_bits(claims: Claims, after: Models, before: Models) -> ClaimCheck:
    """Over all components together: a budget that they share may leave one of them as it was."""
    weights = [weight for model in after.values() for weight in model.weights(claims.layers)]
    mean = sum(weight.elements * weight.bits for weight in weights) / max(1, sum(weight.elements for weight in weights))
    claimed = claims.mean_bits or 0.0
    return ClaimCheck(
        claim="mean bits",
        claimed=f"{claimed:.1f} bits or fewer on average in the weights of {_layers(claims)}",
        realised=f"{mean:.1f} bits" if weights else "no such weight",
        holds=bool(weights) and mean <= claimed,
    )


def _overall(claims: Claims, after: Models, part: Callable[[Constant], float]) -> float:
    """What `part` gives of the weights of all components, as a share of their elements."""
    weights = [weight for model in after.values() for weight in model.weights(claims.layers)]
    return sum(map(part, weights)) / max(1, sum(weight.elements for weight in weights))


def _sparsity(claims: Claims, after: Models, before: Models) -> ClaimCheck:
    """Over all components together: a threshold that they share prunes some more than others."""
    share, claimed = _overall(claims, after, lambda weight: weight.zeros), claims.sparsity or 0.0
    return ClaimCheck(
        claim="sparsity",
        claimed=f"{_percent(claimed)} zeros in the weights of {_layers(claims)}",
        realised=_percent(share),
        holds=share >= claimed - TOLERANCE,
    )


def _semi_structured(claims: Claims, after: Models, before: Models) -> ClaimCheck:
    share = _overall(claims, after, lambda weight: weight.elements * weight.semi_structured)
    claimed = claims.semi_structured or 0.0
    return ClaimCheck(
        claim="2:4 sparsity",
        claimed=f"two zeros in each four, for {_percent(claimed)} of the weights of {_layers(claims)}",
        realised=_percent(share),
        holds=share >= claimed - TOLERANCE,
    )


def _shapes(models: Models, layers: Collection[str]) -> Counter[tuple[str, tuple[int, ...]]]:
    """How many weights there are of each component and shape; sorted, because a transposed matrix is as large."""
    return Counter((name, tuple(sorted(weight.shape))) for name, model in models.items() for weight in model.weights(layers))


def _elements(shapes: Counter[tuple[str, tuple[int, ...]]]) -> int:
    return sum(int(np.prod(shape)) * count for (_, shape), count in shapes.items())


def _parameters(claims: Claims, after: Models, before: Models) -> ClaimCheck:
    """What is left of the weights whose shapes are gone: the same question for any model, whatever share of it they are.

    Over all components together: one may have nothing that can be made smaller.
    """
    new, old = _shapes(after, claims.layers), _shapes(before, claims.layers)
    gone, claimed = _elements(old - new), claims.parameters or 0.0
    left, reached = _elements(new - old) / gone if gone else 1.0, gone / max(1, _elements(old))
    wanted = f"{_percent(claims.coverage)} of the weights of {_layers(claims)} or more"
    return ClaimCheck(
        claim="parameters",
        claimed=f"{_percent(claimed)} left of the weights made smaller, which are {wanted}",
        realised=f"{_percent(left)} left of {_percent(reached)}",
        holds=left <= claimed + TOLERANCE and 0 < reached >= claims.coverage,
    )


def _cache_bits(claims: Claims, after: Models, before: Models) -> ClaimCheck:
    """The inputs whose type is another than in the uncompressed model: nothing else may differ there than a cache."""
    widths: dict[str, int] = {}
    for name, model in after.items():
        old = before[name].inputs
        widths |= {f"{name}.{tensor}": kind[1] for tensor, kind in model.inputs.items() if old.get(tensor) != kind}
    return ClaimCheck(
        claim="cache bits",
        claimed=f"{claims.cache_bits} bits or fewer for what is kept between calls",
        realised=", ".join(f"{bits} for {name}" for name, bits in widths.items()) or "no cache in another type than before",
        holds=bool(widths) and max(widths.values()) <= (claims.cache_bits or 0),
    )


def _operators(claims: Claims, after: Models, before: Models) -> ClaimCheck:
    counts = {name: Counter(model.operators) for name, model in after.items()}
    needed = [(name, kind) for name, model in before.items() for kind in claims.operators if model.weights(_replaced(kind, claims))]
    return ClaimCheck(
        claim="operators",
        claimed=f"{', '.join(claims.operators)} in every component that has what they stand for",
        realised="; ".join(f"{name}: {', '.join(f'{count[kind]} {kind}' for kind in claims.operators)}" for name, count in counts.items()),
        holds=bool(needed) and all(counts[name][kind] for name, kind in needed),
    )


def _replaced(kind: str, claims: Claims) -> tuple[str, ...]:
    """The layers that an operator stands for: MatMulInteger is not to be asked of a component that has convolutions alone."""
    if "Conv" in kind:
        return ("Conv",)
    return ("MatMul", "Gemm") if "MatMul" in kind or "Gemm" in kind else claims.layers


_CHECKS: dict[str, Callable[[Claims, Models, Models], ClaimCheck]] = {
    "weight_bits": _weight_bits,
    "mean_bits": _mean_bits,
    "sparsity": _sparsity,
    "semi_structured": _semi_structured,
    "parameters": _parameters,
    "cache_bits": _cache_bits,
    "operators": _operators,
}
"""Field of Claims -> its check."""
