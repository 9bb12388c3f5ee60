"""What the pages say of components, groups, examples and tokens, and that it is what the records say."""

import json
import re
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from conftest import PLUGINS
from site_cards import target_cards
from site_gallery import EVIL, cards, fill, installed
from site_pages import Page, assert_inert, pages, publish, read_csv, record_page
from site_store import PLANS, SHAPE, TARGET, build, key, put_alone

from suite import slices
from suite.contracts import BASELINE
from suite.record import Record, Streaming, TokenTimes
from suite.statistics import share
from suite.store import Store
from suite.summarize import summarize


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Whole records, and some of one component."""
    made = build(tmp_path_factory.mktemp("alone"), shape=SHAPE, plans=(*PLANS[:3], *PLANS[8:10]))
    for plan, component in ((PLANS[8], "vision"), (PLANS[2], "text"), (PLANS[9], "vision")):
        put_alone(made, "glyph_clip", plan, component)
    put_alone(made, "glyph_clip", PLANS[2], "vision")
    put_alone(made, "glyph_clip", replace(PLANS[9], accuracy=0.99), "text")
    return made


@pytest.fixture(scope="module")
def site(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("where") / "site"
    assert publish(store, out).broken == ()
    return out


def alone(store: Store) -> list[Record]:
    return [record for record in store.records() if record.cell.component]


def squares(page: Page) -> dict[str, list[str]]:
    """Variant -> the words of its squares."""
    found = re.search(r'<table class="heat">.*?</table>', page.source, re.DOTALL)[0]
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', found, re.DOTALL)
    plain = [(name, re.findall(r"<td[^>]*>(.*?)</td>", cells, re.DOTALL)) for name, cells in rows]
    return {re.sub("<[^>]*>", "", name): [re.sub(r"<[^>]*>", " ", cell).split() for cell in cells] for name, cells in plain}


def test_the_heat_map_shows_each_part_and_the_whole(site: Path, store: Store) -> None:
    page = Page(site / "model/glyph_clip.html")
    found = squares(page)
    assert set(found) == {"local_30", "local_50", "per_channel"}
    (board, _) = summarize(store.records(), store.columns)
    whole = {row.record.cell.variant: row.difference.value for row in board.rows if row.difference}
    for record in alone(store):
        cell = found[record.cell.variant][("vision", "text").index(record.cell.component)]
        right = [int(store.columns(found)["recall_at_1"].sum()) for found in (record, board.baseline.record)]
        assert f"{abs(right[0] - right[1]) / 400:.3f}" in "".join(cell)
        assert f"../record/{record.name}.html" in page.links
        assert f"{abs(whole[record.cell.variant]):.3f}" in "".join(found[record.cell.variant][2])
    assert found["local_30"][1] == ["–"], "not compressed alone"
    assert found["local_50"][0][-1] == "most"
    assert found["per_channel"][0][0] == "≈"
    assert (
        "<strong>vision</strong> alone costs more than text alone in <strong>1 of 2</strong> variants; the other one is a tie."
        in page.source
    )
    assert 'class="heat"' not in Page(site / "model/scene_vqa.html").source


def test_records_of_one_component_stand_on_no_board(site: Path, store: Store) -> None:
    for path in ("index.html", "method/magnitude_pruning.html"):
        assert not any("--only-" in link for link in Page(site / path).links)
    page = Page(site / "model/glyph_clip.html")
    boards = "".join(re.findall(r'<table class="board".*?</table>', page.source, re.DOTALL))
    assert boards
    assert "--only-" not in boards
    assert "--only-" in page.source


def test_records_of_one_component_say_so(site: Path, store: Store) -> None:
    record = next(record for record in alone(store) if record.cell.variant == "local_50" and record.cell.component == "vision")
    page = record_page(site, record)
    assert "Only the component vision was compressed" in page.words
    assert "its speed was not taken, with a loss of" in page.words
    assert "was not ranked" not in page.words
    assert "local_50 on vision alone, Glyph CLIP" in page.words
    assert "../model/glyph_clip.html#components-alone" in page.links
    assert "Speed-up" not in page.words


def test_an_older_record_of_a_component_leads_to_the_newer(tmp_path: Path) -> None:
    store = build(tmp_path / "results", shape=SHAPE, plans=PLANS[:2])
    old = put_alone(store, "glyph_clip", PLANS[9], "vision")
    new = msgspec.structs.replace(old, key=key("newer"), created="2026-12-01T00:00:00Z")
    store.put(new, store.columns(old))
    publish(store, tmp_path / "site")
    page = record_page(tmp_path / "site", old)
    assert f"../record/{new.name}.html" in page.links
    assert "It cannot be compared with a baseline: a newer record has taken its place" in page.words
    current = {row["record"]: (row["current"], row["component"]) for row in json.loads((tmp_path / "site/data/results.json").read_text())}
    assert current[old.name] == (False, "vision")
    assert current[new.name] == (True, "vision")


def test_a_component_without_a_board_says_what_is_missing(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    store.prepare()
    record = put_alone(store, "glyph_clip", PLANS[9], "vision")
    publish(store, tmp_path / "site")
    page = record_page(tmp_path / "site", record)
    assert "It cannot be compared with a baseline: no baseline was measured beside it" in page.words
    assert "../model/glyph_clip.html" in page.links


def test_downloads_name_the_component(site: Path, store: Store) -> None:
    table = {row["record"]: row for row in read_csv(site)}
    for record in store.records():
        assert table[record.name]["component"] == (record.cell.component or "")
    board = next(board for board in summarize(store.records(), store.columns) if board.model == "glyph_clip")
    for row in board.rows:
        if row.flips:
            assert float(table[row.record.name]["agreement"]) == row.flips.agreement
            assert table[row.record.name]["first_token_ms"] == ""


def test_groups_stand_beside_the_baseline(site: Path, store: Store) -> None:
    board = next(board for board in summarize(store.records(), store.columns) if board.model == "glyph_clip")
    row = next(row for row in board.rows if row.record.cell.variant == "local_50")
    columns, metric = store.columns(row.record), board.metric
    found = slices.groups(row.record, columns, columns[metric], store.columns(board.baseline.record)[metric])
    page, text = record_page(site, row.record), record_page(site, row.record).words.replace("\N{MINUS SIGN}", "-")
    for group in found:
        gap = group.difference
        words = (
            f"{group.name}{group.items} items {gap.value:+.3f} ▼ loss{gap.low:+.3f} to {gap.high:+.3f} {group.artifact.value:.3f}"
            f"{group.artifact.low:.3f} to {group.artifact.high:.3f} {group.baseline.value:.3f}"
        )
        assert words in text
    bad = slices.worst(found)
    assert f"The group that surely lost the most is script: {bad.name}, with {bad.difference.value:+.3f} on {bad.items} items" in text
    assert "Bonferroni" in text
    assert page.source.count("bar-interval of-baseline") == 1 + len(found)


def test_no_group_lost_is_said_so(site: Path, store: Store) -> None:
    record = next(r for r in store.records() if r.cell.variant == "per_channel" and r.cell.model == "glyph_clip" and not r.cell.component)
    assert "No group of the test lost measurably." in record_page(site, record).words
    baseline = next(r for r in store.records() if r.cell.variant == "fp32" and r.cell.model == "glyph_clip")
    assert "lost" not in record_page(site, baseline).words.partition("Accuracy")[2].partition("Size")[0]


def test_records_without_groups_in_their_columns_show_them_all_the_same(tmp_path: Path) -> None:
    store = build(tmp_path / "results", shape=SHAPE, plans=PLANS[:2])
    for record in list(store.records()):
        if record.status == "ok":
            store.put(record, {name: array for name, array in store.columns(record).items() if not name.startswith("slice:")})
    publish(store, tmp_path / "site")
    record, baseline = (
        next(record for record in store.records() if record.cell.variant == variant and record.cell.model == "glyph_clip")
        for variant in ("per_tensor", "fp32")
    )
    words = record_page(tmp_path / "site", record).words
    mine, old = (r.accuracy.slices["script"]["Cyrillic"] for r in (record, baseline))
    wanted = f"Cyrillic {mine.value - old.value:+.3f} {mine.value:.3f}{mine.low:.3f} to {mine.high:.3f} {old.value:.3f}"
    assert wanted.replace(" +0.000", " 0.000") in words.replace("\N{MINUS SIGN}", "-")
    assert "Bonferroni" not in words
    assert "surely lost" not in words


def test_of_many_groups_the_worst_are_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slices, "GROUPS", 2)
    gaps = {"a": (-0.1, -0.2, 0.0), "b": (-0.3, -0.4, -0.2), "c": (0.1, 0.0, 0.2)}
    half = share(np.array([True, False]))
    made = [slices.Group("kind", name, 9, half, half, type(half)(*gap)) for name, gap in gaps.items()]
    (table,) = slices.slice_tables(made)
    assert ([group.name for group in table.groups], table.more) == (["b", "a"], 1)
    assert slices.slice_tables(()) == ()


def test_agreement_stands_beside_the_flips(site: Path, store: Store) -> None:
    board = next(board for board in summarize(store.records(), store.columns) if board.model == "glyph_clip")
    row = next(row for row in board.rows if row.record.cell.variant == "local_30")
    words = record_page(site, row.record).words
    down = int(row.flips.agreement * 1000 + 1e-9) / 10
    assert f"{row.flips.lost} lost, {row.flips.gained} gained, {down:.1f} % agreement" in words


def test_a_metric_of_degrees_has_no_flips(tmp_path: Path) -> None:
    store = build(tmp_path / "results", shape=SHAPE, plans=PLANS[:3])
    for record in list(store.records()):
        if record.status != "ok":
            continue
        columns, metric = store.columns(record), record.accuracy.metric
        degrees = columns[metric] * 0.5 + 0.25
        accuracy = msgspec.structs.replace(record.accuracy, metrics={metric: share(degrees)})
        store.put(msgspec.structs.replace(record, accuracy=accuracy), {**columns, metric: degrees})
    assert publish(store, tmp_path / "site").broken == ()
    record = next(record for record in store.records() if record.cell.variant == "per_tensor")
    words = record_page(tmp_path / "site", record).words
    assert "agreement" not in words
    assert "By its metric an item is not simply right or wrong" in words


def test_examples_are_shown_escaped_and_their_files_are_there(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    records = fill(store)
    with installed():
        publish(store, tmp_path / "site", models=cards())
    page = record_page(tmp_path / "site", records[-1])
    assert_inert(page)
    assert EVIL not in page.source
    assert EVIL in page.text
    media = [attributes["src"] for tag, attributes in page.elements if tag in ("img", "audio") and "examples/" in attributes["src"]]
    assert any(file.endswith(".png") for file in media)
    assert any(file.endswith(".wav") for file in media)
    assert all((page.path.parent / file).is_file() for file in media)
    assert all(attributes["alt"] for tag, attributes in page.elements if tag == "img" and "examples/" in attributes["src"])
    assert re.search(r"Forgotten\s+6 of \d+", page.text)
    assert "test item" in page.words
    baseline = record_page(tmp_path / "site", records[0])
    assert "Forgotten" not in baseline.text
    files = {path.name for path in (tmp_path / "site/assets/examples/the_gallery").iterdir()}
    shown_files = {Path(link).name for page in pages(tmp_path / "site") for link in page.links if "examples/" in link}
    assert files == shown_files


def test_a_page_says_why_there_are_no_examples(site: Path, store: Store) -> None:
    record = next(record for record in store.records() if record.cell.variant == "local_50" and record.cell.component is None)
    assert "The test set that the model makes today is not the one of this record" in record_page(site, record).words
    assert not (site / "assets/examples").exists()


def test_hostile_components_and_groups_stay_text(tmp_path: Path) -> None:
    store = build(tmp_path / "results", shape=SHAPE, plans=(PLANS[0], PLANS[9]))
    put_alone(store, "glyph_clip", PLANS[9], EVIL)
    put_alone(store, "glyph_clip", PLANS[9], "text")
    for record in list(store.records()):
        if record.accuracy is not None:
            columns = store.columns(record)
            name, groups = next(iter(record.accuracy.slices.items()))
            evil = {EVIL: {f"{EVIL}{group}": estimate for group, estimate in groups.items()}}
            accuracy = msgspec.structs.replace(record.accuracy, slices=evil)
            columns[f"slice:{EVIL}"] = columns.pop(f"slice:{name}")
            store.put(msgspec.structs.replace(record, accuracy=accuracy), columns)
    assert publish(store, tmp_path / "site").broken == ()
    for page in pages(tmp_path / "site"):
        assert_inert(page)
        assert EVIL not in page.source
    model = Page(tmp_path / "site/model/glyph_clip.html")
    assert f"{EVIL} alone costs more than text alone" in model.words or "In none of 1 variant" in model.words
    record = next(r for r in store.records() if r.cell.variant == "local_50" and r.cell.model == "scene_vqa")
    assert f"surely lost the most is {EVIL}: {EVIL}" in record_page(tmp_path / "site", record).words


def timed(record: Record, tokens: int = 5) -> Record:
    """A record with times of tokens."""
    times = record.latency.median_ms
    half = type(times)(times.value / 2, times.low / 2, times.high / 2)
    ratio = type(times)(1.0, 0.99, 1.01) if record.cell.method == BASELINE else type(times)(2.5, 2.25, 2.75)
    side = Streaming(
        prefill_ms=half, first_token_ms=times, inter_token_ms=half, tokens_per_s=type(times)(1234.0, 1200.0, 1300.0), tokens=5.0
    )
    other = msgspec.structs.replace(side, tokens=float(tokens), tokens_per_s=type(times)(617.0, 600.0, 640.0))
    return msgspec.structs.replace(
        record, latency=msgspec.structs.replace(record.latency, tokens=TokenTimes(side, other, ratio, type(times)(1.0, 0.9, 1.1)))
    )


@pytest.fixture
def writers(tmp_path: Path) -> Store:
    store = build(tmp_path / "writers", shape=SHAPE, plans=PLANS[:3])
    for record in list(store.records()):
        if record.status == "ok" and record.cell.model == "glyph_clip":
            store.put(timed(record, 5 if record.cell.variant != "per_channel" else 7), store.columns(record))
    return store


def test_tokens_are_shown_beside_the_baseline(writers: Store, tmp_path: Path) -> None:
    publish(writers, tmp_path / "site")
    by_variant = {record.cell.variant: record for record in writers.records() if record.cell.model == "glyph_clip"}
    words = record_page(tmp_path / "site", by_variant["per_tensor"]).words
    for expected in ("2.50× ▲ faster2.25 to 2.75", "1.00× ≈ tie0.90 to 1.10", "1,234", "2.00×", "An answer has 5.0 tokens on average."):
        assert expected in words
    assert "the answers are not the same" in record_page(tmp_path / "site", by_variant["per_channel"]).words
    model = Page(tmp_path / "site/model/glyph_clip.html")
    assert model.words.count("Token by token") == 1
    assert "2.50× ▲ faster" in model.words
    assert "Token by token" not in Page(tmp_path / "site/model/scene_vqa.html").words
    line = next(row for row in read_csv(tmp_path / "site") if row["record"] == by_variant["per_tensor"].name)
    assert (float(line["first_token_speed_up"]), float(line["first_token_speed_up_low"])) == (2.5, 2.25)
    assert float(line["tokens_per_s"]) == 1234


def test_tokens_of_an_emulated_target_are_not_shown(writers: Store, tmp_path: Path) -> None:
    slow = {TARGET: replace(target_cards()[TARGET], ranks_latency=False)}
    publish(writers, tmp_path / "site", targets=slow)
    assert not any("Token by token" in page.words for page in pages(tmp_path / "site") if page.path.name != "about.html")


def test_everything_holds_together(site: Path) -> None:
    for page in pages(site):
        assert_inert(page)
        assert len(page.ids) == len(set(page.ids))
        for link in page.links:
            target, _, anchor = link.partition("#")
            anchor = "" if anchor.startswith("?") else anchor  # the state of a page with a script
            path = (page.path.parent / target).resolve() if target else page.path
            assert path.is_file() or link.startswith("https://"), link
            assert not anchor or link.startswith("https://") or f'id="{anchor}"' in path.read_text(encoding="utf-8"), link


def test_rendering_a_run_s_own_records_shows_its_examples(squeezemark, tmp_path: Path, work: Path) -> None:
    options = ("--results", tmp_path / "results", "--plugins", PLUGINS)
    methods = "baseline_fp32,magnitude_pruning/local_70"
    done = squeezemark("run", "--models", "tiny_matcher", "--methods", methods, "--work", work, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    done = squeezemark("render", "--out", tmp_path / "site", "--work", work, *options)
    assert done.returncode == 0, done.stderr
    record = next(record for record in Store(tmp_path / "results").records() if record.cell.method == "magnitude_pruning")
    words = record_page(tmp_path / "site", record).words
    assert "Forgotten and gained" in words
    assert "neither exhibit() nor words" in words, "the tiny model has none; its test set was found all the same"
