"""The plan of the house (docs/DESIGN.md) as tests: who may import whom, and what stays out of the light processes."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest
from conftest import ROOT

PACKAGES = ("suite", "methods", "targets")
HEAVY = ("torch", "onnx", "onnxruntime", "onnxscript", "matplotlib", "PIL", "fontTools", "safetensors")

FLOW = ("config", "plan", "execute", "record", "store", "summarize", "render")


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {_name(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}


def _imports(path: Path, everywhere: bool) -> Iterator[str]:
    """What a module imports: at its top level, or (`everywhere`) inside its functions too. Imports for type checkers do not count."""
    nodes = [ast.parse(path.read_text())]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            nodes += node.orelse
        elif everywhere or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            nodes += ast.iter_child_nodes(node)


def _inner(name: str, everywhere: bool = False) -> set[str]:
    return {found for found in _imports(MODULES[name], everywhere) if found in MODULES and found != name}


def test_there_are_no_import_cycles():
    packages = {name.rpartition(".")[0]: None for name in MODULES}
    graph = {name: {found for found in _inner(name) if found not in packages} for name in MODULES}
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail(f"import cycle: {' -> '.join(error.args[1])}")


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith(("methods.", "targets."))])
def test_plug_ins_import_only_the_contracts(name):
    allowed = {"suite.contracts", "suite.graph"}
    own = ".".join(name.split(".")[:2])
    found = {imported for imported in _inner(name, everywhere=True) if not imported.startswith(own)}
    found = {imported for imported in found if not imported.startswith("suite.surgery")}
    assert found - {"suite", "methods", "targets"} <= allowed


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("suite.surgery.")])
def test_what_methods_share_knows_the_contracts_alone(name):
    found = {imported for imported in _inner(name, everywhere=True) if not imported.startswith("suite.surgery")}
    assert found - {"suite"} <= {"suite.contracts", "suite.graph"}


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("suite.") and not name.startswith("suite.models.")])
def test_the_suite_reaches_plug_ins_through_the_registry_alone(name):
    found = _inner(name, everywhere=True)
    assert not any(imported.startswith(("methods.", "targets.", "suite.models.")) for imported in found)


def test_nothing_imports_against_the_flow():
    for early, later in [(a, b) for i, a in enumerate(FLOW) for b in FLOW[i + 1 :]]:
        if (early, later) in {("plan", "record"), ("execute", "record"), ("execute", "store")}:
            continue  # they make what comes next: a cell, a record, its file
        assert f"suite.{later}" not in _inner(f"suite.{early}", everywhere=True), f"{early} imports {later}"
    assert "suite.execute" not in _inner("suite.render", everywhere=True)


@pytest.mark.parametrize(
    "module",
    [
        "contracts",
        "cli",
        "registry",
        "plan",
        "record",
        "store",
        "summarize",
        "render",
        "execute",
        "worker",
        "submission.verify",
        "submission.collect",
    ],
)
def test_importing_it_brings_nothing_heavy(module):
    code = f"import sys, suite.{module}; print(*(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_reading_every_card_brings_nothing_heavy():
    code = f"import sys; from suite import registry; r = registry.discover(); assert r.models and r.methods and r.targets, r.broken; print(*(set({HEAVY!r}) & set(sys.modules)))"  # noqa: E501
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("suite.models.") and name.endswith(".data")])
def test_the_data_of_a_model_need_no_torch(name):
    """The site imports them to show examples."""
    code = f"import sys, {name} as data; data.exhibit(data.test(0), 0); print(*({{'torch', 'onnx', 'onnxruntime'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_graph_is_checked_without_torch():
    """Importing it takes longer than a method that works on graphs, and than checking what that made."""
    code = "import sys, suite.compress, suite.claims\nfrom suite import formats\nformats.maker('onnx')\nprint('onnx' in sys.modules, 'torch' in sys.modules)"  # noqa: E501
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


def test_help_imports_only_click():
    code = "import sys, suite.cli\ntry:\n    suite.cli.cli(['--help'])\nexcept SystemExit:\n    print('LOADED', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.partition("LOADED")[2].split())
    assert "click" in loaded
    assert not loaded & {"numpy", "msgspec", "rich", "jinja2", "plotly", "zstandard", "psutil", *HEAVY}


def test_the_worker_needs_numpy_and_the_standard_library_alone():
    """What has to be copied to a small board: the modules that `suite.worker` loads, and numpy."""
    code = (
        "import sys, suite.worker\n"
        "outside = {name.partition('.')[0] for name in sys.modules} - set(sys.stdlib_module_names) - {'__main__', 'suite'}\n"
        "print(*(name for name in outside if not name.startswith('_')))"
    )
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}\n" + code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["numpy"]


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            yield node.name, node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("name", MODULES)
def test_rooms_stay_small(name):
    """docs/STYLE.md: no file over 250 lines, no function over 40."""
    assert len(MODULES[name].read_text().splitlines()) <= 250
    assert all(lines <= 40 for _, lines in _functions(MODULES[name]))


@pytest.mark.parametrize("name", [name for name in MODULES if name.startswith("suite.models.") and name.endswith(".task")])
def test_the_glue_of_a_model_needs_numpy_alone(name):
    """The worker imports it on a board that has nothing else, and what of the suite it imports."""
    found = set(_imports(MODULES[name], everywhere=True))
    own = {module for module in found if module in MODULES}
    found = {module for module in found if not module.startswith("suite")}.union(
        *(_imports(MODULES[module], True) for module in own - {"suite"})
    )
    assert own <= {"suite.cider"}, "what else is as light may be added here"
    assert {module.partition(".")[0] for module in found} <= {"numpy", *sys.stdlib_module_names}
