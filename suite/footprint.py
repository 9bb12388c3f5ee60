"""What a user of an edge device pays before the first answer, and in memory, for the first model that a process loads. For the worker.

A launch that times both sides tells it of the one that it loads first. What is still missing comes from job `footprint`, in processes of
their own.
"""

import contextlib
import gc
from collections.abc import Mapping
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from suite import arrays, gpu, loading, timing
from suite.glue import Glue
from suite.loading import Array, Arrays, Run
from suite.protocol import Job, Progress

REQUESTS = 10
"""Requests of the warm-up, the first included; the rest of them are as fast as they will be, or say that ten do not suffice."""
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def footprint(job: Job, progress: Progress) -> dict[str, Any]:
    """What `first` finds of the side `job["side"]`, into `job["out"]`."""
    loading.stay_on_one_core(int(job["threads"]))
    glue, inputs = loading.glue(job), arrays.load(job["inputs"])
    arrays.save(job["out"], first(job, glue, inputs, str(job["side"]))[1])
    return {}


def first(job: Job, glue: Glue, inputs: Arrays, side: str) -> tuple[Run, dict[str, Array]]:
    """One side, loaded by a process that has loaded no model yet, after it answered the first REQUESTS; and what that took, () unless
    said otherwise: `load_ns`, from files to a model that is ready; `warm_up_ns`, int64 (requests,); `load_bytes` and `inference_bytes`,
    float64, the largest resident set in either above that of the process before it loaded the model, NaN where the platform does not tell
    (other than Linux). On a GPU also `load_device_bytes` and `inference_device_bytes`: what more of its memory is taken then."""
    loading.runtime(job)
    gc.collect()
    device = gpu.of(job)
    idle, taken = _kib("VmRSS"), device.used_bytes() if device else nan
    _forget_peak()
    start = timing.now()
    run = loading.run(job, side)
    load_ns, load = timing.now() - start, _kib("VmHWM") - idle
    device_load = device.used_bytes() - taken if device else nan
    _forget_peak()
    call = loading.call(glue.module.request, glue.size(inputs), inputs, run)
    warm_up = timing.block(call, range(REQUESTS), 0)
    found = {"load_ns": load_ns, "warm_up_ns": warm_up, "load_bytes": 1024 * load, "inference_bytes": 1024 * (_kib("VmHWM") - idle)}
    if device:
        found |= {"load_device_bytes": device_load, "inference_device_bytes": device.used_bytes() - taken}
    return run, {name: np.array(value) for name, value in found.items()}


def _kib(name: str) -> float:
    """A line of the process's own status, in KiB; NaN where there is none."""
    try:
        lines: Mapping[str, str] = dict(line.split(":", 1) for line in STATUS.read_text().splitlines() if ":" in line)
        return float(lines[name].split()[0])
    except (OSError, KeyError, ValueError):
        return float("nan")


def _forget_peak() -> None:
    """Lets Linux count the peak of the resident set from now on."""
    with contextlib.suppress(OSError):  # elsewhere, and in kernels without it, the peak is that of the process: never too small
        RESET.write_text("5")
