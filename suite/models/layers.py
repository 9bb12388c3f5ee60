"""Layers that the reference networks share: pre-norm transformer blocks (2002.04745) and a convolutional stem (2106.14881)."""

import torch
from torch import Tensor, nn

from suite.models import PADDING


class Attention(nn.Module):
    """Multi-head attention (1706.03762) of queries `(batch, n, width)` over a memory `(batch, m, width)`."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(self, x: Tensor, memory: Tensor, mask: Tensor | None = None) -> Tensor:
        """`mask` is added to the scores, shape broadcastable to `(batch, heads, n, m)`."""
        query, key, value = self._split(self.query(x)), self._split(self.key(memory)), self._split(self.value(memory))
        scores = query @ key.transpose(-1, -2) * self.scale
        if mask is not None:
            scores = scores + mask
        mixed: Tensor = self.output((scores.softmax(-1) @ value).transpose(1, 2).flatten(2))
        return mixed


class Block(nn.Module):
    """Pre-norm self-attention, optional cross-attention to a memory of the same width, and a GELU feed-forward network."""

    def __init__(self, width: int, heads: int, cross: bool = False, expansion: int = 4) -> None:
        super().__init__()
        self.norm_attention, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.norm_cross = nn.LayerNorm(width) if cross else None
        self.cross = Attention(width, heads) if cross else None
        self.norm_feed = nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, expansion * width), nn.GELU(), nn.Linear(expansion * width, width))

    def forward(self, x: Tensor, mask: Tensor | None = None, memory: Tensor | None = None) -> Tensor:
        """`x` and the result have shape `(batch, n, width)`."""
        y = self.norm_attention(x)
        x = x + self.attention(y, y, mask)
        if self.cross is not None and self.norm_cross is not None and memory is not None:
            x = x + self.cross(self.norm_cross(x), memory)
        fed: Tensor = self.feed(self.norm_feed(x))
        return x + fed


class VisionTransformer(nn.Module):
    """Images `(batch, channels, size, size)` to tokens `(batch, (size / 8) ** 2, width)` through a three-step convolutional stem."""

    def __init__(self, channels: int, size: int, width: int, depth: int, heads: int) -> None:
        super().__init__()
        steps: list[nn.Module] = []
        for inside, outside in ((channels, 32), (32, 64), (64, 128)):
            steps += [nn.Conv2d(inside, outside, 3, 2, 1, bias=False), nn.BatchNorm2d(outside), nn.ReLU()]
        self.stem = nn.Sequential(*steps, nn.Conv2d(128, width, 1))
        self.position = nn.Parameter(torch.randn(1, (size // 8) ** 2, width) * 0.02)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width)

    def forward(self, pixels: Tensor) -> Tensor:
        """Float32 pixels in, float32 tokens out."""
        x = self.stem(pixels).flatten(2).transpose(1, 2) + self.position
        for block in self.blocks:
            x = block(x)
        return self.norm(x)  # type: ignore[no-any-return]


class TextEmbedding(nn.Module):
    """Token ids `(batch, length)` to vectors `(batch, length, width)`, with learned positions."""

    def __init__(self, vocabulary: int, length: int, width: int) -> None:
        super().__init__()
        self.token = nn.Embedding(vocabulary, width)
        self.position = nn.Parameter(torch.randn(1, length, width) * 0.02)

    def forward(self, ids: Tensor) -> Tensor:
        return self.token(ids) + self.position  # type: ignore[no-any-return]

    def mask(self, ids: Tensor) -> Tensor:
        """The additive attention mask of the padding, shape `(batch, 1, 1, length)`: -1e4, as BERT had it."""
        return (ids == PADDING).to(self.position.dtype)[:, None, None, :] * -1e4


def initialise(network: nn.Module) -> None:
    """Truncated-normal linear weights, zero biases, small embeddings; convolutions keep torch's default."""
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.trunc_normal_(module.weight, std=0.02 if module.in_features >= 128 else 0.05)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.Embedding):
            nn.init.normal_(module.weight, std=0.05)
