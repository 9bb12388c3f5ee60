"""Times of answers that are written token by token, worked out by hand."""

import math

import numpy as np
import pytest

from suite.statistics import over_launches
from suite.tokens import first_ns, inter_ns, token_times

MS = 1_000_000


def calls(first_ms, last_ms, tokens, launches=2, quads=2, repeats=3):
    """The same call over and over: (launches, quads, calls, 3)."""
    return np.broadcast_to(np.array([first_ms * MS, last_ms * MS, tokens], np.int64), (launches, quads, repeats, 3)).copy()


def columns(old, new, prefill=None):
    found = {"baseline_tokens": old, "compressed_tokens": new}
    for side, ms in (prefill or {}).items():
        for name, (first, every) in ms.items():
            found[f"first_call:{side}:{name}"] = np.full((2, 4), first * MS, np.int64)
            found[f"component:{side}:{name}"] = np.full((2, 4), every * MS, np.int64)
    return found


def test_by_hand():
    parts = {"vision": (3, 3), "decoder": (2, 7)}
    found = token_times(
        columns(calls(8, 20, 5), calls(4, 7, 4), {"baseline": parts, "compressed": {"vision": (1, 1), "decoder": (1.5, 3)}})
    )
    new, old = found.artifact, found.baseline
    assert (old.first_token_ms.value, new.first_token_ms.value) == pytest.approx((8, 4))
    assert (old.inter_token_ms.value, new.inter_token_ms.value) == pytest.approx(((20 - 8) / 4, (7 - 4) / 3))
    assert (old.tokens_per_s.value, new.tokens_per_s.value) == pytest.approx((5 / 0.020, 4 / 0.007))
    assert (old.tokens, new.tokens) == (5, 4)
    assert found.first_token_speed_up.value == pytest.approx(2)
    assert found.inter_token_speed_up.value == pytest.approx(3)
    assert (old.prefill_ms.value, new.prefill_ms.value) == pytest.approx((2, 1.5)), "of the component that is called for every token"


def test_a_model_without_tokens_has_no_times_of_them():
    assert token_times({"baseline_ns": np.ones((2, 2, 3)), "compressed_ns": np.ones((2, 2, 3))}) is None


def test_gaps_are_between_tokens():
    tokens = np.array([[100, 400, 4], [100, 100, 1]])
    assert first_ns(tokens).tolist() == [100, 100]
    gaps = inter_ns(tokens)
    assert gaps[0] == 100
    assert math.isnan(gaps[1]), "one token has no gap"


def test_answers_of_one_token_have_no_gaps_at_all():
    found = token_times(columns(calls(8, 8, 1), calls(4, 4, 1)))
    assert found.inter_token_speed_up is None
    assert found.artifact.inter_token_ms is None
    assert found.first_token_speed_up.value == pytest.approx(2)


def test_a_lone_answer_of_one_token_does_not_spoil_the_others():
    new = calls(4, 7, 4)
    new[0, 0, 0] = (4 * MS, 4 * MS, 1)
    found = token_times(columns(calls(8, 20, 5), new))
    assert found.inter_token_speed_up.value == pytest.approx(3)
    new[0, 0] = (4 * MS, 4 * MS, 1)
    assert token_times(columns(calls(8, 20, 5), new)).inter_token_speed_up is None, "a quad without a gap has no ratio"


def test_no_prefill_where_every_component_is_called_once():
    assert token_times(columns(calls(8, 20, 5), calls(4, 7, 4), {"baseline": {"decoder": (2, 2)}})).baseline.prefill_ms is None


def test_intervals_are_over_launches_of_medians():
    old, new = calls(8, 20, 5, launches=3), calls(4, 8, 5, launches=3)
    for launch, share in enumerate((1.0, 1.25, 0.8)):
        new[launch, :, :, 0] = 4 * MS * share
        new[launch, 0, 0, 0] = 400 * MS  # a call that was pre-empted
        new[launch, :, :, 1] = new[launch, :, :, 0] + 4 * MS
    found = token_times(columns(old, new))
    ratios = np.log([[2.0, 2.0], [1.6, 1.6], [2.5, 2.5]])
    wanted, gap = over_launches(ratios), found.first_token_speed_up
    assert (gap.value, gap.low, gap.high) == pytest.approx((wanted.value, wanted.low, wanted.high))
    assert found.first_token_speed_up.low < 1.6
    assert found.inter_token_speed_up.value == pytest.approx(3)


def test_intervals_are_stretched_where_launches_were_added():
    old, new = calls(8, 20, 5, launches=3), calls(4, 8, 5, launches=3)
    new[..., :2] = new[..., :2] * np.array([1.0, 1.25, 0.8])[:, None, None, None]
    plain, wide = token_times(columns(old, new)), token_times(columns(old, new), 1.15)
    for name in ("first_token_ms", "inter_token_ms", "tokens_per_s"):
        one, other = getattr(plain.artifact, name), getattr(wide.artifact, name)
        assert math.log(other.high / other.low) == pytest.approx(1.15 * math.log(one.high / one.low)), name
    one, other = plain.first_token_speed_up, wide.first_token_speed_up
    assert math.log(other.high / other.low) == pytest.approx(1.15 * math.log(one.high / one.low))
