"""What is said of a record is what its intervals bear out."""

from dataclasses import replace as with_

import numpy as np
import pytest
from boards import Results, right
from msgspec.structs import replace

from suite.record import Estimate, Streaming, TokenTimes
from suite.verdict import figures, sentences


@pytest.fixture
def results():
    found = Results()
    found.add("baseline_fp32", right(300), size=4_000_000, speed=(1.0, 0.99, 1.01), latency={"noisy": False})
    return found


def _told(results):
    rows = results.rows()
    (name,) = set(rows) - {"baseline_fp32"}
    return sentences(rows[name], rows["baseline_fp32"]), figures(rows[name], rows["baseline_fp32"])


def test_worse_smaller_faster(results):
    results.add("int8", right(200), size=1_000_000, speed=(2.0, 1.9, 2.1))
    (accuracy, size, speed), found = _told(results)
    assert "on 400 test items" in accuracy
    assert "That is below the 0.750 of the uncompressed model (-0.250" in accuracy
    assert size == "1.00 MB on disk, 4.0 times smaller than 4.00 MB."
    assert "speed-up 2.00x, 95 % interval 1.90 to 2.10." in speed
    assert "told" not in speed
    assert (found["difference_verdict"], found["speed_up_verdict"]) == ("worse", "better")
    assert found["difference"]["value"] == -0.25
    assert (found["bytes"], found["baseline_bytes"]) == (1_000_000, 4_000_000)


def test_ties_are_ties(results):
    flipped = right(300)
    flipped[[0, 399]] = ~flipped[[0, 399]]
    results.add("int8", flipped, size=4_000_000, speed=(1.02, 0.98, 1.06), latency={"noisy": False})
    (accuracy, size, speed), found = _told(results)
    assert "cannot be told from none (+0.000," in accuracy
    assert size == "4.00 MB on disk, as large as the uncompressed model."
    assert speed.endswith("It cannot be told whether it is faster or slower than the uncompressed model.")
    assert (found["difference_verdict"], found["speed_up_verdict"]) == ("tie", "tie")


def test_better_larger_slower_and_noisy(results):
    results.add("odd", right(380), size=5_000_000, speed=(0.5, 0.4, 0.6), latency={"noisy": True})
    (accuracy, size, speed), found = _told(results)
    assert "That is above the 0.750" in accuracy
    assert size == "5.00 MB on disk, 1.25 times the 4.00 MB before."
    assert "It is slower than the uncompressed model." in speed
    assert speed.endswith("The measurement was noisy: repeat it on a quieter machine before you rely on it.")
    assert found["noisy"] is True


def test_what_cannot_be_compared_is_not(results):
    results.add("int8", right(200), size=9_000, provenance={"test_sha256": "other"})
    (accuracy, size, _), found = _told(results)
    assert "It cannot be compared with the uncompressed model: test set differs" in accuracy
    assert size.startswith("9.0 kB on disk, 444.4 times smaller")
    assert found["difference"] is None


def test_the_baseline_is_itself(results):
    row = results.rows()["baseline_fp32"]
    accuracy, size, speed = sentences(row, row)
    assert accuracy.endswith("This is the uncompressed model itself.")
    assert size == "4.00 MB on disk."
    assert speed.endswith("This is the uncompressed model timed against itself.")


@pytest.mark.parametrize(
    ("tokens", "per_token", "words"),
    [
        (16.0, 1.1, " Its answers have 16.0 tokens, those of the uncompressed model 10.0; from one token to the next it is 1.10x as fast."),
        (1.0, None, " Its answers have 1.0 tokens, those of the uncompressed model 10.0."),
        (10.3, 1.01, ""),
    ],
)  # fmt: skip
def test_answers_of_another_length_are_told(results, tokens, per_token, words):
    results.add("odd", right(10), speed=(0.7, 0.69, 0.71), latency={"noisy": False})
    one = Estimate(1.0, 0.9, 1.1)
    times = TokenTimes(
        Streaming(one, one, one, one, tokens),
        Streaming(one, one, one, one, 10.0),
        one,
        Estimate(per_token, 1.0, 1.2) if per_token else None,
    )
    row = results.rows()["odd"]
    told = with_(row, record=replace(row.record, latency=replace(row.record.latency, tokens=times)))
    assert sentences(told, results.rows()["baseline_fp32"])[2].endswith(f"It is slower than the uncompressed model.{words}")


def test_what_was_not_timed_has_no_speed(results):
    results.add("int8", np.zeros(400, bool))
    row = results.rows()["int8"]
    untimed = replace(row.record, latency=None)
    assert sentences(with_(row, record=untimed), results.rows()["baseline_fp32"])[2] == "Its latency was not measured."
    assert "speed_up" not in figures(with_(row, record=untimed), results.rows()["baseline_fp32"])
