"""Scene captioner: its data are reproducible and right, its decoder agrees with its cache and its export, its weights say what is there."""

import hashlib
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from suite.cider import cider_d
from suite.contracts import Picture, Split
from suite.models import scene_captioner
from suite.models.scene_captioner import data, network, task
from suite.models.scene_captioner.train import STEPS, VISION_STEPS, figures, generate, no_past
from suite.models.scenes import COLOURS, SHAPES, SIZES

FOLDER = Path(scene_captioner.__file__).parent
WEIGHTS = FOLDER / "weights.safetensors"
HASHES = {
    0: "8b8cc85a7eb3823e7d514df7eb4037d8f696fb86320cd396b2d56d299d419796",
    1: "d2337ea60fb1b1cb0d8df52bc6fb511921cc3fafc1751691b0fc8b07b68e63a6",
}
GOLDEN = (
    "large orange cross, small orange cross",
    "small grey triangle, small blue square, small orange circle",
    "small purple square, small cyan circle",
    "small green diamond, large blue circle",
    "large grey triangle, small grey cross",
    "large cyan circle, large red circle, large green diamond, large red cross",
    "small orange cross, large cyan circle, large blue cross",
    "large purple triangle, large blue circle, small red triangle, small yellow diamond",
    "small purple cross, large yellow square, large orange circle",
    "small cyan cross, small orange diamond",
    "small purple triangle, small purple diamond",
    "small red diamond, large grey diamond, large green cross, small yellow diamond",
    "large orange square, small cyan circle",
    "large grey diamond, large blue diamond",
    "large purple square, large orange circle, large purple square",
    "large red cross, large purple triangle",
    "small purple cross, large orange square, large orange circle, small green triangle",
    "small blue cross, large red square",
    "large blue cross, small green triangle, large orange triangle, small grey triangle",
    "small red circle, large orange circle",
)
"""Captions of the first 20 test items, by the shipped weights."""
INPUTS = ("image_embeds", "input_ids", "past_keys", "past_values")
OUTPUTS = ("logits", "keys", "values")


@cache
def split(seed: int) -> Split:
    return data.test(seed)


@cache
def components() -> dict[str, torch.nn.Module]:
    return network.load(FOLDER)


def run(component: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The uncompressed component in torch, as a runner would offer it."""
    card = scene_captioner.CARD.component(component)
    with torch.no_grad():
        outputs = components()[component](*(torch.from_numpy(inputs[tensor.name]) for tensor in card.inputs))
    several = outputs if isinstance(outputs, tuple) else (outputs,)
    return {tensor.name: output.numpy() for tensor, output in zip(card.outputs, several, strict=True)}


def first(items: int, seed: int = 0) -> Split:
    whole = split(seed)
    return Split({"images": whole.inputs["images"][:items]}, {"caption": whole.labels["caption"][:items]})


@cache
def right(seed: int, items: int) -> np.ndarray:
    chosen = first(items, seed)
    return task.score(chosen.labels, generate(torch.nn.ModuleDict(components()), chosen))["exact_match"]


def digest(chosen: Split) -> str:
    whole = hashlib.sha256()
    for array in (chosen.inputs["images"], chosen.labels["caption"]):
        whole.update(f"{array.dtype.str} {array.shape}".encode() + array.tobytes())
    return whole.hexdigest()


@pytest.mark.parametrize("seed", HASHES)
def test_a_seed_gives_the_same_bytes_everywhere(seed):
    assert digest(split(seed)) == HASHES[seed]


def test_test_split_is_large_and_well_formed():
    inputs, labels = split(0).inputs, split(0).labels
    assert task.size(inputs) == len(inputs["images"]) == len(labels["caption"]) == 2000
    assert (inputs["images"].shape[1:], inputs["images"].dtype) == ((64, 64, 3), np.uint8)
    assert (labels["caption"].shape[1], labels["caption"].dtype) == (task.LENGTH, np.int64)
    assert set(np.unique(labels["caption"])) == set(range(len(task.VOCABULARY))) - {task.START}
    groups = Counter(task.slices(labels)["caption length"].tolist())
    assert set(groups) == {"2 objects", "3 objects", "4 objects"}
    assert min(groups.values()) > 400


def test_the_vocabulary_names_everything_once():
    assert {*COLOURS, *SHAPES, *SIZES} < set(task.VOCABULARY)
    assert len(set(task.VOCABULARY)) == len(task.VOCABULARY) == scene_captioner.CARD.component("decoder").outputs[0].shape[1]


def test_captions_agree_with_the_scene():
    for example in data.take(300, "test", 2):
        words = [task.VOCABULARY[token] for token in example.ids() if token != task.PADDING]
        assert words.pop() == "[end]"
        named = [tuple(part.split()) for part in " ".join(words).split(",")]
        places = {thing.x: (thing.size, thing.colour, thing.shape) for thing in example.scene}
        assert named == [places[x] for x in sorted(places)]
        assert len(named) == len(example.scene)


def test_neighbours_are_far_enough_apart_to_be_told_left_from_right():
    for example in data.take(300, "test", 3):
        places = sorted(thing.x for thing in example.scene)
        assert min(np.diff(places)) >= data.MARGIN


def test_the_image_shows_what_the_caption_names():
    for example in data.take(100, "test", 4):
        for thing in example.scene:
            seen = example.image[thing.y // 4 - 1 : thing.y // 4 + 2, thing.x // 4 - 1 : thing.x // 4 + 2].mean((0, 1))
            assert np.abs(seen - thing.paint).max() < 30


def test_no_image_is_in_two_splits():
    steps = (0, VISION_STEPS, VISION_STEPS + STEPS - 1)
    streams = {
        "test": split(0).inputs["images"],
        "other test": split(1).inputs["images"],
        "calibration": data.calibration(0, 200)["images"],
        "validation": data.split(data.take(200, "validation", 0)).inputs["images"],
        "training": np.concatenate([data.split(data.take(32, "training", step)).inputs["images"] for step in steps]),
    }
    images = [image.tobytes() for part in streams.values() for image in part]
    assert len(set(images)) == len(images) == 2000 + 2000 + 200 + 200 + 96


def test_calibration_gives_the_items_asked_for():
    inputs = data.calibration(5, 100)
    assert set(inputs) == {"images"}
    assert task.size(inputs) == 100
    assert (data.calibration(6, 100)["images"] != inputs["images"]).any()


def test_an_exhibit_is_the_image():
    (picture,) = data.exhibit(split(0), 7)
    assert isinstance(picture, Picture)
    assert (picture.pixels == split(0).inputs["images"][7]).all()


def test_chance_on_the_card_is_that_of_the_most_frequent_caption():
    counts = Counter(data.truths(split(0).labels))
    assert scene_captioner.CARD.chance == max(counts.values()) / 2000


def tokens(*captions: str) -> np.ndarray:
    rows = [[task.VOCABULARY.index(word) for word in caption.split()] for caption in captions]
    return np.array([row + [task.PADDING] * (task.LENGTH - len(row)) for row in rows])


def test_score_by_hand():
    labels = {
        "caption": tokens(
            "large red circle , small blue square [end]",
            "small cyan cross , small grey diamond [end]",
            "large red circle , small blue square [end]",
            "large green square , small blue circle [end]",
        )
    }
    given = tokens(
        "large red circle , small blue square [end]",
        "small cyan cross , small grey diamond , small red circle [end]",
        "small red circle [end]",
    )
    scores = task.score(labels, {"tokens": given.astype(np.int8)})
    assert scores["exact_match"].tolist() == [True, False, False]
    assert scores["token_accuracy"] == pytest.approx([1, 7 / 12, 2 / 8])
    words = [[row[row > task.END].tolist()] for row in labels["caption"]]
    assert scores["cider"].tolist() == cider_d([row[row > task.END].tolist() for row in given], words[:3], words).tolist()
    assert scores["cider"][0] == pytest.approx(10)
    assert {name: array.dtype for name, array in scores.items()} == {"exact_match": bool, "token_accuracy": float, "cider": float}
    assert data.truths(labels)[0] == "large red circle, small blue square"
    assert data.answers({}, {"tokens": given})[2] == "small red circle"
    assert task.slices(labels)["caption length"].tolist() == ["2 objects"] * 4


def test_a_caption_that_never_ends_is_wrong_and_takes_no_further_calls():
    calls: Counter[str] = Counter()

    def babble(component: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        calls[component] += 1
        if component == "vision":
            return {"image_embeds": np.zeros((1, 16, 256), np.float32)}
        new = inputs["image_embeds"].shape[1] + inputs["input_ids"].shape[1]
        past = {name: np.pad(inputs[f"past_{name}"], ((0, 0), (0, 0), (0, new), (0, 0))) for name in ("keys", "values")}
        return {"logits": np.eye(19, dtype=np.float32)[None, 4], **past}

    predictions = task.predict(split(0).inputs, 2, babble, lambda _: None)
    assert calls == {"vision": 2, "decoder": 2 * task.LENGTH}
    assert predictions["tokens"].tolist() == [[4] * task.LENGTH] * 2
    assert not task.score(split(0).labels, predictions)["exact_match"].any()


def test_predict_stream_and_request_agree():
    inputs, done = split(0).inputs, []
    predictions = task.predict(inputs, 4, run, done.append)
    assert done == [1, 2, 3, 4]
    assert (predictions["tokens"].dtype, predictions["log_probability"].dtype) == (np.int8, np.float16)
    for index, row in enumerate(predictions["tokens"]):
        caption = row[row != task.PADDING].tolist()
        answer = task.request(inputs, index + 2000, run)
        assert [int(token[0]) for token in task.stream(inputs, index, run)] == answer["tokens"].tolist() == caption
        scores = torch.from_numpy(answer["logits"]).log_softmax(-1)
        assert predictions["log_probability"][index] == pytest.approx(float(scores.max(-1).values.mean()), abs=1e-3)


def draws(batch: int, image: int, words: int, past: int) -> dict[str, np.ndarray]:
    """Distinct arrays for the inputs of the decoder; keys and values of a size that training gives."""
    rng = np.random.default_rng((batch, image, words, past))
    shapes = {"image_embeds": (batch, image, 256), "past_keys": (batch, 16, past, 64), "past_values": (batch, 16, past, 64)}
    arrays = {name: rng.standard_normal(shape, np.float32) for name, shape in shapes.items()}
    return arrays | {"input_ids": rng.integers(0, 19, (batch, words))}


@pytest.fixture(scope="module")
def decoder(tmp_path_factory):
    """The decoder as onnxruntime runs it, exported from an example in which every length has a size of its own."""
    path = tmp_path_factory.mktemp("decoder") / "graph.onnx"
    batch, *lengths = (torch.export.Dim(name, min=0, max=4096) for name in ("batch", "image", "tokens", "past", "past"))
    example = draws(2, 3, 4, 5)
    with pytest.warns(), torch.no_grad():
        torch.onnx.export(
            components()["decoder"],
            tuple(torch.from_numpy(example[name]) for name in INPUTS),
            str(path),
            input_names=INPUTS,
            output_names=OUTPUTS,
            dynamic_shapes=tuple({0: batch, axis: length} for axis, length in zip((1, 1, 2, 2), lengths, strict=True)),
            opset_version=20,
            dynamo=True,
            external_data=False,
            verbose=False,
        )  # fmt: skip
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize(
    ("batch", "image", "words", "past"),
    [(1, 16, 1, 0), (3, 16, 1, 0), (1, 0, 1, 17), (2, 0, 1, 31), (2, 3, 4, 5), (3, 5, 7, 2), (1, 0, 3, 20), (1, 1, 1, 1)],
)
def test_the_exported_decoder_agrees_with_torch(decoder, batch, image, words, past):
    feed = draws(batch, image, words, past)
    wanted = run("decoder", feed)
    for name, found in zip(OUTPUTS, decoder.run(None, feed), strict=True):
        assert found.shape == wanted[name].shape
        assert np.abs(found - wanted[name]).max() < 2e-4
    assert wanted["keys"].shape == (batch, 16, past + image + words, 64)
    assert (wanted["values"][:, :, :past] == feed["past_values"]).all()


def test_token_by_token_with_the_cache_is_one_pass_without_it():
    chosen = first(8)
    with torch.no_grad():
        embeds = components()["vision"](torch.from_numpy(task.pixels(chosen.inputs["images"])))
        ids = torch.nn.functional.pad(torch.from_numpy(chosen.labels["caption"][:, :-1]), (1, 0), value=task.START)
        states, keys, values = components()["decoder"].read(embeds, ids, no_past(8), no_past(8))
        whole = components()["decoder"].head(states[:, 16:])
        past = no_past(8), no_past(8)
        for place in range(task.LENGTH):
            logits, *past = components()["decoder"](embeds, ids[:, place : place + 1], *past)
            embeds = embeds[:, :0]
            assert torch.allclose(logits, whole[:, place], atol=1e-3)
    assert torch.allclose(past[0], keys, atol=1e-3)
    assert torch.allclose(past[1], values, atol=1e-3)


def test_a_word_does_not_see_those_after_it():
    feed = draws(2, 16, 6, 0)
    changed = feed | {"input_ids": np.concatenate([feed["input_ids"][:, :3], (feed["input_ids"][:, 3:] + 1) % 19], 1)}
    one, other = run("decoder", feed), run("decoder", changed)
    assert np.abs(one["keys"] - other["keys"])[:, :, :19].max() < 1e-4
    assert np.abs(one["logits"] - other["logits"]).max() > 1e-2


def test_shipped_weights_write_these_captions():
    predictions = task.predict(split(0).inputs, len(GOLDEN), run, lambda _: None)
    assert tuple(data.answers({}, predictions)) == GOLDEN


def test_shipped_weights_caption_most_scenes():
    assert WEIGHTS.stat().st_size <= 20e6
    reached = figures(torch.nn.ModuleDict(components()), first(600), "test")
    assert 0.80 <= reached["test exact_match"] <= 0.97
    assert reached["test token_accuracy"] > reached["test exact_match"]
    assert reached["test cider"] > 8


def test_two_test_sets_are_equally_hard():
    one, other = (right(seed, 300) for seed in (0, 1))
    error = np.sqrt((one.var() + other.var()) / 300)
    assert abs(one.mean() - other.mean()) < 2.6 * error
