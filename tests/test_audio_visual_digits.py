"""Audio-visual digits: its data are reproducible and fair, its sounds are what they say, its fusion is one."""

import hashlib
import subprocess
import sys
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from suite.contracts import Picture, Sound, Split
from suite.export import export
from suite.models import audio_visual_digits
from suite.models.audio_visual_digits import data, hear, make_data, mel, network, task
from suite.models.audio_visual_digits.train import STEPS, figures, only, right, together
from suite.statistics import Estimate, wilson

FOLDER = Path(audio_visual_digits.__file__).parent
CARD = audio_visual_digits.CARD
DATA_SHA256 = "325ce27992ecc39903ed7972586d237f7dee5c901778fefdd8843bb248189454"
HASHES = {
    0: "3d09e741dc070c75f3c317ee0c109bb0e80d082da29df8838eb309facfd4e640",
    1: "35272121069dc62b8c004e1860eaab8d48dca9e622d831ec648b1a16b1d62f91",
}
GOLDEN = "six eight one seven four nine nine four five eight zero nine five seven six one five two nine eight"
"""What the shipped weights make of the first 20 test items."""


@cache
def split(seed: int) -> Split:
    return data.test(seed)


@cache
def components() -> dict[str, torch.nn.Module]:
    return network.load(FOLDER)


@cache
def scores() -> dict[str, object]:
    """The fused model and the two of one modality, as functions from what the towers are fed to logits."""
    alone = torch.nn.ModuleDict(network.load_alone(FOLDER))
    return {"": together(torch.nn.ModuleDict(components())), " vision alone": only("vision", alone), " audio alone": only("audio", alone)}


@cache
def accuracy(model: str, seed: int) -> Estimate:
    """The accuracy of a model on a test split, with its 95 % interval."""
    return wilson(right(scores()[model], split(seed)))


def run(component: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The uncompressed component in torch, as a runner would offer it."""
    card = CARD.component(component)
    for tensor in card.inputs:
        assert (inputs[tensor.name].shape, inputs[tensor.name].dtype) == ((1, *tensor.shape[1:]), tensor.dtype)
    with torch.no_grad():
        output = components()[component](*(torch.from_numpy(inputs[tensor.name]) for tensor in card.inputs))
    assert output.shape == (1, *card.outputs[0].shape[1:])
    return {card.outputs[0].name: output.numpy()}


def digest(arrays: dict[str, np.ndarray]) -> str:
    whole = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        whole.update(f"{name} {array.dtype.str} {array.shape}".encode() + array.tobytes())
    return whole.hexdigest()


@pytest.mark.parametrize("seed", HASHES)
def test_a_seed_gives_the_same_bytes_everywhere(seed):
    assert digest(split(seed).inputs | split(seed).labels) == HASHES[seed]


def test_the_shipped_data_are_those_that_the_weights_were_trained_on():
    with np.load(FOLDER / "data.npz", allow_pickle=False) as file:
        assert digest(dict(file)) == DATA_SHA256
    assert (FOLDER / "data.npz").stat().st_size < 1.2e6


def test_test_split_is_large_and_well_formed():
    inputs, labels = split(0).inputs, split(0).labels
    assert task.size(inputs) == 2000
    assert {name: (array.shape, array.dtype) for name, array in inputs.items()} == {
        "images": ((2000, 28, 28), np.uint8),
        "features": ((2000, 40, 48), np.uint8),
    }
    assert {name: (array.shape, array.dtype) for name, array in labels.items()} == dict.fromkeys(("digit", "voice"), ((2000,), np.int64))
    groups = {name: Counter(values.tolist()) for name, values in task.slices(labels).items()}
    assert groups["digit"] == dict.fromkeys(task.WORDS, 200)
    assert set(groups["voice"]) == set(task.TEST_VOICES)
    assert min(groups["voice"].values()) > 250
    assert Counter(zip(labels["digit"].tolist(), labels["voice"].tolist(), strict=True)).most_common()[-1][1] > 15


def test_chance_is_that_of_one_answer_to_all():
    assert CARD.chance == max(Counter(data.truths(split(0).labels)).values()) / 2000


def test_no_voice_and_no_sound_is_in_two_splits():
    voices = [voice for part in data.VOICES.values() for voice in part]
    assert len(set(voices)) == len(voices) == 31
    clean = [sound.tobytes() for part in data.VOICES for sound in data.sounds(part).reshape(-1, 40, 48)]
    assert len(set(clean)) == len(clean) == 31 * len(data.ACCENTS) * 10
    assert all(data.sounds(part).shape == (len(names), len(data.ACCENTS), 10, 40, 48) for part, names in data.VOICES.items())


def test_no_image_is_in_two_splits():
    clean = {part: [image.tobytes() for every in data.images(part) for image in every] for part in data.VOICES}
    assert {part: len(found) for part, found in clean.items()} == {"training": 1097, "validation": 300, "test": 400}
    assert len({image for found in clean.values() for image in found}) == 1797
    assert min(len(every) for part in data.VOICES for every in data.images(part)) > 20


def test_streams_draw_from_their_own_part_alone(monkeypatch):
    asked = []
    for name in ("sounds", "images"):
        real = getattr(data, name)
        monkeypatch.setattr(data, name, lambda part, real=real: asked.append(part) or real(part))
    for stream, part in {"test": "test", "validation": "validation", "training": "training", "calibration": "training"}.items():
        data.pairs(20, stream, 3)
        assert set(asked) == {part}
        asked.clear()


def test_no_two_items_are_alike_across_streams_and_seeds():
    streams = [split(0), split(1), *(data.pairs(200, name, seed) for name in ("validation", "training", "calibration") for seed in (0, 1))]
    streams += [data.pairs(64, "training", 3 * STEPS - 1)]
    for name in ("images", "features"):
        items = [item.tobytes() for part in streams for item in part.inputs[name]]
        assert len(set(items)) == len(items) == 2 * 2000 + 6 * 200 + 64


def test_calibration_gives_the_items_asked_for():
    inputs = data.calibration(5, 37)
    assert set(inputs) == {"images", "features"}
    assert task.size(inputs) == len(inputs["features"]) == 37
    assert (data.calibration(6, 37)["images"] != inputs["images"]).any()


def test_only_integers_are_mixed(monkeypatch):
    class Integers:
        """A generator that can do nothing else."""

        def __init__(self, rng: np.random.Generator) -> None:
            self.integers = rng.integers

    real, seen = np.random.default_rng, []
    monkeypatch.setattr(data.np.random, "default_rng", lambda seed: Integers(real(seed)))
    for name in ("clip", "maximum", "pad", "take_along_axis"):
        function = getattr(np, name)
        monkeypatch.setattr(data.np, name, lambda *a, f=function, **k: seen.append(f(*a, **k).dtype) or f(*a, **k))
    assert digest(data.pairs(50, "test", 9).inputs)
    assert len(seen) >= 6
    assert all(np.issubdtype(dtype, np.integer) for dtype in seen)


def test_images_are_enlarged_by_linear_interpolation():
    small = np.random.default_rng(0).integers(0, 17, (3, 8, 8))
    places = np.clip((np.arange(24) - 1) / 3, 0, 7)
    across = np.array([[np.interp(places, np.arange(8), row) for row in image] for image in small])
    wanted = np.array([[np.interp(places, np.arange(8), column) for column in image.T] for image in across]).transpose(0, 2, 1)
    assert data.enlarge(small) == pytest.approx(9 * wanted)


def test_noise_has_the_moments_that_it_claims():
    noise = data._noise(np.random.default_rng(1), (300, 300))
    assert np.issubdtype(noise.dtype, np.integer)
    assert noise.std() == pytest.approx(256, rel=0.01)
    assert abs(noise.mean()) < 4


def test_an_image_shows_its_digit_within_bounds():
    small = np.zeros((500, 8, 8), np.uint8)
    small[:, 2:6, 2:6] = 16
    seen = data.see(small, np.random.default_rng(2)).astype(float)
    mean = seen.mean(0)
    assert mean[12:16, 12:16].min() > mean[:4].max() + 30
    assert mean[12:16, 12:16].min() > mean[:, 24:].max() + 30


def test_a_sound_is_its_word_or_the_noise_whichever_is_louder():
    clean = np.zeros((400, 40, 48), np.uint8)
    clean[:, 10:12, 20:28] = 255
    heard = data.listen(clean, np.random.default_rng(3)).astype(int)
    loud = heard >= 255 - data.QUIETER[1]
    assert (loud[:, 10].sum(1) == 8).all()
    starts = loud[:, 10].argmax(1) - 20
    assert (starts.min(), starts.max()) == (-data.DELAY, data.DELAY)
    noise = heard[:, :, 36:]
    assert data.HISS[0] < noise.mean() < data.HISS[1]
    assert noise.std((1, 2)).min() > data.RIPPLE / 2


def band_of(hertz: float) -> int:
    """The band whose triangle is highest there, by the definition of the mel scale."""
    mels = 2595 * np.log10(1 + np.array([60, 8000, hertz]) / 700)
    return int(np.rint((mels[2] - mels[0]) / (mels[1] - mels[0]) * 41)) - 1


@pytest.mark.parametrize("hertz", [300, 500, 1000, 2500, 6000])
def test_a_pure_tone_peaks_in_its_band(hertz):
    features = mel.log_mel(0.3 * np.sin(2 * np.pi * hertz * np.arange(20000) / mel.RATE))
    assert (features.shape, features.dtype) == ((40, 48), np.uint8)
    assert (features.argmax(0) == band_of(hertz)).all()
    assert np.delete(features[:, 20], slice(max(0, band_of(hertz) - 6), band_of(hertz) + 7)).max() < features.max() - 60


def test_features_are_those_of_an_independent_computation():
    rng = np.random.default_rng(4)
    wave = 0.2 * np.sin(2 * np.pi * 700 * np.arange(12000) / 22050) + 0.02 * rng.standard_normal(12000)
    wave[0] = 0.5
    features = mel.log_mel(np.concatenate([np.zeros(500), wave]))
    times, edges = np.arange(1024), 700 * (10 ** (np.linspace(*(2595 * np.log10(1 + f / 700) for f in (60, 8000)), 42) / 2595) - 1)
    for frame in (0, 7, 30):
        part = wave[300 * frame : 300 * frame + 1024] * (0.5 - 0.5 * np.cos(2 * np.pi * times / 1023))
        power = [abs(np.sum(part * np.exp(-2j * np.pi * k * times / 1024))) ** 2 for k in range(513)]
        for band in (0, 5, 11, 25, 39):
            heights = np.interp(np.arange(513) * 22050 / 1024, edges[band : band + 3], [0, 1, 0])
            wanted = np.log(1 + np.dot(heights, power) / mel.FLOOR) / mel.NATS * 255
            assert abs(features[band, frame] - wanted) <= 0.51
    assert (features[:, 40:] == 0).all(), "nothing follows the sound"


def test_shipped_sounds_are_words_and_whole():
    for part in data.VOICES:
        clean = data.sounds(part)
        assert (clean % make_data.STEP == 0).all()
        assert clean.max() < 252, "the loudest voice is not cut off"
        assert clean[..., 0].max(-1).min() > 0, "every word begins at once"
        assert (clean[..., -1].max(-1) > 80).mean() < 0.03, "hardly a word lasts longer than the features"


def test_the_script_says_what_is_missing(tmp_path):
    command = [sys.executable, "-m", "suite.models.audio_visual_digits.make_data"]
    environment = {"PATH": str(tmp_path), "PYTHONPATH": str(FOLDER.parents[2])}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.strip() == "espeak-ng, which speaks the digits, is not installed: apt-get install espeak-ng"


def test_an_exhibit_is_the_image_and_an_audible_sound():
    picture, sound = data.exhibit(split(0), 7)
    assert isinstance(picture, Picture)
    assert (picture.pixels == split(0).inputs["images"][7]).all()
    assert isinstance(sound, Sound)
    assert (sound.samples.dtype, sound.rate) == (np.float32, 22050)
    assert 0.6 < len(sound.samples) / sound.rate < 1
    assert 0.5 < np.abs(sound.samples).max() <= 1
    assert np.sqrt(np.mean(sound.samples**2)) > 0.02
    assert (data.exhibit(split(0), 7)[1].samples == sound.samples).all()


def test_a_tone_sounds_again_where_it_was():
    features = mel.log_mel(0.3 * np.sin(2 * np.pi * 1500 * np.arange(20000) / mel.RATE))
    spectrum = np.abs(np.fft.rfft(hear.resynthesise(features)))
    assert abs(spectrum.argmax() * mel.RATE / hear.LENGTH - 1500) < 120


def test_a_word_sounds_again_in_its_bands():
    for voice, digit in ((0, 3), (3, 6), (5, 7)):
        features = data.sounds("test")[voice, 0, digit]
        again = mel.log_mel(hear.resynthesise(features).astype(float) * 0.5)
        strong = features > 100
        strong[:, 40:] = False
        assert max(np.corrcoef(features[strong], np.roll(again, late, 1)[strong])[0, 1] for late in range(4)) > 0.85


def test_silence_stays_silent():
    samples = hear.resynthesise(np.zeros((40, 48), np.uint8))
    assert (samples == 0).all()


def test_score_by_hand():
    labels = {"digit": np.array([7, 0, 3, 9]), "voice": np.array([0, 5, 1, 2])}
    predictions = {"digit": np.array([7, 1, 3], np.int8)}
    scored = task.score(labels, predictions)
    assert list(scored) == ["top_1"]
    assert (scored["top_1"].dtype, scored["top_1"].tolist()) == (bool, [True, False, True])
    assert data.truths(labels) == ["seven", "zero", "three", "nine"]
    assert data.answers({}, predictions) == ["seven", "one", "three"]
    assert task.slices(labels)["voice"].tolist() == ["linda", "quincy", "aunty", "steph"]


def test_predict_and_request_agree():
    inputs, done = split(0).inputs, []
    predictions = task.predict(inputs, 4, run, done.append)
    assert done == [1, 2, 3, 4]
    assert (predictions["digit"].dtype, predictions["probability"].dtype) == (np.int8, np.float16)
    for index in range(4):
        logits = torch.from_numpy(task.request(inputs, index + 2000, run)["logits"])
        assert logits.shape == (1, 10)
        assert logits.argmax() == predictions["digit"][index]
        assert predictions["probability"][index] == pytest.approx(float(logits.softmax(-1).max()), abs=1e-3)


def test_glue_feeds_bytes_as_numbers_between_minus_one_and_one():
    inputs = {"images": np.array([[[0, 255]]], np.uint8), "features": np.array([[[51, 204]]], np.uint8)}
    fed = task.feeds(inputs, slice(0, 1))
    assert fed["vision"]["pixel_values"].tolist() == [[[[-1, 1]]]]
    assert fed["audio"]["input_features"][0, 0, 0] == pytest.approx([-0.6, 0.6])


@pytest.mark.parametrize("name", ["vision", "audio", "fusion"])
def test_a_component_exports_and_agrees_with_torch(name, tmp_path):
    rng = np.random.default_rng(5)
    card = CARD.component(name)
    feed = {tensor.name: rng.standard_normal((2, *tensor.shape[1:]), np.float32) for tensor in card.inputs}
    export(components()[name], card, [feed], tmp_path / "graph.onnx")
    feed = {name: array[:1] for name, array in feed.items()}
    (found,) = onnxruntime.InferenceSession(tmp_path / "graph.onnx").run(None, feed)
    assert np.abs(found - run(name, feed)[card.outputs[0].name]).max() < 1e-4


def test_towers_have_what_compression_is_for():
    kinds = {name: Counter(type(layer).__name__ for layer in module.modules()) for name, module in components().items()}
    for tower in ("vision", "audio"):
        assert kinds[tower]["Conv2d"] == kinds[tower]["BatchNorm2d"] >= 5
        assert kinds[tower]["Linear"] == 1
    assert kinds["fusion"]["Linear"] == 2


def test_shipped_weights_give_these_answers():
    predictions = task.predict(split(0).inputs, 20, run, lambda _: None)
    assert " ".join(data.answers({}, predictions)) == GOLDEN


def test_fusion_is_better_than_either_modality_alone():
    fused = accuracy("", 0)
    assert 0.80 < fused.low < fused.high < 0.97
    for model in (" vision alone", " audio alone"):
        assert 0.5 < accuracy(model, 0).low < accuracy(model, 0).high < fused.low


def test_each_modality_counts():
    """Taking either away from the fused model costs it dearly: it listens to both."""
    first = {name: array[:500] for name, array in split(0).inputs.items()}
    labels = {name: array[:500] for name, array in split(0).labels.items()}
    whole = right(scores()[""], Split(first, labels)).mean()
    for name in ("images", "features"):
        without = first | {name: np.roll(first[name], 1, 0)}
        assert right(scores()[""], Split(without, labels)).mean() < whole - 0.2


def test_two_test_sets_are_equally_hard():
    for model in scores():
        one, other = accuracy(model, 0), accuracy(model, 1)
        assert max(one.low, other.low) < min(one.high, other.high)


def test_weights_are_small_and_figures_name_all_three_models():
    assert all((FOLDER / name).stat().st_size <= 20e6 for name in ("weights.safetensors", "alone.safetensors"))
    few = data.pairs(100, "validation", 1)
    assert set(figures(scores(), few, "test")) == {"test top_1", "test top_1 vision alone", "test top_1 audio alone"}
