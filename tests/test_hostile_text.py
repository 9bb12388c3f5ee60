"""Text that somebody else wrote stays text: in pages, in links, in names of files, in spreadsheets."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import unquote

import msgspec
import pytest
from site_cards import method_cards, model_cards, target_cards
from site_pages import ELSEWHERE, assert_inert, pages, publish, read_csv
from site_store import PLANS, SHAPE, TARGET, build, failed

from suite import filters
from suite.record import Record, encode
from suite.store import Store

HOSTILE = '"><script>alert(1)<b onclick=alert(1)>'
"""Short enough for five of it to make a file name."""
HOSTILE_PATH = "../../<script>alert(1)</script>javascript:alert(1)"


def hostile(value: object, text: str) -> object:
    """`value` with every string in it replaced, keys of mappings too."""
    if isinstance(value, msgspec.Struct):
        return msgspec.structs.replace(value, **{name: hostile(getattr(value, name), text) for name in value.__struct_fields__})
    if isinstance(value, dict):
        return dict.fromkeys([text], hostile(next(iter(value.values())), text)) if value else {}
    if isinstance(value, tuple):
        return tuple(hostile(inner, text) for inner in value)
    return text if isinstance(value, str) else value


def hostile_record(record: Record, text: str) -> Record:
    """A record of which every free text is hostile; what decides whether it is shown at all stays."""
    fields = {
        name: hostile(getattr(record, name), text)
        for name in record.__struct_fields__
        if name not in ("status", "columns_sha256", "accuracy")
    }
    fields["cell"] = msgspec.structs.replace(fields["cell"], tier=record.cell.tier)
    if record.accuracy is not None:
        fields["accuracy"] = msgspec.structs.replace(record.accuracy, slices=hostile(record.accuracy.slices, text))
    return msgspec.structs.replace(record, **fields)


def hostile_cards() -> dict[str, Mapping]:
    """Cards that know the hostile names, and are hostile themselves."""
    models = {HOSTILE: replace(model_cards()["glyph_clip"], name=HOSTILE, title=HOSTILE, summary=HOSTILE, task=HOSTILE, data=HOSTILE)}
    methods = {HOSTILE: replace(method_cards()["int4_rtn"], name=HOSTILE, title=HOSTILE, summary=HOSTILE, paper="javascript:alert(1)")}
    targets = {HOSTILE: replace(target_cards()[TARGET], name=HOSTILE, title=HOSTILE, settings={HOSTILE: HOSTILE})}
    return {"models": models, "methods": methods, "targets": targets}


def hostile_store(folder: Path) -> Store:
    """Records that are ok and that failed, with hostile text in every field; names lead out of the folder, too."""
    store = build(folder, shape=SHAPE, plans=PLANS[:2])
    good = next(record for record in store.records() if record.cell.method == "baseline_fp32" and record.cell.model == "glyph_clip")
    store.put(hostile_record(good, HOSTILE), store.columns(good))
    bad = hostile_record(failed("glyph_clip", "int4_rtn", "block_32", "crashed", "x"), HOSTILE_PATH)
    (folder / "javascript:alert(1).json").write_bytes(encode(bad))
    (folder / "escape.json").write_bytes(encode(hostile_record(good, HOSTILE_PATH)))
    return store


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    store = hostile_store(tmp_path / "deep/er/results")
    done = publish(store, tmp_path / "deep/er/site", **hostile_cards())
    assert ["its names would lead out" in str(error) for error in done.broken] == [True]
    made = list(pages(tmp_path / "deep/er/site"))
    assert done.pages == len(made)
    for page in made:
        assert_inert(page)
        assert "<script>alert" not in page.source
        assert "<b onclick" not in page.source
        known = [link for link in page.links if not link.startswith(ELSEWHERE)]
        assert all((page.path.parent / unquote(link.partition("#")[0])).is_file() for link in known if not link.startswith("#"))
    assert any(HOSTILE_PATH in page.text and "There is no result: crashed" in page.words for page in made)
    assert sorted(path.name for path in (tmp_path / "deep").iterdir()) == ["er"]
    assert sorted(path.name for path in (tmp_path / "deep/er").iterdir()) == ["results", "site"]


def test_texts_that_a_spreadsheet_would_run_are_quoted(tmp_path: Path) -> None:
    store = Store(tmp_path / "results")
    store.prepare()
    store.put(failed("glyph_clip", "int4_rtn", "block_32", "crashed", "=HYPERLINK(0)"))
    publish(store, tmp_path / "site")
    assert read_csv(tmp_path / "site")[0]["reason"] == "'=HYPERLINK(0)"


@pytest.mark.parametrize(
    ("paper", "href"),
    [
        ("2103.13630", "https://arxiv.org/abs/2103.13630"),
        ("arXiv:1506.02626", "https://arxiv.org/abs/1506.02626"),
        ("https://example.org/a.pdf", "https://example.org/a.pdf"),
        ("javascript:alert(1)", None),
        ('https://example.org/"><script>', None),
        ("http://example.org", None),
        ("Han et al.", None),
    ],
)
def test_only_papers_with_a_plain_address_are_linked(paper: str, href: str | None) -> None:
    assert filters.paper_href(paper) == href
