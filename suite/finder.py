"""The answer finder of the front page: what stands there before anybody asks. Its rules are those of `suite.recommend`. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from suite.pages import BoardView, Cards
from suite.recommend import Advice, Wish, recommend, usual

WISH = Wish(loss=0.01)
"""One point of accuracy may go, the smaller the better: what is answered where no script runs, and what the form starts with."""

SHOWN = 3
"""Picks of each model."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the usual target's board of a model advises for WISH."""

    view: BoardView
    advice: Advice

    @property
    def tied(self) -> int:
        """How many picks share the first rank."""
        return sum(pick.rank == 1 for pick in self.advice.picks)

    def shares(self, rank: int) -> bool:
        """Whether a rank belongs to several picks."""
        return sum(pick.rank == rank for pick in self.advice.picks) > 1

    @property
    def compared(self) -> int:
        """How many variants there were to choose from."""
        return len(self.advice.picks) + sum(self.advice.fallen.values())


def prebuilt(views: Sequence[BoardView], cards: Cards) -> tuple[Answer, ...]:
    """An answer for each model of the usual target, on the machine where most was measured; none if there are no boards."""
    if not views:
        return ()
    target, tier = usual(view.board for view in views)
    here = [view for view in views if (view.board.target, view.board.tier) == (target, tier) and view.board.baseline is not None]
    here = sorted((view for view in here if not view.alone), key=lambda view: (view.board.model, -len(view.board.rows)))
    found = recommend([view.board for view in here], WISH, cards.methods, cards.targets)
    return tuple(Answer(view, advice) for view, advice in zip(here, found, strict=True))


def beside(view: BoardView, views: Iterable[BoardView]) -> tuple[BoardView, ...]:
    """The boards of further machines on which the same was measured."""

    def question(one: BoardView) -> tuple[object, ...]:
        return one.board.model, one.board.target, one.board.tier, one.test_seed

    return tuple(other for other in views if other.alone and question(other) == question(view))


def front(views: Iterable[BoardView], cards: Cards) -> list[BoardView]:
    """The boards whose first rows the front page shows: of reference targets, or all if there are none, and of one machine each."""
    boards = [view for view in views if not view.alone]
    return [view for view in boards if cards.is_reference(view.board.target)] or boards
