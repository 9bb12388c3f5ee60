"""What the driver of a GPU tells a worker, by a stand-in for its library; what it does not tell is NaN or a reason, never a guess."""

import importlib
import math
import types

import numpy as np
import pytest

from suite import footprint, gpu, watch
from suite.facts import Unreadable
from suite.gpu import CUDA, Gpu
from suite.health import RULES, health

REASONS = {"SwPowerCap": 4, "HwSlowdown": 8, "SwThermalSlowdown": 32, "HwThermalSlowdown": 64, "HwPowerBrakeSlowdown": 128}
IDLE, CLOCK_SET = 1, 2


class NVMLError(Exception):
    pass


class Library:
    """Every name that is used, as nvidia-ml-py has it."""

    NVMLError = NVMLError
    NVML_CLOCK_SM = 1

    def __init__(self):
        self.silent, self.asked = set(), []
        self.spent_mj, self.used, self.mhz, self.reasons, self.processes = 5, 1000, 1980, IDLE, [1]
        for name, bit in REASONS.items():
            setattr(self, f"nvmlClocksThrottleReason{name}", bit)

    def __getattr__(self, name):
        answers = {
            "nvmlInit": lambda: None,
            "nvmlDeviceGetHandleByIndex": lambda index: index,
            "nvmlDeviceGetHandleByUUID": lambda name: name,
            "nvmlDeviceGetTotalEnergyConsumption": lambda handle: self.spent_mj,
            "nvmlDeviceGetMemoryInfo": lambda handle: types.SimpleNamespace(used=self.used),
            "nvmlDeviceGetClockInfo": lambda handle, kind: self.mhz,
            "nvmlDeviceGetComputeRunningProcesses": lambda handle: self.processes,
            "nvmlDeviceGetCurrentClocksThrottleReasons": lambda handle: self.reasons,
        }

        def call(*arguments):
            if name in self.silent:
                raise NVMLError("Not Supported")
            self.asked.append((name, *arguments))
            return answers[name](*arguments)

        return call


@pytest.fixture
def library(monkeypatch):
    found = Library()
    real = importlib.import_module
    monkeypatch.setattr(importlib, "import_module", lambda name: found if name == "pynvml" else real(name))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    return found


@pytest.mark.parametrize(("visible", "handle"), [(None, 0), ("", 0), ("2,3", 2), ("GPU-abc", "GPU-abc")])
def test_the_gpu_that_is_used_is_read_in_microjoules(library, visible, handle, monkeypatch):
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert Gpu().read_uj() == 5000
    assert ("nvmlDeviceGetTotalEnergyConsumption", handle) in library.asked


def test_a_gpu_without_a_counter_of_energy_says_so(library):
    library.silent = {"nvmlDeviceGetTotalEnergyConsumption"}
    with pytest.raises(Unreadable, match=r"the GPU has no counter of energy \(Not Supported\)"):
        Gpu().read_uj()


def test_a_machine_without_a_driver_says_so(library):
    library.silent = {"nvmlInit"}
    with pytest.raises(Unreadable, match=r"cannot be read \(Not Supported\)"):
        Gpu()
    assert gpu.of({"device": CUDA}) is None


def test_only_jobs_on_a_gpu_ask_for_one(library):
    assert gpu.of({"device": "x86 CPU"}) is None
    assert gpu.of({}) is None
    assert isinstance(gpu.of({"device": CUDA}), Gpu)


@pytest.mark.parametrize(("reasons", "throttled"), [(IDLE, 0), (CLOCK_SET, 0), (IDLE | 4, 1), (8, 1), (32, 1), (64, 1), (128, 1)])
def test_heat_and_power_throttle_and_a_clock_that_was_set_does_not(library, reasons, throttled):
    library.reasons = reasons
    assert Gpu().counters()["gpu_throttled"] == throttled


def test_of_the_processes_on_it_one_is_this_one(library):
    assert Gpu().counters() == {"gpu_foreign": 0, "gpu_throttled": 0, "gpu_khz": 1_980_000}
    library.processes = [1, 2, 3]
    assert Gpu().counters()["gpu_foreign"] == 2
    library.processes = []  # a driver that hides even ours tells nothing of others
    assert math.isnan(Gpu().counters()["gpu_foreign"])


def test_what_the_driver_does_not_tell_is_not_a_number(library):
    library.silent = {"nvmlDeviceGetClockInfo", "nvmlDeviceGetComputeRunningProcesses", "nvmlDeviceGetMemoryInfo"}
    found = Gpu()
    assert math.isnan(found.used_bytes())
    assert [math.isnan(value) for value in found.counters().values()] == [True, False, True]


@pytest.mark.parametrize(
    ("change", "grade", "words"),
    [
        (lambda library: None, "A", ""),
        (lambda library: library.processes.append(2), "D", "0.5 other processes had the GPU too"),
        (lambda library: setattr(library, "mhz", 1300), "D", "the GPU's clock fell to 66% of its highest"),
        (lambda library: setattr(library, "reasons", 4), "D", "heat or power held the GPU's clock back in 50% of the parts"),
    ],
)
def test_what_happens_to_the_gpu_in_the_second_half_decides_the_grade(library, change, grade, words):
    seen = watch.Watch(Gpu())
    seen.look()
    seen.look()
    change(library)
    seen.look()
    columns = {name: array[None] for name, array in seen.columns().items()}
    columns["control_ns"][:] = columns["host:wall_s"][:] = 1
    for rule in RULES:  # the machine that runs the test is busy
        if f"host:{rule.figure}" in columns:
            columns[f"host:{rule.figure}"][:] = 1 if rule.figure == "cpu_wall" else 0
    found = health(columns)
    assert found.grade == grade
    assert words in " ".join(found.reasons)


def test_a_session_without_a_gpu_misses_nothing_of_one():
    seen = watch.Watch()
    seen.look()
    seen.look()
    found = health({name: array[None] for name, array in seen.columns().items()})
    assert not [name for name in (*found.figures, *found.missing) if name.startswith("gpu")]


def test_memory_of_the_gpu_is_counted_above_what_was_taken_before(library, monkeypatch, tmp_path):
    def run(job, side):
        library.used += 300
        return lambda component, feed: setattr(library, "used", 1800)

    task = types.SimpleNamespace(request=lambda inputs, index, run: run("only", {}), size=lambda inputs: 4)
    monkeypatch.setattr(footprint.loading, "run", run)
    monkeypatch.setattr(footprint.loading, "runtime", lambda job: None)
    monkeypatch.setattr(footprint.loading, "model_part", lambda model, part: task)
    footprint.arrays.save(tmp_path / "inputs.npz", {"x": np.zeros(4)})
    job = {"model": "any", "threads": 2, "side": "compressed", "inputs": tmp_path / "inputs.npz", "out": tmp_path / "out.npz"}
    footprint.footprint({**job, "device": CUDA}, lambda *_: None)
    found = footprint.arrays.load(job["out"])
    assert (found["load_device_bytes"], found["inference_device_bytes"]) == (300, 800)
    footprint.footprint(job, lambda *_: None)
    assert "load_device_bytes" not in footprint.arrays.load(job["out"])
