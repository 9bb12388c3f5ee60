"""The plug-in of pytest: a method's folder that is named on the command line is collected with the properties of every method.

It does nothing in other runs of pytest, and imports nothing heavy until a folder of a method is named.
"""

import json
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from suite.registry import Registry
    from suite.trial.subject import Trial

PROPERTIES = Path(__file__).with_name("properties.py")

ROOM: "pytest.StashKey[tempfile.TemporaryDirectory[str]]" = pytest.StashKey()
FOUND: "pytest.StashKey[tuple[Registry, dict[str, list[str]]]]" = pytest.StashKey()

OPTIONS = {
    "models": "Models that methods are tried on, separated by commas. Default: the first that each can be applied to.",
    "targets": "Targets that artifacts are run on, separated by commas. Default: all that run here and are not emulated.",
    "variants": "Variants, separated by commas. Default: all that get a row.",
    "plugins": "Folders with models/, methods/ or targets/, separated by commas.",
    "methods": "Folders that hold methods, or that are one, separated by commas.",
    "model-files": "Models in one file each, separated by commas.",
    "work": "Folder for exports and test sets. Default: .squeezemark.",
    "findings": "File that gets a line of JSON for each property.",
}


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("squeezemark", "conformance of compression methods")
    for name, words in OPTIONS.items():
        group.addoption(f"--squeezemark-{name}", default="", help=words)
    group.addoption("--squeezemark-every", action="store_true", help="Run every variant on every target, not the first one alone.")


def _listed(config: pytest.Config, name: str) -> tuple[str, ...]:
    return tuple(each for each in str(config.getoption(f"--squeezemark-{name}")).split(",") if each)


def is_method(folder: Path) -> bool:
    """Whether a folder has the two files of a method, and none of them is a model's or a target's."""
    return all((folder / name).is_file() for name in ("__init__.py", "apply.py"))


def pytest_collect_directory(path: Path, parent: pytest.Collector) -> "MethodFolder | None":
    """The folder of a method, if it is one that was named."""
    named = {(parent.config.invocation_params.dir / argument.partition("::")[0]).resolve() for argument in parent.config.args}
    return MethodFolder.from_parent(parent, path=path) if path.resolve() in named and is_method(path) else None


class MethodFolder(pytest.Directory):
    """The properties, and then what tests the method brings itself."""

    def collect(self) -> Iterator[pytest.Item | pytest.Collector]:
        """A module of each."""
        yield Properties.from_parent(self, path=PROPERTIES, nodeid=f"{self.nodeid}::conformance", folder=self.path.resolve())
        for file in sorted(self.path.glob("*.py")):
            yield from self.session.gethookproxy(self.path).pytest_collect_file(file_path=file, parent=self)


class Properties(pytest.Module):
    """`suite.trial.properties` for one method."""

    def __init__(self, folder: Path, **rest: Any) -> None:
        super().__init__(**rest)
        self.folder = folder
        self.trial = trial(self.config, folder)


def trial(config: pytest.Config, folder: Path) -> "Trial":
    """The method in a folder, ready to be tried. Raises the errors of what was named wrongly, as a usage error of pytest."""
    from suite import config as configs
    from suite.errors import SqueezemarkError
    from suite.trial.subject import Trial
    from suite.workspace import Workspace

    try:
        registry, paths = _found(config, folder)
        work = Path(config.getoption("--squeezemark-work") or ".squeezemark").resolve()
        work.mkdir(parents=True, exist_ok=True)
        if ROOM not in config.stash:
            config.stash[ROOM] = tempfile.TemporaryDirectory(prefix="check-", dir=work)
        room = Path(tempfile.mkdtemp(dir=config.stash[ROOM].name))
        workspace = Workspace(work, configs.load(None, {}), paths)
        models, targets, wanted = (_listed(config, name) for name in ("models", "targets", "variants"))
        for kind, names in (("model", models), ("target", targets)):
            for name in names:
                registry.find(kind, name)
        models += tuple(Path(file).stem for file in _listed(config, "model-files"))
        return Trial(folder.name, registry, workspace, room, models, targets, wanted, config.getoption("--squeezemark-every"))
    except SqueezemarkError as error:
        raise pytest.UsageError(str(error)) from error


def _found(config: pytest.Config, folder: Path) -> "tuple[Registry, dict[str, list[str]]]":
    """Every plug-in, this folder and the others that were named among them, and what the processes of a run add."""
    from suite import registry

    if FOUND not in config.stash:
        folders = [(config.invocation_params.dir / argument.partition("::")[0]).resolve() for argument in config.args]
        plugins, models, others = (map(Path, _listed(config, name)) for name in ("plugins", "model-files", "methods"))
        paths = registry.extend(plugins, models, [*others, *(each for each in folders if is_method(each))])
        config.stash[FOUND] = registry.discover(), paths
    return config.stash[FOUND]


def pytest_unconfigure(config: pytest.Config) -> None:
    """What was made is removed; exports and test sets stay in the working folder for the next time."""
    if ROOM in config.stash:
        config.stash[ROOM].cleanup()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: "pytest.CallInfo[None]") -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Writes what was found to the file of findings, where there is one."""
    report = yield
    path = item.config.getoption("--squeezemark-findings")
    if path and (report.when == "call" or not report.passed):
        with Path(path).open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(finding) + "\n" for finding in _findings(item, report))
    return report


def _findings(item: pytest.Item, report: pytest.TestReport) -> Iterator[dict[str, str]]:
    of = item.parent if isinstance(item.parent, Properties) else None
    name = getattr(item, "originalname", item.name)
    check = name.removeprefix("test_").replace("_", " ") if of else "own test"
    about = getattr(item, "callspec", None)
    subject = about.id if about is not None and of else "" if of else report.nodeid.rpartition("/")[2]
    method = of.trial.name if of else item.path.parent.name
    line = {"method": method, "check": check, "subject": subject}
    if report.skipped:
        yield line | {"state": "skipped", "words": _reason(report)}
    elif report.failed:
        yield line | {"state": "wrong", "words": " ".join(report.longreprtext.split()) if of else report.longreprtext.strip()}
    else:
        said: list[Any] = [value for kind, value in item.user_properties if kind == "squeezemark"]
        yield from (line | {"state": str(state), "words": str(words)} for state, words in said or [("ok", "")])


def _reason(report: pytest.TestReport) -> str:
    told = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    return told.removeprefix("Skipped: ")
