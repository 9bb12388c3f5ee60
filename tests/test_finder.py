"""The answer finder: a question has the same answer on the site and from `recommend`; a default one stands there without scripts."""

import itertools
from pathlib import Path

import pytest
from browsing import BROWSER, Seen, visit
from site_cards import method_cards, model_cards, target_cards
from site_pages import Page, publish
from site_store import PLANS, SHAPE, build

from suite import finder
from suite.finder import SHOWN, WISH, front, prebuilt
from suite.pages import BoardView, Cards
from suite.recommend import Wish, recommend, usual
from suite.store import Store
from suite.summarize import summarize

CARDS = Cards(model_cards(), method_cards(), target_cards())

ASKED = {
    "": Wish(loss=0.01),
    "loss=any": Wish(),
    "loss=0": Wish(loss=0.0),
    "loss=5&size=4MB": Wish(loss=0.05, bytes=4e6, prefer="faster"),
    "loss=any&size=5MiB&prefer=smaller": Wish(bytes=5 * 2**20),
    "loss=2&prefer=faster": Wish(loss=0.02, prefer="faster"),
    "loss=any&prefer=faster": Wish(prefer="faster"),
    "loss=any&latency=0.7": Wish(latency_ms=0.7),
    "loss=2&division=data-free": Wish(loss=0.02, divisions=("data-free",)),
    "loss=2&division=data-free,calibration&prefer=faster": Wish(loss=0.02, divisions=("data-free", "calibration"), prefer="faster"),
    "loss=any&licence=Apache-2.0&size=1kB": Wish(licences=("Apache-2.0",), bytes=1e3, prefer="faster"),
    "loss=0.5&model=scene_vqa": Wish(loss=0.005),
}
"""What stands in the address -> what is asked."""


@pytest.fixture(scope="module")
def boards(browsed_site: Path):
    """Those of the site that the browser sees."""
    store = Store(browsed_site.parent / "results")
    return summarize(store.records(), store.columns)


def expected(boards, question: str, wish: Wish) -> dict[str, list[tuple[str, int]]]:
    """Model -> the first picks and their ranks."""
    target, tier = usual(boards)
    here = [
        board for board in boards if (board.target, board.tier) == (target, tier) and ("model=" not in question or board.model in question)
    ]
    found = recommend(here, wish, CARDS.methods, CARDS.targets)
    return {advice.board.model: [(pick.row.record.key[:12], pick.rank) for pick in advice.picks[:SHOWN]] for advice in found}


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium or Chrome on this machine")
def test_the_same_question_has_the_same_answer_as_recommend(browser, address: str, boards) -> None:
    seen, answers = Seen(), {}
    page = visit(browser, f"{address}/index.html", seen)
    for question, wish in ASKED.items():
        page.evaluate("question => { location.hash = question ? '#?' + question : '#?loss=1'; }", question)
        page.wait_for_timeout(30)
        picks = page.locator("article.advice").evaluate_all(
            "cards => cards.map(card => [card.querySelector('h3 a').getAttribute('href').match(/model\\/(\\w+)/)[1],"
            " [...card.querySelectorAll('.picks li')].map(pick => [pick.dataset.key, Number(pick.dataset.rank)])])"
        )
        answers[question] = {model: [tuple(pick) for pick in found] for model, found in picks}
        assert answers[question] == expected(boards, question, wish), question
    assert len({str(answer) for answer in answers.values()}) > 8, "the questions are told apart"
    assert seen.complaints == []
    page.context.close()


@pytest.mark.skipif(BROWSER is None, reason="there is no Chromium or Chrome on this machine")
def test_what_cannot_be_read_is_said(browser, address: str) -> None:
    page = visit(browser, f"{address}/index.html#?size=5 apples")
    assert page.locator(".finder-note").inner_text() == "Write a size like 5MB, 800kB or 1.5GiB."
    assert page.locator("article.advice").count() == 0
    page.context.close()


def test_default_answers_stand_in_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    generous = Wish(loss=0.05)  # by the intervals of so few items, nothing loses surely less than a point
    monkeypatch.setattr(finder, "WISH", generous)
    store = build(tmp_path / "results", shape=SHAPE, plans=PLANS[:8])
    publish(store, tmp_path / "site")
    source = Page(tmp_path / "site/index.html").source
    wanted = expected(summarize(store.records(), store.columns), "", generous)
    assert all(wanted.values())
    for key, rank in itertools.chain(*wanted.values()):
        assert f'data-key="{key}" data-rank="{rank}"' in source
    assert source.count("<li data-key=") == sum(map(len, wanted.values()))


def test_nothing_is_answered_without_boards() -> None:
    assert prebuilt([], CARDS) == ()


def test_reference_targets_come_to_the_front(boards) -> None:
    views = [BoardView(board, CARDS) for board in boards]
    assert front(views, CARDS) == views, "all are of a reference target"
    assert [answer.view.board.model for answer in prebuilt(views, CARDS)] == list(expected(boards, "", WISH))


def test_one_is_told_as_one(browser, address: str) -> None:
    """Asked for so small a size that one result fits on one board."""
    sizes = sorted(float(words.split(" MB")[0]) for words in told(browser, f"{address}/index.html#?loss=any&model=glyph_clip"))
    page = visit(browser, f"{address}/index.html#?loss=any&model=glyph_clip&size={sizes[0] * 1.01:.4f}MB")
    assert page.locator("output.count").inner_text() == "1 result fits, on 1 board"
    assert page.locator(".advice .headline .under").inner_text() == "The only one that fits."
    page.context.close()


def told(browser, url: str) -> list[str]:
    """What stands below each pick."""
    page = visit(browser, url)
    found = page.locator(".picks li .under").all_inner_texts()
    page.context.close()
    return found
