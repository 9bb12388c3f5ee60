"""What my method does to one weight. What every method has to do is checked by `squeezemark check`."""

import numpy as np
import pytest

from .apply import quantize


@pytest.mark.parametrize("axis", [None, 0, 1])
def test_a_weight_comes_back_within_half_a_step(axis: int | None) -> None:
    weight = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)
    integers, scale = quantize(weight, axis)
    steps = scale if axis is None else np.expand_dims(scale, 1 - axis)
    assert integers.dtype == np.int8
    assert (np.abs(integers * steps - weight) <= steps * 0.501).all()


def test_a_weight_of_zeros_stays_one() -> None:
    integers, scale = quantize(np.zeros((3, 2), np.float32), 0)
    assert not integers.any()
    assert np.isfinite(scale).all()
