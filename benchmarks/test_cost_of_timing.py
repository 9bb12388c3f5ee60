"""What the worker's timed loop adds to each call: beside a bare loop over the same session, in turn, in one run."""

import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from suite.timing import block, forget
from targets.x86_cpu_ort.runner import Runner

CALLS, ROUNDS = 500, 60
MOST_US = 2.0


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Runner:
    """One small matrix product: a call of some microseconds, so that two more would be seen."""
    weight = numpy_helper.from_array(np.eye(16, dtype=np.float32), "w")
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 16]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "small", ends[:1], ends[1:], [weight])
    path: Path = tmp_path_factory.mktemp("small") / "small.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), path)
    return Runner({"small": path}, {"threads": 1, "graph_optimization": "all"})


@pytest.mark.parametrize("keeps", [False, True], ids=["bare", "outputs kept"])
def test_overhead_of_a_timed_call(benchmark, runner, keeps):
    """Beside what a call of the session costs: the runner, the clock and, of the artifact's side, a look at whether the answer is kept."""
    feed = {"x": np.ones((1, 16), np.float32)}
    session, names = runner.sessions["small"], runner.outputs["small"]
    kept: list[object] = []
    watched = set(range(0, CALLS, CALLS // 8))

    def keep(index: int, answer: object) -> None:
        if index % CALLS in watched:
            kept.append(answer)

    def bare() -> float:
        start = time.perf_counter_ns()
        for _ in range(CALLS):
            session.run(names, feed)
        return (time.perf_counter_ns() - start) / CALLS

    def timed() -> float:
        kept.clear()
        start = time.perf_counter_ns()
        block(lambda index: runner.run("small", feed), range(CALLS), 0, keep if keeps else forget)
        return (time.perf_counter_ns() - start) / CALLS

    pairs = np.array([(bare(), timed()) for _ in range(ROUNDS)])
    overhead = np.diff(pairs, axis=1).ravel() / 1e3
    benchmark.extra_info["bare_us_per_call"] = float(np.median(pairs[:, 0])) / 1e3
    benchmark.extra_info["overhead_us_per_call"] = float(np.median(overhead))
    benchmark.extra_info["overhead_us_p10_p90"] = [float(x) for x in np.percentile(overhead, [10, 90])]
    print(f"\noverhead per call: {np.median(overhead):.2f} us (bare call {np.median(pairs[:, 0]) / 1e3:.2f} us)")
    benchmark(timed)
    assert np.median(overhead) <= MOST_US
