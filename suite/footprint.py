"""What a user of an edge device pays before the first answer, and in memory: job `footprint` of the worker, and its summary.

Each figure comes from a process of its own that has imported the runtime and has loaded no model yet.
"""

import contextlib
import gc
from collections.abc import Mapping
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from suite import arrays, gpu, loading, timing
from suite.protocol import Job, Progress

Array = np.ndarray[Any, np.dtype[Any]]

REQUESTS = 10
"""Requests of the warm-up, the first included; the rest of them are as fast as they will be, or say that ten do not suffice."""
STATUS, RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def footprint(job: Job, progress: Progress) -> dict[str, Any]:
    """Of the side `job["side"]`, into `job["out"]`, () unless said otherwise: `load_ns`, from files to a model that is ready; `warm_up_ns`,
    int64 (requests,), the first ones; `load_bytes` and `inference_bytes`, float64, the largest resident set in either above that of the
    process before it loaded the model, NaN where the platform does not tell (other than Linux). On a GPU also `load_device_bytes` and
    `inference_device_bytes`: what more of its memory is taken then."""
    loading.stay_on_one_core(int(job["threads"]))
    glue, inputs = loading.glue(job), arrays.load(job["inputs"])
    loading.runtime(job)
    gc.collect()
    device = gpu.of(job)
    idle, taken = _kib("VmRSS"), device.used_bytes() if device else nan
    _forget_peak()
    start = timing.now()
    run = loading.run(job, str(job["side"]))
    load_ns, load = timing.now() - start, _kib("VmHWM") - idle
    device_load = device.used_bytes() - taken if device else nan
    _forget_peak()
    call = loading.call(glue.module.request, glue.size(inputs), inputs, run)
    warm_up = timing.block(call, range(REQUESTS), 0)
    found = {"load_ns": load_ns, "warm_up_ns": warm_up, "load_bytes": 1024 * load, "inference_bytes": 1024 * (_kib("VmHWM") - idle)}
    if device:
        found |= {"load_device_bytes": device_load, "inference_device_bytes": device.used_bytes() - taken}
    arrays.save(job["out"], {name: np.array(value) for name, value in found.items()})
    return {}


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
