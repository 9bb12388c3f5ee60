"""Energy is what a counter says, or null with the reason: never an estimate."""

import os
import sys
import types

import numpy as np
import pytest

from suite import meters
from suite.energy import energy
from suite.facts import Unreadable
from suite.meters import Measured, Rapl, measure

RANGE = 1_000_000


@pytest.fixture(autouse=True)
def short(monkeypatch):
    """Blocks need not last."""
    monkeypatch.setattr(meters, "BLOCK_S", 0.002)


@pytest.fixture
def powercap(tmp_path):
    """Two packages, a part of one, and a zone of the whole platform."""

    def zone(name, title, value):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "name").write_text(f"{title}\n")
        (folder / "energy_uj").write_text(f"{value}\n")
        (folder / "max_energy_range_uj").write_text(f"{RANGE}\n")
        return folder

    (tmp_path / "intel-rapl").mkdir()
    zone("intel-rapl:0", "package-0", 100)
    zone("intel-rapl:1", "package-1", RANGE - 10)
    zone("intel-rapl:0:0", "core", 7)
    zone("intel-rapl:2", "psys", 5)
    zone("intel-rapl-mmio:0", "package-0", 100)
    return tmp_path


def spend(powercap, zone, microjoules):
    """The counter advances, and wraps around as the real one does."""
    path = powercap / zone / "energy_uj"
    path.write_text(f"{(int(path.read_text()) + microjoules) % RANGE}\n")


def test_all_packages_are_counted_once_and_wrap_around(powercap):
    meter = Rapl(powercap)
    assert meter.source == "RAPL, 2 packages"
    assert meter.read_uj() == 0
    spend(powercap, "intel-rapl:1", 30)
    assert meter.read_uj() == 30, "it wrapped around"
    spend(powercap, "intel-rapl:1", 5)
    spend(powercap, "intel-rapl:0:0", 1000)
    spend(powercap, "intel-rapl:2", 1000)
    assert meter.read_uj() == 35
    first = "intel-rapl-mmio:0"  # the same package by another driver: whichever comes first in order is taken, and not both
    for zone in (first, "intel-rapl:0"):
        spend(powercap, zone, 4)
    assert meter.read_uj() == 39


def test_both_sides_get_what_they_spent(powercap):
    calls = {"baseline": [], "compressed": []}

    def call(side, microjoules):
        def run(index):
            calls[side].append(index)
            spend(powercap, "intel-rapl:1", microjoules)

        return run

    found = measure(call("baseline", 40), call("compressed", 10), 0.02, meter=Rapl(powercap))
    assert (found.source, found.reason) == ("RAPL, 2 packages", None)
    quads = int(0.02 / (4 * 0.002))
    for side, each in (("baseline", 40), ("compressed", 10)):
        spent, done = found.columns[f"energy:{side}_uj"], found.columns[f"energy:{side}_calls"]
        assert spent.shape == done.shape == (quads, 2)
        assert spent.dtype == done.dtype == np.int64
        assert (spent == done * each).all()
        assert done.sum() == len(calls[side]) - 2 * quads * meters.DROPPED, "the first calls after a switch are not counted"


def test_blocks_take_turns_abba():
    order = []
    meter = types.SimpleNamespace(source="test", read_uj=lambda: len(order))
    measure(lambda index: order.append("A"), lambda index: order.append("B"), 0.0, meter=meter)
    turns = [side for index, side in enumerate(order) if index == 0 or order[index - 1] != side]
    assert turns == ["A", "B", "A"]


def test_without_a_package_the_reason_is_said(tmp_path):
    with pytest.raises(Unreadable, match="no RAPL counter"):
        Rapl(tmp_path)
    with pytest.raises(Unreadable, match="no RAPL counter"):
        Rapl(tmp_path / "nothing")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="needs users")
def test_a_counter_for_root_alone_is_said_to_be_so(powercap, monkeypatch):
    def refuse(self, *arguments, **named):
        if self.name == "energy_uj":
            raise PermissionError(13, "Permission denied")
        return read(self, *arguments, **named)

    read = meters.Path.read_text
    monkeypatch.setattr(meters.Path, "read_text", refuse)
    monkeypatch.setattr(meters, "POWERCAP", powercap)
    with pytest.raises(Unreadable, match="may be read by root alone"):
        Rapl(powercap)


def test_a_counter_of_nonsense_is_not_read(powercap):
    (powercap / "intel-rapl:1" / "energy_uj").write_text("many\n")
    with pytest.raises(Unreadable, match="cannot be read"):
        Rapl(powercap)


def test_a_counter_that_stands_still_is_no_energy(powercap):
    found = measure(lambda index: None, lambda index: None, 0.0, meter=Rapl(powercap))
    assert found == Measured(reason="the counter stood still in a block (RAPL, 2 packages)")


def test_a_machine_without_counters_never_fails(monkeypatch):
    monkeypatch.setitem(sys.modules, "pynvml", None)
    found = measure(lambda index: None, lambda index: None, 0.0, gpu=True)
    assert found == Measured(reason="pynvml is not installed, so that the GPU's counter cannot be read")


def columns(old, new, launches=3, quads=2, calls=10):
    """Joules of a request of each launch."""
    shape = (launches, quads, 2)
    found = {"energy:baseline_calls": np.full(shape, calls), "energy:compressed_calls": np.full(shape, 2 * calls)}
    for side, joules in (("baseline", old), ("compressed", new)):
        each = np.broadcast_to(np.reshape(joules, (-1, 1, 1)), shape)
        found[f"energy:{side}_uj"] = (each * 1e6 * found[f"energy:{side}_calls"]).astype(np.int64)
    return found


def test_joules_are_those_of_a_request_and_the_ratio_is_paired():
    found = energy(columns([0.4, 0.8, 1.6], [0.2, 0.4, 0.8]), "RAPL, 1 package")
    assert (found.source, found.reason) == ("RAPL, 1 package", None)
    assert found.baseline_joules.value == pytest.approx(0.8)
    assert found.joules.value == pytest.approx(0.4)
    assert (found.ratio.low, found.ratio.value, found.ratio.high) == pytest.approx((2, 2, 2), rel=1e-5)
    assert found.joules.high - found.joules.low > 0.1, "the launches differ, their ratios do not"


def test_blocks_of_one_quad_weigh_by_their_calls():
    found = columns([1.0], [0.5], launches=2, quads=1)
    found["energy:baseline_uj"][:, 0] = (10_000_000, 90_000_000)
    found["energy:baseline_calls"][:, 0] = (10, 30)
    assert energy(found, "x").baseline_joules.value == pytest.approx(2.5)


def test_without_columns_there_is_a_reason_and_no_figure():
    found = energy({}, None, "this machine has no RAPL counter of a package")
    assert (found.source, found.joules, found.baseline_joules, found.ratio) == (None, None, None, None)
    assert found.reason == "this machine has no RAPL counter of a package"
    assert energy({}, None).reason
