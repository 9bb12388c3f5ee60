"""Formats: which of them a method's result can be had in, and programs of torch.export: how one is made, read, refused and counted."""

import ast
import re
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import torch
from cards import METHODS, TARGETS, method, variant
from conftest import ROOT
from torch import nn

from suite import environments, formats
from suite.claims import check_claims
from suite.contracts import Claims, Component, Skip, Tensor
from suite.errors import CellFailed
from suite.formats import torch_program
from suite.stored import Constant

COMPONENT = Component(
    "vision", "vision", (Tensor("x", "float32", ("batch", 1, 8, 8)),),
    (Tensor("logits", "float32", ("batch", 4)), Tensor("sum", "float32", ("batch",)))
)  # fmt: skip
TORCH = replace(TARGETS["x86"], name="torch", formats=("torch_export",))
RUNTIME = method("packer", variant("it"), stage="runtime", formats=("torch_export",))


class Net(nn.Module):
    """A convolution, two linear layers, one of them by hand, and a norm."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.norm, self.head = nn.Conv2d(1, 2, 3, stride=2), nn.BatchNorm2d(2), nn.Linear(18, 4, bias=False)
        self.turn = nn.Parameter(torch.randn(18, 18))

    def forward(self, x):
        flat = self.norm(self.conv(x)).flatten(1) @ self.turn.t()
        return self.head(flat), flat.sum(1)


def calls(count=3):
    numbers = np.random.default_rng(0)
    return [{"x": numbers.normal(size=(1, 1, 8, 8)).astype(np.float32)} for _ in range(count)]


@pytest.fixture
def made(tmp_path):
    """Lowers a module; the path of its program."""

    def lower(module=None, name="vision", component=COMPONENT, folder="one"):
        (tmp_path / folder).mkdir(exist_ok=True)
        path = tmp_path / folder / f"{name}.pt2"
        torch_program.lower((module or Net()).eval(), component, calls(), path)
        return path

    return lower


@pytest.mark.parametrize(
    ("names", "target", "found"),
    [
        (("baseline_fp32",), TORCH, "torch_export"),
        (("a_pruner",), TORCH, "torch_export"),
        (("a_pruner",), TARGETS["x86"], "onnx"),
        (("a_pruner", "packer"), replace(TORCH, formats=("onnx", "torch_export")), "torch_export"),
        (("int8",), TORCH, Skip("int8 changes ONNX graphs, and torch runs programs of torch.export")),
        (("a_pruner", "int8"), TORCH, Skip("int8 changes ONNX graphs, and torch runs programs of torch.export")),
        (("packer",), TARGETS["x86"], Skip("packer makes programs of torch.export, and x86 runs ONNX graphs")),
    ],
)
def test_the_first_format_in_which_all_steps_can_be_had_is_taken(names, target, found):
    known = METHODS | {"packer": RUNTIME}
    assert formats.choose(target, [known[name] for name in names]) == found


def test_every_format_has_a_module_that_does_what_makers_do():
    """Read, not imported: that of a format with an environment of its own has its libraries there alone."""
    for name, form in formats.FORMATS.items():
        tree = ast.parse((ROOT / "suite" / "formats" / f"{form.module}.py").read_text())
        given = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        given |= {alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names}
        assert {"lower", "inspect", "check_loads", "held"} <= given
        assert form.environment in (None, *environments.NAMES)
        assert formats.place(formats.Path("a"), "text", name) == formats.Path(f"a/text{form.suffix}")


def test_a_program_answers_as_its_module_does_at_every_length(made):
    program, module = torch.export.load(made()).module(), Net().eval()
    for batch in (1, 2, 7):
        given = torch.randn(batch, 1, 8, 8)
        assert all(torch.equal(a, b) for a, b in zip(program(given), module(given), strict=True))


def test_the_same_module_gives_the_same_file_and_nothing_of_this_machine_is_in_it(made):
    first, second = made(), made(folder="two")
    assert first.read_bytes() == second.read_bytes()
    with zipfile.ZipFile(first) as archive:
        told = b"".join(archive.read(name) for name in archive.namelist() if name.endswith(".json"))
    assert b"test_formats" not in told
    assert not re.search(rb"File |\.py", told)


def test_what_is_stored_is_counted_by_type_and_zeros(made):
    module = Net()
    with torch.no_grad():
        module.turn[:, :9] = 0
    part = torch_program.inspect(made(module), COMPONENT)
    assert part.parameters_by_type == {"float32": 18 + 2 + 8 + 324 + 72, "int64": 1}
    assert part.parameters - part.nonzero_parameters == 162 + 2 + 2 + 1, "half of a weight; a norm's bias, mean and counter"
    assert part.operators["aten.linear"] == part.operators["aten.conv2d"] == 1
    assert part.bytes == made().stat().st_size


def test_weights_are_found_behind_what_only_turns_or_scales_them(made):
    class Quantized(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("numbers", torch.arange(-36, 36, dtype=torch.int8).reshape(4, 18))
            self.register_buffer("scale", torch.full((4, 1), 0.1))

        def forward(self, x):
            flat = x.flatten(1)[:, :18]
            return nn.functional.linear(flat, self.numbers.to(torch.float32) * self.scale), flat.sum(1)

    assert torch_program.held(made(Quantized())).weights(("MatMul", "Gemm")) == [Constant("int8", (4, 18), 1)]
    held = torch_program.held(made())
    assert [found.shape for found in held.weights(("Conv",))] == [(2, 1, 3, 3)]
    assert sorted(found.shape for found in held.weights(("MatMul", "Gemm"))) == [(4, 18), (18, 18)]
    assert len(held.weights(("MatMul", "Gemm", "Conv"))) == 3


def test_claims_hold_or_not_as_for_graphs(made):
    module, path = Net(), made()
    nn.init.zeros_(module.turn)
    pruned = made(module, folder="pruned")
    checks = [check_claims(Claims(sparsity=0.7), {"vision": file}, {"vision": path}, "torch_export")[0] for file in (pruned, path)]
    assert [check.holds for check in checks] == [True, False]
    (check,) = check_claims(Claims(weight_bits=8), {"vision": path}, {"vision": path}, "torch_export")
    assert (check.holds, check.realised) == (False, "0.0 % of vision")
    with pytest.raises(CellFailed, match="no weight of Conv"):
        check_claims(Claims(layers=("Conv",), weight_bits=8), {"vision": made(Linear())}, {"vision": made(Linear())}, "torch_export")


class Linear(nn.Module):
    """No convolution, and a sum that is not finite with `scale` 0."""

    def __init__(self, scale=1.0):
        super().__init__()
        self.head, self.scale = nn.Linear(64, 4), scale

    def forward(self, x):
        return self.head(x.flatten(1)), x.flatten(1).sum(1) / self.scale


def test_a_file_with_a_pickle_is_refused_unread(made, tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "sprung"), "w"))

    path = made()
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    torch.save(Trap(), tmp_path / "trap.pt")
    name = next(name for name in files if name.endswith("sample_inputs/model.pt"))
    with zipfile.ZipFile(path, "w") as archive:
        for each, data in {**files, name: (tmp_path / "trap.pt").read_bytes()}.items():
            archive.writestr(each, data)
    for read in (torch_program.inspect, torch_program.held):
        with pytest.raises(CellFailed, match="has a pickle in it"):
            read(path)
    config = next(name for name in files if name.endswith("model_weights_config.json"))
    with zipfile.ZipFile(path, "w") as archive:
        for each, data in {**files, config: files[config].replace(b'"use_pickle": false', b'"use_pickle": true')}.items():
            archive.writestr(each, data)
    with pytest.raises(CellFailed, match="has a pickle in it"):
        torch_program.held(path)
    assert not (tmp_path / "sprung").exists()


def test_what_is_no_program_is_a_failure_in_words(tmp_path):
    path = tmp_path / "vision.pt2"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(CellFailed, match=r"vision\.pt2 is not a program of torch\.export"):
        torch_program.held(path)


def test_it_has_to_load_and_answer_as_the_card_says(made):
    torch_program.check_loads(made(), COMPONENT, calls())
    with pytest.raises(CellFailed, match="is not finite"):
        torch_program.check_loads(made(Linear(0.0)), COMPONENT, calls())
    other = replace(COMPONENT, outputs=(Tensor("logits", "float32", ("batch", 5)), COMPONENT.outputs[1]))
    with pytest.raises(CellFailed, match="the output logits"):
        torch_program.check_loads(made(), other, calls())


def test_what_torch_cannot_export_is_an_export_that_failed(made):
    class Branches(nn.Module):
        def forward(self, x):
            return (x if x.sum() > 0 else -x).flatten(1)[:, :4], x.sum((1, 2, 3))

    with pytest.raises(CellFailed, match=r"torch\.export of 'vision' raised") as failed:
        made(Branches())
    assert failed.value.status == "export_failed"


def test_an_onnx_model_cannot_become_a_program(tmp_path):
    from onnx_graphs import chain, random

    with pytest.raises(CellFailed, match="comes as an ONNX model") as failed:
        torch_program.lower(chain(random(4, 4)), COMPONENT, calls(), tmp_path / "vision.pt2")
    assert failed.value.status == "unsupported"
