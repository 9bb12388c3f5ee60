"""One declarative table of everything that is measured: metric -> title, unit, direction, format, check."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Direction = Literal["higher", "lower", "neither"]


def _share(value: float) -> bool:
    return 0.0 <= value <= 1.0


def _positive(value: float) -> bool:
    return math.isfinite(value) and value > 0


def _not_negative(value: float) -> bool:
    return math.isfinite(value) and value >= 0


def _bytes(value: float) -> str:
    return f"{value / 1e6:.2f} MB"


def _count(value: float) -> str:
    """In millions, or thousands of them where there are that many."""
    return f"{value / 1e9:.2f} G" if value >= 1e9 else f"{value / 1e6:.2f} M"


@dataclass(frozen=True, slots=True)
class Metric:
    """What a number means: `show` formats it, `check` says whether it can be true."""

    name: str
    title: str
    unit: str
    better: Direction
    show: Callable[[float], str]
    check: Callable[[float], bool]
    help: str


def _accuracy(name: str, title: str, explanation: str) -> Metric:
    return Metric(name, title, "", "higher", "{:.3f}".format, _share, explanation)


def _score(value: float) -> bool:
    return 0.0 <= value <= 10.0


METRICS = {
    metric.name: metric
    for metric in (
        _accuracy("recall_at_1", "recall@1", "Share of images whose first-ranked name is right, among all names."),
        _accuracy("recall_at_5", "recall@5", "Share of images whose right name is among the first five."),
        _accuracy("answer_accuracy", "answer accuracy", "Share of questions answered exactly right."),
        _accuracy("top_1", "top-1 accuracy", "Share of items whose first-ranked class is right."),
        _accuracy("exact_match", "exact match", "Share of captions of which every word is right."),
        _accuracy("token_accuracy", "token accuracy", "Share of a caption's words that are right in their place, the end included."),
        Metric("cider", "CIDEr-D", "", "higher", "{:.2f}".format, _score, "Agreement with the reference in rare n-grams, 0 to 10."),
        Metric("bytes", "size", "B", "lower", _bytes, _positive, "Bytes on disk of the files that are deployed."),
        Metric("zstd_bytes", "download", "B", "lower", _bytes, _positive, "The same files compressed with zstd at level 10."),
        Metric(
            "bits_per_parameter",
            "bits / parameter",
            "bit",
            "lower",
            "{:.2f}".format,
            _positive,
            "8 x bytes on disk / parameters of the baseline.",
        ),
        Metric(
            "parameters", "parameters", "", "lower", "{:,.0f}".format, _positive, "Weights, biases and other constants in the artifact."
        ),
        Metric(
            "nonzero_parameters",
            "non-zero parameters",
            "",
            "lower",
            "{:,.0f}".format,
            _not_negative,
            "Parameters that are not exactly zero.",
        ),
        Metric(
            "macs",
            "multiply-accumulates",
            "",
            "lower",
            _count,
            _not_negative,
            "Multiply-accumulates of matrix products and convolutions, each component called once: the first call of a request.",
        ),
        Metric(
            "nonzero_macs",
            "non-zero multiply-accumulates",
            "",
            "lower",
            _count,
            _not_negative,
            "Those by a weight that is not zero. A dense runtime carries out the others too.",
        ),
        Metric(
            "bit_operations",
            "bit-operations",
            "",
            "lower",
            _count,
            _not_negative,
            "Multiply-accumulates x bits of the weights x bits of the activations.",
        ),
        Metric(
            "speed_up",
            "speed-up",
            "x",
            "higher",
            "{:.2f}x".format,
            _positive,
            "Latency of the baseline / latency of the artifact, paired in one session.",
        ),
        Metric("latency_ms", "latency", "ms", "lower", "{:.3f} ms".format, _positive, "Median wall time of one request, batch size 1."),
        Metric(
            "instructions",
            "instructions",
            "",
            "lower",
            _count,
            _positive,
            "Instructions that the processor executes for one request: a count, and no measure of time.",
        ),
        Metric(
            "instruction_ratio",
            "fewer instructions",
            "x",
            "higher",
            "{:.2f}x".format,
            _positive,
            "Instructions of the baseline / instructions of the artifact, for the same requests.",
        ),
        Metric("compress_s", "cost", "s", "lower", "{:.1f} s".format, _not_negative, "Wall time of compressing."),
        Metric(
            "compress_peak_bytes",
            "peak memory of compressing",
            "B",
            "lower",
            _bytes,
            _positive,
            "Peak resident set of the process that compressed.",
        ),
    )
}


def find(name: str) -> Metric:
    """The metric of a name; one that the table does not have is a model's own: from 0 to 1, of which more is better."""
    return METRICS[name] if name in METRICS else _accuracy(name, name.replace("_", " "), "A metric of the model's own, from 0 to 1.")
