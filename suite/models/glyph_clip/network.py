"""The two towers of glyph_clip: a vision transformer and a text transformer that embed into one space."""

from pathlib import Path

from torch import Tensor, nn
from torch.nn import functional

from suite.models.glyph_clip import EMBEDDING, SIDE, VOCABULARY, WORDS
from suite.models.layers import Block, TextEmbedding, VisionTransformer, initialise
from suite.models.training import load as load_weights

REDUCED = 32
"""Width of a vision token after its reduction."""
FEATURES = (SIDE // 8) ** 2 * REDUCED


class Projection(nn.Module):
    """Features `(batch, width)` to unit vectors `(batch, EMBEDDING)`; the batch norm keeps the embeddings from crowding together."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(width, EMBEDDING, bias=False), nn.BatchNorm1d(EMBEDDING)

    def forward(self, features: Tensor) -> Tensor:
        return functional.normalize(self.norm(self.linear(features).float()), dim=-1)


class Vision(nn.Module):
    """Pixels `(batch, 1, SIDE, SIDE)` in [0, 1] to unit vectors `(batch, EMBEDDING)`.

    The tokens are reduced and laid end to end before the projection, as their mean would lose where a stroke is.
    """

    def __init__(self) -> None:
        super().__init__()
        self.transformer, self.reduction = VisionTransformer(1, SIDE, width=256, depth=4, heads=4), nn.Linear(256, REDUCED)
        self.projection = Projection(FEATURES)

    def features(self, pixel_values: Tensor) -> Tensor:
        """What is projected, `(batch, FEATURES)`."""
        return self.reduction(self.transformer(pixel_values)).flatten(1)  # type: ignore[no-any-return]

    def forward(self, pixel_values: Tensor) -> Tensor:
        return self.projection(self.features(pixel_values))  # type: ignore[no-any-return]


class Text(nn.Module):
    """Token ids `(batch, WORDS)` to unit vectors `(batch, EMBEDDING)`: the vector of the first token, projected."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = TextEmbedding(VOCABULARY, WORDS, 192)
        self.blocks = nn.ModuleList(Block(192, heads=4) for _ in range(3))
        self.norm, self.projection = nn.LayerNorm(192), Projection(192)

    def forward(self, input_ids: Tensor) -> Tensor:
        x, mask = self.embedding(input_ids), self.embedding.mask(input_ids)
        for block in self.blocks:
            x = block(x, mask)
        return self.projection(self.norm(x[:, 0]))  # type: ignore[no-any-return]


class DualEncoder(nn.Module):
    """Both towers, untrained.

    The position embeddings of the image are as large as the tokens from the start; with tokens laid end to end and these, training
    reaches in 75 steps the loss that it otherwise reaches in 300.
    """

    def __init__(self) -> None:
        super().__init__()
        self.vision, self.text = Vision(), Text()
        initialise(self)
        nn.init.normal_(self.vision.transformer.position, std=0.3)


def load(folder: Path) -> dict[str, nn.Module]:
    """The components by name, in eval mode, with the weights in `folder`."""
    network = load_weights(DualEncoder(), folder / "weights.safetensors")
    return {name: network.get_submodule(name) for name in ("vision", "text")}
