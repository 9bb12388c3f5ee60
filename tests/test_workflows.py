"""What runs on GitHub: it may do little, it trusts nobody's text, and the commands that it calls exist as it calls them."""

import itertools
import re
import shlex

import pytest
import yaml
from conftest import ROOT

from suite.cli import cli

WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in sorted((ROOT / ".github" / "workflows").glob("*.yml"))}
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))

MAY_WRITE = {
    ("re-run", "propose"): {"contents", "pull-requests"},
    ("pages", "deploy"): {"pages", "id-token"},
    ("release", "draft"): {"contents"},
    ("release", "build"): {"id-token", "attestations"},
}
"""(workflow, job) -> what it may write; every other job may read the contents at most."""
UNTRUSTED = re.compile(r"\$\{\{[^}]*(github\.event\.|github\.head_ref|inputs\.)[^}]*\}\}")


def _steps(workflow):
    return [step for job in workflow["jobs"].values() for step in job["steps"]]


def _triggers(workflow):
    """YAML reads the key `on` as true."""
    found = workflow[True]
    return {found} if isinstance(found, str) else set(found)


def test_there_is_one_for_each_task():
    assert set(WORKFLOWS) >= {"emulated", "release", "rerun", "submission", "test", "weekly"}


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_job_may_do_no_more_than_it_needs(name):
    workflow = WORKFLOWS[name]
    assert workflow["permissions"] in ({}, {"contents": "read"}), "a job that needs more says so itself"
    for job_name, job in workflow["jobs"].items():
        written = {scope for scope, right in job.get("permissions", {}).items() if right != "read"}
        assert written == MAY_WRITE.get((workflow["name"], job_name), set()), job_name
        assert job["timeout-minutes"] <= 360


@pytest.mark.parametrize("name", WORKFLOWS)
def test_strangers_code_never_runs_with_our_rights(name):
    workflow = WORKFLOWS[name]
    text = (ROOT / ".github" / "workflows" / f"{name}.yml").read_text()
    assert not _triggers(workflow) & {"pull_request_target", "workflow_run", "issue_comment"}
    assert "secrets." not in text
    if "pull_request" in _triggers(workflow):
        ours = "github.event_name == 'push'"
        assert not any(job.get("permissions") for job in workflow["jobs"].values() if job.get("if") != ours)
    for job_name, job in workflow["jobs"].items():
        writes = (workflow["name"], job_name) in MAY_WRITE
        commands = " ".join(str(step.get("run", "")) for step in job["steps"])
        assert not (writes and re.search(r"squeezemark (run|reproduce|check|compress)\b", commands)), "who measures does not write"


@pytest.mark.parametrize("name", WORKFLOWS)
def test_text_of_others_reaches_a_shell_as_a_variable_alone(name):
    for step in _steps(WORKFLOWS[name]):
        assert not UNTRUSTED.search(str(step.get("run", ""))), step


@pytest.mark.parametrize("name", WORKFLOWS)
def test_actions_are_pinned_by_version_and_are_githubs_own(name):
    for step in _steps(WORKFLOWS[name]):
        if "uses" in step:
            assert re.fullmatch(r"actions/[a-z-]+@v\d+\.\d+\.\d+", step["uses"]), step["uses"]


def _commands(name):
    """Every call of squeezemark in a workflow, as words; what a shell would fill in is a word."""
    for step in _steps(WORKFLOWS[name]):
        for line in str(step.get("run", "")).splitlines():
            words = shlex.shlex(line, posix=True, punctuation_chars=";|<>&")
            words.whitespace_split = True
            for is_end, call in itertools.groupby(words, key=lambda word: set(word) <= set(";|<>&")):
                rest = [] if is_end else list(itertools.dropwhile(lambda word: word != "squeezemark", call))
                if rest[1:] and not rest[1].startswith("-"):
                    yield rest[1:]


@pytest.mark.parametrize("name", WORKFLOWS)
def test_the_commands_that_it_calls_exist_with_these_options(name):
    for command, *rest in _commands(name):
        assert command in cli.commands, command
        known = {option for parameter in cli.commands[command].params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= known, (command, rest)


def test_commands_are_found_at_all():
    assert ["verify", "--all", "--results", "site/results"] in list(_commands("weekly"))
    assert next(words for words in _commands("rerun"))[:2] == ["reproduce", "$BUNDLE"]


def test_the_rerun_never_commits_a_number_that_somebody_typed():
    """It does not copy submitted records, and adds files alone."""
    (command,) = [words for words in _commands("rerun") if words[0] == "reproduce"]
    assert "--publish" in command
    assert not {"--accept", "--no-sandbox", "--test-seed"} & set(command)
    text = (ROOT / ".github" / "workflows" / "rerun.yml").read_text()
    assert "--keep-old-files" in text
    assert "--diff-filter=A" in text


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_issue_forms_are_whole(path):
    form = yaml.safe_load(path.read_text())
    if path.stem == "config":
        assert form == {"blank_issues_enabled": True}
        return
    assert form["name"]
    assert form["description"]
    assert all(field["attributes"]["label"] for field in form["body"])


def test_there_are_forms_for_bugs_methods_and_wrong_numbers():
    assert {path.stem for path in FORMS} == {"bug", "config", "new-method", "wrong-number"}


def test_owners_of_what_says_who_measured():
    rows = [line.split() for line in (ROOT / ".github" / "CODEOWNERS").read_text().splitlines() if line and not line.startswith("#")]
    owned = {path: owners for path, *owners in rows}
    assert all(owner.startswith("@") for owners in owned.values() for owner in owners)
    assert {"/site/results/provenance/", "/.github/", "/suite/submission/"} <= owned.keys()
