"""What my method does to one layer. What every method has to do is checked by `squeezemark check`."""

import torch
from torch import nn

from .apply import Int8Linear, replaced


def test_a_layer_answers_nearly_as_before() -> None:
    torch.manual_seed(0)
    layer, rows = nn.Linear(16, 4), torch.randn(3, 16)
    made = Int8Linear(layer, 8)
    assert made.weight.dtype == torch.int8
    assert torch.allclose(made(rows), layer(rows), atol=0.05)


def test_every_linear_layer_is_replaced() -> None:
    network = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    assert replaced(network, 8) == 2
    assert [type(layer) for layer in network] == [Int8Linear, nn.ReLU, Int8Linear]
