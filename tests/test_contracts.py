"""What plug-ins declare: parameters know what is wrong with a value, cards find their parts, and none of it needs a library."""

import dataclasses
import subprocess
import sys

import pytest

from suite.contracts import Claims, Component, MethodCard, ModelCard, Parameter, Skip, Split, Step, TargetCard, Tensor, Variant


@pytest.mark.parametrize(
    ("parameter", "value", "problem"),
    [
        (Parameter("bits", int, "", low=2, high=8), 4, None),
        (Parameter("bits", int, "", low=2, high=8), 2, None),
        (Parameter("bits", int, "", low=2, high=8), 8, None),
        (Parameter("bits", int, "", low=2, high=8), 1, "bits must lie in [2, 8], not 1"),
        (Parameter("bits", int, "", low=2, high=8), 9, "bits must lie in [2, 8], not 9"),
        (Parameter("bits", int, "", low=2), 10**9, None),
        (Parameter("bits", int, "", low=2), 1, "bits must lie in [2, inf], not 1"),
        (Parameter("bits", int, "", high=8), 9, "bits must lie in [-inf, 8], not 9"),
        (Parameter("bits", int, ""), True, "bits must be int, not bool"),
        (Parameter("bits", int, ""), 4.0, "bits must be int, not float"),
        (Parameter("keep", float, "", low=0.1, high=0.9), 0.5, None),
        (Parameter("keep", float, "", low=0.1, high=0.9), float("nan"), "keep must lie in [0.1, 0.9], not nan"),
        (Parameter("keep", float, ""), float("nan"), "keep must lie in [-inf, inf], not nan"),
        (Parameter("keep", float, ""), 1, "keep must be float, not int"),
        (Parameter("keep", float, ""), "0.5", "keep must be float, not str"),
        (Parameter("scope", str, "", choices=("local", "global")), "local", None),
        (Parameter("scope", str, "", choices=("local", "global")), "all", "scope must be one of local, global, not all"),
        (Parameter("scope", str, ""), "anything", None),
        (Parameter("block", int, "", choices=(32, 128)), 64, "block must be one of 32, 128, not 64"),
        (Parameter("symmetric", bool, ""), False, None),
        (Parameter("symmetric", bool, ""), 0, "symmetric must be bool, not int"),
    ],
)
def test_a_parameter_knows_what_is_wrong_with_a_value(parameter, value, problem):
    assert parameter.check(value) == problem


def _model():
    tensor = Tensor("x", "float32", ("batch", 4))
    components = tuple(Component(name, modality, (tensor,), (tensor,)) for name, modality in (("eye", "vision"), ("ear", "audio")))
    return ModelCard(
        name="m", title="M", summary="", task="", components=components, metric="recall_at_1", chance=0.1, request="", data="", licence=""
    )


def _method():
    variants = (Variant(name="light", summary=""), Variant(name="strong", summary=""))
    return MethodCard(name="x", title="X", summary="", family="pruning", stage="graph", division="data-free", variants=variants)


def test_cards_find_their_parts_by_name():
    assert _model().component("ear").modality == "audio"
    assert _method().variant("strong").name == "strong"
    with pytest.raises(KeyError, match="nose"):
        _model().component("nose")
    with pytest.raises(KeyError, match="weak"):
        _method().variant("weak")


@pytest.mark.parametrize("declared", [_model(), _method(), _method().variants[0], Claims(), Step("x", "light"), Skip("why"), Split({}, {})])
def test_what_is_declared_cannot_be_changed(declared):
    name = dataclasses.fields(declared)[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(declared, name, "other")


def test_defaults_claim_nothing_and_touch_everything():
    card, variant = _method(), _method().variants[0]
    assert (card.modalities, card.parameters, dict(variant.parameters), variant.steps) == ((), (), {}, ())
    assert Step("x", "light").modalities == ()
    assert (Claims().weight_bits, Claims().sparsity, Claims().parameters, Claims().operators) == (None, None, None, ())
    target = TargetCard(name="t", title="T", summary="", device="ARM CPU", runtime="", formats=())
    assert target.ranks_latency
    assert dict(target.settings) == {}


def test_an_unknown_field_of_a_card_fails():
    with pytest.raises(TypeError, match="famly"):
        MethodCard(name="x", title="X", summary="", famly="pruning", stage="graph", division="data-free", variants=())


def test_the_contracts_need_the_standard_library_alone():
    code = "import sys, suite.contracts; print([name for name in ('numpy', 'msgspec', 'torch', 'onnxruntime') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True).stdout == "[]\n"
