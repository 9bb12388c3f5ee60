"""What releases measured more than once: each figure of a variant over the releases, drawn and as a table, on the page of its method."""

import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from browsing import BROWSER, visit
from site_pages import Page
from site_releases import DAYS

from suite.publishing.timeline import Reading, timeline
from suite.record import Estimate


def section(site: Path, method: str) -> str:
    """The source of the history on a method's page."""
    return Page(site / f"method/{method}.html").source.partition('id="history"')[2]


def lines(source: str) -> list[str]:
    """The words of each row of its tables."""
    return [
        re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", row)).strip()
        for row in re.findall(r"<tr><th scope=\"row\">.*?</tr>", source, re.DOTALL)
    ]


def test_without_two_releases_a_method_has_no_history_and_says_so(released: dict[str, Path]) -> None:
    assert "Nothing has been released yet" in section(released["none"], "dynamic_int8")
    assert "There is one release" in section(released["first"], "dynamic_int8")
    assert 'href="../r/2026-11-22/index.html"' in section(released["first"], "dynamic_int8")
    assert "None of the 4" in section(released["all"], "static_int8")
    assert "<svg" not in section(released["first"], "dynamic_int8") + section(released["all"], "static_int8")


def test_every_release_is_a_row_with_what_moved_in_words(released: dict[str, Path]) -> None:
    rows = lines(section(released["all"], "dynamic_int8"))
    assert [row[:10] for row in rows] == list(DAYS), "one course, of the only variant that was measured anew"
    assert [row.count("▼ regression") for row in rows] == [0, 1, 0, 0]
    assert [row.count("▲ improvement") for row in rows] == [0, 0, 1, 0]
    assert "the same record" in rows[3]
    assert rows[2].count("≈ no measurable change") == 2, "accuracy and size"


def test_another_test_set_breaks_the_line_and_is_not_judged(released: dict[str, Path]) -> None:
    source = section(released["all"], "int4_rtn")
    rows = lines(source)
    assert "another test set or model revision" in rows[-1]
    assert not any(word in rows[-1] for word in ("regression", "improvement", "no measurable change"))
    paths = re.findall(r'class="fall" d="([^"]*)"', source)
    assert [(path.count("M"), path.count("L")) for path in paths] == [(1, 2), (2, 2), (2, 2)], (
        "without a difference there is no mark either"
    )


def test_what_moved_is_drawn_with_a_shape_of_its_own_and_named(released: dict[str, Path]) -> None:
    source = section(released["all"], "dynamic_int8")
    drawings = re.findall(r"<figure.*?</figure>", source, re.DOTALL)
    assert [re.search(r"<figcaption>(.*?)</figcaption>", one)[1] for one in drawings] == [
        "Accuracy against the baseline",
        "Size, MB",
        "Speed-up",
    ]
    assert [one.count('class="regression"') for one in drawings] == [1, 0, 0]
    assert [one.count('class="improvement"') for one in drawings] == [0, 0, 1]
    shapes = dict(re.findall(r'<a class="(\w*)".*?class="point".*?d="([^"]*)"', source, re.DOTALL))
    assert len({shapes["regression"], shapes["improvement"], shapes[""]}) == 3
    assert ">regression</text>" in drawings[0], "in words where there is room"
    assert ", regression</title>" in drawings[0]


def test_the_pages_of_releases_lead_to_it_and_back(released: dict[str, Path]) -> None:
    site = released["all"]
    assert "../../method/dynamic_int8.html#history" in Page(site / f"r/{DAYS[1]}/index.html").links
    assert "method/dynamic_int8.html#history" in Page(site / "releases.html").links
    page = Page(site / "method/dynamic_int8.html")
    assert "history" in page.ids
    for link in re.findall(r'href="([^"#]+)', section(site, "dynamic_int8")):
        assert (page.path.parent / link).resolve().is_file(), link


def test_the_path_skips_what_has_no_figure_and_joins_only_what_may_be_compared() -> None:
    value = Estimate(0.9, 0.88, 0.92)
    readings = [
        Reading("a", value, True, False),
        Reading("b", None, True, False),
        Reading("c", value, True, False),
        Reading("d", value, False, True),
    ]
    line = timeline(readings)
    assert [mark.place for mark in line.marks] == [0, 2, 3]
    assert re.sub(r"[\d. ]+", "", line.path) == "MML"
    assert timeline([replace(reading, value=None) for reading in readings]) is None


@pytest.mark.parametrize("count", [2, 5, 12, 40])
def test_names_of_releases_have_room_and_the_newest_has_one(count: int) -> None:
    line = timeline([Reading(f"2026-11-{place:02}", Estimate(2.0, 1.9, 2.1), True, True) for place in range(count)], 1.0, log=True)
    places = [name.at for name in line.names]
    assert line.names[-1].text == f"2026-11-{count - 1:02}"
    assert all(right - left >= 70 for left, right in pairwise(places))
    assert all(line.frame.top <= mark.y_high <= mark.y <= mark.y_low <= line.frame.height for mark in line.marks)


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium or Chrome on this machine")
def test_it_needs_no_script_and_fits_a_telephone(browser, released: dict[str, Path]) -> None:
    for folder in ("", "zh/"):
        url = (released["all"] / folder / "method/dynamic_int8.html").as_uri()
        page = visit(browser, url, viewport={"width": 375, "height": 800}, java_script_enabled=False, color_scheme="dark")
        drawn = page.locator("svg.timeline")
        assert [box.bounding_box()["width"] > 200 for box in drawn.all()] == [True] * 3
        assert all(box.bounding_box()["x"] + box.bounding_box()["width"] <= 375 for box in drawn.all())
        page.context.close()
