"""`squeezemark new-method` writes a method for each stage that works as it stands; what is typed wrongly is one sentence."""

import subprocess
import sys

import pytest
from conftest import PLUGINS, ROOT

from suite import registry
from suite.config import Config
from suite.errors import ConfigError
from suite.skeleton import METHOD, STAGES, write_method
from suite.trial import cards
from suite.trial.artifact import unchanged
from suite.trial.subject import Trial
from suite.workspace import Workspace


def test_there_is_a_template_for_each_stage():
    assert {path.name for path in METHOD.iterdir() if path.name != "__pycache__"} == set(STAGES)


def test_the_templates_pass_their_own_tests():
    done = subprocess.run([sys.executable, "-m", "pytest", "-q", str(METHOD)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert "8 passed" in done.stdout


@pytest.mark.parametrize("stage", [stage for stage in STAGES if stage != "graph"])  # docs/methods.md takes that one all the way
def test_what_is_written_does_what_its_card_claims(stage, work, tmp_path):
    place = write_method(f"made_{stage}", tmp_path, stage)
    paths = registry.extend([PLUGINS, tmp_path])
    found = registry.discover()
    room = tmp_path / "room"
    room.mkdir()
    trial = Trial(place.name, found, Workspace(work, Config(), paths), room, ("tiny_matcher",))
    assert trial.card.stage == stage
    assert [*cards.incomplete(trial.card), *cards.imports(place), *cards.signature(place)] == []
    for variant in trial.variants:
        made = trial.first(variant.name)
        assert made.failure is None
        assert made.artifact.claims
        assert all(claim.holds for claim in made.artifact.claims)
        assert not unchanged(made.folder, trial.uncompressed(made.planned), made.planned.format, made.hashes)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Mine", "A method cannot be called 'Mine': take lower-case letters, digits and '_', a letter first, 48 at most"),
        ("m" * 49, "48 at most, such as my_method"),
        ("dynamic_int8", "There is a method 'dynamic_int8' already"),
        ("per_component_int8", "There is a method 'per_component_int8' already"),
    ],
)
def test_a_name_that_cannot_be_had(name, sentence, tmp_path):
    with pytest.raises(ConfigError, match=sentence):
        write_method(name, tmp_path, "graph")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_over(tmp_path):
    place = write_method("mine_alone", tmp_path, "module")
    assert sorted(path.name for path in place.iterdir()) == ["__init__.py", "apply.py", "test_mine_alone.py"]
    assert "my_method" not in "".join(path.read_text() for path in place.iterdir())
    with pytest.raises(ConfigError, match="exists already and is not written over"):
        write_method("mine_alone", tmp_path, "graph")
