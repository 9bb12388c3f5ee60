"""What a job of the worker names, ready to run: the model's glue, the components of one side, requests of any index."""

import importlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from suite import caches
from suite.glue import Glue
from suite.plugins import Part, model_part
from suite.protocol import Job

Array = np.ndarray[Any, np.dtype[Any]]
Arrays = Mapping[str, Array]
Run = Callable[[str, Arrays], Arrays]
Call = Callable[[int], Any]
DeviceClock = Callable[[str, Arrays], int]

PARTS: tuple[Part, ...] = ("card", "task")
SIDES = ("baseline", "compressed")


def glue(job: Job) -> Glue:
    """The glue of the job's model."""
    return Glue(model_part(str(job["model"]), "task"))


def runtime(job: Job) -> ModuleType:
    """The module of the target's runner, its runtime imported and no model loaded."""
    return importlib.import_module(f"targets.{job['target']}.runner")


def run(job: Job, side: str) -> Run:
    """Calls a component of one side. Of an artifact that keeps caches in types of its own, the first, empty ones are given these."""
    runner: Run = runtime(job).Runner({name: Path(path) for name, path in job[side].items()}, job["settings"]).run
    kept = job.get("caches", {}) if side == "compressed" else {}
    if not kept:
        return runner
    return lambda component, feed: runner(component, caches.entered(feed, kept[component]) if component in kept else feed)


def device_clock(run: Run) -> DeviceClock | None:
    """What times calls by the clock of the device itself (CUDA events), of a runner that can."""
    return getattr(getattr(run, "__self__", None), "device_ns", None)


def call(function: Callable[..., Any], size: int, inputs: Arrays, run: Run) -> Call:
    """A function of the glue for an item of any index: after the last comes the first again."""
    return lambda index: function(inputs, index % size, run)


def stay_on_one_core(threads: int) -> None:
    """A single-threaded figure is taken on one core, the last that this process may use; elsewhere than Linux it may wander."""
    if threads == 1 and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
