"""A step of a recipe on several components, of which some have nothing for it."""

import importlib
from pathlib import Path

import cards
import onnx
import pytest
from onnx import helper
from onnx_graphs import chain, model, random

from suite.errors import CellFailed
from suite.record import RecipeStep
from suite.stored import weights
from suite.workshop import Calibration, Workshop


def layerless() -> onnx.ModelProto:
    """table[x], which no layer reads."""
    nodes = [helper.make_node("Cast", ["x"], ["ids"], to=onnx.TensorProto.INT64), helper.make_node("Gather", ["table", "ids"], ["y"])]
    return model(nodes, {"table": random(9, 4)}, (1, 5), (1, 5, 4))


def shop(folder: Path, **graphs: onnx.ModelProto) -> tuple[Workshop, dict[str, Path]]:
    """A workshop for the components of these names, and their files."""
    files = {f"the_{name}": folder / f"the_{name}.onnx" for name in graphs}
    for name, graph in graphs.items():
        onnx.save(graph, files[f"the_{name}"])
    return Workshop(cards.model("own", tuple(graphs)), folder, files, "onnx", folder, Calibration(folder), lambda number: None), files


def step(workshop: Workshop, method: str, variant: str, *components: str) -> None:
    card = importlib.import_module(f"methods.{method}").CARD
    workshop.apply(RecipeStep(method, variant, components, dict(card.variant(variant).parameters), ""), card, 0)


@pytest.mark.parametrize("order", [("the_text", "the_vision"), ("the_vision", "the_text")])
@pytest.mark.parametrize(
    ("method", "variant"), [("magnitude_pruning", "global_50"), ("svd_low_rank", "keep_50"), ("l1_proximal", "sparsity_50")]
)
def test_a_component_without_a_layer_stays_as_it_is_and_the_others_are_compressed(method, variant, order, tmp_path):
    workshop, files = shop(tmp_path, vision=chain(random(64, 96), random(96, 48)), text=layerless())
    step(workshop, method, variant, *order)
    (tmp_path / "out").mkdir()
    saved = workshop.save(tmp_path / "out")
    assert onnx.load(saved["the_text"]) == onnx.load(files["the_text"])
    found = weights(onnx.load(saved["the_vision"]))
    left = sum(weight.elements - weight.zeros for weight in found)
    assert 0.45 < left / (64 * 96 + 96 * 48) <= 0.5


def test_where_no_component_has_a_layer_it_cannot_be_applied(tmp_path):
    workshop, _ = shop(tmp_path, vision=layerless(), text=layerless())
    with pytest.raises(CellFailed, match="has no constant floating-point weight") as failed:
        step(workshop, "magnitude_pruning", "global_50", "the_vision", "the_text")
    assert failed.value.status == "unsupported"
