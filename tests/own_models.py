"""Models in one file for tests: the one that `squeezemark new-model` writes, and what can be wrong with it."""

from pathlib import Path

import numpy as np


def with_weights(change):
    """A change of the arrays in the weights file beside a model."""

    def edit(file: Path) -> None:
        path = file.with_suffix(".npz")
        with np.load(path) as archive:
            arrays = dict(archive)
        change(arrays)
        np.savez(path, **arrays)

    return edit


def with_text(old: str, new: str):
    """A change of a model's file."""

    def edit(file: Path) -> None:
        text = file.read_text()
        assert text.count(old) == 1, f"{old!r} is there {text.count(old)} times"
        file.write_text(text.replace(old, new))

    return edit


def _pickle(file: Path) -> None:
    import torch

    torch.save({"weight": torch.zeros(3)}, file.with_suffix(".pt"))
    with_text('files=("own_model.npz",)', 'files=("own_model.pt",)')(file)


def _pickled_npz(file: Path) -> None:
    np.savez(file.with_suffix(".npz"), a=np.array([{"a": 1}], object))


def _renamed(file: Path) -> None:
    file.with_suffix(".npz").rename(file.with_name("elsewhere.npz"))


BROKEN = {
    "lacks a tensor": (with_weights(lambda a: a.pop("vision.0.bias")), "own_model.npz lacks the tensor vision.0.bias"),
    "has one more": (with_weights(lambda a: a.update(more=np.zeros(3))), "own_model.npz has, and the network has not, the tensor more"),
    "another shape": (
        with_weights(lambda a: a.update({"text.2.bias": np.zeros(3, np.float32)})),
        "text.2.bias in own_model.npz has the shape (3,), the network's (128,)",
    ),
    "pickle": (_pickle, "the weights own_model.pt are a pickle"),
    "pickle inside": (_pickled_npz, "the weights own_model.npz cannot be read: Object arrays cannot be loaded when allow_pickle=False"),
    "component absent": (
        with_text("return dict(network.items())", 'return {"vision": network["vision"]}'),
        "load() gives vision, and the card names the components text, vision",
    ),
    "half in training mode": (
        with_text("return dict(network.items())", 'network["vision"][1].train()\n    return dict(network.items())'),
        "load() gives 'vision' with '1' in training mode, in which batch norm and dropout act on a batch; call its eval()",
    ),
    "component not of the card": (
        with_text('run("text", {', 'run("words", {'),
        "the glue calls the component 'words', and the card names vision, text",
    ),
    "never called": (
        with_text('run("text", {"input_ids": inputs["captions"][index : index + 1]})["text_embeds"][0]', "image"),
        "the card names the component 'text', and the glue never calls it",
    ),
    "wrong shape": (
        with_text('inputs["captions"][index : index + 1]}', 'inputs["captions"][index]}'),
        "'input_ids' of the component 'text' is int64 (2), and its card says int64 (batch, 2)",
    ),
    "wrong dtype": (
        with_text("/ np.float32(255)).astype(np.float32)\n    image", "/ 255)\n    image"),
        "'pixels' of the component 'vision' is float64 (1, 1, 16, 16), and its card says float32 (batch, 1, 16, 16)",
    ),
    "NaN": (
        with_text("image @ text / np.float32(WIDTH)", "image @ text * np.nan"),
        "the answer 'similarity' of the glue's request() has NaN",
    ),
    "no answer": (with_text('return {"similarity": image @ text / np.float32(WIDTH)}', "return None"), "request() answers with nothing"),
    "score of one number": (
        with_text('{"matching_accuracy": fits == labels["fits"][: len(fits)]}', '{"matching_accuracy": np.mean(fits)}'),
        "score() gives matching_accuracy in the shape ()",
    ),
    "score outside": (
        with_text('{"matching_accuracy": fits == labels["fits"][: len(fits)]}', '{"matching_accuracy": fits * 100.0}'),
        "score() gives matching_accuracy outside of its range: 0 to 100",
    ),
    "label out of range": (
        with_text(
            '{"matching_accuracy": fits == labels["fits"][: len(fits)]}',
            '{"matching_accuracy": np.eye(2, dtype=bool)[fits.astype(int), labels["fits"][: len(fits)] + 1]}',
        ),
        "a label or a prediction is out of range",
    ),
    "empty": (with_text("inputs, words = draw(0, seed, 2000)", "inputs, words = draw(0, seed, 0)"), "the test split of the model is empty"),
    "empty calibration": (with_text("draw(1, seed, items)[0]", "draw(1, seed, 0)[0]"), "the calibration split of the model is empty"),
    "no split": (with_text('return Split(inputs, {"fits"', 'return (inputs, {"fits"'), "test() of the model gives tuple, not a Split"),
    "other outputs": (
        with_text('Tensor("text_embeds", "float32", ("batch", WIDTH))', 'Tensor("text_embeds", "float32", ("batch", 7))'),
        "'text_embeds' of the component 'text' is float32 (1, 32), and its card says float32 (batch, 7)",
    ),
    "load raises": (
        with_text("    network = fill(", "    raise RuntimeError('no such luck')\n    network = fill("),
        "RuntimeError: no such luck",
    ),
}
"""What is wrong with a model in one file: how it comes about, and what has to be said."""

UNREADABLE = {
    "raises on import": (
        with_text("import numpy as np\n", "import numpy as np\nraise RuntimeError('not today')\n"),
        "importing it raised RuntimeError: not today",
    ),
    "exits on import": (
        with_text("import numpy as np\n", "import numpy as np\nraise SystemExit(3)\n"),
        "importing it raised SystemExit: 3",
    ),
    "syntax": (with_text("CARD = ModelCard(", "CARD = = ModelCard("), "importing it raised SyntaxError"),
    "library": (with_text("import numpy as np\n", "import numpy as np\nimport no_such_library\n"), "No module named 'no_such_library'"),
    "no card": (with_text("CARD = ModelCard(", "OTHER = ModelCard("), "its file has no CARD that is a ModelCard"),
    "another name": (with_text('name="own_model"', 'name="other"'), "its card calls itself 'other', its file 'own_model'"),
    "a component that is no file's name": (
        with_text('            "text",\n            "text",', '            "../text",\n            "text",'),
        "its component '../text' needs a name of lower-case letters, digits and '_'",
    ),
    "unknown field": (with_text('task="image', 'tusk="image'), "unexpected keyword argument 'tusk'"),
    "file absent": (_renamed, "its card names the file 'own_model.npz', which is not beside"),
}
"""The same, where not even the card can be read."""
