"""The page of known results: it says what the rules say, draws what they compare, and links to the records."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from browsing import BROWSER, visit
from msgspec.structs import replace as changed
from playwright.sync_api import expect
from site_cards import method_cards, model_cards, target_cards
from site_pages import Page, publish
from site_store import PLANS, SHAPE, Plan, build

from suite import forest, judge, website
from suite.filters import signed
from suite.forest import forests
from suite.judge import Judgement
from suite.known import KNOWN, MARGIN
from suite.pages import BoardView, Cards
from suite.store import Store
from suite.summarize import summarize


@pytest.fixture(scope="module")
def judged(site_records: Store) -> dict[str, Judgement]:
    cards = Cards(model_cards(), method_cards(), target_cards())
    boards = summarize(site_records.records(), site_records.columns)
    found = judge.judge([BoardView(board, cards) for board in boards], site_records.columns)
    return {judgement.known.id: judgement for judgement in found}


def test_the_page_says_what_the_rules_say(leaderboard: Path, judged: dict[str, Judgement]) -> None:
    page = Page(leaderboard / "findings.html")
    words = {"holds": "✓ holds", "fails": "✗ does not hold", "open": "≈ cannot be told", "missing": "– nothing to compare"}
    overview = page.source.partition("</table>")[0]
    for judgement in judged.values():
        row = re.search(rf'href="#{judgement.known.id}">.*?</tr>', overview, re.DOTALL)
        assert row is not None
        told = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", row[0]))
        assert re.findall("✓ holds|✗ does not hold|≈ cannot be told|– nothing to compare", told) == [
            words[verdict.state] for verdict in judgement.verdicts
        ]
        assert judgement.known.sentence in page.words
        assert judgement.known.rule.criterion in page.words
    states = {judgement.known.id: {verdict.state for verdict in judgement.verdicts} for judgement in judged.values()}
    assert (states["global"], states["int8"]) == ({"holds"}, {"open"}), "400 items are too few to tell a point"
    assert states["zeros"] == {"fails"}, "in this store the download of local_70 is no smaller"
    assert states["gptq_3"] == states["chain"] == {"missing"}


def test_every_comparison_has_its_figures_and_both_its_records(leaderboard: Path, judged: dict[str, Judgement]) -> None:
    page = Page(leaderboard / "findings.html")
    (point,) = judged["global"].verdicts[0].points
    assert f"{point.gap.value:+.3f} ✓ holds{point.gap.low:+.3f} to {point.gap.high:+.3f}" in page.words
    download = next(point for point in judged["zeros"].verdicts[0].points if point.label == "download")
    assert f"{signed(download.gap.value * 100, 1)} % ✗ does not hold" in page.words
    for judgement in judged.values():
        for verdict in judgement.verdicts:
            for point in verdict.points:
                assert f"record/{point.one.record.name}.html" in page.links
                assert f"record/{point.other.record.name}.html" in page.links


def test_what_is_not_measured_yet_breaks_nothing(tmp_path: Path) -> None:
    done = publish(Store(tmp_path / "none"), tmp_path / "site")
    page = Page(tmp_path / "site/findings.html")
    assert done.records == 0
    assert "There are no records yet" in page.words
    assert page.words.count("Not measured yet") == len(KNOWN)


def test_a_result_that_does_not_hold_has_its_reason_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judge, "NOTES", {("global", "glyph_clip"): "<b>because</b>", ("global", "scene_vqa"): "not shown"})
    plans = [PLANS[0], Plan("magnitude_pruning", "local_50", 0.9, 1.0, 1.0), Plan("magnitude_pruning", "global_50", 0.3, 1.0, 1.0)]
    store = build(tmp_path / "results", shape=SHAPE, plans=plans)
    for path in store.folder.glob("scene_vqa--magnitude_pruning--global*.json"):
        path.unlink()
    publish(store, tmp_path / "site")
    page = Page(tmp_path / "site/findings.html")
    assert "Does not hold on 1; nothing to compare on 1 of 2 models." in page.words
    assert "Why: <b>because</b>" in page.words
    assert "not shown" not in page.words
    assert "magnitude_pruning/global_50 has not been measured" in page.words


def test_boards_of_other_tiers_are_told_apart(tmp_path: Path) -> None:
    store = build(tmp_path / "results", shape=SHAPE, plans=PLANS[:3])
    for record in list(store.records()):
        if record.status == "ok" and record.cell.model == "glyph_clip":
            quick = changed(record, key=record.key[::-1], cell=changed(record.cell, tier="quick"))
            store.put(quick, store.columns(record))
    publish(store, tmp_path / "site")
    words = Page(tmp_path / "site/findings.html").words
    assert "Cannot be told on 3 of 3 boards." in words
    assert "x86_cpu_ort, quick tier" in words


def test_pictures_of_a_result_share_an_axis_and_keep_to_the_threshold(judged: dict[str, Judgement]) -> None:
    drawn = [plot for plot in forests(judged["global"]) if plot]
    assert len(drawn) == 2
    assert len({plot.zero for plot in drawn}) == 1
    for plot, verdict in zip(drawn, judged["global"].verdicts, strict=True):
        for whisker, point in zip(plot.whiskers, verdict.points, strict=True):
            assert (whisker.x > plot.zero) == (point.gap.value > 0)
            assert whisker.x_low <= whisker.x <= whisker.x_high
            assert not whisker.beyond
    for plot, verdict in zip(forests(judged["int8"]), judged["int8"].verdicts, strict=True):
        assert plot is not None
        far = [point for point in verdict.points if point.gap.value < -forest.REACH * MARGIN * (1 + 2 * forest.ROOM)]
        assert plot.beyond == len(far) > 0, "static int8 of all operators collapsed"
        assert plot.threshold is not None
        assert plot.threshold < plot.zero


def test_a_picture_of_very_many_says_how_many_it_leaves_out(judged: dict[str, Judgement]) -> None:
    verdict = judged["global"].verdicts[0]
    many = replace(verdict, points=verdict.points * (forest.LINES + 7))
    (plot,) = forests(replace(judged["global"], verdicts=(many,)))
    assert plot is not None
    assert (len(plot.whiskers), plot.more) == (forest.LINES, 7)


def test_shares_are_drawn_in_per_cent(judged: dict[str, Judgement]) -> None:
    plot = next(plot for plot in forests(judged["zeros"]) if plot)
    assert {tick.text[-1] for tick in plot.ticks} == {"%"}
    assert "0%" in {tick.text for tick in plot.ticks}
    assert all(tick.text[0] in "+−0" for tick in plot.ticks)
    by_text = {float(tick.text[:-1].replace("−", "-")): tick.at for tick in plot.ticks}
    low, high = min(by_text), max(by_text)
    size, download, _ = plot.whiskers
    scale = (by_text[high] - by_text[low]) / (high - low)
    assert download.x - size.x == pytest.approx(scale * 100 * (download.point.gap.value - size.point.gap.value), abs=0.2)


def test_no_points_are_no_picture(judged: dict[str, Judgement]) -> None:
    assert forests(judged["chain"]) == (None, None)


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium or Chrome on this machine")
def test_it_can_be_read_on_a_narrow_screen_without_scripts(browser, address: str) -> None:
    page = visit(browser, f"{address}/findings.html", viewport={"width": 375, "height": 800}, java_script_enabled=False)
    assert page.locator("svg.forest").first.is_visible()
    colours = {
        state: page.locator(f".forest a.{state} .point").first.evaluate("mark => [getComputedStyle(mark).fill, mark.getAttribute('d')]")
        for state in ("holds", "fails")
    }
    assert colours["holds"][0] != colours["fails"][0]
    assert colours["holds"][1] != colours["fails"][1], "shape and colour both tell"
    table = page.locator("table.known").first
    expect(table).to_be_visible()
    page.locator("details summary").first.focus()
    page.keyboard.press("Enter")
    expect(table).to_be_hidden()
    page.context.close()


def test_the_figures_lie_open_if_they_are_few(leaderboard: Path, judged: dict[str, Judgement]) -> None:
    page = Page(leaderboard / "findings.html")
    counts = [sum(len(verdict.points) for verdict in judgement.verdicts) for judgement in judged.values()]
    assert page.source.count("<details open>") == sum(0 < count <= website.OPEN for count in counts)
    assert page.source.count("<details>") == sum(count > website.OPEN for count in counts)
