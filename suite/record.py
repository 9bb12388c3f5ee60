"""The immutable result of one cell: schema-versioned, validated when built, changed only by replace.

Raw samples and predictions lie beside it in a columns file (`suite.columns`); every statistic here is derived from them.
"""

import math
from typing import Literal

import msgspec

from suite.contracts import Value
from suite.metrics import find

SCHEMA = 2
"""Version 2 adds cells of one component and times of tokens; records of version 1 have neither and are read as they are."""

Status = Literal[
    "ok",
    "unsupported",
    "compress_failed",
    "export_failed",
    "claim_not_borne_out",
    "out_of_memory",
    "timeout",
    "crashed",
    "invalid_output",
]
STATUSES: tuple[str, ...] = Status.__args__  # type: ignore[attr-defined]


class _Immutable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    pass


class Estimate(_Immutable, frozen=True):
    """A value with its confidence interval (95 %)."""

    value: float
    low: float
    high: float

    def __post_init__(self) -> None:
        if not -math.inf < self.low <= self.value <= self.high < math.inf:
            raise ValueError(f"the interval [{self.low}, {self.high}] does not hold {self.value}")


class RecipeStep(_Immutable, frozen=True):
    """One method applied to some components, with everything that decides what it does."""

    method: str
    variant: str
    components: tuple[str, ...]
    parameters: dict[str, Value]
    source_sha256: str


class Cell(_Immutable, frozen=True):
    """What was asked for. `component`: the only one that was compressed, for a cell that asks where it hurts; its time is not taken."""

    model: str
    method: str
    variant: str
    target: str
    tier: Literal["quick", "full"]
    test_seed: int
    recipe: tuple[RecipeStep, ...]
    settings: dict[str, Value]
    component: str | None = None


class Provenance(_Immutable, frozen=True):
    """What exactly was compressed and measured, by content hash."""

    model_sha256: str
    test_sha256: str | None
    artifact_sha256: str | None
    suite_version: str
    git_commit: str | None
    git_dirty: bool | None
    command: str


class Environment(_Immutable, frozen=True):
    """The machine and the libraries. None is a fact that this platform does not give."""

    system: str
    kernel: str
    machine: str
    cpu: str
    cpu_flags: tuple[str, ...]
    cores: int
    memory_bytes: int
    governor: str | None
    hypervisor: bool | None
    load_before: float | None
    load_after: float | None
    python: str
    libraries: dict[str, str]

    @property
    def host(self) -> str:
        """What two records must share for their absolute times to be comparable."""
        return f"{self.cpu}, {self.cores} cores, {self.system} {self.machine}"


class ClaimCheck(_Immutable, frozen=True):
    """What the card claims beside what the artifact shows."""

    claim: str
    claimed: str
    realised: str
    holds: bool


class Part(_Immutable, frozen=True):
    """One component's file."""

    file: str
    sha256: str
    bytes: int
    zstd_bytes: int
    parameters: int
    nonzero_parameters: int
    operators: dict[str, int]
    parameters_by_type: dict[str, int]


class Artifact(_Immutable, frozen=True):
    """What is deployed. Totals are over components."""

    parts: dict[str, Part]
    baseline_parameters: int
    claims: tuple[ClaimCheck, ...]

    def __post_init__(self) -> None:
        if self.baseline_parameters < 1:
            raise ValueError("the baseline of an artifact has parameters")

    def total(self, name: Literal["bytes", "zstd_bytes", "parameters", "nonzero_parameters"]) -> int:
        """The sum of one figure over the components."""
        return sum(getattr(part, name) for part in self.parts.values())

    @property
    def bits_per_parameter(self) -> float:
        """Effective: bits on disk for each parameter that the baseline has."""
        return 8 * self.total("bytes") / self.baseline_parameters


class Accuracy(_Immutable, frozen=True):
    """Metrics of the deployed artifact on the test split: Wilson intervals. `metric` is the headline; slices are of it."""

    items: int
    metric: str
    metrics: dict[str, Estimate]
    slices: dict[str, dict[str, Estimate]]
    seconds: float


class Streaming(_Immutable, frozen=True):
    """An answer token by token. prefill: the decoder's first call, which reads the prompt; first token: everything up to it.

    Inter-token: the mean gap between two tokens of an answer; None if the answers have one token. tokens: of an answer, on average.
    """

    prefill_ms: Estimate | None
    first_token_ms: Estimate
    inter_token_ms: Estimate | None
    tokens_per_s: Estimate
    tokens: float


class TokenTimes(_Immutable, frozen=True):
    """Paired with the baseline's as whole requests are, over fewer ABBA quads."""

    artifact: Streaming
    baseline: Streaming
    first_token_speed_up: Estimate
    inter_token_speed_up: Estimate | None


class Latency(_Immutable, frozen=True):
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


class Cost(_Immutable, frozen=True):
    """What compressing took. items: calibration items used."""

    seconds: float
    peak_bytes: int
    items: int


class Record(_Immutable, frozen=True, kw_only=True):
    """The result of one cell. Everything after `environment` is there as far as the cell came."""

    schema: int = SCHEMA
    key: str
    created: str
    status: Status
    reason: str | None = None
    cell: Cell
    provenance: Provenance
    environment: Environment
    artifact: Artifact | None = None
    accuracy: Accuracy | None = None
    latency: Latency | None = None
    cost: Cost | None = None
    columns_sha256: str | None = None

    def __post_init__(self) -> None:
        if self.status == "ok" and None in (self.artifact, self.accuracy):
            raise ValueError("an ok record has an artifact and an accuracy")
        if self.status != "ok" and not self.reason:
            raise ValueError("a record that is not ok says why")
        for name, value in self.figures().items():
            if not find(name).check(value):
                raise ValueError(f"{name} cannot be {value}")

    def figures(self) -> dict[str, float]:
        """Every headline figure by metric name."""
        found: dict[str, float] = {}
        if self.accuracy is not None:
            found |= {name: estimate.value for name, estimate in self.accuracy.metrics.items()}
        if self.artifact is not None:
            found |= {name: self.artifact.total(name) for name in ("bytes", "zstd_bytes", "parameters", "nonzero_parameters")}
            found["bits_per_parameter"] = self.artifact.bits_per_parameter
        if self.latency is not None:
            found |= {"speed_up": self.latency.speed_up.value, "latency_ms": self.latency.median_ms.value}
        if self.cost is not None:
            found |= {"compress_s": self.cost.seconds, "compress_peak_bytes": self.cost.peak_bytes}
        return found

    @property
    def name(self) -> str:
        """A readable name that is unique in a store."""
        cell = self.cell
        of = f"--only-{cell.component}" if cell.component else ""
        return f"{cell.model}--{cell.method}--{cell.variant}{of}--{cell.target}--{self.key[:12]}"


def encode(record: Record) -> bytes:
    """Indented JSON, UTF-8."""
    return msgspec.json.format(msgspec.json.encode(record, order="deterministic"), indent=1) + b"\n"


def decode(data: bytes) -> Record:
    """Raises msgspec.ValidationError or msgspec.DecodeError."""
    return msgspec.json.decode(data, type=Record)
