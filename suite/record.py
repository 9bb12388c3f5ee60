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
    InstructionCounts,
    Latency,
    Scenario,
    Server,
    Streaming,
    TokenTimes,
)  # fmt: skip
from suite.machine import Environment
from suite.metrics import find

__all__ = [
    "SCHEMA", "STATUSES", "Accuracy", "Artifact", "BesideReference", "Cell", "ClaimCheck", "Cost", "Energy", "Environment", "Estimate",
    "Footprint", "Health", "InstructionCounts", "Latency", "Part", "Provenance", "RecipeStep", "Record", "Scenario", "Server",
    "Status", "Streaming", "TokenTimes", "decode", "encode",
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


class ClaimCheck(Immutable, frozen=True):
    """What the card claims beside what the artifact shows."""

    claim: str
    claimed: str
    realised: str
    holds: bool


class Part(Immutable, frozen=True):
    """One component's file. cache: dtype of each cache input that is kept in another than the card's; cache_bytes_per_token: what one more
    position costs in all caches together. macs, nonzero_macs, bit_operations: multiply-accumulates of the first call of a request, those by
    a weight that is not zero, and the sum of them x bits of the weights x bits of the activations (see `suite.operations`; since schema 5).
    None where an operator is not understood, which `uncounted` names, and where they were not asked for."""

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
    macs: int | None = None
    nonzero_macs: int | None = None
    bit_operations: int | None = None
    uncounted: tuple[str, ...] = ()


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

    def operations(self, name: Literal["macs", "nonzero_macs", "bit_operations"]) -> int | None:
        """The sum over the components, each called once; None unless all of them were counted."""
        counts: list[int | None] = [getattr(part, name) for part in self.parts.values()]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

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
    instructions: InstructionCounts | None = None

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
            counted = {name: self.artifact.operations(name) for name in ("macs", "nonzero_macs", "bit_operations")}
            found |= {name: count for name, count in counted.items() if count is not None}
        if self.latency is not None:
            found |= {"speed_up": self.latency.speed_up.value, "latency_ms": self.latency.median_ms.value}
        if self.instructions is not None and self.instructions.ratio is not None:
            found["instructions"] = self.instructions.per_request("artifact")
            found["instruction_ratio"] = self.instructions.ratio
        if self.cost is not None:
            found |= {"compress_s": self.cost.seconds, "compress_peak_bytes": self.cost.peak_bytes}
        return found

    @property
    def name(self) -> str:
        """A readable name that is unique in a store."""
        cell = self.cell
        of = f"--only-{cell.component}" if cell.component else ""
        return f"{cell.model}--{cell.method}--{cell.variant}{of}--{cell.target}--{self.key[:12]}"

    @property
    def model_as_given(self) -> str:
        """The model as commands take it: its name, or the file that it was, where the record's own command says so."""
        file = f"{self.cell.model}.py"
        return file if f" --model {file} " in self.provenance.command else self.cell.model


def encode(record: Record) -> bytes:
    """Indented JSON, UTF-8."""
    return msgspec.json.format(msgspec.json.encode(record, order="deterministic"), indent=1) + b"\n"


def decode(data: bytes) -> Record:
    """Raises msgspec.ValidationError or msgspec.DecodeError."""
    try:
        return msgspec.json.decode(data, type=Record)
    except OverflowError as error:  # integers have no bounds of their own, and figures are worked out from them
        raise msgspec.ValidationError(f"a number in it is too large: {error}") from error
