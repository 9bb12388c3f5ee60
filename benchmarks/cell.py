"""What a whole cell takes beside a peer that times alone: `python benchmarks/cell.py --peer-python PATH`. About two minutes.

Ours, through `squeezemark run`: compress, check the artifact, evaluate 2,000 test items, measure 1 s in fresh launches, write the record;
each step in a process of its own. The peer: optimum-benchmark's process launcher, which loads a model from a folder and times it for 1 s.
It needs an environment of its own (`pip install torch 'transformers<5' optimum-benchmark`), whose Python is named; without it ours is
timed alone.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from sessions import verdict

from suite.store import Store

SHARE = 0.5
PEER = Path(__file__).resolve().parent / "peer.py"
OURS = """
import dataclasses, sys
from suite import evaluate, measure
from suite.cli import main
evaluate.QUICK_ITEMS = 2000
measure.EFFORT["quick"] = dataclasses.replace(measure.EFFORT["quick"], fewest=2, most=2, seconds=0.5)
sys.argv[0] = "squeezemark"
main()
"""


def timed(*command: str | Path, cwd: Path) -> float:
    """Wall seconds of a command, which must succeed."""
    start = time.monotonic()
    done = subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command[:3]))} ... exited with {done.returncode}: {done.stderr[-2000:]}")
    return time.monotonic() - start


def run(room: Path, model: str, method: str, name: str) -> float:
    """Wall seconds of one `squeezemark run` with an empty results folder. Exports and the test set are in the working folder already."""
    chosen = ("--models", model, "--methods", method, "--tier", "quick", "--results", room / name, "--work", room / "work")
    return timed(sys.executable, "-c", OURS, "run", *chosen, cwd=room)


def main() -> None:
    """Prints the seconds of each repeat side by side, and whether ours is no more than half of the peer's."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="audio_visual_digits")
    parser.add_argument("--method", default="dynamic_int8/per_channel")
    parser.add_argument("--peer-python", help="the Python of an environment with optimum-benchmark")
    parser.add_argument("--repeats", type=int, default=3)
    asked = parser.parse_args()
    ours: list[float] = []
    peer: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        room = Path(folder)
        first = run(room, asked.model, asked.method, "first")
        (record,) = Store(room / "first").records()
        assert record.accuracy is not None, record.reason
        if asked.peer_python:
            timed(asked.peer_python, PEER, "prepare", room / "model", cwd=room)
            timed(asked.peer_python, PEER, "run", room / "model", cwd=room)
        for repeat in range(asked.repeats):
            ours.append(run(room, asked.model, asked.method, f"repeat-{repeat}"))
            if asked.peer_python:
                peer.append(timed(asked.peer_python, PEER, "run", room / "model", cwd=room))
    print(f"{record.cell.title}, {record.accuracy.items} items; the first cell, which also exports the model: {first:.1f} s")
    for name, seconds in (("ours: compress, evaluate, measure", ours), ("optimum-benchmark: measure", peer)):
        print(f"{name:36}", "  ".join(f"{value:6.1f} s" for value in seconds) or "not asked for: name its Python with --peer-python")
    if peer:
        share = float(np.median(ours) / np.median(peer))
        verdict({f"ours takes {share:.0%} of the peer's time, at most {SHARE:.0%}": share <= SHARE})


if __name__ == "__main__":
    main()
