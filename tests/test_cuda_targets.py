"""The CUDA targets as far as a machine without a GPU can tell: their programs, on another device; what they refuse; what they say."""

import contextlib

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from suite import registry
from suite.contracts import Component, NotApplicable, Tensor
from suite.formats import torch_program
from targets.cuda_ort.runner import Runner as OrtRunner
from targets.cuda_torch.runner import Replayed, _gpus
from targets.cuda_torch.runner import Runner as TorchRunner

REGISTRY = registry.discover()
CUDA = ("cuda_torch", "cuda_torch_spread", "cuda_graphs", "cuda_inductor", "cuda_ort", "cuda_tensorrt")
HERE = [name for name in CUDA if REGISTRY.probes[name]() is None]
EAGER = REGISTRY.targets["cuda_torch"].settings
COMPONENT = Component("only", "vision", (Tensor("x", "float32", ("batch", 4)),), (Tensor("y", "float32", ("batch", 3)),))


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """A layer with a buffer: what has to move to the device with it."""

    class Layer(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(4, 3)
            self.register_buffer("shift", torch.arange(3.0))

        def forward(self, x):
            return self.linear(x) + self.shift

    torch.manual_seed(0)
    layer, path = Layer().eval(), tmp_path_factory.mktemp("program") / "only.pt2"
    torch_program.lower(layer, COMPONENT, [{"x": np.ones((1, 4), np.float32)}], path)
    return layer, path


@pytest.mark.parametrize("mode", ["eager", "compile"])
def test_a_program_answers_as_its_module_does(program, mode):
    layer, path = program
    runner = TorchRunner({"only": path}, EAGER | {"mode": mode}, "cpu")
    x = np.random.default_rng(0).normal(size=(1, 4)).astype(np.float32)
    assert np.allclose(runner.run("only", {"x": x})["y"], layer(torch.from_numpy(x)).detach(), atol=1e-6)


def test_a_program_goes_to_the_device_with_all_that_it_holds(program):
    moved = TorchRunner({"only": program[1]}, EAGER, "meta")
    assert {tensor.device.type for tensor in (*moved.programs["only"].parameters(), *moved.programs["only"].buffers())} == {"meta"}


def test_components_are_placed_on_the_devices_in_turn(program, monkeypatch):
    layer, path = program
    spread = TorchRunner({"a": path, "b": path, "c": path}, REGISTRY.targets["cuda_torch_spread"].settings, "cpu", "meta")
    assert [spread.devices[name].type for name in "abc"] == ["cpu", "meta", "cpu"]
    assert [next(spread.programs[name].parameters()).device.type for name in "abc"] == ["cpu", "meta", "cpu"]
    x = np.ones((1, 4), np.float32)
    assert np.allclose(spread.run("c", {"x": x})["y"], layer(torch.from_numpy(x)).detach(), atol=1e-6)


def test_without_devices_of_its_own_it_takes_the_gpus_of_the_settings(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert _gpus(REGISTRY.targets["cuda_torch_spread"].settings) == ["cuda:0", "cuda:1"]
    assert _gpus(EAGER) == ["cuda:0"]


def test_a_graph_is_captured_once_for_each_set_of_lengths_and_no_more_than_so_many(monkeypatch):
    """Capturing itself needs a GPU; this is what surrounds it."""
    captured = []

    class Graph:
        def __init__(self, places, outputs):
            self.places, self.outputs = places, outputs

        def replay(self):
            self.outputs.copy_(self.places[0] * 2)

    def capture(replayed, given):
        captured.append(tuple(given[0].shape))
        places, outputs = tuple(tensor.clone() for tensor in given), torch.empty_like(given[0])
        return Graph(places, outputs), places, outputs

    monkeypatch.setattr(Replayed, "_captured", capture)
    monkeypatch.setattr("targets.cuda_torch.runner.SHAPES", 2)
    replayed = Replayed(lambda x: x * 3)
    found = [replayed(torch.full((length,), float(value))).tolist() for length, value in ((1, 1), (2, 1), (1, 5), (3, 1))]
    assert captured == [(1,), (2,)]
    assert found == [[2.0], [2.0, 2.0], [10.0], [3.0, 3.0, 3.0]], "new inputs are copied in; what is not captured runs as it is"


def test_events_surround_the_kernels_of_a_call_and_none_of_its_copies(program, monkeypatch):
    """Events need a GPU; this is the order in which they are recorded."""
    said = []

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing, "or it could not be asked for times"

        def record(self):
            said.append("record")

        def synchronize(self):
            said.append("wait")

        def elapsed_time(self, last):
            return 0.0125 if self is not last else 0.0

    runner = TorchRunner({"only": program[1]}, EAGER, "cpu")
    call, given = runner.calls["only"], runner._given
    runner.calls["only"] = lambda *tensors: said.append("call") or call(*tensors)
    monkeypatch.setattr(runner, "_given", lambda *asked: said.append("copy") or given(*asked))
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: said.append("idle"))
    monkeypatch.setattr(torch.cuda, "device", lambda device: contextlib.nullcontext())
    assert runner.device_ns("only", {"x": np.ones((1, 4), np.float32)}) == 12_500
    assert said == ["copy", "idle", "record", "call", "record", "wait"]


@pytest.mark.parametrize("provider", ["CUDAExecutionProvider", "TensorrtExecutionProvider"])
def test_a_provider_that_is_not_there_is_refused_and_not_replaced(provider, tmp_path):
    import onnxruntime

    if provider in onnxruntime.get_available_providers():
        pytest.skip("this build of onnxruntime has it")
    settings = {"threads": 1, "provider": provider, "device": 0, "tf32": False, "fp16": False}
    with pytest.raises(NotApplicable, match=f"has no {provider}"):
        OrtRunner({"only": tmp_path / "none.onnx"}, settings)


def test_tensorrt_is_told_what_its_card_says(tmp_path, monkeypatch):
    import onnxruntime

    told = []

    def keep(path, options, providers):
        told.extend(providers)
        raise RuntimeError("no GPU here")

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["TensorrtExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", keep)
    with pytest.raises(NotApplicable, match="no GPU here"):
        OrtRunner(_doubled(tmp_path), REGISTRY.targets["cuda_tensorrt"].settings)
    options = {"device_id": "0", "trt_fp16_enable": "False", "trt_sparsity_enable": "True"}
    assert told == [("TensorrtExecutionProvider", options)]


def _doubled(folder):
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in ("x", "y")]
    weight = numpy_helper.from_array(np.eye(4, dtype=np.float32) * 2, "w")
    graph = helper.make_graph([helper.make_node("MatMul", ["x", "w"], ["y"])], "small", ends[:1], ends[1:], [weight])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10), folder / "only.onnx")
    return {"only": folder / "only.onnx"}


def test_a_session_that_fell_back_to_the_processor_is_refused(tmp_path, monkeypatch):
    """What onnxruntime does where the provider's libraries cannot be loaded: it gives a session on the processor, and a warning."""
    import onnxruntime

    real = onnxruntime.InferenceSession
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", lambda path, options, providers: real(path, providers=["CPUExecutionProvider"]))
    settings = {"threads": 1, "provider": "CUDAExecutionProvider", "device": 0, "tf32": False}
    with pytest.raises(NotApplicable, match="was asked for and CPUExecutionProvider came"):
        OrtRunner(_doubled(tmp_path), settings)


def test_a_graph_that_does_not_run_whole_on_the_provider_is_refused(tmp_path, monkeypatch):
    """On the processor's own provider the rule holds too: this one is told that there is nothing to fall back to."""
    import onnxruntime

    def fails(path, options, providers):
        assert options.get_session_config_entry("session.disable_cpu_ep_fallback") == "1"
        raise RuntimeError("This session contains graph nodes that are assigned to the default CPU EP")

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider"])
    monkeypatch.setattr(onnxruntime, "InferenceSession", fails)
    with pytest.raises(NotApplicable, match=r"cannot run all of only\.onnx: This session contains"):
        OrtRunner(_doubled(tmp_path), {"threads": 1, "provider": "CUDAExecutionProvider", "device": 0, "tf32": False})


@pytest.mark.parametrize("name", CUDA)
def test_each_says_what_is_missing(name):
    skip = REGISTRY.probes[name]()
    assert skip is None or "NVIDIA GPU" in skip.reason or "pip install" in skip.reason
    assert REGISTRY.targets[name].reference == (None if name == "cuda_torch" else "cuda_torch")


@pytest.mark.skipif(not HERE, reason="no NVIDIA GPU here")
def test_a_gpu_answers_as_the_processor_does(program, tmp_path):
    layer, path = program
    x = np.random.default_rng(0).normal(size=(1, 4)).astype(np.float32)
    for name in {"cuda_torch", "cuda_graphs", "cuda_inductor"} & {*HERE}:
        runner = TorchRunner({"only": path}, REGISTRY.targets[name].settings)
        for feed in (x, x + 1):
            assert np.allclose(runner.run("only", {"x": feed})["y"], layer(torch.from_numpy(feed)).detach(), atol=1e-4)
            assert runner.device_ns("only", {"x": feed}) > 0
    if "cuda_ort" in HERE:
        assert np.allclose(
            OrtRunner(_doubled(tmp_path), REGISTRY.targets["cuda_ort"].settings).run("only", {"x": x})["y"], 2 * x, atol=1e-4
        )
