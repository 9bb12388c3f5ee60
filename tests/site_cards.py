"""Cards of the models, methods and target that `site_store` has records of."""

from site_store import FAMILIES, MODEL_FACTS, PLANS, TARGET

from suite.contracts import Claims, Component, MethodCard, ModelCard, Step, TargetCard, Tensor, Variant


def model_cards() -> dict[str, ModelCard]:
    """Two models with a vision and a text component."""
    return {name: _model_card(name) for name in MODEL_FACTS}


def _model_card(name: str) -> ModelCard:
    title, metric, *_ = MODEL_FACTS[name]
    vision = Component(
        "vision", "vision", (Tensor("pixels", "float32", ("batch", 1, 40, 40)),), (Tensor("image", "float32", ("batch", 128)),)
    )
    text = Component("text", "text", (Tensor("tokens", "int64", ("batch", 12)),), (Tensor("name", "float32", ("batch", 128)),))
    return ModelCard(
        name=name,
        title=title,
        summary=f"The reference model {title} of the tests.",
        task="Matching pictures to words",
        components=(vision, text),
        metric=metric,
        chance=0.01,
        request="One picture against every name.",
        data="Generated from a seed.",
        licence="Apache-2.0",
    )


def method_cards() -> dict[str, MethodCard]:
    """A card for every method in PLANS."""
    return {name: _method_card(name) for name in FAMILIES}


def _method_card(name: str) -> MethodCard:
    title, family, division = FAMILIES[name]
    recipe = family == "recipe"
    step = (Step("static_int8", "matmul", ("vision",)), Step("dynamic_int8", "per_channel", ("text",))) if recipe else ()
    variants = [plan.variant for plan in PLANS if plan.method == name] or ["keep_75", "keep_50"]
    return MethodCard(
        name=name,
        title=title,
        summary=f"{title}, as the tests have it.",
        family=family,
        stage="recipe" if recipe else "graph",
        division=division,
        variants=tuple(
            Variant(name=variant, summary=f"The variant {variant}.", parameters={"amount": 1}, claims=Claims(weight_bits=8), steps=step)
            for variant in variants
        ),
        paper="2103.13630" if family == "quantization" else None,
    )


def target_cards() -> dict[str, TargetCard]:
    """One CPU target."""
    card = TargetCard(
        name=TARGET, title="x86 CPU, ONNX Runtime", summary="One thread.", device="x86 CPU", runtime="onnxruntime", formats=("onnx",)
    )
    return {TARGET: card}
