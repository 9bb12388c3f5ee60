"""Checks every artifact before it counts: what it stores, whether that bears out the method's claims, and whether it runs."""

import hashlib
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from itertools import islice
from pathlib import Path

import numpy as np
import onnx
import zstandard
from onnx import external_data_helper

from suite import caches, stored
from suite.contracts import Claims, Component, Tensor
from suite.errors import CellFailed
from suite.graph import Array, initializers, nodes
from suite.record import ClaimCheck, Part

ZSTD_LEVEL = 10

TOLERANCE = 0.01
"""By how much a share may miss what is claimed: widths and ranks are whole numbers."""

Models = Mapping[str, onnx.ModelProto]


def read(path: Path) -> onnx.ModelProto:
    """The model in a file. Raises CellFailed if there is none or if its weights lie elsewhere, where they would not be counted."""
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf raises an error of its own, which depends on its implementation
        raise CellFailed("invalid_output", f"{path.name} is not an ONNX model: {error}") from error
    for name, tensor in initializers(model).items():
        if external_data_helper.uses_external_data(tensor):
            raise CellFailed("invalid_output", f"the weight {name} of {path.name} lies in another file; store it inside the model")
    return model


def inspect(path: Path, component: Component | None = None) -> Part:
    """What a component's ONNX file holds. Every constant is a parameter, the scales and zero points of a quantization too.

    component: of a file without one, nothing is said about caches.
    """
    data, model = path.read_bytes(), read(path)
    kept = caches.types(model, component) if component else {}
    constants = stored.constants(model).values()
    types: Counter[str] = Counter()
    for constant in constants:
        types[constant.type] += constant.elements
    return Part(
        file=path.name,
        sha256=hashlib.sha256(data).hexdigest(),
        bytes=len(data),
        zstd_bytes=len(zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(data)),
        parameters=types.total(),
        nonzero_parameters=types.total() - sum(constant.zeros for constant in constants),
        operators=dict(sorted(Counter(node.op_type for node in nodes(model)).items())),
        parameters_by_type=dict(sorted(types.items())),
        cache=kept,
        cache_bytes_per_token=caches.bytes_per_token(component, kept) if component else 0,
    )


def check_claims(claims: Claims, artifact: Mapping[str, Path], baseline: Mapping[str, Path]) -> tuple[ClaimCheck, ...]:
    """Each thing that a step claims beside what the files of the components that it was applied to show.

    `artifact` is what is deployed in the end, later steps of a recipe included: they may do more than is claimed, never less.
    Raises CellFailed (`unsupported`) if nothing that the claims are about was there to begin with.
    """
    after, before = ({name: read(path) for name, path in files.items()} for files in (artifact, baseline))
    about_weights = (claims.weight_bits, claims.mean_bits, claims.sparsity, claims.parameters)
    if any(claim is not None for claim in about_weights) and not any(stored.weights(model, claims.layers) for model in before.values()):
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
        if weights := stored.weights(model, claims.layers):
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
    weights = [weight for model in after.values() for weight in stored.weights(model, claims.layers)]
    mean = sum(weight.elements * weight.bits for weight in weights) / max(1, sum(weight.elements for weight in weights))
    claimed = claims.mean_bits or 0.0
    return ClaimCheck(
        claim="mean bits",
        claimed=f"{claimed:.1f} bits or fewer on average in the weights of {_layers(claims)}",
        realised=f"{mean:.1f} bits" if weights else "no such weight",
        holds=bool(weights) and mean <= claimed,
    )


def _sparsity(claims: Claims, after: Models, before: Models) -> ClaimCheck:
    """Over all components together: a threshold that they share prunes some more than others."""
    weights = [weight for model in after.values() for weight in stored.weights(model, claims.layers)]
    share = sum(weight.zeros for weight in weights) / max(1, sum(weight.elements for weight in weights))
    claimed = claims.sparsity or 0.0
    return ClaimCheck(
        claim="sparsity",
        claimed=f"{_percent(claimed)} zeros in the weights of {_layers(claims)}",
        realised=_percent(share),
        holds=share >= claimed - TOLERANCE,
    )


def _shapes(models: Models, layers: Collection[str]) -> Counter[tuple[str, tuple[int, ...]]]:
    """How many weights there are of each component and shape; sorted, because a transposed matrix is as large."""
    return Counter((name, tuple(sorted(weight.shape))) for name, model in models.items() for weight in stored.weights(model, layers))


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
        old = {tensor.name: tensor.type.tensor_type.elem_type for tensor in before[name].graph.input}
        changed = [tensor for tensor in model.graph.input if old.get(tensor.name) != tensor.type.tensor_type.elem_type]
        widths |= {f"{name}.{tensor.name}": 8 * caches.itemsize(tensor) for tensor in changed}
    return ClaimCheck(
        claim="cache bits",
        claimed=f"{claims.cache_bits} bits or fewer for what is kept between calls",
        realised=", ".join(f"{bits} for {name}" for name, bits in widths.items()) or "no cache in another type than before",
        holds=bool(widths) and max(widths.values()) <= (claims.cache_bits or 0),
    )


def _operators(claims: Claims, after: Models, before: Models) -> ClaimCheck:
    counts = {name: Counter(node.op_type for node in nodes(model)) for name, model in after.items()}
    needed = [(name, kind) for name, model in before.items() for kind in claims.operators if stored.weights(model, _replaced(kind, claims))]
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
    "parameters": _parameters,
    "cache_bits": _cache_bits,
    "operators": _operators,
}
"""Field of Claims -> its check."""


FEEDS = 3
"""Calls that an artifact must answer before it counts: the first is the one with an empty cache, where there is a cache."""


def check_loads(path: Path, component: Component, feeds: Iterable[Mapping[str, Array]]) -> None:
    """Raises CellFailed unless ONNX Runtime loads the file and turns the first `feeds` into the finite outputs that the card declares.

    An artifact that keeps its caches in a type of its own gets only calls that begin a sequence, and each a second time with the caches
    that it gave back.
    """
    import onnxruntime  # only this check needs a runtime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        kept = caches.types(onnx.load(path), component)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        answers = []
        for feed in islice((feed for feed in feeds if caches.begins(feed, kept)), FEEDS):
            given = caches.entered(feed, kept)
            answers.append((given, dict(zip(names, session.run(names, given), strict=True))))
            if kept:
                given = given | {name: answers[-1][1][output] for name, output in component.cache.items()}
                answers.append((given, dict(zip(names, session.run(names, given), strict=True))))
    except Exception as error:  # the runtime raises a dozen types whose only common root is Exception
        raise CellFailed("invalid_output", f"ONNX Runtime cannot run {path.name}: {error}") from error
    declared = [tensor.name for tensor in component.outputs]
    if sorted(names) != sorted(declared):
        raise CellFailed("invalid_output", f"{path.name} has the outputs {', '.join(names)}, not {', '.join(declared)}")
    if not answers:
        raise CellFailed(
            "invalid_output", f"{path.name} keeps its caches in {', '.join(kept.values())}, and no call begins with empty ones"
        )
    narrow = {component.cache[name]: dtype for name, dtype in kept.items()}
    for feed, outputs in answers:
        axes = (pair for tensor in component.inputs for pair in zip(tensor.shape, feed[tensor.name].shape, strict=True))
        lengths = {name: length for name, length in axes if isinstance(name, str)}
        for tensor in component.outputs:
            declared_tensor = Tensor(tensor.name, narrow.get(tensor.name, tensor.dtype), tensor.shape)  # type: ignore[arg-type]
            _check_output(path.name, declared_tensor, np.asarray(outputs[tensor.name]), lengths)


def _check_output(file: str, tensor: Tensor, found: Array, lengths: Mapping[str, int]) -> None:
    """`lengths`: what the named axes of the inputs measure in this call. An output may have names of its own, which may be anything."""
    wanted = tuple(lengths.get(size, size) if isinstance(size, str) else size for size in tensor.shape)
    fits = len(wanted) == found.ndim and all(isinstance(w, str) or w == size for w, size in zip(wanted, found.shape, strict=True))
    if found.dtype.name != tensor.dtype or not fits:
        raise CellFailed(
            "invalid_output", f"the output {tensor.name} of {file} is {found.dtype.name} {found.shape}, not {tensor.dtype} {wanted}"
        )
    if not np.isfinite(found).all():
        raise CellFailed("invalid_output", f"the output {tensor.name} of {file} is not finite")
