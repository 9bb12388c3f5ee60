"""One's own results beside the published ones: what of them may be compared, in words."""

from collections.abc import Iterable, Mapping

from suite.comparable import LOCAL_HOST, difference_in_keys, is_local
from suite.summarize import Board
from suite.wording import say

BEGIN = say("Local results: measured here, not published, and verified by nobody.")


def notes(boards: Iterable[Board]) -> Mapping[tuple[str, str, str, str], str]:
    """For each board of local results, by model, target, tier and host: how it stands to the published board of the same."""
    sides: dict[bool, list[Board]] = {True: [], False: []}
    for board in boards:
        sides[is_local(board.rows[0].record)].append(board)
    return {(board.model, board.target, board.tier, board.host): _note(board, sides[False]) for board in sides[True]}


def _note(board: Board, published: list[Board]) -> str:
    same = [one for one in published if (one.model, one.target, one.tier) == (board.model, board.target, board.tier)]
    if not same:
        return say(
            "{begin} Nothing is published of this model on this target in this tier, so there is nothing to hold them against.", begin=BEGIN
        )
    mine, theirs = board.baseline, same[0].baseline
    if mine is None or theirs is None:
        return say("{begin} They cannot be compared with the published ones: one side has no baseline.", begin=BEGIN)
    reason = difference_in_keys(mine.record, theirs.record)
    if reason is not None:
        return say("{begin} They cannot be compared with the published ones: {reason}.", begin=BEGIN, reason=reason)
    if board.host.removeprefix(LOCAL_HOST) != same[0].host:
        return say(
            "{begin} Accuracy, size and ratios may be compared with the published ones; times may not: those are of {host}.",
            begin=BEGIN,
            host=same[0].host,
        )
    return say("{begin} They may be compared with the published ones: model, test set, settings and machine are the same.", begin=BEGIN)
