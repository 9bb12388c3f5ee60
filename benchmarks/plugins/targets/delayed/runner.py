"""Runs ONNX files as the reference target does, and spins after each call of an artifact, for a share of the time that the call took."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from targets.x86_cpu_ort import runner


class Runner(runner.Runner):
    """Loaded components. Files in a folder named `artifact` are those that a method made."""

    def __init__(self, files: Mapping[str, Path], settings: Mapping[str, Any]) -> None:
        super().__init__(files, settings)
        made = any(path.parent.name == "artifact" for path in files.values())
        self.delay = float(settings["delay"]) if made else 0.0

    def run(self, component: str, inputs: Mapping[str, runner.Array]) -> dict[str, runner.Array]:
        """Outputs by name; later than they were computed, by the delay."""
        start = time.perf_counter_ns()
        outputs = super().run(component, inputs)
        end = time.perf_counter_ns() + int(self.delay * (time.perf_counter_ns() - start))
        while time.perf_counter_ns() < end:
            pass
        return outputs
