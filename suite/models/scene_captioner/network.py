"""The two components of the scene captioner: a vision transformer with a projector, and a causal decoder with a KV cache."""

from pathlib import Path

import torch
from torch import Tensor, nn

from suite.models import training
from suite.models.layers import VisionTransformer, initialise
from suite.models.scene_captioner.task import VOCABULARY
from suite.models.scenes import PIXELS

WIDTH = 256
HEADS = 4
VISION_DEPTH = 2
DECODER_DEPTH = 4
EXPANSION = 3
POSITIONS = 48
"""Longest sequence of image tokens and words; a caption needs 32."""
MASKED = -30.0
"""The attention score of what comes later. Its softmax is below 1e-10, nothing in float32, and yet it leaves 8-bit integers room for
the scores themselves, where -1e4 would take the whole range."""


class Vision(nn.Module):
    """Images to 16 image embeddings: a vision transformer, 2 x 2 of its tokens put side by side (2404.16821), and a projector."""

    def __init__(self) -> None:
        super().__init__()
        self.tower = VisionTransformer(3, PIXELS, WIDTH, VISION_DEPTH, HEADS)
        self.projector = nn.Sequential(nn.Linear(4 * WIDTH, WIDTH), nn.GELU(), nn.Linear(WIDTH, WIDTH))

    def project(self, tokens: Tensor) -> Tensor:
        """Tokens of the tower (batch, 64, width) to embeddings (batch, 16, width)."""
        squares = tokens.reshape(-1, 4, 2, 4, 2, WIDTH).transpose(2, 3)
        return self.projector(squares.reshape(-1, 16, 4 * WIDTH))  # type: ignore[no-any-return]

    def forward(self, pixel_values: Tensor) -> Tensor:
        """Float32 (batch, 3, 64, 64) to float32 (batch, 16, 256)."""
        return self.project(self.tower(pixel_values))


class CausalAttention(nn.Module):
    """Multi-head self-attention of `(batch, n, width)` over itself and the keys and values of what came before."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.scale = heads, (width // heads) ** -0.5
        self.query, self.key, self.value, self.output = (nn.Linear(width, width) for _ in range(4))

    def _split(self, x: Tensor) -> Tensor:
        return x.reshape(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(self, x: Tensor, past_keys: Tensor, past_values: Tensor, visible: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`past_*` have shape (batch, heads, past, width of a head), `visible` is bool (n, past + n); the result, all keys, all values."""
        keys = torch.cat([past_keys, self._split(self.key(x))], 2)
        values = torch.cat([past_values, self._split(self.value(x))], 2)
        scores = self._split(self.query(x)) @ keys.transpose(-1, -2) * self.scale
        weights = torch.where(visible, scores, MASKED).softmax(-1)
        return self.output((weights @ values).transpose(1, 2).flatten(2)), keys, values


class CausalBlock(nn.Module):
    """Pre-norm causal self-attention and a GELU feed-forward network."""

    def __init__(self, width: int, heads: int, expansion: int) -> None:
        super().__init__()
        self.norm_attention, self.attention = nn.LayerNorm(width), CausalAttention(width, heads)
        self.norm_feed = nn.LayerNorm(width)
        self.feed = nn.Sequential(nn.Linear(width, expansion * width), nn.GELU(), nn.Linear(expansion * width, width))

    def forward(self, x: Tensor, past_keys: Tensor, past_values: Tensor, visible: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """As CausalAttention."""
        mixed, keys, values = self.attention(self.norm_attention(x), past_keys, past_values, visible)
        x = x + mixed
        return x + self.feed(self.norm_feed(x)), keys, values


class Decoder(nn.Module):
    """Image embeddings and words to scores of the next word; keys and values of all layers and heads go in and come out."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.position = nn.Embedding(len(VOCABULARY), WIDTH), nn.Embedding(POSITIONS, WIDTH)
        self.blocks = nn.ModuleList(CausalBlock(WIDTH, HEADS, EXPANSION) for _ in range(DECODER_DEPTH))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, len(VOCABULARY))

    def read(self, image_embeds: Tensor, input_ids: Tensor, past_keys: Tensor, past_values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """What `forward` reads, to the normalised state of every new position (batch, image + tokens, width), keys and values."""
        past = past_keys.shape[2]
        x = torch.cat([image_embeds, self.token(input_ids)], 1)
        places = torch.arange(past + x.shape[1], device=x.device)
        x = x + self.position(places[past:])
        visible = places[None, :] <= places[past:, None]
        keys, values = [], []
        for layer, block in enumerate(self.blocks):
            heads = slice(layer * HEADS, (layer + 1) * HEADS)
            x, layer_keys, layer_values = block(x, past_keys[:, heads], past_values[:, heads], visible)
            keys.append(layer_keys)
            values.append(layer_values)
        return self.norm(x), torch.cat(keys, 1), torch.cat(values, 1)

    def forward(self, image_embeds: Tensor, input_ids: Tensor, past_keys: Tensor, past_values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits float32 (batch, 19) of the word after the last one, and all keys and values (batch, 16, past + image + tokens, 64).

        Float32 `image_embeds` (batch, image, 256), int64 `input_ids` (batch, tokens), float32 `past_*` (batch, 16, past, 64).
        """
        states, keys, values = self.read(image_embeds, input_ids, past_keys, past_values)
        return self.head(states[:, -1]), keys, values


def build() -> nn.ModuleDict:
    """Both components with fresh weights."""
    network = nn.ModuleDict({"vision": Vision(), "decoder": Decoder()})
    initialise(network)
    return network


def load(folder: Path) -> dict[str, nn.Module]:
    """The trained components by name, in eval mode."""
    return dict(training.load(build(), folder / "weights.safetensors").named_children())
