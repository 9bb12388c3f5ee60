"""A decoder block as Llama has it (2302.13971): RMSNorm, grouped queries, a gated feed-forward layer, nothing of it in an nn.Sequential."""

import torch
from torch import nn
from torch.nn import functional

from suite.contracts import Component, Tensor

COMPONENT = Component("text", "text", (Tensor("x", "float32", ("batch", "length", 16)),), (Tensor("y", "float32", ("batch", "length", 5)),))


class Scale(nn.Module):
    """RMSNorm (1910.07467)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(16) + 0.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * self.weight


class Grouped(nn.Module):
    """Attention in which two heads of queries share one of keys and values (2305.13245)."""

    def __init__(self) -> None:
        super().__init__()
        self.q_proj, self.o_proj = nn.Linear(16, 16, bias=False), nn.Linear(16, 16, bias=False)
        self.k_proj, self.v_proj = nn.Linear(16, 8, bias=False), nn.Linear(16, 8, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = (layer(x).unflatten(-1, (-1, 4)).transpose(1, 2) for layer in (self.q_proj, self.k_proj, self.v_proj))
        key, value = (each.repeat_interleave(2, 1) for each in (key, value))
        return self.o_proj(functional.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))


class Gated(nn.Module):
    """SwiGLU (2002.05202)."""

    def __init__(self) -> None:
        super().__init__()
        self.gate_proj, self.up_proj = nn.Linear(16, 24, bias=False), nn.Linear(16, 24, bias=False)
        self.down_proj = nn.Linear(24, 16, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))


class Decoder(nn.Module):
    """That block, a feed-forward layer of two attributes as BERT has it, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.attention, self.second, self.mlp = Scale(), Grouped(), Scale(), Gated()
        self.fc1, self.fc2, self.head = nn.Linear(16, 20), nn.Linear(20, 16), nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attention(self.first(x))
        x = x + self.mlp(self.second(x))
        return self.head(x + self.fc2(functional.gelu(self.fc1(x))))


def decoder() -> Decoder:
    """The same every time, in eval mode."""
    torch.manual_seed(4)
    return Decoder().eval()
