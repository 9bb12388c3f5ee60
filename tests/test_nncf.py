"""NNCF's methods: made for OpenVINO alone, and what their files hold is what its kernels run."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from conftest import PLUGINS, ROOT
from onnx import TensorProto, helper, numpy_helper

from suite import registry
from suite.config import Config
from suite.contracts import Component, Context, NotApplicable, Skip, Tensor
from suite.formats import onnx_graph
from suite.plan import plan
from suite.record import RecipeStep
from suite.workshop import Calibration, Workshop
from suite.workspace import Workspace

pytest.importorskip("nncf", reason="pip install 'squeezemark[openvino]'")
openvino = pytest.importorskip("openvino")

REGISTRY = registry.discover()
TARGET = "x86_cpu_openvino"
HERE = REGISTRY.probes[TARGET]()
METHODS = ("nncf_int8", "nncf_weights")
COMPONENT = Component("vision", "vision", (Tensor("x", "float32", ("batch", 3, 8, 8)),), (Tensor("y", "float32", ("batch", 10)),))


def rows(target, methods=()):
    """Method -> why it has no result there, of the rows that a plan has for one model."""
    cells = plan(Config(tier="full", models=("glyph_clip",), targets=(target,), methods=methods), REGISTRY, "", {}).cells
    return {cell.cell.method: cell.skip for cell in cells}


def test_they_have_rows_on_openvino_alone_and_say_why_where_they_are_asked_for():
    assert set(METHODS) <= set(rows(TARGET))
    assert not set(METHODS) & set(rows("x86_cpu_ort"))
    assert rows("x86_cpu_ort", METHODS)["nncf_int8"] == Skip("nncf_int8 is made for openvino, and x86_cpu_ort runs onnxruntime")
    assert rows("x86_cpu_torch", METHODS)["nncf_weights"] == Skip("nncf_weights is made for openvino, and x86_cpu_torch runs torch")


def test_without_the_library_they_say_what_to_install(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for name in METHODS:
        card = REGISTRY.methods[name]
        skip = REGISTRY.supports[name](REGISTRY.models["glyph_clip"], REGISTRY.targets[TARGET], card.variants[0])
        assert skip == Skip("nncf is not installed here: pip install 'squeezemark[openvino]'")


def network():
    """A convolution, a Gemm with a transposed weight and one more: the layers whose scales and blocks NNCF writes in ways of its own."""
    rng = np.random.default_rng(0)
    weights = {"conv": (16, 3, 3, 3), "inner": (32, 16 * 64), "outer": (10, 32)}
    tensors = [numpy_helper.from_array(rng.normal(0, 0.1, shape).astype(np.float32), name) for name, shape in weights.items()]
    nodes = [
        helper.make_node("Conv", ["x", "conv"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"]),
        helper.make_node("Flatten", ["b"], ["c"]),
        helper.make_node("Gemm", ["c", "inner"], ["d"], transB=1),
        helper.make_node("Relu", ["d"], ["e"]),
        helper.make_node("Gemm", ["e", "outer"], ["y"], transB=1),
    ]
    given, wanted = (helper.make_tensor_value_info(*which) for which in (("x", 1, ["batch", 3, 8, 8]), ("y", 1, ["batch", 10])))
    graph = helper.make_graph(nodes, "network", [given], [wanted], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def feeds(count=16):
    """What the network is fed."""
    rng = np.random.default_rng(1)
    return [{"x": rng.normal(size=(1, 3, 8, 8)).astype(np.float32)} for _ in range(count)]


def compressed(method, variant, folder):
    """The network as a variant leaves it, in a file."""
    context = Context(components={"vision": COMPONENT}, seed=0, scratch=folder, feeds=lambda name: feeds())
    apply = importlib.import_module(f"methods.{method}.apply").apply
    made = apply({"vision": network().SerializeToString()}, dict(REGISTRY.methods[method].variant(variant).parameters), context)
    path = folder / f"{variant}.onnx"
    path.write_bytes(made["vision"])
    return path


def answers(path, executed=None):
    """What OpenVINO makes of the first feeds. executed: filled with the type in which it computes each kind of layer."""
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(path), "CPU", {"INFERENCE_NUM_THREADS": 1, "INFERENCE_PRECISION_HINT": "f32"})
    found = [compiled(feed)[0].copy() for feed in feeds(4)]
    if executed is not None:
        for node in compiled.get_runtime_model().get_ops():
            told = node.get_rt_info()
            executed.setdefault(told["layerType"].astype(str), set()).add(told["runtimePrecision"].astype(str))
    return np.concatenate(found)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    path = tmp_path_factory.mktemp("whole") / "whole.onnx"
    onnx.save(network(), path)
    return answers(path)


@pytest.mark.parametrize(
    ("method", "variant", "types", "near"),
    [
        ("nncf_int8", "transformer", {"int8"}, 0.06),
        ("nncf_int8", "half_range", {"int8"}, 0.08),
        ("nncf_weights", "int8", {"uint8"}, 0.03),
        ("nncf_weights", "int4", {"int4", "uint8"}, 0.25),
    ],
)
def test_openvino_reads_what_nncf_makes_and_answers_nearly_as_before(method, variant, types, near, whole, tmp_path):
    path = compressed(method, variant, tmp_path)
    assert {weight.type for weight in onnx_graph.held(path).weights(("Conv", "Gemm"))} == types
    onnx.checker.check_model(path)
    found = answers(path)
    assert np.abs(found - whole).max() < near * np.abs(whole).max()
    assert not np.array_equal(found, whole)


@pytest.mark.skipif(HERE is not None, reason=HERE.reason if HERE else "")
def test_int8_is_what_openvino_computes_in(tmp_path):
    executed = {}
    answers(compressed("nncf_int8", "plain", tmp_path), executed)
    assert executed["Convolution"] <= {"u8", "i8"}
    assert executed["FullyConnected"] <= {"u8", "i8"}


def test_half_range_leaves_one_bit_unused(tmp_path):
    reach = {}
    for variant in ("transformer", "half_range"):
        model = onnx.load(compressed("nncf_int8", variant, tmp_path))
        (outer,) = (tensor for tensor in model.graph.initializer if list(tensor.dims) == [10, 32])
        reach[variant] = int(np.abs(numpy_helper.to_array(outer).astype(int)).max())
    assert reach["transformer"] > 100
    assert reach["half_range"] <= 64


def test_where_nothing_can_have_4_bits_it_says_so(tmp_path):
    model = network()
    del model.graph.node[3:]
    model.graph.output[0].name = "c"
    apply = importlib.import_module("methods.nncf_weights.apply").apply
    context = Context(components={"vision": COMPONENT}, seed=0, scratch=tmp_path, feeds=lambda name: feeds())
    with pytest.raises(NotApplicable, match="no linear layer whose rows divide into groups"):
        apply({"vision": model.SerializeToString()}, {"mode": "int4_sym", "group_size": 32}, context)


@pytest.mark.skipif(HERE is not None, reason=HERE.reason if HERE else "")
@pytest.mark.parametrize(("variant", "types"), [("int8", {"uint8"}), ("int4", {"int4", "uint8"})])
def test_convolutions_over_one_axis_stay_and_what_no_group_divides_gets_eight_bits(variant, types, tmp_path):
    """48 inputs are no multiple of 32; the first and the last layer are the largest, and none of them is left out for its place."""
    rng, sizes = np.random.default_rng(0), ((64, 48, 1), (48, 96), (96, 64), (64, 10))
    known = {f"w{place}": rng.normal(size=size).astype(np.float32) for place, size in enumerate(sizes)}
    layers = [
        helper.make_node("Conv", ["x", "w0t"], ["c"], name="conv"),
        helper.make_node("ReduceMean", ["c"], ["m"], name="mean", axes=[2], keepdims=0),
        *(helper.make_node("MatMul", [of, f"w{n}"], [to], name=to) for n, (of, to) in enumerate((("m", "a"), ("a", "b"), ("b", "y")), 1)),
    ]
    known["w0t"] = np.ascontiguousarray(known.pop("w0").transpose(1, 0, 2))
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in (("x", [1, 64, 16]), ("y", [1, 10]))]
    graph = helper.make_graph(layers, "flat", ends[:1], ends[1:], [numpy_helper.from_array(array, name) for name, array in known.items()])
    whole = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    apply, card = importlib.import_module("methods.nncf_weights.apply").apply, registry.discover().methods["nncf_weights"]
    context = Context(components={}, seed=0, scratch=tmp_path, feeds=lambda name: iter(()))
    (tmp_path / "audio.onnx").write_bytes(apply({"audio": whole.SerializeToString()}, card.variant(variant).parameters, context)["audio"])
    held = onnx_graph.held(tmp_path / "audio.onnx")
    assert {weight.type for weight in held.weights(("Conv",))} == {"float32"}
    assert {weight.type for weight in held.weights(("MatMul",))} == types
    x = rng.normal(size=(1, 64, 16)).astype(np.float32)
    files = whole.SerializeToString(), tmp_path / "audio.onnx"
    before, after = (onnxruntime.InferenceSession(file).run(None, {"x": x})[0] for file in files)
    assert np.corrcoef(before.ravel(), after.ravel())[0, 1] > 0.99


def test_it_does_not_report_its_use(tmp_path):
    """NNCF does unless it is told not to before it is imported; a library with a stub for it sends nothing."""
    given = "{}, {'model_type': 'none', 'items': 1, 'overflow_fix': 'enable'}, None"
    script = f"from methods.nncf_int8.apply import apply; apply({given}); import nncf.telemetry as n; print(type(n.telemetry).__name__)"
    environ = {name: value for name, value in os.environ.items() if not name.endswith("CI")} | {"HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, env=environ)
    assert done.stdout.split()[-1] == "MagicMock", done.stderr
    assert not list(Path(tmp_path).rglob("*")), "an identity of this user was made up and kept"


def test_a_recipe_may_prune_the_module_first(work, tmp_path):
    paths = registry.extend([PLUGINS])
    found, quiet = registry.discover(), lambda *_: None
    whole, card = found.models["tiny_matcher"], found.methods["nncf_int8"]
    workspace = Workspace(work, Config(), paths)
    baseline = workspace.baseline(whole.name, found.sources["model", whole.name], quiet)
    lowered = {part.name: baseline / f"{part.name}.onnx" for part in whole.components}
    shop = Workshop(whole, baseline, lowered, "onnx", tmp_path, Calibration(baseline), lambda number: None)
    for number, (name, variant) in enumerate((("random_pruning", "units_75"), ("nncf_int8", "transformer"))):
        card = found.methods[name]
        step = RecipeStep(name, variant, ("vision",), dict(card.variant(variant).parameters), "")
        shop.apply(step, card, number)
    (tmp_path / "out").mkdir()
    files = shop.save(tmp_path / "out")
    before, after = (onnx_graph.held(path).weights(("MatMul", "Gemm", "Conv")) for path in (lowered["vision"], files["vision"]))
    assert sum(weight.elements for weight in after) < sum(weight.elements for weight in before)
    assert {weight.bits for weight in after} == {8}
    assert files["text"].read_bytes() == lowered["text"].read_bytes(), "no step touched it"


def test_an_answer_has_the_names_of_the_file_alone(tmp_path):
    """Compiled, an output is known by the names of the casts before it too: one component's answers, fed to the next, would bring these."""
    names = {"first": ("x", "between"), "second": ("between", "y")}
    files = {}
    for part, (given, wanted) in names.items():
        tensors = [helper.make_tensor_value_info(name, 1, ["batch", 4]) for name in (given, wanted)]
        weight = numpy_helper.from_array(np.eye(4, 4, dtype=np.float16) * 2, "weight")
        nodes = [
            helper.make_node("Cast", [given], ["graph_input_cast_0"], to=10),
            helper.make_node("MatMul", ["graph_input_cast_0", "weight"], ["graph_output_cast_0"]),
            helper.make_node("Cast", ["graph_output_cast_0"], [wanted], to=1),
        ]
        graph = helper.make_graph(nodes, part, tensors[:1], tensors[1:], [weight])
        files[part] = tmp_path / f"{part}.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), files[part])
    run = importlib.import_module(f"targets.{TARGET}.runner").Runner(files, REGISTRY.targets[TARGET].settings).run
    x = np.ones((1, 4), np.float32)
    found = run("first", {"x": x})
    assert set(found) == {"between"}
    found = run("second", found)
    assert set(found) == {"y"}
    np.testing.assert_array_equal(found["y"], 4 * x)
