"""The immutable result of one cell: schema-versioned, validated when built, changed only by replace.

Raw samples and predictions lie beside it in a columns file (`suite.columns`); every statistic here is derived from them.
"""

from typing import Literal

import msgspec

from suite.contracts import Value
from suite.figures import (
    Accuracy,
    BesideReference,
    Cost,
    Energy,
    Estimate,
    Footprint,
    Health,
    Immutable,
    Latency,
    Scenario,
    Server,
    Streaming,
    TokenTimes,
)  # fmt: skip
from suite.metrics import find

__all__ = [
    "SCHEMA", "STATUSES", "Accuracy", "Artifact", "BesideReference", "Cell", "ClaimCheck", "Cost", "Energy", "Environment", "Estimate",
    "Footprint", "Health", "Latency", "Part", "Provenance", "RecipeStep", "Record", "Scenario", "Server", "Status", "Streaming",
    "TokenTimes", "decode", "encode",
]  # fmt: skip

SCHEMA = 5
"""Version 2 adds cells of one component and times of tokens, version 3 the cost of training, version 4 times beside the reference target,
version 5 scenarios, footprints and the health of the host; older records have none of these and are read as they are."""

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


KERNEL_FLAGS = (
    "avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16",
    "asimddp", "asimdhp", "i8mm", "bf16", "sve",
)  # fmt: skip
"""Flags that decide which kernels a runtime takes, and so its answers and its times."""


class RecipeStep(Immutable, frozen=True):
    """One method applied to some components, with everything that decides what it does."""

    method: str
    variant: str
    components: tuple[str, ...]
    parameters: dict[str, Value]
    source_sha256: str


class Cell(Immutable, frozen=True):
    """What was asked for. `component`: the only one that was compressed, for a cell that asks where it hurts; its time is not taken.

    scenarios: what is measured beside one request after another on one thread (names of `suite.scenarios`).
    """

    model: str
    method: str
    variant: str
    target: str
    tier: Literal["quick", "full"]
    test_seed: int
    recipe: tuple[RecipeStep, ...]
    settings: dict[str, Value]
    component: str | None = None
    scenarios: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What a person calls it."""
        only = f" on {self.component} alone" if self.component else ""
        return f"{self.model} · {self.method}/{self.variant}{only} · {self.target}"


class Provenance(Immutable, frozen=True):
    """What exactly was compressed and measured, by content hash."""

    model_sha256: str
    test_sha256: str | None
    artifact_sha256: str | None
    suite_version: str
    git_commit: str | None
    git_dirty: bool | None
    command: str


class Environment(Immutable, frozen=True):
    """The machine and the libraries. None is a fact that this platform does not give.

    level: of the microarchitecture, as x86-64-v4 or armv8.2-a. caches: bytes of L1d, L2 and L3. cpu_quota: cores' worth of time that the
    container may use; it and the memory limit are None without a container that has one. These and what follows are there since schema 5.
    """

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
    level: str | None = None
    caches: dict[str, int] | None = None
    cpu_quota: float | None = None
    memory_limit_bytes: int | None = None
    turbo: bool | None = None
    smt: bool | None = None

    @property
    def host(self) -> str:
        """What two records must share for their absolute times to be comparable."""
        return f"{self.cpu}, {self.cores} cores, {self.system} {self.machine}"

    def other_kernels(self, other: "Environment") -> tuple[str, object, object] | None:
        """The first thing that makes two machines of one name run other kernels, and what it is in each; None if nothing is known to.

        Virtual machines often hide what their processor is, so that its name does not tell. What is not known of either decides nothing.
        """
        if self.level and other.level and self.level != other.level:
            return "microarchitecture level", self.level, other.level
        if self.cpu_flags and other.cpu_flags:
            for flag in KERNEL_FLAGS:
                mine, theirs = ("there" if flag in side.cpu_flags else "not there" for side in (self, other))
                if mine != theirs:
                    return f"instruction set {flag}", mine, theirs
        return None


class ClaimCheck(Immutable, frozen=True):
    """What the card claims beside what the artifact shows."""

    claim: str
    claimed: str
    realised: str
    holds: bool


class Part(Immutable, frozen=True):
    """One component's file. cache: dtype of each cache input that is kept in another than the card's; cache_bytes_per_token: what one more
    position costs in all caches together."""

    file: str
    sha256: str
    bytes: int
    zstd_bytes: int
    parameters: int
    nonzero_parameters: int
    operators: dict[str, int]
    parameters_by_type: dict[str, int]
    cache: dict[str, str] = msgspec.field(default_factory=dict)
    cache_bytes_per_token: int = 0


class Artifact(Immutable, frozen=True):
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


class Record(Immutable, frozen=True, kw_only=True):
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
