"""A synthetic store for the tests of the site: every record goes through the real Record, Store and statistics classes."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import msgspec
import numpy as np

from suite import slices
from suite.latency import summarize
from suite.plan import PlannedCell
from suite.record import (
    Accuracy,
    Artifact,
    Cell,
    ClaimCheck,
    Cost,
    Environment,
    Part,
    Provenance,
    RecipeStep,
    Record,
)
from suite.statistics import wilson
from suite.store import Store

TARGET = "x86_cpu_ort"

SHAPE = (3, 4, 12)
"""Launches, quads and calls: as few as a test can do with."""

ENVIRONMENT = Environment(
    system="Linux",
    kernel="6.1.0",
    machine="x86_64",
    cpu="Example CPU @ 2.0 GHz",
    cpu_flags=("avx2", "avx512_vnni"),
    cores=2,
    memory_bytes=24 << 30,
    governor=None,
    hypervisor=True,
    load_before=0.4,
    load_after=1.1,
    python="3.11.7",
    libraries={"numpy": "2.4.0", "onnxruntime": "1.31.1"},
)


@dataclass(frozen=True)
class Plan:
    """What a synthetic record should show: accuracy, bytes and speed as shares of the baseline's."""

    method: str
    variant: str
    accuracy: float
    size: float
    speed: float
    seconds: float = 2.0


PLANS = (
    Plan("baseline_fp32", "fp32", 1.0, 1.0, 1.0, 0.4),
    Plan("dynamic_int8", "per_tensor", 0.994, 0.262, 2.14, 3.1),
    Plan("dynamic_int8", "per_channel", 0.998, 0.264, 2.12, 3.3),
    Plan("dynamic_int8", "all_ops", 0.991, 0.255, 0.62, 3.5),
    Plan("static_int8", "matmul", 0.997, 0.268, 1.83, 21.0),
    Plan("static_int8", "all_ops", 0.25, 0.254, 2.2, 24.0),
    Plan("int4_rtn", "block_32", 0.987, 0.185, 0.92, 2.2),
    Plan("int4_rtn", "block_128", 0.955, 0.165, 0.94, 2.1),
    Plan("magnitude_pruning", "local_30", 0.84, 1.0, 0.99, 1.1),
    Plan("magnitude_pruning", "local_50", 0.23, 1.0, 1.0, 1.1),
    Plan("magnitude_pruning", "local_70", 0.01, 1.0, 1.01, 1.1),
    Plan("magnitude_pruning", "global_30", 0.93, 1.0, 1.0, 1.3),
    Plan("magnitude_pruning", "global_50", 0.74, 1.0, 0.99, 1.3),
    Plan("magnitude_pruning", "global_70", 0.09, 1.0, 1.0, 1.3),
    Plan("svd_low_rank", "keep_75", 0.945, 0.86, 1.12, 5.8),
    Plan("svd_low_rank", "keep_50", 0.873, 0.63, 1.52, 5.2),
    Plan("svd_low_rank", "keep_25", 0.615, 0.41, 2.05, 4.9),
    Plan("per_component_int8", "static_vision_dynamic_text", 0.9975, 0.266, 1.97, 14.0),
)
FAMILIES = {
    "baseline_fp32": ("Uncompressed", "baseline", "data-free"),
    "dynamic_int8": ("Dynamic int8", "quantization", "data-free"),
    "static_int8": ("Static int8", "quantization", "calibration"),
    "int4_rtn": ("Round-to-nearest int4", "quantization", "data-free"),
    "magnitude_pruning": ("Magnitude pruning", "pruning", "data-free"),
    "svd_low_rank": ("Truncated SVD", "low-rank", "data-free"),
    "width_pruning": ("Width pruning", "structure", "training"),
    "per_component_int8": ("A method per component", "recipe", "calibration"),
}
MODEL_FACTS = {  # name -> title, headline metric, baseline accuracy, bytes, latency in ms, slices
    "glyph_clip": ("Glyph CLIP", "recall_at_1", 0.798, 14_450_000, 1.31, ("script", ("Latin", "Greek", "Cyrillic", "CJK"))),
    "scene_vqa": ("Scene VQA", "answer_accuracy", 0.952, 19_720_000, 3.04, ("question type", ("colour", "count", "shape", "relation"))),
}


def build(folder: Path, items: int = 400, shape: tuple[int, int, int] = SHAPE, plans: Iterable[Plan] = PLANS) -> Store:
    """Writes a record for every plan and model, one unsupported and one failed cell for each model."""
    store = Store(folder)
    store.prepare()
    for name in MODEL_FACTS:
        for plan in plans:
            put(store, name, plan, items, shape)
        store.put(failed(name, "width_pruning", "keep_75", "unsupported", "the fusion component shares its width with the text encoder"))
        store.put(
            failed(name, "width_pruning", "keep_50", "crashed", "the worker ended with signal 11 (SIGSEGV) while loading vision.onnx")
        )
    return store


def cell(model: str, method: str, variant: str) -> Cell:
    """A cell of one step on both components."""
    step = RecipeStep(method=method, variant=variant, components=("vision", "text"), parameters={"block_size": 32}, source_sha256="5" * 64)
    settings: dict[str, bool | int | float | str] = {"threads": 1, "graph_optimization": "all"}
    return Cell(model=model, method=method, variant=variant, target=TARGET, tier="full", test_seed=0, recipe=(step,), settings=settings)


def key(*parts: str) -> str:
    """A content key for a test record."""
    return sha256("/".join(parts).encode()).hexdigest()


def failed(model: str, method: str, variant: str, status: str, reason: str) -> Record:
    """A cell that came to nothing."""
    return Record(
        key=key(model, method, variant, status),
        created="2026-11-22T14:00:00Z",
        status=status,  # type: ignore[arg-type]
        reason=reason,
        cell=cell(model, method, variant),
        provenance=_provenance(cell(model, method, variant)),
        environment=ENVIRONMENT,
    )


def put(store: Store, model: str, plan: Plan, items: int, shape: tuple[int, int, int]) -> Record:
    """Writes an ok record whose every figure is derived from the columns that lie beside it."""
    return store.put(*make(model, plan, items, shape))


def make(model: str, plan: Plan, items: int, shape: tuple[int, int, int]) -> tuple[Record, dict[str, np.ndarray]]:
    """The record of a plan, and the columns that all its figures are derived from."""
    rng = np.random.default_rng(int(key(model, plan.method, plan.variant)[:8], 16))
    columns = _columns(model, plan, items, shape, rng)
    record = Record(
        key=key(model, plan.method, plan.variant),
        created="2026-11-22T14:00:00Z",
        status="ok",
        cell=cell(model, plan.method, plan.variant),
        provenance=_provenance(cell(model, plan.method, plan.variant)),
        environment=ENVIRONMENT,
        artifact=_artifact(model, plan),
        accuracy=_accuracy(model, columns, items),
        latency=summarize(columns, (0.99,) * shape[0]),
        cost=Cost(
            seconds=plan.seconds, peak_bytes=412_000_000, items=64 if FAMILIES.get(plan.method, ("", "", ""))[2] == "calibration" else 0
        ),
        columns_sha256="to be replaced by the store",
    )
    return record, columns


def put_alone(store: Store, model: str, plan: Plan, component: str, items: int = 400) -> Record:
    """The same method on one component: not timed."""
    whole, columns = make(model, plan, items, SHAPE)
    step = msgspec.structs.replace(whole.cell.recipe[0], components=(component,))
    alone = msgspec.structs.replace(whole.cell, component=component, recipe=(step,))
    record = msgspec.structs.replace(whole, key=key(model, plan.method, plan.variant, component), cell=alone, latency=None)
    times = ("baseline_", "compressed_", "component:")
    return store.put(record, {name: array for name, array in columns.items() if not name.startswith(times)})


def elsewhere(store: Store, variant: int) -> None:
    """Every record of a store again, as if another machine had measured it."""
    for record in list(store.records()):
        machine = msgspec.structs.replace(record.environment, cpu=f"Machine {variant}")
        columns = store.columns(record) if record.columns_sha256 else None
        store.put(msgspec.structs.replace(record, environment=machine, key=f"{variant:06x}{record.key[6:]}"), columns)


def _provenance(of: Cell) -> Provenance:
    return Provenance(
        model_sha256=key(of.model, "weights"),
        test_sha256=key(of.model, "test"),
        artifact_sha256="a" * 64,
        suite_version="0.1.0",
        git_commit="0123456789abcdef",
        git_dirty=False,
        command=PlannedCell(cell=of, key="", claims=(), skip=None).command,
    )


def _columns(model: str, plan: Plan, items: int, shape: tuple[int, int, int], rng: np.random.Generator) -> dict[str, np.ndarray]:
    _, metric, accuracy, _, latency_ms, _ = MODEL_FACTS[model]
    difficulty = np.random.default_rng(7).random(items)
    churn = 0.0 if plan.size == 1.0 and plan.accuracy == 1.0 else 0.012
    hits = difficulty + rng.normal(0, churn, items) < accuracy * plan.accuracy
    launch = rng.normal(0, 0.004, (shape[0], 1, 1))
    noise = np.exp(launch + rng.gamma(1.2, 0.02, shape))
    baseline = (latency_ms * 1e6 * np.exp(rng.gamma(1.2, 0.02, shape))).astype(np.int32)
    compressed = (latency_ms * 1e6 / plan.speed * noise).astype(np.int32)
    shares = {"vision": 0.7, "text": 0.26}
    return {
        metric: hits,
        "probability": np.where(hits, 0.9, 0.4).astype(np.float16),
        "prediction": rng.integers(0, 900, items).astype(np.int16),
        "baseline_ns": baseline,
        "compressed_ns": compressed,
        **slices.encode({MODEL_FACTS[model][5][0]: np.array(MODEL_FACTS[model][5][1])[np.arange(items) % len(MODEL_FACTS[model][5][1])]}),
        **{f"component:baseline:{name}": (baseline[:, 0] * share).astype(np.int32) for name, share in shares.items()},
        **{f"component:compressed:{name}": (compressed[:, 0] * share).astype(np.int32) for name, share in shares.items()},
    }


def _accuracy(model: str, columns: dict[str, np.ndarray], items: int) -> Accuracy:
    _, metric, *_, (dimension, groups) = MODEL_FACTS[model]
    hits = columns[metric]
    group = np.arange(items) % len(groups)
    slices = {dimension: {name: wilson(hits[group == index]) for index, name in enumerate(groups)}}
    return Accuracy(items=items, metric=metric, metrics={metric: wilson(hits)}, slices=slices, seconds=6.2)


def _artifact(model: str, plan: Plan) -> Artifact:
    size = int(MODEL_FACTS[model][3] * plan.size)
    kept = 0.5 if "50" in plan.variant else 1.0
    parts = {name: _part(name, int(size * share), kept) for name, share in (("vision", 0.64), ("text", 0.36))}
    claim = ClaimCheck(claim="weight_bits", claimed="8 bit for 50 % of the parameters", realised="8 bit for 97.1 %", holds=True)
    return Artifact(parts=parts, baseline_parameters=MODEL_FACTS[model][3] // 4, claims=() if plan.size == 1.0 else (claim,))


def _part(name: str, size: int, kept: float) -> Part:
    parameters = size // 4
    return Part(
        file=f"{name}.onnx",
        sha256=sha256(f"{name}{size}".encode()).hexdigest(),
        bytes=size,
        zstd_bytes=int(size * (0.35 + 0.57 * kept)),
        parameters=parameters,
        nonzero_parameters=int(parameters * kept),
        operators={"MatMul": 24, "Add": 31},
        parameters_by_type={"float32": parameters},
        macs=25 * parameters,
        nonzero_macs=int(25 * parameters * kept),
        bit_operations=25 * parameters * 32 * 32,
    )
