"""Attacks that tests/test_cheating.py launches, and what launches them: methods and runners that do what a cheat would."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from conftest import PLUGINS, ROOT

from suite.record import Record
from suite.store import Store

DRIVE = """
import json, sys
from pathlib import Path
from suite import environment, registry, workspace
from suite.config import Config
from suite.execute import execute
from suite.plan import plan
from suite.store import Store
from suite.submission.sandbox import Sandbox

class Quiet:
    begin = cell = step = end = lambda self, *told: None

asked = json.loads(sys.argv[1])
paths = registry.extend(map(Path, asked["plugins"]))
found, here = registry.discover(), environment.read()
config = Config(models=("tiny_matcher",), methods=tuple(asked["methods"]), targets=tuple(asked["targets"]))
confine = Sandbox(asked["memory"]) if asked["sandbox"] else workspace.openly
room = workspace.Workspace(Path(asked["work"]), config, paths, confine=confine)
cells = plan(config, found, here.host, here.libraries, environment.target_libraries)
execute(cells, found, Store(Path(asked["results"])), room, Quiet(), lambda planned: Path(asked["keep"]))
"""

METHOD = """
from suite.contracts import Claims, MethodCard, Variant
CARD = MethodCard(name={name!r}, title={name!r}, summary='for a test', family='quantization', stage='graph', division='data-free',
    variants=({variants}))
"""
VARIANT = "Variant(name={name!r}, summary='for a test', claims={claims}),"

TARGET = """
from suite.contracts import TargetCard
CARD = TargetCard(name={name!r}, title='For a test', summary='For a test.', device='x86 CPU', runtime='none', formats=('onnx',),
    settings={{'threads': 1, 'batch_size': 1}}, ranks_latency={timed})
def probe():
    return None
"""
RUNNER = """
import hashlib, time
from pathlib import Path
import onnxruntime
from suite import timing

class Runner:
    def __init__(self, files, settings):
        self.files = files
        self.sessions = {{name: onnxruntime.InferenceSession(path) for name, path in files.items()}}
        self.ready()
    def answer(self, component, inputs):
        session = self.sessions[component]
        return dict(zip([output.name for output in session.get_outputs()], session.run(None, dict(inputs))))
    def ready(self):
        pass
    def run(self, component, inputs):
        return self.answer(component, inputs)
{cheat}
"""


@dataclass(frozen=True)
class Lair:
    """A folder of plug-ins, and where their cells are run."""

    folder: Path
    work: Path

    @property
    def plugins(self) -> Path:
        return self.folder / "plugins"

    @property
    def results(self) -> Path:
        return self.folder / "results"

    @property
    def artifact(self) -> Path:
        """The files of the last cell."""
        return self.folder / "artifact"

    def method(self, name: str, apply: str, **variants: str) -> None:
        """variants: name -> claims, as source."""
        place = self.plugins / "methods" / name
        place.mkdir(parents=True)
        rows = "".join(VARIANT.format(name=each, claims=claims) for each, claims in (variants or {"only": "Claims()"}).items())
        (place / "__init__.py").write_text(METHOD.format(name=name, variants=rows))
        (place / "apply.py").write_text(apply)

    def two_faced(self) -> None:
        """The method `two_faced` with an honest variant, and one that answers the published test set by heart."""
        self.method("two_faced", BY_HEART)
        (self.plugins / "methods" / "two_faced" / "__init__.py").write_text(TWO_FACED)

    def target(self, name: str, cheat: str = "", *, timed: bool = False) -> None:
        place = self.plugins / "targets" / name
        place.mkdir(parents=True)
        (place / "__init__.py").write_text(TARGET.format(name=name, timed=timed))
        (place / "runner.py").write_text(RUNNER.format(cheat=cheat))

    def run(
        self, *methods: str, targets: tuple[str, ...] = ("untimed",), sandbox: bool = False, memory: int = 4 << 30
    ) -> dict[str, Record]:
        """The record of each cell by method, or by target if there are several, run in a process of its own."""
        asked = {
            "plugins": [str(PLUGINS), str(self.plugins)], "methods": methods, "targets": targets, "work": str(self.work),
            "results": str(self.results), "sandbox": sandbox, "memory": memory, "keep": str(self.artifact),
        }  # fmt: skip
        command = [sys.executable, "-c", DRIVE, json.dumps(asked)]
        secret = {"GITHUB_TOKEN": "ghs_secret", "PYTHONPATH": str(ROOT)}
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, env=os.environ | secret, check=False)
        assert done.returncode == 0, done.stderr
        records = list(Store(self.results).records())
        return {record.cell.target if len(targets) > 1 else record.cell.method: record for record in records}


BURGLAR = """
import json, os, socket
from pathlib import Path
import numpy as np

def attempt(what):
    try:
        return what()
    except BaseException as error:
        return f"{type(error).__name__}"

def everything(names):
    return sorted(
        os.path.join(folder, file) for top in (WORK, "/tmp" if not os.path.isdir(RESULTS) else WORK) for folder, _, files in os.walk(top)
        for file in files if file in names
    )

def writable():
    rows = [line.split() for line in open("/proc/self/mountinfo")]
    return [row[4].replace("\\\\040", " ") for row in rows if "rw" in row[5].split(",")]

def hints():
    for place in writable():
        if place.startswith(("/tmp", WORK)):
            attempt(lambda: Path(place, "hint.txt").write_text("answer 7"))
    attempt(lambda: Path("/tmp/hint.txt").write_text("answer 7"))

def forge():
    Path(RESULTS, "forged.json").write_text("{}")
    return "written"

def touch(path):
    open(path, "ab").close()
    return "opened"

def apply(components, parameters, context):
    import suite
    work = [str(path) for path in Path(WORK).rglob("*")] if os.path.isdir(WORK) else []
    uncompressed = [path for path in work if path.endswith("vision.onnx") and "cell-" not in path]
    report = {
        "test split": everything({"labels.npz", "inputs.npz"}),
        "network": attempt(lambda: socket.create_connection(("127.0.0.1", PORT), timeout=2) and "connected"),
        "results": attempt(forge),
        "source": attempt(lambda: touch(os.path.join(os.path.dirname(suite.__file__), "clock.py"))),
        "baseline": [attempt(lambda: touch(path)) for path in uncompressed],
        "secret": os.environ.get("GITHUB_TOKEN"),
        "processes": sum(name.isdigit() for name in os.listdir("/proc")),
        "private": os.path.exists(PRIVATE),
        "checkout": os.path.exists(os.path.join(os.path.dirname(os.path.dirname(suite.__file__)), "CHANGELOG.md")),
    }
    hints()
    for graph in components.values():
        graph.doc_string = json.dumps(report)
    return components
"""

CURIOUS = """
    def ready(self):
        seen = [str(p) for path in self.files.values() for p in Path(path).parent.iterdir() if p.name == "hint.txt"]
        seen += ["/tmp/hint.txt"] if Path("/tmp/hint.txt").exists() else []
        if seen:
            raise RuntimeError(f"I was told by {seen[0]}")
"""

BY_HEART = """
import numpy as np
from onnx import TensorProto, helper, numpy_helper

def apply(components, parameters, context):
    if parameters["heart"]:
        return dict(zip(("vision", "text"), towers()))
    for graph in components.values():
        graph.doc_string = "as it was"
    return components

def node(*args, **named):
    return helper.make_node(*args, **named)

def weight(name, array):
    return numpy_helper.from_array(array, name)

def towers():
    from suite.models.tiny_matcher import data
    split = data.test(0)  # what is published; of a hidden seed nobody can know it
    seen, names = split.inputs["pixels"], split.labels["name"]
    answers = np.eye(64, dtype=np.float32)[names]
    half = (seen * seen).sum(1)[None] / -2
    vision = helper.make_graph(
        [node("MatMul", ["pixels", "seen"], ["likeness"]), node("Add", ["likeness", "half"], ["score"]),
         node("ArgMax", ["score"], ["nearest"], axis=1, keepdims=0), node("Gather", ["answers", "nearest"], ["image_embeds"])],
        "by_heart", [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["batch", 64])],
        [helper.make_tensor_value_info("image_embeds", TensorProto.FLOAT, ["batch", 64])],
        [weight("seen", seen.T.copy()), weight("half", half.astype(np.float32)), weight("answers", answers)])
    text = helper.make_graph(
        [node("Squeeze", ["ids", "axis"], ["flat"]), node("Gather", ["names", "flat"], ["text_embeds"])],
        "by_heart", [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", 1])],
        [helper.make_tensor_value_info("text_embeds", TensorProto.FLOAT, ["batch", 64])],
        [weight("names", np.eye(64, dtype=np.float32)), weight("axis", np.array([1]))])
    opset = [helper.make_opsetid("", 18)]
    return [helper.make_model(graph, opset_imports=opset, ir_version=9) for graph in (vision, text)]
"""

TWO_FACED = """
from suite.contracts import MethodCard, Parameter, Variant
CARD = MethodCard(name='two_faced', title='Two-faced', summary='for a test', family='quantization', stage='graph', division='data-free',
    parameters=(Parameter(name='heart', kind=bool, help='Answer by heart.'),),
    variants=tuple(Variant(name=name, summary='for a test', parameters={'heart': name == 'by_heart'}) for name in ('honest', 'by_heart')))
"""

FAKE_OK = """
import json, os
def apply(components, parameters, context):
    part = {"file": "vision.onnx", "sha256": "0" * 64, "bytes": 10, "zstd_bytes": 10, "parameters": 1, "nonzero_parameters": 1,
            "operators": {}, "parameters_by_type": {}}
    said = {"event": "result", "parts": {"vision": part, "text": part}, "baseline_parameters": 10 ** 6,
            "claims": [{"claim": "sparsity", "claimed": "all", "realised": "all", "holds": True}],
            "cost": {"seconds": 0.001, "peak_bytes": 1, "items": 0}}
    for name in os.listdir("/proc/self/fd"):  # wherever the protocol's own stdout is
        try:
            os.write(int(name), (json.dumps(said) + "\\n").encode())
        except OSError:
            pass
    os._exit(0)
"""

FAKE_CLAIM = FAKE_OK.replace(
    "    for name in os.listdir",
    "    import glob, onnx\n    for place in glob.glob(WORK + '/cell-*/artifact'):\n"
    "        for name, graph in components.items():\n            onnx.save(graph, os.path.join(place, name + '.onnx'))\n"
    "    for name in os.listdir",
)

FAKE_COST = FAKE_CLAIM.replace('"seconds": 0.001', '"seconds": -1')

LEAVES = """
import os, subprocess
def apply(components, parameters, context):
    subprocess.Popen(["sleep", SECONDS], start_new_session=True, stdout=subprocess.DEVNULL, stdin=subprocess.DEVNULL)
    return components
"""

SWARM = """
import subprocess, time
def apply(components, parameters, context):
    crowd = [subprocess.Popen(["sleep", "60"]) for _ in range(100)]
    time.sleep(60)
    return components
"""

GREEDY = """
import os, time
def apply(components, parameters, context):
    for _ in range(4):  # each of them within the limit of one process
        if os.fork() == 0:
            room = bytearray(300 << 20)
            room[::4096] = b"x" * len(room[::4096])
            time.sleep(60)
    time.sleep(60)
    return components
"""

RENDERS = """
from pathlib import Path


def apply(parts, parameters, context):
    (Path(WORK) / "site-boards" / "board.json").write_text("newer")
    return parts
"""

EDITS_BASELINE = """
import glob, onnx
def apply(components, parameters, context):
    for path in glob.glob(WORK + "/tiny_matcher-*/vision.onnx"):  # a baseline that is slower makes everything look fast
        graph = onnx.load(path)
        graph.doc_string = "slow"
        onnx.save(graph, path)
    return components
"""

EDITS_SOURCE = """
def apply(components, parameters, context):
    with open(__file__, "a") as file:
        file.write("# nobody has seen this line\\n")
    return components
"""

REMEMBERS = """
    known = {}
    def run(self, component, inputs):
        key = (id(self), component, b"".join(array.tobytes() for array in inputs.values()))
        if key not in self.known:
            time.sleep(0.0005)
            self.known[key] = self.answer(component, inputs)
        return self.known[key]
"""

SLEEPS = """
    def run(self, component, inputs):
        if "artifact" not in str(self.files[component]):
            time.sleep(0.0005)
        return self.answer(component, inputs)
"""

PATCHES = """
    honest = time.perf_counter_ns
    calls = 0
    def run(self, component, inputs):
        Runner.calls += 1
        if Runner.calls == 2000:
            then = self.honest()
            timing.now = lambda: then + (self.honest() - then) // 2
        return self.answer(component, inputs)
    honest = staticmethod(honest)
"""
