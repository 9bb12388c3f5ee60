"""The geometry of the charts."""

from dataclasses import replace

import numpy as np
import pytest

from suite.charts import Axis, ladder
from suite.scatter import NARROW, WIDE, place_labels, size_chart, speed_chart
from suite.summarize import Board


@pytest.mark.parametrize(
    ("low", "high", "log"),
    [(0.0, 1.0, False), (0.41, 0.83, False), (0.6, 2.3, True), (0.98, 1.03, True), (2.3, 14.5, True), (0.01, 900, True)],
)
def test_axes_have_few_round_ticks_in_their_places(low: float, high: float, log: bool) -> None:
    axis = Axis(low, high, 40.0, 600.0, log)
    ticks = axis.ticks()
    assert 2 <= len(ticks) <= 7
    assert all(low <= float(tick.text) <= high and axis.at(float(tick.text)) == tick.at for tick in ticks)
    assert (axis.at(low), axis.at(high), axis.at(high * 2), axis.at(low / 2)) == (40.0, 600.0, 600.0, 40.0)
    many = np.linspace(low - 1, high + 1, 301)
    assert axis.all_at(many) == [axis.at(value) for value in many.tolist()]


def test_charts_place_points_where_their_records_say(glyph_board: Board) -> None:
    smaller, faster = (lambda row: -row.bytes), (lambda row: row.speed_up.value)
    for plot, gain in ((size_chart(glyph_board, WIDE), smaller), (speed_chart(glyph_board, WIDE), faster)):
        assert plot is not None
        rows = [row for row in glyph_board.rows if row.accuracy]
        assert [mark.row for mark in plot.marks] == rows
        by_gain = sorted(plot.marks, key=lambda mark: gain(mark.row))
        assert [mark.x for mark in by_gain] == sorted(mark.x for mark in plot.marks)
        shown = [mark for mark in plot.marks if not mark.below]
        assert [mark.y for mark in sorted(shown, key=lambda mark: mark.row.accuracy.value)] == sorted(
            (mark.y for mark in shown), reverse=True
        )
        assert {mark.row.record.name for mark in plot.marks if mark.below} == {
            row.record.name for row in rows if row.accuracy.value < 0.45 * rows[0].accuracy.value
        }
        assert all(mark.y_high <= mark.y <= mark.y_low and mark.x_low <= mark.x <= mark.x_high for mark in shown if gain(mark.row) > 0)


@pytest.mark.parametrize("frame", [WIDE, NARROW])
def test_labels_collide_with_nothing_and_lie_inside(glyph_board: Board, frame) -> None:
    for plot in (size_chart(glyph_board, frame), speed_chart(glyph_board, frame)):
        assert plot is not None
        boxes = [_box(label.x, label.y, label.anchor, len(label.text)) for label in place_labels(plot.marks, frame)]
        assert len(boxes) >= 2
        for index, one in enumerate(boxes):
            assert one[0] >= 0
            assert one[2] <= frame.width
            others = boxes[:index] + [(mark.x - 3, mark.y - 3, mark.x + 3, mark.y + 3) for mark in plot.marks]
            assert not any(one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3] for other in others)


def _box(x: float, y: float, anchor: str, letters: int) -> tuple[float, float, float, float]:
    width = 6.2 * letters
    left = {"start": x, "middle": x - width / 2, "end": x - width}[anchor]
    return left, y - 9, left + width, y + 2


def test_many_rows_are_thinned_but_for_the_frontier(glyph_board: Board) -> None:
    copies = [replace(row, size_frontier=False, latency_frontier=False) for row in glyph_board.rows if row.accuracy] * 60
    crowd = replace(glyph_board, rows=(*glyph_board.rows, *copies))
    plot = size_chart(crowd, WIDE)
    assert plot is not None
    assert len(plot.marks) < 500
    assert plot.omitted == sum(1 for row in crowd.rows if row.accuracy) - len(plot.marks)
    assert sum(mark.frontier for mark in plot.marks) == sum(row.size_frontier for row in glyph_board.rows)


def test_ladders_join_variants_of_one_series(glyph_board: Board) -> None:
    rows = {row.record.cell.variant: row for row in glyph_board.rows}
    steps = ladder(tuple(rows[name] for name in ("local_30", "local_50", "global_30", "keep_75", "keep_50")), None).steps
    assert [step.joined for step in steps] == [False, True, False, False, False]
    assert [step.x is None for step in steps[:3]] == [False, False, False]
