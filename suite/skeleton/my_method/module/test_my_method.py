"""What my method does to one weight. What every method has to do is checked by `squeezemark check`."""

import torch

from .apply import pruned


def test_the_smallest_of_each_row_go_and_the_others_stay() -> None:
    weight = torch.tensor([[1.0, -4.0, 3.0, 2.0], [0.5, 0.1, -0.2, 0.4]])
    assert pruned(weight, 0.5).tolist() == [[0.0, -4.0, 3.0, 0.0], torch.tensor([0.5, 0.0, 0.0, 0.4]).tolist()]


def test_a_kernel_keeps_its_shape() -> None:
    weight = torch.randn(4, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    made = pruned(weight, 0.5)
    assert made.shape == weight.shape
    assert (made.flatten(1) == 0).sum(1).tolist() == [14] * 4
