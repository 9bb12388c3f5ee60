"""One NVIDIA GPU by the driver's management library: energy, memory, who else computes on it. For the worker; pynvml where it is there."""

import importlib
import os
from collections.abc import Callable, Mapping
from math import nan
from typing import Any

from suite.facts import Unreadable

CUDA = "CUDA"
"""The device of the targets that it is for."""
THROTTLED = ("SwPowerCap", "HwSlowdown", "SwThermalSlowdown", "HwThermalSlowdown", "HwPowerBrakeSlowdown")
"""Reasons for a slower clock that a measurement suffers from; that it idles, or that somebody has set the clock, are none."""


class Gpu:
    """The first NVIDIA GPU that this process may use."""

    source = "NVML, the whole board of one GPU"

    def __init__(self) -> None:
        """Raises Unreadable."""
        try:
            self._library = importlib.import_module("pynvml")
        except ImportError as error:
            raise Unreadable("pynvml is not installed, so that the GPU's counter cannot be read") from error
        visible = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
        try:
            self._library.nvmlInit()
            by_name = visible and not visible.isdigit()
            find = self._library.nvmlDeviceGetHandleByUUID if by_name else self._library.nvmlDeviceGetHandleByIndex
            self._gpu = find(visible if by_name else int(visible or 0))
        except self._library.NVMLError as error:
            raise Unreadable(f"the GPU's counter cannot be read ({error})") from error

    def read_uj(self) -> int:
        """Microjoules since the driver was loaded. Raises Unreadable."""
        try:
            return int(self._library.nvmlDeviceGetTotalEnergyConsumption(self._gpu)) * 1000
        except self._library.NVMLError as error:
            raise Unreadable(f"the GPU has no counter of energy ({error})") from error

    def used_bytes(self) -> float:
        """Memory of the board that is taken, by whomever. The allocators of torch and of ONNX Runtime give none back, so that what a
        process has taken after its requests is the most that it took."""
        return self._known(lambda: float(self._library.nvmlDeviceGetMemoryInfo(self._gpu).used))

    def counters(self) -> Mapping[str, float]:
        """`gpu_foreign`: processes with a context on it besides this one, which has one by then; `gpu_throttled`: 1 if its clock is held
        back; `gpu_khz`: the clock of its multiprocessors. NaN for what the driver does not tell."""
        return {
            "gpu_foreign": self._known(self._foreign),
            "gpu_throttled": self._known(self._throttled),
            "gpu_khz": self._known(lambda: 1000.0 * self._library.nvmlDeviceGetClockInfo(self._gpu, self._library.NVML_CLOCK_SM)),
        }

    def _foreign(self) -> float:
        """Process numbers are those of the host, and need not be ours in a container: of all that there are, one is this one."""
        running = self._library.nvmlDeviceGetComputeRunningProcesses(self._gpu)
        return float(len(running) - 1) if running else nan

    def _throttled(self) -> float:
        reasons = self._library.nvmlDeviceGetCurrentClocksThrottleReasons(self._gpu)
        return float(any(reasons & getattr(self._library, f"nvmlClocksThrottleReason{name}") for name in THROTTLED))

    def _known(self, read: Callable[[], float]) -> float:
        try:
            return read()
        except (self._library.NVMLError, AttributeError):
            return nan


def of(job: Mapping[str, Any]) -> Gpu | None:
    """The GPU that a job of the worker runs on; None on other devices, and where it cannot be read."""
    if job.get("device") != CUDA:
        return None
    try:
        return Gpu()
    except Unreadable:
        return None
