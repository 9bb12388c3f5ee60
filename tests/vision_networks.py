"""Small vision transformers as people write them, for the tests of token reduction: a class token, 16 places, 3 blocks."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from suite.contracts import Component, Tensor

COMPONENT = Component("vision", "vision", (Tensor("x", "float32", ("batch", 3, 32, 32)),), (Tensor("y", "float32", ("batch", 10)),))


def pictures(items: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(items, 3, 32, 32, generator=torch.Generator().manual_seed(seed))


class Network(nn.Module):
    """Patches and a class token through blocks to scores that are read off the class token and the mean of the others."""

    def __init__(self, block: Callable[[], nn.Module]) -> None:
        super().__init__()
        self.patches, self.cls_token = nn.Conv2d(3, 32, 8, 8), nn.Parameter(torch.randn(1, 1, 32))
        self.position = nn.Parameter(torch.randn(1, 16, 32))
        self.blocks, self.head = nn.ModuleList(block() for _ in range(3)), nn.Linear(64, 10)

    def embed(self, x: torch.Tensor) -> torch.Tensor:
        places = self.patches(x).flatten(2).transpose(1, 2) + self.position
        return torch.cat([self.cls_token.expand(x.shape[0], -1, -1), places], 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        for block in self.blocks:
            x = block(x)
        return self.read(x)

    def read(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(torch.cat([x[:, 0], x[:, 1:].mean(1)], 1))


class Fused(nn.Module):
    """Attention as timm has it: query, key and value in one layer."""

    def __init__(self, bias: bool = False) -> None:
        super().__init__()
        self.num_heads, self.qkv, self.proj, self.proj_drop = 4, nn.Linear(32, 96), nn.Linear(32, 32), nn.Dropout(0.1)
        self.bias = nn.Parameter(torch.randn(4, 1, 1)) if bias else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        query, key, value = self.qkv(x).reshape(*x.shape[:2], 3, 4, 8).permute(2, 0, 3, 1, 4).unbind(0)
        scores = query @ key.transpose(-1, -2) * 8**-0.5
        if self.bias is not None:
            scores = scores * self.bias
        return self.proj_drop(self.proj((scores.softmax(-1) @ value).transpose(1, 2).reshape(x.shape)))


class Block(nn.Module):
    """A pre-norm block as timm has it, with layer scale."""

    def __init__(self, attention: Callable[[], nn.Module] = Fused, parallel: bool = False) -> None:
        super().__init__()
        self.norm1, self.attn, self.drop_path, self.norm2 = nn.LayerNorm(32), attention(), nn.Identity(), nn.LayerNorm(32)
        self.scale, self.parallel = nn.Parameter(torch.rand(32)), parallel
        self.mlp = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32))

    def forward(self, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        mixed = self.drop_path(self.attn(self.norm1(x)) * self.scale)
        if self.parallel:
            return x + mixed + self.mlp(self.norm2(x))
        x = x + mixed
        return x + self.drop_path(self.mlp(self.norm2(x)))


class Separate(nn.Module):
    """Attention as transformers has it: called by name, returning its weights too."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads = 4
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(32, 32) for _ in range(4))

    def forward(self, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
        batch, tokens, _ = hidden_states.shape
        layers = (self.q_proj, self.k_proj, self.v_proj)
        query, key, value = (layer(hidden_states).view(batch, tokens, self.num_heads, -1).transpose(1, 2) for layer in layers)
        weights = (query @ key.transpose(-1, -2) * 8**-0.5).softmax(-1)
        return self.out_proj((weights @ value).transpose(1, 2).reshape(batch, tokens, 32)), weights


class Layer(nn.Module):
    """A block as transformers has it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer_norm1, self.self_attn, self.layer_norm2 = nn.LayerNorm(32), Separate(), nn.LayerNorm(32)
        self.mlp = nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.Linear(64, 32))

    def forward(self, hidden_states: torch.Tensor, attention_mask: torch.Tensor | None = None) -> torch.Tensor:
        residual = hidden_states
        hidden_states, _ = self.self_attn(hidden_states=self.layer_norm1(hidden_states), attention_mask=attention_mask)
        hidden_states = residual + hidden_states
        return hidden_states + self.mlp(self.layer_norm2(hidden_states))


class Named(Network):
    """Calls its blocks by name."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        for block in self.blocks:
            x = block(hidden_states=x, attention_mask=None)
        return self.read(x)


class Encoder(Network):
    """Has torch's own encoder."""

    def __init__(self, block: Callable[[], nn.Module]) -> None:
        super().__init__(block)
        self.blocks = nn.TransformerEncoder(block(), 3, nn.LayerNorm(32), enable_nested_tensor=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.read(self.blocks(self.embed(x)))


class Masked(Network):
    """Gives its blocks a mask."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.embed(x)
        for block in self.blocks:
            x = block(x, torch.zeros(17, 17))
        return self.read(x)


class Taps(Network):
    """Reads what each of its blocks puts out."""

    def __init__(self) -> None:
        super().__init__(Block)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        states = [self.embed(x)]
        for block in self.blocks:
            states.append(block(states[-1]))
        return self.read(sum(states))


def _torch(norm_first: bool) -> nn.Module:
    return nn.TransformerEncoderLayer(32, 4, 64, batch_first=True, norm_first=norm_first)


MAKES: dict[str, Callable[[], Any]] = {
    "fused": lambda: Network(Block),
    "named": lambda: Named(Layer),
    "torch pre-norm": lambda: Network(lambda: _torch(True)),
    "torch post-norm": lambda: Network(lambda: _torch(False)),
    "torch encoder": lambda: Encoder(lambda: _torch(True)),
    "masked": lambda: Masked(Block),
    "biased": lambda: Network(lambda: Block(lambda: Fused(bias=True))),
    "parallel": lambda: Network(lambda: Block(parallel=True)),
}
NETWORKS = [name for name in MAKES if name not in ("masked", "biased", "parallel")]


def make(name: str) -> Any:
    """The network of this make in eval mode, the same random weights each time."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return MAKES[name]().eval().requires_grad_(False)
