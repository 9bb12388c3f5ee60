"""The measured figures of a record: estimates with their intervals, accuracy, latency, the cost of compressing."""

import math
from typing import Literal

import msgspec

Grade = Literal["A", "B", "C", "D", "E", "F"]
GRADES: tuple[Grade, ...] = Grade.__args__  # type: ignore[attr-defined]
RANKED: tuple[Grade, ...] = ("A", "B", "C")
"""Below these a latency is shown and not ranked."""


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

    def __post_init__(self) -> None:
        if self.metric not in self.metrics:
            raise ValueError(f"the headline metric {self.metric!r} is none of its metrics")


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


class Footprint(Immutable, frozen=True):
    """Before the first answer, and in memory; each launch a process that has imported the runtime and has loaded no model yet.

    load_ms: from files to a model that is ready. first_ms: the first request; warm_up_ms: it and the next ones, the medians over launches.
    load_bytes, inference_bytes: the largest resident set while loading and while answering those, above the process without a model;
    None where the platform does not tell. load_device_bytes, inference_device_bytes: memory of the GPU taken by then; None elsewhere.
    """

    load_ms: Estimate
    first_ms: Estimate
    warm_up_ms: tuple[float, ...]
    load_bytes: int | None
    inference_bytes: int | None
    load_device_bytes: int | None = None
    inference_device_bytes: int | None = None


class Scenario(Immutable, frozen=True):
    """Another batch size or number of threads than the headline's, paired as that is.

    items_per_s: requests answered, all of a batch together. cpu_wall: process CPU time / wall time, per launch; run_delay: the largest
    share of their time that threads waited for a core, None where the platform does not tell. deviation: the largest difference of an
    output from that of the same request alone, as a share of the largest number in it. refused: why there are no figures.
    """

    batch: int
    threads: int
    refused: str | None = None
    speed_up: Estimate | None = None
    items_per_s: Estimate | None = None
    baseline_items_per_s: Estimate | None = None
    cpu_wall: tuple[float, ...] = ()
    run_delay: float | None = None
    deviation: float | None = None


class Server(Immutable, frozen=True):
    """Requests that arrive at random, answered one after another: the highest rate at which the 99th percentile of the time from arrival
    to answer stays within `bound_ms`, at a confidence of 0.99, in runs of so many requests. p99_ms: the bound that the runs at that rate
    gave, the largest over launches. refused: why there are no figures.
    """

    bound_ms: float
    requests: int
    refused: str | None = None
    rate_per_s: Estimate | None = None
    baseline_rate_per_s: Estimate | None = None
    ratio: Estimate | None = None
    p99_ms: float | None = None


class Health(Immutable, frozen=True):
    """How well the host could be measured on in one session, see `suite.health`.

    reasons: what kept it from an A, the worst first. figures: of the session, each with a rule; None is what the platform does not count,
    and `missing` names it.
    """

    grade: Grade
    reasons: tuple[str, ...]
    figures: dict[str, float | None]
    missing: tuple[str, ...]

    @property
    def ranked(self) -> bool:
        """Whether a latency of this session may be ranked."""
        return self.grade in RANKED


class Energy(Immutable, frozen=True):
    """What a request takes of both sides, from a counter, paired as their times are, see `suite.energy`.

    ratio: baseline / artifact, interval by Student's t over launches. source: the counter that was read, and what it covers; None if there
    is none, and `reason` says why. The figures are None then: nothing is estimated.
    """

    source: str | None
    reason: str | None
    joules: Estimate | None = None
    baseline_joules: Estimate | None = None
    ratio: Estimate | None = None


class Latency(Immutable, frozen=True):
    """Paired with the baseline in ABBA blocks over fresh launches of the worker.

    launches: those that the speed-up is formed of; one that never had its core is left out. samples: timed calls of each side in all of
    them, left out or not. speed_up: exp of the mean over launches of the median log ratio of a launch's ABBA quads, interval by
    Student's t over launches.
    bootstrap: the same figure with the interval of a hierarchical percentile bootstrap, for comparison.
    percentiles_ms: of the artifact, pooled over launches; only those that the sample count allows. Component medians: the time
    spent inside each component in one request, and by the clock of the device, where there is one, `device_median_ms`. cpu_wall: process
    CPU time / wall time of the timed loops, per launch.

    Since schema 5: percentile_bounds_ms, what the same percentiles of a typical launch do not exceed, at a confidence of 0.99; stretch, by
    which the intervals over launches are wider than Student's, because launches were added until they were narrow;
    interrupted, the share of the timed calls during which the process lost its core, which medians and the speed-up leave out (percentiles
    do not); checked_answers of the timed loops, compared with those of the accuracy
    run; repeat_ratio, the time of a request that is repeated at once / that of a new one; health and energy.
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
    percentile_bounds_ms: dict[str, float] = {}
    baseline_percentile_bounds_ms: dict[str, float] = {}
    stretch: float = 1.0
    interrupted: float | None = None
    checked_answers: int | None = None
    repeat_ratio: float | None = None
    footprint: Footprint | None = None
    baseline_footprint: Footprint | None = None
    scenarios: dict[str, Scenario] = {}
    server: Server | None = None
    health: Health | None = None
    energy: Energy | None = None
    device_median_ms: dict[str, float] = {}
    baseline_device_median_ms: dict[str, float] = {}


class InstructionCounts(Immutable, frozen=True):
    """Instructions that a processor executes for one request, glue included: counts, and no measure of time.

    Of an emulated one by the emulator; of one that is timed by its own counter, in user mode, in every launch.

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
