"""Cards of a small world for the tests of planning: two models, two targets, and methods of every kind."""

from suite.contracts import Claims, Component, MethodCard, ModelCard, Step, TargetCard, Tensor, Variant
from suite.registry import Registry


def model(name, modalities=("vision", "text")):
    tensor = Tensor("x", "float32", ("batch", 4))
    components = tuple(Component(f"the_{modality}", modality, (tensor,), (tensor,)) for modality in modalities)
    texts = dict.fromkeys(("title", "summary", "task", "request", "data", "licence"), "")
    return ModelCard(name=name, components=components, metric="recall_at_1", chance=0.1, **texts)


def method(name, *variants, stage="graph", **fields):
    return MethodCard(name=name, title="", summary="", family="pruning", stage=stage, division="data-free", variants=variants, **fields)


def variant(name, *steps, **parameters):
    return Variant(name=name, summary="", parameters=parameters, steps=steps, claims=Claims(weight_bits=8))


def target(name, **settings):
    return TargetCard(name=name, title="", summary="", device="x86 CPU", runtime="onnxruntime", formats=("onnx",), settings=settings)


MODELS = {card.name: card for card in (model("clip"), model("vqa", ("vision", "text", "fusion")))}
METHODS = {
    card.name: card
    for card in (
        method("a_pruner", variant("half", keep=0.5), variant("third", keep=0.33), stage="module"),
        method("baseline_fp32", variant("fp32")),
        method("for_text", variant("only"), modalities=("text",)),
        method("for_sound", variant("only"), modalities=("audio",)),
        method("int8", variant("per_tensor", per_channel=False), variant("per_channel", per_channel=True)),
        method(
            "mixed",
            variant("by_modality", Step("a_pruner", "half", ("vision",)), Step("int8", "per_channel", ("text", "fusion"))),
            variant("prune_then_int8", Step("a_pruner", "third"), Step("int8", "per_tensor")),
            variant("int8_then_prune", Step("int8", "per_tensor"), Step("a_pruner", "third")),
            variant("side_by_side", Step("int8", "per_tensor", ("text",)), Step("a_pruner", "half", ("vision",))),
            variant("by_default", Step("for_text", "only")),
            stage="recipe",
        ),
    )
}
TARGETS = {card.name: card for card in (target("arm", threads=4), target("x86", threads=1))}


def registry(**fields):
    """Everything above, or other `models`, `methods` or `targets`."""
    cards = {"models": MODELS, "methods": METHODS, "targets": TARGETS} | fields
    named = [(kind[:-1], name) for kind in ("models", "methods", "targets") for name in cards[kind]]
    defaults = {"sources": {key: "/".join(key) for key in named}, "probes": dict.fromkeys(cards["targets"], lambda: None)}
    return Registry(**(defaults | cards))
