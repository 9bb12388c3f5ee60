"""Scene VQA: its data are reproducible, right and balanced, and its shipped weights answer every type of question."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from suite.contracts import Split
from suite.export import export
from suite.models import scene_vqa
from suite.models.scene_vqa import data, network, task
from suite.models.scene_vqa.questions import ANSWERS, ATTRIBUTES, LENGTH, MARGIN, VOCABULARY
from suite.models.scene_vqa.train import KINDS as TRAINING_KINDS
from suite.models.scenes import COLOURS, SHAPES, SIZES, Thing, draw

WEIGHTS = Path(scene_vqa.__file__).parent / "weights.safetensors"
SEED_0 = "0fbc3525a4dd5225c7059ce2ed90ba0c29ff0d115a2659b4f3f351480a349079"


@cache
def published() -> Split:
    return data.test(0)


@cache
def components() -> dict[str, torch.nn.Module]:
    return network.load(WEIGHTS.parent)


def digest(split: Split) -> str:
    whole = hashlib.sha256()
    for name in ("images", "input_ids", "scene"):
        array = split.inputs[name]
        whole.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
    return whole.hexdigest()


def majority(kind: str) -> float:
    labels = published().labels
    answers = labels["answer"][labels["kind"] == task.KINDS.index(kind)]
    return max(Counter(answers.tolist()).values()) / len(answers)


def run(component: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The uncompressed component in torch, as a runner would offer it."""
    card = scene_vqa.CARD.component(component)
    with torch.no_grad():
        output = components()[component](*(torch.from_numpy(inputs[tensor.name]) for tensor in card.inputs))
    return {card.outputs[0].name: output.numpy()}


def test_same_seed_same_bytes_other_seed_other_bytes():
    assert digest(data.test(0)) == SEED_0 != digest(data.test(1))


def test_test_split_is_large_and_well_formed():
    inputs, labels = published().inputs, published().labels
    assert task.size(inputs) == len(labels["answer"]) == 2400
    assert inputs["images"].shape == (400, 64, 64, 3)
    assert inputs["images"].dtype == np.uint8
    assert inputs["input_ids"].shape == (2400, LENGTH)
    assert inputs["input_ids"].dtype == np.int64
    assert (inputs["input_ids"] < len(VOCABULARY)).all()
    assert (inputs["input_ids"][:, 0] == 1).all()
    assert labels["answer"].max() < len(ANSWERS)
    assert (np.bincount(inputs["scene"]) == len(task.KINDS)).all()
    assert len(VOCABULARY) == len(set(VOCABULARY))
    assert len(ANSWERS) == scene_vqa.CARD.component("fusion").outputs[0].shape[1]


def test_no_image_is_in_two_splits():
    streams = {
        "test": published().inputs["images"],
        "calibration": data.calibration(0, 200)["images"],
        "validation": np.stack([example.image for example in data.take(150, "validation", 0)]),
        "training": np.stack([example.image for step in range(1000, 1025) for example in data.take(16, "training", step, TRAINING_KINDS)]),
    }
    images = [image.tobytes() for part in streams.values() for image in part]
    assert len(set(images)) == len(images) == 400 + 200 + 150 + 400


def test_calibration_gives_the_items_asked_for():
    inputs = data.calibration(5, 100)
    assert task.size(inputs) == len(inputs["images"]) == 100
    assert inputs["scene"].tolist() == list(range(100))
    assert (data.calibration(6, 100)["images"] != inputs["images"]).any()


def has(thing: Thing, words: list[str]) -> bool:
    return all(word in (thing.colour, thing.shape, thing.size, "object") for word in words)


def only(scene: tuple[Thing, ...], words: list[str]) -> Thing:
    (thing,) = [thing for thing in scene if has(thing, words)]
    return thing


def exist(scene: tuple[Thing, ...], words: list[str]) -> str:
    assert words[:3] == ["is", "there", "a"]
    return "yes" if any(has(thing, words[3:]) for thing in scene) else "no"


def count(scene: tuple[Thing, ...], words: list[str]) -> str:
    assert words[:2] == ["how", "many"]
    assert words[3:] == ["objects"]
    assert words[2] in ATTRIBUTES
    return str(len([thing for thing in scene if has(thing, words[2:3])]))


def query(scene: tuple[Thing, ...], words: list[str]) -> str:
    assert (words[0], words[2:4]) == ("what", ["is", "the"])
    return getattr(only(scene, words[4:]), words[1])


def relation(scene: tuple[Thing, ...], words: list[str]) -> str:
    assert words[:2] == ["is", "the"]
    assert words[-2] == "the"
    first, second = only(scene, words[2:3]), only(scene, words[-1:])
    right, down = second.x - first.x, second.y - first.y
    holds = {"left": right > 0, "right": right < 0, "above": down > 0, "below": down < 0}[words[3]]
    assert first is not second
    assert abs(right if words[3] in ("left", "right") else down) >= MARGIN
    return "yes" if holds else "no"


def extreme(scene: tuple[Thing, ...], words: list[str]) -> str:
    assert (words[0], words[2:4], words[5:]) == ("what", ["is", "the"], ["object"])
    places = [{"leftmost": t.x, "rightmost": -t.x, "highest": t.y, "lowest": -t.y}[words[4]] for t in scene]
    first, second = sorted(places)[:2]
    assert second - first >= MARGIN
    return getattr(scene[places.index(first)], words[1])


def compare(scene: tuple[Thing, ...], words: list[str]) -> str:
    assert (words[:3], words[4]) == (["are", "there", "more"], "than")
    assert words[3] != words[5]
    one, other = (sum(has(thing, [word]) for thing in scene) for word in (words[3], words[5]))
    return "yes" if one > other else "no"


ORACLES: dict[str, Callable[[tuple[Thing, ...], list[str]], str]] = {
    oracle.__name__: oracle for oracle in (exist, count, query, relation, extreme, compare)
}


@pytest.mark.parametrize("kind", task.KINDS)
def test_answers_agree_with_the_scene(kind):
    for example in data.take(500, "test", 0, (kind,) * 2):
        for question in example.questions:
            words = [VOCABULARY[token] for token in question.ids() if token > 1]
            assert tuple(words) == question.text
            assert question.kind == kind
            assert ORACLES[kind](example.scene, words) == question.answer


@pytest.mark.parametrize(
    ("kind", "bound"), [("exist", 0.57), ("count", 0.35), ("query", 0.27), ("relation", 0.57), ("extreme", 0.2), ("compare", 0.57)]
)
def test_answers_are_balanced(kind, bound):
    assert majority(kind) <= bound


def test_chance_on_the_card_is_that_of_the_most_frequent_answers():
    assert scene_vqa.CARD.chance == pytest.approx(np.mean([majority(kind) for kind in task.KINDS]), abs=5e-4)


def test_scenes_use_every_attribute_and_do_not_touch():
    scenes = [example.scene for example in data.take(200, "test", 1, ())]
    things = [thing for scene in scenes for thing in scene]
    assert {len(scene) for scene in scenes} == {3, 4, 5, 6}
    words = {word for thing in things for word in (thing.colour, thing.shape, thing.size)}
    assert words == {*COLOURS, *SHAPES, *SIZES}
    for scene in scenes:
        for place, a in enumerate(scene):
            assert all((a.x - b.x) ** 2 + (a.y - b.y) ** 2 > (a.radius + b.radius) ** 2 for b in scene[:place])


def test_the_image_shows_the_scene():
    for example in data.take(100, "test", 2, ()):
        image = draw(example.scene, np.random.default_rng(0), 0).astype(int)
        for thing in example.scene:
            assert np.abs(image[thing.y // 4, thing.x // 4] - thing.paint).max() < 10
            beyond = thing.y // 4, (thing.x + thing.radius + 4) // 4
            assert np.ptp(image[beyond]) == 0


def test_score_counts_right_answers():
    labels = {"answer": np.array([0, 1, 5, 23]), "kind": np.array([0, 5, 1, 2])}
    predictions = {"answer": np.array([0, 0, 5], np.int8), "log_probability": np.zeros(3, np.float16)}
    assert task.score(labels, predictions)["answer_accuracy"].tolist() == [True, False, True]
    assert task.slices(labels)["question type"].tolist() == ["exist", "compare", "count", "query"]


def test_predict_runs_vision_once_per_scene():
    calls: Counter[str] = Counter()

    def fake(component: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        calls[component] += 1
        assert {len(array) for array in inputs.values()} == {1}
        if component == "vision":
            return {"image_embeds": inputs["pixel_values"].mean((1, 2, 3), keepdims=True)}
        return {"logits": np.eye(24, dtype=np.float32)[None, inputs["input_ids"][0, 2]]}

    inputs, done = published().inputs, []
    predictions = task.predict(inputs, 14, fake, done.append)
    assert calls == {"vision": 3, "fusion": 14}
    assert done == list(range(1, 15))
    assert predictions["answer"].dtype == np.int8
    assert predictions["answer"].tolist() == (inputs["input_ids"][:14, 2]).tolist()
    assert predictions["log_probability"] == pytest.approx(-np.log(np.exp(-1) * 23 + 1), abs=1e-2)


@pytest.mark.parametrize("name", ["vision", "fusion"])
def test_export_agrees_with_torch(name, tmp_path):
    card, split = scene_vqa.CARD.component(name), published()
    inputs = {"pixel_values": task.pixels(split.inputs["images"][:3]), "input_ids": split.inputs["input_ids"][:3]}
    inputs |= run("vision", inputs)
    inputs = {tensor.name: inputs[tensor.name] for tensor in card.inputs}
    export(components()[name], card, [{key: array[:1] for key, array in inputs.items()}], tmp_path / "graph.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "graph.onnx", providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        feed = {key: array[:batch] for key, array in inputs.items()}
        (output,), wanted = session.run(None, feed), run(name, feed)[card.outputs[0].name]
        assert output.shape == wanted.shape == (batch, *card.outputs[0].shape[1:])
        assert np.abs(output - wanted).max() < 1e-4


def test_request_gives_the_logits_that_predict_uses():
    inputs = published().inputs
    predictions = task.predict(inputs, 8, run, lambda _: None)
    assert [int(task.request(inputs, index + 2400, run)["logits"].argmax()) for index in range(8)] == predictions["answer"].tolist()


def test_shipped_weights_answer_every_type_of_question():
    assert WEIGHTS.stat().st_size <= 20e6
    split = published()
    correct = task.score(split.labels, task.predict(split.inputs, 2400, run, lambda _: None))["answer_accuracy"]
    assert 0.85 <= correct.mean() <= 0.97
    for place, kind in enumerate(task.KINDS):
        assert correct[split.labels["kind"] == place].mean() > majority(kind) + 0.2


def test_an_item_can_be_seen_and_read():
    split = published()
    for index in (0, 7, 2399):
        picture, question = data.exhibit(split, index)
        assert (picture.pixels == split.inputs["images"][index // 6]).all()
        assert re.fullmatch(r"[a-z ]+\?", question.text)
    assert data.exhibit(split, 3)[1].text == "is the grey above the blue?"
    assert set(data.truths(split.labels)) <= set(ANSWERS)
    assert data.truths(split.labels)[:4] == data.answers({}, {"answer": split.labels["answer"][:4]})
