"""The two components of Scene VQA: a small vision transformer, and a question encoder that looks at its tokens."""

from pathlib import Path

from torch import Tensor, nn

from suite.models import training
from suite.models.layers import Block, TextEmbedding, VisionTransformer, initialise
from suite.models.scene_vqa.questions import ANSWERS, LENGTH, VOCABULARY
from suite.models.scenes import PIXELS

WIDTH = 256
HEADS = 4
VISION_DEPTH = 2
FUSION_DEPTH = 3


class Fusion(nn.Module):
    """A question and an image to scores of the answers: self-attention over words, cross-attention to image tokens (2107.07651)."""

    def __init__(self) -> None:
        super().__init__()
        self.text = TextEmbedding(len(VOCABULARY), LENGTH, WIDTH)
        self.blocks = nn.ModuleList(Block(WIDTH, HEADS, cross=True) for _ in range(FUSION_DEPTH))
        self.norm = nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, len(ANSWERS))

    def forward(self, image_embeds: Tensor, input_ids: Tensor) -> Tensor:
        """Float32 (batch, 64, 256) and int64 (batch, 8) in, float32 (batch, 24) out, read off the first token."""
        x, mask = self.text(input_ids), self.text.mask(input_ids)
        for block in self.blocks:
            x = block(x, mask, image_embeds)
        return self.head(self.norm(x[:, 0]))  # type: ignore[no-any-return]


def build() -> nn.ModuleDict:
    """Both components with fresh weights."""
    network = nn.ModuleDict({"vision": VisionTransformer(3, PIXELS, WIDTH, VISION_DEPTH, HEADS), "fusion": Fusion()})
    initialise(network)
    return network


def load(folder: Path) -> dict[str, nn.Module]:
    """The trained components by name, in eval mode."""
    return dict(training.load(build(), folder / "weights.safetensors").named_children())
