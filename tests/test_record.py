"""Records are validated when built and when read, come back from JSON as they were, and those of old versions stay readable for ever."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from suite import latency as latencies
from suite.recompute import latency_again
from suite.record import SCHEMA, STATUSES, Accuracy, Artifact, Cost, Estimate, InstructionCounts, Latency, Record, decode, encode
from suite.statistics import share
from suite.store import Store

GOLDEN = Path(__file__).parent / "golden"
FILES = sorted(GOLDEN.glob("*.json"))
TINY = GOLDEN / "tiny_matcher--dynamic_int8--per_channel--x86_cpu_ort--7102ccf09a37.json"

WRITER = GOLDEN / "tiny_writer--dynamic_int8--per_channel--x86_cpu_ort--56d86bf1fad8.json"

WRITTEN = {
    TINY.name: {
        "schema": 1,
        "status": "ok",
        "figures": {"recall_at_1": 0.8933333333333333, "bytes": 61949, "parameters": 56387, "bits_per_parameter": 8.962366855344774},
        "speed_up": (0.8057653967417121, 0.7880344411890629, 0.8238953028584199),
        "shape": (3, 7, 40),
        "host": "AMD EPYC with AVX-512 VNNI, 2 cores, Linux x86_64",
    },
    WRITER.name: {
        "schema": 2,
        "status": "ok",
        "figures": {"token_accuracy": 0.9797777777777777, "own_metric": 0.9609037037037039, "bytes": 6330, "parameters": 2756},
        "speed_up": (0.7354987180703927, 0.7202633683118695, 0.7510563331175262),
        "shape": (3, 56, 40),
        "host": "Intel(R) Xeon(R) Processor with AMX, 2 cores, Linux x86_64",
    },
    "tiny_matcher--prune_finetune--elements_90--x86_cpu_ort--5f581a2ff792.json": {
        "schema": 3,
        "status": "ok",
        "figures": {"recall_at_1": 0.235, "bytes": 224611, "nonzero_parameters": 7758, "bits_per_parameter": 32.49521673870192},
        "speed_up": (0.9984366649323151, 0.9818382961407423, 1.015315635781909),
        "shape": (3, 373, 40),
        "host": "Intel(R) Xeon(R) Processor with AMX, 2 cores, Linux x86_64",
    },
    "tiny_writer--kv_cache_int8--per_head--x86_cpu_ort--9a1e55d5204c.json": {
        "schema": 3,
        "status": "ok",
        "figures": {"token_accuracy": 0.9797777777777777, "own_metric": 0.9609037037037039, "bytes": 11651, "parameters": 2594},
        "speed_up": (0.791265028362608, 0.773869550671102, 0.8090515314457364),
        "shape": (3, 55, 40),
        "host": "Intel(R) Xeon(R) Processor with AMX, 2 cores, Linux x86_64",
    },
    "tiny_matcher--dynamic_int8--per_channel--x86_cpu_openvino--71af39effeaf.json": {
        "schema": 4,
        "status": "ok",
        "figures": {"recall_at_1": 0.8933333333333333, "bytes": 61949, "parameters": 56387, "bits_per_parameter": 8.962366855344774},
        "speed_up": (0.5288790808255863, 0.5246926954010305, 0.5330988683216339),
        "shape": (3, 79, 40),
        "host": "Intel(R) Xeon(R) Processor with AMX, 2 cores, Linux x86_64",
    },
    "tiny_writer--dynamic_int8--per_channel--x86_cpu_ort--65580a83e97a.json": {
        "schema": 5,
        "status": "ok",
        "figures": {"token_accuracy": 0.9797777777777777, "own_metric": 0.9609037037037039, "bytes": 6330, "parameters": 2756},
        "speed_up": (0.7056420407739746, 0.6949172630897594, 0.7165323357974259),
        "shape": (3, 47, 40),
        "host": "Intel(R) Xeon(R) Processor with AMX, 2 cores, Linux x86_64",
    },
}
"""What each golden file said when it was written."""

replace = msgspec.structs.replace


@pytest.fixture
def record():
    return decode(TINY.read_bytes())


def exactly(figures):
    """Equal but for the last bits of log and exp, which differ between processors and versions of numpy."""
    return pytest.approx(figures, rel=1e-12, abs=0.0)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_golden_record_says_what_it_always_said(path):
    found, wanted = decode(path.read_bytes()), WRITTEN[path.name]
    assert (found.schema, found.status, found.environment.host) == (wanted["schema"], wanted["status"], wanted["host"])
    assert {name: found.figures()[name] for name in wanted["figures"]} == exactly(wanted["figures"])
    assert (found.latency.speed_up.value, found.latency.speed_up.low, found.latency.speed_up.high) == wanted["speed_up"]
    assert found.name == path.stem


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_latency_of_a_golden_record_follows_from_its_raw_columns(path):
    record = decode(path.read_bytes())
    columns = Store(GOLDEN).columns(record)
    assert columns["compressed_ns"].shape == WRITTEN[path.name]["shape"]
    again = latency_again(record.latency, columns)
    found, wanted = _flat(msgspec.to_builtins(again)), _flat(msgspec.to_builtins(record.latency))
    added = {name for name in set(found) - set(wanted) if "percentile_bounds_ms" in name}  # since schema 5
    assert set(found) - (added if record.schema < 5 else set()) == set(wanted)
    for name, value in wanted.items():
        assert found[name] == (exactly(value) if isinstance(value, int | float) else value), name
    assert (record.latency.tokens is None) == (record.cell.model == "tiny_matcher")


def _flat(value, name=""):
    """Every figure of nested objects, by its path."""
    if not isinstance(value, dict):
        return {name: value}
    return {key: figure for inner, part in value.items() for key, figure in _flat(part, f"{name}/{inner}").items()}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_accuracy_of_a_golden_record_follows_from_its_raw_columns(path):
    record = decode(path.read_bytes())
    columns = Store(GOLDEN).columns(record)
    for metric, estimate in record.accuracy.metrics.items():
        assert columns[metric].size == record.accuracy.items
        assert msgspec.to_builtins(share(columns[metric])) == exactly(msgspec.to_builtins(estimate))


def test_schema_3_says_what_training_took_and_what_a_cache_costs():
    cost = {record.cell.method: record.cost for record in map(decode, (path.read_bytes() for path in FILES))}
    assert (cost["prune_finetune"].training_steps, cost["prune_finetune"].training_items) == (250, 8000)
    assert cost["dynamic_int8"].training_steps == 0
    parts = {path.stem.split("--")[1]: decode(path.read_bytes()).artifact.parts for path in FILES}
    assert (parts["kv_cache_int8"]["decoder"].cache, parts["kv_cache_int8"]["decoder"].cache_bytes_per_token) == ({"past": "uint8"}, 16)


def test_schema_4_says_what_was_timed_beside_the_reference_target():
    beside = {path.stem: decode(path.read_bytes()).latency.reference for path in FILES}
    (found,) = [reference for name, reference in beside.items() if "x86_cpu_openvino" in name]
    assert (found.target, found.speed_up.value) == ("x86_cpu_ort", exactly(0.15455749395863877))
    assert {reference for name, reference in beside.items() if "x86_cpu_ort" in name} == {None}


def test_schema_5_says_what_else_was_measured():
    (found,) = [record for record in map(decode, (path.read_bytes() for path in FILES)) if record.schema == 5]
    assert set(found.latency.scenarios) == set(found.cell.scenarios) - {"server"} == {"batch_8", "all_cores", "batch_8_all_cores"}
    assert found.latency.server.requests == 1000
    assert found.latency.health.grade == "A"
    assert found.latency.checked_answers == 1386
    assert found.latency.footprint.load_bytes == 9318400
    assert found.latency.energy.source is None
    assert found.artifact.parts["decoder"].bit_operations == 147456
    assert found.environment.level == "x86-64-v4"


def test_this_schema_has_a_golden_record():
    assert SCHEMA in {decode(path.read_bytes()).schema for path in FILES}
    assert {path.name for path in FILES} == set(WRITTEN)


def test_raw_columns_that_differ_give_another_latency(record):
    columns = dict(Store(GOLDEN).columns(record))
    columns["compressed_ns"] = columns["compressed_ns"] * np.array([1, 2, 1])[:, None, None]
    assert latencies.summarize(columns, record.latency.cpu_wall) != record.latency


def _variants(record):
    failed = replace(record, status="timeout", reason="it took longer than 600 s", accuracy=None, latency=None, columns_sha256=None)
    dark = replace(record.environment, governor=None, hypervisor=None, load_before=None, load_after=None, cpu="Kirin 9000 «麒麟»")
    odd = {"a": True, "b": 1, "c": 1.0, "d": "1", "e": -0.5e-300}
    yield record
    yield failed
    yield replace(record, latency=None, cost=None)
    yield replace(record, environment=dark)
    yield replace(
        record, cell=replace(record.cell, settings=odd, recipe=(*record.cell.recipe, replace(record.cell.recipe[0], parameters=odd)))
    )
    yield replace(record, reason="<b>\u2028\x00\"'\n", provenance=replace(record.provenance, git_commit=None, git_dirty=None))
    yield from (replace(failed, status=status) for status in STATUSES if status != "ok")


def test_a_record_comes_back_as_it_was(record):
    for variant in _variants(record):
        found = decode(encode(variant))
        assert found == variant
        assert encode(found) == encode(variant)
        settings = [(type(value), value) for value in found.cell.settings.values()]
        assert settings == [(type(variant.cell.settings[name]), variant.cell.settings[name]) for name in found.cell.settings]


def test_a_model_in_one_file_is_named_as_its_own_command_does(record):
    """By its name alone, no command finds it."""
    name, provenance = record.cell.model, record.provenance
    assert record.model_as_given == name
    for command, given in ((f"run --model {name}.py --tier quick", f"{name}.py"), (f"run --model other_{name}.py --tier quick", name)):
        known = msgspec.structs.replace(record, provenance=msgspec.structs.replace(provenance, command=f"squeezemark {command}"))
        assert known.model_as_given == given


def test_the_json_is_indented_sorted_and_ends_with_a_line(record):
    text = encode(record).decode()
    assert text.startswith('{\n "schema": 1,\n "key": ')
    assert text.endswith("}\n")
    assert json.loads(text)["accuracy"]["items"] == record.accuracy.items


def test_a_record_cannot_be_changed(record):
    for part, name in ((record, "status"), (record.cell, "model"), (record.latency, "noisy"), (record.accuracy, "items")):
        with pytest.raises(AttributeError):
            setattr(part, name, getattr(part, name))


def _edited(record, *path, value):
    tree = msgspec.to_builtins(record)
    inner = tree
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return json.dumps(tree).encode()


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        (("guess",), 1, "unknown field `guess`"),
        (("cell", "guess"), 1, "unknown field `guess`"),
        (("artifact", "parts", "text", "guess"), 1, "unknown field `guess`"),
        (("status",), "fine", "Invalid enum value 'fine'"),
        (("accuracy",), None, "has an artifact and an accuracy"),
        (("artifact",), None, "has an artifact and an accuracy"),
        (("status",), "timeout", "says why"),
        (("accuracy", "metrics", "recall_at_1", "value"), 1.5, "does not hold 1.5"),
        (("accuracy", "metrics", "recall_at_1"), {"value": 1.5, "low": 1.4, "high": 1.6}, "recall_at_1 cannot be 1.5"),
        (("accuracy", "metrics", "recall_at_1"), {"value": -0.1, "low": -0.2, "high": 0.0}, "recall_at_1 cannot be -0.1"),
        (("accuracy", "metrics", "charm"), {"value": 1.5, "low": 1.4, "high": 1.6}, "charm cannot be 1.5"),
        (("accuracy", "metric"), "charm", "headline metric 'charm' is none of its metrics"),
        (("artifact", "parts", "text", "bytes"), 10**400, "a number in it is too large"),
        (("latency", "speed_up"), {"value": 0.0, "low": 0.0, "high": 0.1}, "speed_up cannot be 0.0"),
        (("latency", "median_ms"), {"value": -1.0, "low": -2.0, "high": 0.0}, "latency_ms cannot be -1.0"),
        (("latency", "median_ms", "low"), None, "Expected `float`"),
        (("artifact", "baseline_parameters"), 0, "has parameters"),
        (("artifact", "parts"), {}, "bytes cannot be 0"),
        (("artifact", "parts", "text", "bytes"), -(10**9), "bytes cannot be -9"),
        (("artifact", "parts", "text", "bytes"), 7.5, "Expected `int`"),
        (("cost", "seconds"), -1.0, "compress_s cannot be -1.0"),
        (("cost", "peak_bytes"), 0, "compress_peak_bytes cannot be 0"),
        (("environment", "cores"), "2", "Expected `int`"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_true_is_refused(record, path, value, words):
    with pytest.raises(msgspec.ValidationError, match=words):
        decode(_edited(record, *path, value=value))


def test_the_same_holds_for_a_record_that_is_built(record):
    with pytest.raises(ValueError, match="an accuracy"):
        replace(record, accuracy=None)
    with pytest.raises(ValueError, match="says why"):
        replace(record, status="crashed")
    with pytest.raises(ValueError, match="says why"):
        replace(record, status="crashed", reason="")


@pytest.mark.parametrize("figure", [float("nan"), float("inf"), -1.0])
def test_nan_infinity_and_negative_figures_are_refused(record, figure):
    with pytest.raises(ValueError, match="cannot be"):
        replace(record, cost=Cost(figure, 1000, 0))
    with pytest.raises(ValueError, match="cannot be"):
        replace(record, cost=Cost(1.0, figure, 0))


@pytest.mark.parametrize(
    "bounds",
    [(0.5, 0.6, 0.7), (0.5, 0.1, 0.4), (float("nan"),) * 3, (0.5, float("nan"), 0.6), (0.5, 0.4, float("inf")), (0.5, -float("inf"), 0.6)],
)
def test_an_estimate_lies_in_its_finite_interval(bounds):
    with pytest.raises(ValueError, match="does not hold"):
        Estimate(*bounds)


def test_an_estimate_may_be_its_own_bound():
    assert Estimate(1.0, 0.9, 1.0).high == 1.0
    assert Estimate(0.0, 0.0, 0.0).low == 0.0


def test_totals_are_over_the_components(record):
    parts = record.artifact.parts
    assert record.artifact.total("bytes") == parts["text"].bytes + parts["vision"].bytes
    assert record.artifact.bits_per_parameter == 8 * record.artifact.total("bytes") / record.artifact.baseline_parameters


def test_figures_are_those_that_there_are(record):
    everything = {"recall_at_1", "bytes", "zstd_bytes", "parameters", "nonzero_parameters", "bits_per_parameter"}
    everything |= {"speed_up", "latency_ms", "compress_s", "compress_peak_bytes"}
    assert set(record.figures()) == everything, "operations were not counted before schema 5"
    assert set(replace(record, latency=None, cost=None).figures()) == everything - {
        "speed_up",
        "latency_ms",
        "compress_s",
        "compress_peak_bytes",
    }
    assert replace(record, status="crashed", reason="why", artifact=None, accuracy=None, latency=None, cost=None).figures() == {}
    assert record.figures()["speed_up"] == record.latency.speed_up.value
    assert record.figures()["latency_ms"] == record.latency.median_ms.value
    assert record.figures()["compress_s"] == record.cost.seconds


def test_operations_are_summed_only_if_every_component_was_counted(record):
    parts = {name: replace(part, macs=10, nonzero_macs=5, bit_operations=10 * 64) for name, part in record.artifact.parts.items()}
    counted = replace(record, artifact=replace(record.artifact, parts=parts))
    assert {
        "macs": 10 * len(parts),
        "nonzero_macs": 5 * len(parts),
        "bit_operations": 640 * len(parts),
    }.items() <= counted.figures().items()
    parts["text"] = replace(parts["text"], macs=None, nonzero_macs=None, bit_operations=None, uncounted=("LSTM",))
    assert "macs" not in replace(record, artifact=replace(record.artifact, parts=parts)).figures()


def test_instructions_are_counted_on_both_sides_or_there_is_a_reason(record):
    counts = InstructionCounts({"all": (90, 110), "dot": (8, 8)}, {"all": (400, 200), "fmla": (64, 64)})
    assert (counts.classes, counts.ratio) == (("all", "dot", "fmla"), 3.0)
    assert (counts.per_request("artifact"), counts.per_request("artifact", "fmla"), counts.per_request("baseline", "fmla")) == (100, 0, 64)
    assert {"instructions": 100.0, "instruction_ratio": 3.0}.items() <= replace(record, instructions=counts).figures().items()
    unknown = InstructionCounts(reason="there is no compiler")
    assert unknown.ratio is None
    assert "instructions" not in replace(record, instructions=unknown).figures()
    assert decode(encode(replace(record, instructions=counts))).instructions == counts
    for wrong in ({}, {"artifact": {"all": (1,)}}, {"artifact": {"all": (1,)}, "baseline": {"all": (1,)}, "reason": "why"}):
        with pytest.raises(ValueError, match="counted on both sides"):
            InstructionCounts(**wrong)
    with pytest.raises(ValueError, match="not negative"):
        InstructionCounts({"all": (-1,)}, {"all": (1,)})


def test_every_part_refuses_unknown_fields_and_change():
    for kind in (Record, Accuracy, Artifact, Cost, Estimate, Latency):
        assert kind.__struct_config__.frozen
        assert kind.__struct_config__.forbid_unknown_fields


def test_names_differ_with_everything_in_them(record):
    names = {record.name, replace(record, key="0" * 64).name}
    names |= {replace(record, cell=replace(record.cell, **{field: "other"})).name for field in ("model", "method", "variant", "target")}
    assert len(names) == 6
