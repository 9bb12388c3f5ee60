"""Weights are read from safetensors and npz, never from a pickle, and have to fit exactly."""

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from torch import nn

from suite import weights
from suite.errors import CellFailed

TENSORS = {"weight": np.arange(6, dtype=np.float32).reshape(2, 3), "bias": np.float32([1, 2])}


@pytest.fixture(params=[".npz", ".safetensors"])
def saved(request, tmp_path):
    path = tmp_path / f"weights{request.param}"
    if request.param == ".npz":
        np.savez(path, **TENSORS)
    else:
        save_file(TENSORS, path)
    return path


def test_both_formats_give_the_same(saved):
    found = weights.read(saved)
    assert {name: array.tolist() for name, array in found.items()} == {name: array.tolist() for name, array in TENSORS.items()}
    layer = weights.fill(nn.Linear(3, 2), found, saved.name)
    assert layer(torch.ones(1, 3)).tolist() == [[0 + 1 + 2 + 1, 3 + 4 + 5 + 2]]
    assert not layer.training


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t.pop("bias"), "w.npz lacks the tensor bias"),
        (lambda t: t.update(extra=np.zeros(1), more=np.zeros(1)), "w.npz has, and the network has not, the tensors extra, more"),
        (lambda t: t.update(bias=np.zeros(3, np.float32)), r"bias in w.npz has the shape \(3,\), the network's \(2,\)"),
    ],
)
def test_a_checkpoint_has_to_fit_exactly(change, sentence):
    tensors = dict(TENSORS)
    change(tensors)
    with pytest.raises(CellFailed, match=sentence) as failed:
        weights.fill(nn.Linear(3, 2), tensors, "w.npz")
    assert failed.value.status == "export_failed"


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt", "weights.bin"])
@pytest.mark.parametrize("old", [True, False])
def test_a_pickle_is_never_loaded(name, old, tmp_path):
    torch.save(TENSORS, tmp_path / name, _use_new_zipfile_serialization=not old)
    with pytest.raises(CellFailed, match=r"are a pickle .* is never loaded; save them with safetensors"):
        weights.read(tmp_path / name)


def test_a_pickle_inside_an_npz_is_never_loaded(tmp_path):
    np.savez(tmp_path / "weights.npz", bad=np.array([{"a": 1}], dtype=object))
    with pytest.raises(CellFailed, match=r"weights\.npz cannot be read: Object arrays cannot be loaded"):
        weights.read(tmp_path / "weights.npz")


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("weights.safetensors", b"cut", "cannot be read"),
        ("weights.npz", b"no archive", "cannot be read"),
        ("weights.h5", b"\x89HDF", "neither .safetensors nor .npz"),
    ],
)
def test_other_files(name, data, sentence, tmp_path):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CellFailed, match=sentence):
        weights.read(tmp_path / name)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(CellFailed, match=r"nowhere\.npz cannot be read \(No such file or directory\)"):
        weights.read(tmp_path / "nowhere.npz")
