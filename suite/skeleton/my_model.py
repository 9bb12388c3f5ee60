"""My model: a template that runs as it stands. Replace each part by your own; `squeezemark check-model my_model.py` says what is missing.

The example tells whether a caption fits a picture: two components, `vision` and `text`, whose embeddings agree or do not.

Only numpy and `suite.contracts` are imported up here: this file is also read on a small board that has nothing else. Whatever is
heavy (torch, onnx, your own library) is imported inside the functions that need it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from suite.contracts import Advance, Component, ModelCard, Picture, Split, Tensor, Text

if TYPE_CHECKING:
    from torch import nn

    from suite.contracts import Array, Arrays, Run

SIDE, WIDTH = 16, 32
SIZES, SHAPES = ("small", "large"), ("disc", "square", "cross", "ring", "diamond")
WORDS = (*SIZES, *SHAPES)
NOISE, THRESHOLD = 80, 0.33

# REQUIRED. Each input and output with its name, dtype (float32 or int64) and shape, as your network has them. A word in a shape is a length
# that may differ from call to call ("batch", "tokens"); a number is a length that may not. `metric` is one that score() gives; `chance` is
# what guessing reaches; `files` are the files beside this one that it reads: their content belongs to the identity of the model.
CARD = ModelCard(
    name="my_model",
    title="My model: does the caption fit the picture?",
    summary="A small dual encoder for 16x16 pictures of shapes and captions of two words: the template of squeezemark new-model.",
    task="image-text matching",
    components=(
        Component(
            "vision",
            "vision",
            (Tensor("pixels", "float32", ("batch", 1, SIDE, SIDE)),),
            (Tensor("image_embeds", "float32", ("batch", WIDTH)),),
        ),
        Component(
            "text",
            "text",
            (Tensor("input_ids", "int64", ("batch", 2)),),
            (Tensor("text_embeds", "float32", ("batch", WIDTH)),),
        ),
    ),
    metric="matching_accuracy",
    chance=0.5,
    request="embed one picture and one caption, and compare them",
    data="generated: shapes of two sizes, moved by up to a pixel, under noise",
    licence="Apache-2.0",
    files=("my_model.npz",),
)


# ---- the network ---------------------------------------------------------------------------------------------------------------------


def build() -> nn.ModuleDict:
    """Your own network with fresh weights. Any torch module will do."""
    from torch import nn

    vision = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(),
        nn.Linear(8 * (SIDE // 2) ** 2, 256), nn.ReLU(), nn.Linear(256, WIDTH),
    )  # fmt: skip
    text = nn.Sequential(nn.Embedding(len(WORDS), 64), nn.Flatten(), nn.Linear(128, 128), nn.ReLU(), nn.Linear(128, WIDTH))
    return nn.ModuleDict({"vision": vision, "text": text}).eval()


def load(folder: Path) -> dict[str, nn.Module]:
    """REQUIRED. Component -> torch module in eval mode, its weights read from `folder` (where this file is). A pickle is never loaded.

    A component may also be a ready onnx.ModelProto. fill() takes exactly the tensors that the network has, by name, and says what differs.
    """
    from suite.weights import fill, read

    network = fill(build(), read(folder / CARD.files[0]), CARD.files[0])
    return dict(network.items())  # type: ignore[operator]


# ---- the data ------------------------------------------------------------------------------------------------------------------------


def draw(stream: int, seed: int, items: int) -> tuple[dict[str, Array], Array]:
    """Pictures, captions, and what each picture really shows, int64 (items, 2). Whole numbers alone: the same on every platform."""
    rng = np.random.default_rng([stream, seed])
    words = np.stack([rng.integers(0, len(SIZES), items), len(SIZES) + rng.integers(0, len(SHAPES), items)], 1)
    captions, wrong = words.copy(), np.flatnonzero(rng.integers(0, 2, items))
    captions[wrong, 1] = len(SIZES) + (captions[wrong, 1] - len(SIZES) + rng.integers(1, len(SHAPES), len(wrong))) % len(SHAPES)
    y, x = np.mgrid[:SIDE, :SIDE][:, None] - (SIDE // 2 + rng.integers(-1, 2, (2, items, 1, 1)))
    far, r = np.maximum(abs(x), abs(y)), np.where(words[:, 0], 5, 3)[:, None, None]
    round_ = x * x + y * y
    drawn = np.stack(
        [
            round_ <= r * r, far <= r - 1, (np.minimum(abs(x), abs(y)) <= 1) & (far <= r), (round_ <= r * r) & (round_ >= (r - 2) ** 2),
            abs(x) + abs(y) <= r,
        ]
    )  # fmt: skip
    shown = drawn[words[:, 1] - len(SIZES), np.arange(items)]
    pictures = np.clip(60 + 130 * shown + rng.integers(-NOISE, NOISE + 1, shown.shape) // 2, 0, 255)
    return {"pictures": pictures.astype(np.uint8), "captions": captions}, words


def test(seed: int) -> Split:
    """REQUIRED. What to predict, and what is right. Seed 0 is the set of the leaderboard, any other as good and independent of it.

    Only the inputs reach the process that runs your model. Take 2,000 items or more: with fewer the intervals are wide. If you have a fixed
    test set, let seed 0 be that and draw other seeds from what neither training nor calibration has seen.
    """
    inputs, words = draw(0, seed, 2000)
    return Split(inputs, {"fits": (inputs["captions"] == words).all(1)})


def calibration(seed: int, items: int) -> dict[str, Array]:
    """REQUIRED. Inputs alone, in the same form, from the training distribution; none of them may be in the test split."""
    return draw(1, seed, items)[0]


# ---- the glue: numpy only, it knows no runtime ---------------------------------------------------------------------------------------


def request(inputs: Arrays, index: int, run: Run) -> dict[str, Array]:
    """REQUIRED. One request as a user would send it, for item `index`: raw inputs in, the answer out. This is what is timed.

    run(component, inputs) gives the outputs of a component by name. Its inputs have the dtypes and shapes of the card, batch size 1.
    """
    pixels = (inputs["pictures"][index][None, None] / np.float32(255)).astype(np.float32)
    image = run("vision", {"pixels": pixels})["image_embeds"][0]
    text = run("text", {"input_ids": inputs["captions"][index : index + 1]})["text_embeds"][0]
    return {"similarity": image @ text / np.float32(WIDTH)}


def score(labels: Arrays, predictions: Arrays) -> dict[str, Array]:
    """REQUIRED. Metric -> each predicted item by it: bool (right or wrong), or float64 from 0 to 1.

    `predictions` are the answers of request(), stacked, for the first items of the split (there may be fewer of them than labels).
    """
    fits = predictions["similarity"] > THRESHOLD
    return {"matching_accuracy": fits == labels["fits"][: len(fits)]}


# OPTIONAL, and left out here:
#   predict(inputs, items, run, advance)  columns of predictions for the first items, if answering one by one would waste work.
#   size(inputs)                          how many items there are, if it is not the rows of the first input.
#   stream(inputs, index, run)            yields token after token, for a model that generates; request() then runs through it.


def slices(labels: Arrays) -> dict[str, Array]:
    """OPTIONAL. Groups of items whose accuracy is shown apart: slice -> the group of each item, as text."""
    return {"caption": np.where(labels["fits"], "fits", "does not fit")}


def truths(labels: Arrays) -> list[str]:
    """OPTIONAL. What is right for each item, in words."""
    return ["fits" if fits else "does not fit" for fits in labels["fits"]]


def answers(labels: Arrays, predictions: Arrays) -> list[str]:
    """OPTIONAL. What was answered for each predicted item, in words."""
    return ["fits" if similarity > THRESHOLD else "does not fit" for similarity in predictions["similarity"]]


def exhibit(split: Split, index: int) -> tuple[Picture | Text, ...]:
    """OPTIONAL. The inputs of an item as a person takes them in."""
    caption = " ".join(WORDS[word] for word in split.inputs["captions"][index])
    return Picture("the picture", split.inputs["pictures"][index]), Text("the caption", caption)


# ---- training: OPTIONAL, for `squeezemark train`; leave it out if the weights come from elsewhere --------------------------------------


def train(out: Path, advance: Advance) -> dict[str, float]:
    """Writes the weights into the folder `out`. In closed form: random features, then ridge regression onto a code of each caption."""
    import torch

    torch.manual_seed(0)
    network = build()
    inputs, words = draw(2, 0, 6000)
    rng = np.random.default_rng(0)
    codes = (2 * rng.integers(0, 2, (len(SIZES), len(WORDS), WIDTH)) - 1)[words[:, 0], words[:, 1]]
    pixels = (inputs["pictures"][:, None] / np.float32(255)).astype(np.float32)
    with torch.no_grad():
        seen = network["vision"][0](torch.from_numpy(pixels))  # type: ignore[index]
        network["vision"][1].running_mean.copy_(seen.mean((0, 2, 3)))  # type: ignore[index]
        network["vision"][1].running_var.copy_(seen.var((0, 2, 3)))  # type: ignore[index]
        for done, (name, fed) in enumerate((("vision", pixels), ("text", words)), 1):
            features = network[name][:-1](torch.from_numpy(fed)).double().numpy()  # type: ignore[index]
            features = np.concatenate([features, np.ones((len(features), 1))], 1)
            head = np.linalg.solve(features.T @ features + np.eye(features.shape[1]), features.T @ codes).T
            network[name][-1].weight.copy_(torch.from_numpy(head[:, :-1]))  # type: ignore[index]
            network[name][-1].bias.copy_(torch.from_numpy(head[:, -1]))  # type: ignore[index]
            advance(done, 2, f"fitted {name}")
        error = np.square(network["vision"](torch.from_numpy(pixels)).numpy() - codes).mean()
    arrays = {name: tensor.numpy() for name, tensor in network.state_dict().items()}
    np.savez(out / CARD.files[0], allow_pickle=False, **arrays)
    return {"squared_error": float(error)}
