"""What every method has to be and to do, property by property: tests of pytest that `suite.trial.plugin` collects for a method's folder.

A failure is a sentence that says what to do. What could not be tried is skipped, with the reason.
"""

import importlib.metadata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from suite import formats
from suite.contracts import Variant
from suite.errors import CellFailed
from suite.findings import State
from suite.trial import cards
from suite.trial.artifact import one_call, unchanged
from suite.trial.subject import Made, Trial

Say = Callable[[State, str], None]

TEST_SPLIT = "-test-"
"""What the folder of a test split has in its name, in the working folder of a run."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test for each variant, and the first variant on each target."""
    trial: Trial = metafunc.definition.parent.trial  # type: ignore[union-attr]
    names = [variant.name for variant in trial.variants]
    if "target" in metafunc.fixturenames:
        targets = trial.targets or tuple(sorted(name for name, card in trial.registry.targets.items() if trial.card and trial.runs(card)))
        pairs = [(name, target) for name in names[: len(names) if trial.every else 1] for target in targets]
        metafunc.parametrize(("variant", "target"), pairs, ids=[f"{name}-{target}" for name, target in pairs])
    elif "variant" in metafunc.fixturenames:
        metafunc.parametrize("variant", names)


@pytest.fixture
def trial(request: pytest.FixtureRequest) -> Trial:
    """The method that the module was collected for."""
    found: Trial = request.node.parent.trial
    return found


@pytest.fixture
def say(request: pytest.FixtureRequest) -> Say:
    """Adds what was found to the report, in words."""
    return lambda state, words: request.node.user_properties.append(("squeezemark", [state, words]))


@pytest.fixture
def made(trial: Trial, variant: str) -> Made:
    """The first compression of a variant, and one that came to something."""
    found = trial.first(variant)
    if found.failure is not None:
        pytest.skip("needs an artifact, and there is none")
    return found


def wrong(problems: Iterator[str]) -> None:
    """Fails with all of the problems, if there is any."""
    found = list(problems)
    if found:
        pytest.fail("; ".join(found), pytrace=False)


@pytest.fixture
def folder(request: pytest.FixtureRequest) -> Path:
    """Where the method lies."""
    found: Path = request.node.parent.folder
    return found


def test_card(trial: Trial, say: Say) -> None:
    if trial.broken:
        pytest.fail(trial.broken.reason, pytrace=False)
    assert trial.card is not None
    wrong(cards.incomplete(trial.card))
    say("ok", f"{trial.card.title} ({', '.join(variant.name for variant in trial.card.variants)})")


def test_files(trial: Trial, folder: Path, say: Say) -> None:
    if trial.broken:
        pytest.skip("needs a card that can be read")
    wrong(cards.imports(folder))
    wrong(cards.signature(folder))
    for name in trial.card.dependencies if trial.card else ():
        try:
            importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            say("hint", f"its card depends on {name}, which is not installed here: pip install {name}")
    say("ok", "its card needs the contracts alone, and apply() what methods may use of the suite")


def test_claims_are_plausible(trial: Trial, variant: str, say: Say) -> None:
    claims = _variant(trial, variant).claims
    wrong(cards.implausible(claims))
    if cards.silent(claims) and not trial.is_baseline:
        say("hint", "it claims nothing that could be checked, and is shown as such (docs/methods.md, Claims)")


def test_compresses(trial: Trial, variant: str, say: Say) -> None:
    found = trial.first(variant)
    if found.failure is not None:
        _explain(found, found.failure, trial)
    assert found.planned is not None
    cost = found.result["cost"]
    limits = trial.workspace.config.limits
    used = f"{cost['seconds']:.1f} of {limits.compress_s:g} s, {cost['peak_bytes'] / 2**30:.1f} of {limits.memory_gib:g} GiB"
    data = f"{cost['items']} calibration calls" if cost["items"] else "no data"
    taught = f", {cost['training_steps']} training steps" if cost.get("training_steps") else ""
    say("ok", f"{found.model} as {formats.FORMATS[found.planned.format].title} in {used}, {data}{taught}")


def test_outputs_are_finite(trial: Trial, variant: str, say: Say) -> None:
    found = trial.first(variant)
    if found.failure is not None and found.failure.status == "invalid_output":
        pytest.fail(found.failure.reason, pytrace=False)
    if found.failure is not None:
        pytest.skip("needs an artifact, and there is none")
    say("ok", "every component answers its first calibration calls with finite outputs of the card's types and shapes")


def test_claims_are_borne_out(made: Made, say: Say) -> None:
    wrong(f"it claims {each.claim} {each.claimed}, the artifact shows {each.realised}" for each in made.artifact.claims if not each.holds)
    if made.artifact.claims:
        say("ok", "; ".join(f"{each.claim}: {each.realised}" for each in made.artifact.claims))


def test_something_changed(trial: Trial, made: Made, say: Say) -> None:
    if trial.is_baseline:
        pytest.skip("it is to leave everything as it is")
    assert made.planned is not None
    baseline = trial.uncompressed(made.planned)
    if unchanged(made.folder, baseline, made.planned.format, made.hashes):
        pytest.fail(f"every file of {made.model} holds what the uncompressed one holds: it did nothing", pytrace=False)
    before, after = (sum(path.stat().st_size for path in side) for side in (baseline.values(), made.folder.iterdir()))
    say("ok", f"{after / 1e6:.2f} MB, uncompressed {before / 1e6:.2f} MB")


def test_same_bytes_twice(trial: Trial, variant: str, made: Made, say: Say) -> None:
    again = trial.first(variant, turn=1)
    if again.failure is not None:
        pytest.fail(f"the second compression failed, the first did not: {again.failure.reason}", pytrace=False)
    differing = sorted(name for name, sha256 in made.hashes.items() if again.hashes[name] != sha256)
    if differing:
        words = "draw every random number from a generator with context.seed, and iterate over no set"
        pytest.fail(f"two compressions give other bytes for {', '.join(differing)}: {words}", pytrace=False)
    say("ok", f"two processes gave the same bytes for {', '.join(made.hashes)}")


def test_test_split_is_untouched(made: Made, say: Say) -> None:
    if made.result["asked"]:
        pytest.fail(f"it called the model's test({made.result['asked'][0]}): nothing may be learnt from the test split", pytrace=False)
    opened = list(map(str, made.result["opened"]))
    if touched := [path for path in opened if TEST_SPLIT in path.partition("/")[0]]:
        pytest.fail(f"it opened {touched[0]} of the working folder: nothing may be learnt from the test split", pytrace=False)
    read = sorted({Path(path).name for path in opened if path.endswith(".npz")})
    say("ok", f"what was opened of the run's data: {', '.join(read) or 'nothing'}")


def test_runs_on(trial: Trial, variant: str, target: str, say: Say) -> None:
    card = trial.registry.targets[target]
    if (ruled_out := trial.ruled_out(card)) is not None:
        pytest.skip(ruled_out.reason)
    first = trial.first(variant)
    if first.failure is not None or first.planned is None:
        pytest.skip("needs an artifact, and there is none")
    found = trial.made(variant, first.model, target)
    try:
        if found.failure is not None:
            raise found.failure
        say("ok", f"{first.model} answers on it in {trial.answered(found, card):.1f} s")
    except CellFailed as failure:
        if failure.status == "unsupported":
            pytest.skip(failure.reason)
        pytest.fail(f"{failure.status.replace('_', ' ')}: {failure.reason}", pytrace=False)


def test_smoke_latency(trial: Trial, made: Made, variant: str, request: pytest.FixtureRequest, say: Say) -> None:
    """Nothing is asserted about the clock: `pytest-benchmark compare` shows what changed between two states of a method."""
    if not request.config.pluginmanager.hasplugin("benchmark"):
        pytest.skip("pytest-benchmark is not installed here: pip install pytest-benchmark")
    benchmark: Any = request.getfixturevalue("benchmark")
    assert made.planned is not None
    card = trial.registry.targets[made.planned.cell.target]
    if card.environment is not None:
        pytest.skip(f"{card.name} runs in an environment of its own")
    call = one_call(made, card, trial.feeds(made.planned))
    benchmark.group = f"{trial.name} on {made.model}"
    benchmark.extra_info |= {"method": trial.name, "variant": variant, "model": made.model, "target": made.planned.cell.target}
    benchmark.pedantic(call, rounds=20, warmup_rounds=3)
    if benchmark.stats is not None:
        say("ok", f"{1000 * benchmark.stats.stats.median:.2f} ms for a call of each component on {made.planned.cell.target}, unranked")


def _explain(found: Made, failure: CellFailed, trial: Trial) -> None:
    """Fails or skips for what came of a compression. What another property is about is not complained of twice."""
    if failure.status == "invalid_output":
        pytest.skip("it makes files that cannot be used: see 'outputs are finite'")
    if failure.status == "unsupported" and (found.planned is None or found.planned.skip is not None):
        pytest.skip(failure.reason)
    if failure.status == "unsupported":
        words = f"it can be applied to none of {', '.join(trial.tried_models())}; the last one says: {failure.reason}"
        pytest.fail(words, pytrace=False)
    what = {"timeout": "over the budget of its division", "out_of_memory": "over the budget of its division"}
    pytest.fail(f"{what.get(failure.status, failure.status.replace('_', ' '))} on {found.model}: {failure.reason}", pytrace=False)


def _variant(trial: Trial, name: str) -> Variant:
    assert trial.card is not None
    return trial.card.variant(name)
