"""Examples: which items, what is shown of them, and why there may be none."""

import io
import wave
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from PIL import Image
from site_gallery import EVIL, ITEMS, NAME, RATE, answers, cards, content, exhibit, fill, installed, split, truths

from suite import arrays, examples, testsets
from suite.contracts import Picture, Sound, Split, Text
from suite.evidence import Evidence, collect
from suite.examples import FORGOTTEN, GAINED, Gallery, chosen, png, wav
from suite.hashing import hash_split
from suite.record import Record
from suite.store import Store
from suite.testsets import Source


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    filled = Store(tmp_path_factory.mktemp("gallery"))
    fill(filled)
    return filled


def known(store: Store, variant: str = "local_50") -> tuple[Record, Record, Evidence]:
    """A variant, the baseline, and what is kept of them."""
    evidence = collect(store, cards())
    by_variant = {record.cell.variant: record for record in evidence.records}
    return by_variant[variant], by_variant["fp32"], evidence


def look(store: Store, gallery: Gallery, variant: str = "local_50") -> examples.Examples:
    """The examples of a variant."""
    return gallery.of(*known(store, variant))


def test_forgotten_and_gained_are_what_the_columns_say(store: Store) -> None:
    with installed():
        gallery = Gallery(cards())
        found = look(store, gallery)
    record, baseline, evidence = known(store)
    (mine, new), (old, before) = ((evidence.samples[of.name], evidence.predictions(of)) for of in (record, baseline))
    assert found.reason is None
    assert 0 < len(found.forgotten) <= FORGOTTEN
    assert len(found.gained) <= GAINED
    assert all(old.hits[example.item] and not mine.hits[example.item] for example in found.forgotten)
    assert all(mine.hits[example.item] and not old.hits[example.item] for example in found.gained)
    for example in (*found.forgotten, *found.gained):
        assert example.truth == f"truth {example.item} {EVIL}"
        assert example.before == f"answer {before['prediction'][example.item]} {EVIL}"
        assert example.after == f"answer {new['prediction'][example.item]} {EVIL}"
        picture, sound, text = example.things
        assert (picture.kind, picture.file, picture.width, picture.height) == ("picture", f"the_gallery/{example.item}-0.png", 9, 12)
        assert (sound.kind, sound.file) == ("sound", f"the_gallery/{example.item}-1.wav")
        assert (text.kind, text.file, text.text) == ("text", None, f"{EVIL} number {example.item}?")
    shown = {example.item for example in (*found.forgotten, *found.gained)}
    assert set(gallery.files) == {f"the_gallery/{item}-{end}" for item in shown for end in ("0.png", "1.wav")}


def test_files_hold_the_items(store: Store) -> None:
    with installed():
        gallery = Gallery(cards())
        item = look(store, gallery).forgotten[0].item
    picture = np.asarray(Image.open(io.BytesIO(gallery.files[f"the_gallery/{item}-0.png"])))
    assert (picture == split(0).inputs["images"][item]).all()
    with wave.open(io.BytesIO(gallery.files[f"the_gallery/{item}-1.wav"])) as sound:
        assert (sound.getnchannels(), sound.getsampwidth(), sound.getframerate()) == (1, 2, RATE)
        heard = np.frombuffer(sound.readframes(1000), "<i2") / 32767
    assert heard == pytest.approx(split(0).inputs["sounds"][item], abs=1 / 32767)


def test_a_test_set_is_made_once_and_an_item_drawn_once(store: Store) -> None:
    made, drawn = [], []
    with installed(
        test=lambda seed: (made.append(seed), split(seed))[1], exhibit=lambda of, index: (drawn.append(index), exhibit(of, index))[1]
    ):
        gallery = Gallery(cards())
        for variant in ("local_50", "per_tensor", "local_50"):
            look(store, gallery, variant)
    assert made == [0]
    assert len(drawn) == len(set(drawn)) > 3


def test_nothing_is_made_where_nothing_changed_sides(store: Store) -> None:
    with installed(test=lambda seed: 1 / 0):
        _, baseline, evidence = known(store)
        assert Gallery(cards()).of(baseline, baseline, evidence).reason == "Not one item changed sides."


def test_a_metric_of_degrees_forgets_nothing(store: Store) -> None:
    record, baseline, evidence = known(store)
    samples = evidence.samples | {record.name: replace(evidence.samples[record.name], hits=np.zeros(ITEMS))}
    assert "not simply right or wrong" in Gallery(cards()).of(record, baseline, replace(evidence, samples=samples)).reason


def missing(seed: int) -> Split:
    raise ModuleNotFoundError("No module named 'glyphs'")


@pytest.mark.parametrize(
    ("functions", "reason"),
    [
        ({"test": missing}, "The data of the model cannot be made here: ModuleNotFoundError: No module named 'glyphs'."),
        ({"test": None}, "The data of the model cannot be made here: AttributeError"),
        ({"test": lambda seed: split(seed + 1)}, "is not the one of this record"),
        ({"exhibit": None, "truths": None}, "neither exhibit() nor words"),
        ({"exhibit": lambda made, index: (index,)}, "could not show them: TypeError: exhibit() gives a int, not a Picture"),
        ({"exhibit": lambda made, index: (Picture("x", np.zeros((3, 3))),)}, "could not show them: ValueError: pixels of the type float64"),
        ({"exhibit": lambda made, index: (Picture("x", np.zeros((3, 3, 4), np.uint8)),)}, "and the shape (3, 3, 4)"),
        ({"exhibit": lambda made, index: (Sound("x", np.full(9, np.nan), RATE),)}, "or not finite"),
        ({"answers": lambda labels, predictions: ["too few"]}, "could not show them: IndexError"),
    ],
)
def test_why_there_are_none_is_said(store: Store, functions: dict, reason: str) -> None:
    with installed(**functions):
        found = look(store, Gallery(cards()))
    assert reason in found.reason
    assert found.forgotten == found.gained == ()


def test_a_model_that_is_gone_shows_nothing(store: Store) -> None:
    with installed():
        assert "not part of this installation" in look(store, Gallery({})).reason
    assert "cannot be made here: ModuleNotFoundError" in look(store, Gallery(cards())).reason


def test_words_or_pictures_alone_are_enough(store: Store) -> None:
    with installed(exhibit=None):
        (example, *_) = look(store, Gallery(cards())).forgotten
        assert example.things == ()
        assert example.truth is not None
    with installed(answers=None):
        (example, *_) = look(store, Gallery(cards())).forgotten
        assert len(example.things) == 3
        assert (example.truth, example.before, example.after) == (None, None, None)


@pytest.mark.parametrize("damage", [None, "other bytes", "cut"])
def test_the_split_of_a_run_is_taken_if_it_is_the_right_one(store: Store, tmp_path: Path, damage: str | None) -> None:
    folder, made = tmp_path / f"{NAME}-0123456789ab-test-0", []
    for stale in (tmp_path / f"{NAME}-aaaaaaaaaaaa-test-0", folder):
        stale.mkdir()
        of = split(1 if stale is not folder or damage == "other bytes" else 0)
        arrays.save(stale / "inputs.npz", of.inputs)
        arrays.save(stale / "labels.npz", of.labels)
    if damage == "cut":
        (folder / "inputs.npz").write_bytes((folder / "inputs.npz").read_bytes()[:100])
    with installed(test=lambda seed: (made.append(seed), split(seed))[1]):
        found = look(store, Gallery(cards(), tmp_path))
    assert found.reason is None
    assert made == ([] if damage is None else [0])


def test_seeds_have_folders_of_their_own(tmp_path: Path) -> None:
    other = Store(tmp_path)
    fill(other, seed=7)
    with installed():
        gallery = Gallery(cards(), tmp_path / "nowhere")
        assert look(other, gallery).reason is None
    assert all(file.startswith("the_gallery/seed-7/") for file in gallery.files)


def test_records_of_two_test_sets_are_not_mixed_up(store: Store) -> None:
    with installed():
        gallery = Gallery(cards())
        found, (record, baseline, evidence) = look(store, gallery), known(store)
        stale = msgspec.structs.replace(record, provenance=msgspec.structs.replace(record.provenance, test_sha256="f" * 64))
        assert "is not the one of this record" in gallery.of(stale, baseline, evidence).reason
        assert found.reason is None
        later = Gallery(cards())
        assert "is not the one" in later.of(stale, baseline, evidence).reason
        assert later.of(record, baseline, evidence).reason is None


def test_the_hash_is_that_of_a_run(tmp_path: Path) -> None:
    from suite import prepare

    with installed():
        prepare.test({"out": str(tmp_path), "model": NAME, "seed": 3}, lambda *told: None)
    assert content(split(3)) in (tmp_path / "test.json").read_text()
    assert hash_split(split(3)) == content(split(3))


def test_chosen_items_are_spread_and_shared() -> None:
    assert chosen(np.zeros(50, bool), 6) == []
    assert chosen(np.arange(50) % 10 == 3, 6) == [3, 13, 23, 33, 43]
    every = chosen(np.ones(2000, bool), 6)
    assert len(every) == 6
    assert every == sorted(every)
    assert max(np.diff([0, *every, 2000])) < 900
    rng = np.random.default_rng(1)
    half = rng.random(2000) < 0.9
    assert len(set(chosen(half, 6)) & set(every)) >= 4, "records that forget much show the same items"
    counts = np.zeros(2000)
    for _ in range(300):
        counts[chosen(rng.random(2000) < 0.01, 6)] += 1
    assert counts[:1000].sum() / counts.sum() == pytest.approx(0.5, abs=0.05)


def test_sizes_are_bounded(store: Store) -> None:
    large = Picture("x" * 2000, np.zeros((2000, 30), np.uint8))
    with installed(exhibit=lambda made, index: (large, Text("t" * 2000, "y" * 10_000), *[Text("more", "")] * 9)):
        gallery = Gallery(cards())
        things = look(store, gallery).forgotten[0].things
    assert (things[0].width, things[0].height) == (8, 500)
    assert len(things) == examples.THINGS
    assert max(len(text) for thing in things for text in (thing.title, thing.text)) == testsets.LETTERS
    long = wav(Sound("x", np.zeros(100_000, np.float32), 1000))
    assert len(long) < 2 * examples.SECONDS * 1000 + 100


def test_loud_sounds_are_cut_not_wrapped() -> None:
    with wave.open(io.BytesIO(wav(Sound("x", np.array([-2.0, 0.0, 2.0]), RATE)))) as sound:
        assert np.frombuffer(sound.readframes(3), "<i2").tolist() == [-32767, 0, 32767]


def test_gray_pictures_are_pictures() -> None:
    gray = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert (np.asarray(Image.open(io.BytesIO(png(gray)))) == gray).all()


@pytest.mark.parametrize("model", ["glyph_clip", "scene_vqa", "scene_captioner", "audio_visual_digits"])
def test_every_reference_model_has_something_to_show(model: str) -> None:
    from suite.glue import words
    from suite.plugins import model_part

    data = model_part(model, "data")
    made = data.test(0)
    predictions = {
        "glyph_clip": {"best": np.arange(15).reshape(3, 5)},
        "scene_vqa": {"answer": np.arange(3)},
        "scene_captioner": {"tokens": np.full((3, 16), 3)},
        "audio_visual_digits": {"digit": np.arange(3)},
    }[model]
    things = data.exhibit(made, 2)
    assert things
    assert all(isinstance(thing, Picture | Sound | Text) for thing in things)
    right, given = words(data, made.labels, predictions)
    assert len(right) == len(given) == 3
    assert all(right)


def test_the_words_of_the_gallery_are_the_ones_that_are_tested() -> None:
    assert len(truths(split(0).labels)) == len(answers({}, {"prediction": np.arange(ITEMS)})) == ITEMS


def test_labels_that_are_not_of_items_stay_whole() -> None:
    """As a model has that keeps a table beside its labels: an item that lies beyond its end has words all the same."""
    items = 6
    data = SimpleNamespace(
        truths=lambda labels: [f"{labels['table'][0]} {right}" for right in labels["right"]],
        answers=lambda labels, predictions: [f"{labels['table'][1]} {found}" for found in predictions["found"]],
    )
    source = Source("beside", data, Split({}, {"right": np.arange(items), "table": np.array([70, 80])}), "0" * 64)
    old, new = {"found": np.arange(items) + 10}, {"found": np.arange(items) + 20}
    assert source.words([0, 1], old, new) == ({0: "70 0", 1: "70 1"}, {0: "80 10", 1: "80 11"}, {0: "80 20", 1: "80 21"})
    assert source.words([1, 5], old, new) == ({1: "70 1", 5: "70 5"}, {1: "80 11", 5: "80 15"}, {1: "80 21", 5: "80 25"})


def test_what_one_process_left_another_need_not_make(store: Store, tmp_path: Path) -> None:
    shown: list[int] = []

    def counted(made: Split, index: int) -> tuple[Picture | Sound | Text, ...]:
        shown.append(index)
        return exhibit(made, index)

    with installed(exhibit=counted):
        first, second = Gallery(cards(), room=tmp_path), Gallery(cards(), room=tmp_path)
        found, made = look(store, first), list(shown)
        assert look(store, second) == found
    assert made == shown
    assert second.files == first.files
    with installed():
        assert look(store, Gallery(cards())) == found
