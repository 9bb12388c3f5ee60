"""The measured figures of a record: estimates with their intervals, accuracy, latency, the cost of compressing."""

import math
from typing import Literal

import msgspec


class Immutable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a record: changed only by replace, and unknown fields are refused."""


class Estimate(Immutable, frozen=True):
    """A value with its confidence interval (95 %)."""

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not -math.inf < self.low <= self.value <= self.high < math.inf:
            raise ValueError(f"the interval [{self.low}, {self.high}] does not hold {self.value}")


class Accuracy(Immutable, frozen=True):
    """Metrics of the deployed artifact on the test split: Wilson intervals. `metric` is the headline; slices are of it."""

    items: int
    metric: str
    metrics: dict[str, Estimate]
    slices: dict[str, dict[str, Estimate]]
    seconds: float


class Streaming(Immutable, frozen=True):
    """An answer token by token. prefill: the decoder's first call, which reads the prompt; first token: everything up to it.

    Inter-token: the mean gap between two tokens of an answer; None if the answers have one token. tokens: of an answer, on average.
    """

    prefill_ms: Estimate | None
    first_token_ms: Estimate
    inter_token_ms: Estimate | None
    tokens_per_s: Estimate
    tokens: float


class TokenTimes(Immutable, frozen=True):
    """Paired with the baseline's as whole requests are, over fewer ABBA quads."""

    artifact: Streaming
    baseline: Streaming
    first_token_speed_up: Estimate
    inter_token_speed_up: Estimate | None


class BesideReference(Immutable, frozen=True):
    """Timed beside the uncompressed model on the device's reference target, in the same session: what a user gains who moves there from it.

    speed_up: as that of `Latency`, against the reference target's uncompressed model, whose median is `median_ms`.
    """

    target: str
    speed_up: Estimate
    median_ms: Estimate


class Latency(Immutable, frozen=True):
    """Paired with the baseline in ABBA blocks over fresh launches of the worker.

    speed_up: exp of the mean over launches of the median log ratio of a launch's ABBA quads, interval by Student's t over launches.
    bootstrap: the same figure with the interval of a hierarchical percentile bootstrap, for comparison.
    percentiles_ms: of the artifact, pooled over launches; only those that the sample count allows. Component medians: the time
    spent inside each component in one request. cpu_wall: process CPU time / wall time of the timed loops, per launch.
    """

    launches: int
    samples: int
    speed_up: Estimate
    bootstrap: Estimate
    median_ms: Estimate
    baseline_median_ms: Estimate
    percentiles_ms: dict[str, float]
    baseline_percentiles_ms: dict[str, float]
    component_median_ms: dict[str, float]
    baseline_component_median_ms: dict[str, float]
    cpu_wall: tuple[float, ...]
    noisy: bool
    tokens: TokenTimes | None = None
    reference: BesideReference | None = None


class InstructionCounts(Immutable, frozen=True):
    """Instructions that an emulated processor executes for one request, glue included: counts, and no measure of time.

    artifact, baseline: class -> the count of each of the same requests, in their order; `all` is every instruction, the others are those
    that multiply and add vectors, named as `suite.counting` says. Empty, with the reason, where nothing could be counted.
    """

    artifact: dict[str, tuple[int, ...]] = msgspec.field(default_factory=dict)
    baseline: dict[str, tuple[int, ...]] = msgspec.field(default_factory=dict)
    reason: str | None = None

    def __post_init__(self) -> None:
        if (self.reason is None) != ("all" in self.artifact and "all" in self.baseline):
            raise ValueError("instructions are counted on both sides, or there is a reason why not")
        if any(count < 0 for side in (self.artifact, self.baseline) for counts in side.values() for count in counts):
            raise ValueError("a count of instructions is not negative")

    @property
    def classes(self) -> tuple[str, ...]:
        """Those that there are, all of them together first."""
        return tuple(sorted({*self.artifact, *self.baseline}, key=lambda name: (name != "all", name)))

    def per_request(self, side: Literal["artifact", "baseline"], name: str = "all") -> float:
        """The mean over the requests; 0 for a class that does not occur."""
        counts: tuple[int, ...] = getattr(self, side).get(name, ())
        return sum(counts) / len(counts) if counts else 0.0

    @property
    def ratio(self) -> float | None:
        """The baseline's instructions / the artifact's, over all requests."""
        return None if self.reason else self.per_request("baseline") / self.per_request("artifact")


class Cost(Immutable, frozen=True):
    """What compressing took. items: calibration items used. training_*: steps of training, and the labelled items that they saw."""

    seconds: float
    peak_bytes: int
    items: int
    training_steps: int = 0
    training_items: int = 0
