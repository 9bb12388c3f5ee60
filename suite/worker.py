"""Runs artifacts on a target, `python -m suite.worker`: needs numpy, the target's runtime, and the model's `task.py`.

Jobs (see `suite.protocol`): `evaluate` writes predictions, `measure` times the artifact against its baseline (`suite.launch`), `footprint`,
`scenario` and `server` what else a user pays and gets (the modules of these names, and `suite.arrivals`), `answer` writes what each
component answers to a call of its own, `imports` says which libraries the model's glue brings. `python -m suite.worker TARGET` loads the
runtime of a target, though no model, before it has its job.
"""

import sys
import time
from functools import partial
from typing import Any

import numpy as np

from suite import arrays, loading
from suite.arrivals import server
from suite.counting import count
from suite.errors import CellFailed
from suite.footprint import footprint
from suite.launch import measure
from suite.loading import PARTS, Array, Arrays, Run
from suite.plugins import model_part
from suite.protocol import Job, Progress, serve
from suite.scenarios import scenario

REFERENCES = 64
"""Requests whose outputs the timed run must repeat, spread over the items: whichever of them it times, some of these are among them.
None where nothing will be timed: under an emulator they would take a fifth of the time."""


def evaluate(job: Job, progress: Progress) -> dict[str, Any]:
    """Predictions of the first `job["items"]` test items, and the outputs of some requests unless `job["timed"]` is false: `job["out"]`."""
    glue, inputs = loading.glue(job), arrays.load(job["inputs"])
    start = time.perf_counter()
    run = _finite(loading.run(job, "compressed"))
    items = int(job["items"])
    predictions = glue.predict(inputs, items, run, lambda done: progress(done, items, "evaluating"))
    references = {
        f"request:{index}:{name}": np.asarray(array)
        for index in sorted({place * items // REFERENCES for place in range(REFERENCES)} if job.get("timed", True) else ())
        for name, array in glue.request(inputs, index, run).items()
    }
    arrays.save(job["out"], {f"prediction:{name}": array for name, array in predictions.items()} | references)
    return {"seconds": time.perf_counter() - start}


def answer(job: Job, progress: Progress) -> dict[str, Any]:
    """The outputs of each component for the inputs in `job["calls"]` (`component.tensor`, as in what it writes to `job["out"]`)."""
    run, calls = _finite(loading.run(job, "compressed")), arrays.load(job["calls"])
    found: dict[str, Array] = {}
    for component in job["compressed"]:
        feed = {name.partition(".")[2]: array for name, array in calls.items() if name.partition(".")[0] == component}
        found |= {f"{component}.{name}": array for name, array in run(component, feed).items()}
    np.savez(job["out"], allow_pickle=False, **found)
    return {}


def imports(job: Job, progress: Progress) -> dict[str, Any]:
    """Libraries besides numpy that reading the model's card and glue loads: a small board does not have them.

    A module without a spec was found nowhere: numpy.random, which is loaded when it is first used, brings such of its own.
    """
    before = set(sys.modules)
    for part in PARTS:
        model_part(str(job["model"]), part)
    loaded = {name.partition(".")[0] for name in set(sys.modules) - before if getattr(sys.modules[name], "__spec__", None)}
    return {"libraries": sorted(loaded - set(sys.stdlib_module_names) - {"suite", "numpy"})}


def _finite(run: Run) -> Run:
    def checked(component: str, feed: Arrays) -> Arrays:
        outputs = run(component, feed)
        for name, array in outputs.items():
            if not np.isfinite(array).all():
                raise CellFailed("invalid_output", f"the component {component!r} gave NaN or infinity in {name!r}")
        return outputs

    return checked


if __name__ == "__main__":
    jobs = (evaluate, measure, footprint, scenario, server, count, answer, imports)
    early = partial(loading.runtime, {"target": sys.argv[1]}) if len(sys.argv) > 1 else None
    serve({job.__name__: job for job in jobs}, "invalid_output", early)
