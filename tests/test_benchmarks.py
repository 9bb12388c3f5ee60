"""The scripts in benchmarks/: each says what it does, and judges as it says."""

import importlib
import os
import subprocess
import sys

import numpy as np
import pytest
from conftest import PLUGINS, ROOT
from scipy import stats

SCRIPTS = ("between", "build", "cell", "isolation", "known_effect", "neighbour")


@pytest.fixture
def script(monkeypatch):
    """Imports a script by name."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_explains_itself(name):
    done = subprocess.run([sys.executable, ROOT / "benchmarks" / f"{name}.py", "--help"], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert f"benchmarks/{name}.py" in done.stdout


@pytest.mark.parametrize("name", SCRIPTS)
def test_the_page_on_measurement_names_each(name):
    assert f"`python benchmarks/{name}.py" in (ROOT / "docs" / "measurement.md").read_text()


@pytest.mark.parametrize("runs", [1, 5, 20, 100, 2000])
def test_as_many_misses_are_allowed_as_chance_explains(runs, script):
    assert script("sessions").tolerance(runs) == stats.binom.ppf(0.025, runs, 0.95)


@pytest.mark.parametrize(("shift", "held"), [(0.0, True), (0.3, False)])
def test_simulated_runs_hold_the_truth_if_it_is_where_the_launches_are(shift, held, script):
    rng, neighbour = np.random.default_rng(0), script("neighbour")
    runs = [0.7 + rng.normal(0, 0.02, (7, 1)) + rng.normal(0, 0.005, (7, 5)) for _ in range(5)]
    as_it_is, centred = neighbour.simulate(runs, float(np.exp(0.7 + shift)))
    assert centred >= 0.93 * neighbour.SIMULATED, "the bias is not taken out"
    assert (as_it_is > 0.5 * neighbour.SIMULATED) == held


def test_launches_of_unequal_length_and_number_are_drawn_too(script):
    rng, neighbour = np.random.default_rng(0), script("neighbour")
    runs = [rng.normal(0, 0.02, (launches, quads)) for launches, quads in ((5, 3), (12, 8))]
    assert 0.85 * neighbour.SIMULATED < neighbour.simulate(runs, 1.0)[1] <= neighbour.SIMULATED


@pytest.mark.parametrize(("apart", "likely"), [(0.0, True), (0.01, False)])
def test_sessions_that_differ_by_more_than_their_launches_are_found(apart, likely, script):
    rng = np.random.default_rng(0)
    runs = [0.5 + rng.normal(0, apart, (10, 1)) + rng.normal(0, 0.008, (10, 8)) for _ in range(200)]
    found = np.array([script("between").chance(run) for run in runs])
    assert found[:, 1] == pytest.approx(0.008 / 8**0.5, rel=0.5)
    assert (np.mean(found[:, 2] < 0.01) < 0.04) == likely
    one = runs[0]
    assert found[0, 2] == pytest.approx(stats.f_oneway(*one).pvalue)


@pytest.mark.parametrize(("holds", "status"), [(True, 0), (False, 1)])
def test_a_claim_that_does_not_hold_is_a_failure(holds, status, script, capsys):
    with pytest.raises(SystemExit) as left:
        script("sessions").verdict({"one": True, "other": holds})
    assert left.value.code == status
    assert capsys.readouterr().out.splitlines() == ["holds: one", f"{'holds' if holds else 'DOES NOT HOLD'}: other"]


@pytest.mark.parametrize("spread", [0.008, 0.016])
def test_power_is_that_of_students_t(spread, script):
    """Three launches of the quick tier, normally distributed: the noncentral t distribution has it in closed form."""
    known_effect, effect = script("known_effect"), 0.045
    launches = np.random.default_rng(1).normal(0, spread, 20_000)
    launches += -effect - launches.mean()
    wanted = stats.nct.cdf(-stats.t.ppf(0.975, 2), 2, -effect / (spread / 3**0.5))
    assert known_effect.power(launches, known_effect.EFFORT["quick"]) == pytest.approx(wanted, abs=0.02)


@pytest.mark.parametrize(
    ("effect", "outliers", "tier", "least", "most"),
    [(0.045, 0.0, "full", 1.0, 1.0), (0.045, 0.1, "quick", 0.6, 0.9), (0.045, 0.1, "full", 0.3, 0.98), (0.0, 0.0, "full", 0.0, 0.04)],
)
def test_launches_that_are_far_off_take_power_away(effect, outliers, tier, least, most, script):
    rng, known_effect = np.random.default_rng(1), script("known_effect")
    launches = rng.normal(-effect, 0.008, 2000) + 0.2 * (rng.random(2000) < outliers)
    assert least <= known_effect.power(launches, known_effect.EFFORT[tier]) <= most


def test_published_launches_lie_around_the_mean_of_their_record(script):
    found = script("known_effect").published("x86_cpu_ort")
    assert {model for _, model in found} >= {"audio_visual_digits", "glyph_clip"}
    for launches in found.values():
        assert launches.size >= 5
        assert launches.mean() == pytest.approx(0, abs=1e-9)
        assert 0 < launches.std() < 0.1


def test_a_published_control_is_the_uncompressed_model_beside_itself(script):
    found = script("known_effect").controls()
    assert len(found) >= 18
    assert all(0.9 < control.value < 1.1 for control in found)


READY = """
import sys
from pathlib import Path
from sessions import ready
with ready("tiny_matcher", plugins=(Path(sys.argv[1]),)) as session:
    ratio, logs, grade = session.speed_up()
    print(session.planned.title, grade, logs.shape[0], ratio.low <= ratio.value <= ratio.high)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="nothing is measured elsewhere")
def test_a_session_is_made_and_timed_as_its_tier_says(tmp_path):
    """What its compressing writes lies where a method may write."""
    environ = {**os.environ, "PYTHONPATH": str(ROOT / "benchmarks")}
    done = subprocess.run([sys.executable, "-c", READY, PLUGINS], cwd=tmp_path, env=environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-2:] == ["3", "True"]
    assert done.stdout.split()[-3] in tuple("ABCDEF")
    assert not list((tmp_path / ".squeezemark").glob("cell-*")), "what was made is left behind"
