"""Keys and values of a decoder's cache in 8 bits."""

from suite.contracts import Claims, MethodCard, ModelCard, Parameter, Skip, TargetCard, Variant

CARD = MethodCard(
    name="kv_cache_int8",
    title="KV cache int8",
    summary="Keys and values are kept between the steps of a decoder as 8-bit integers: a quarter of the memory, the weights as they were.",
    family="quantization",
    stage="graph",
    division="calibration",
    modalities=("decoder",),
    paper="2402.02750",
    dependencies=("onnx",),
    parameters=(
        Parameter("items", int, "Calibration calls whose caches make the ranges.", low=1, high=4096),
        Parameter(
            "margin", float, "By how much a range is widened for what calibration did not show, as a share of it.", low=0.0, high=1.0
        ),
        Parameter("granularity", str, "What has a range of its own: each head, or each channel of each head.", choices=("head", "channel")),
    ),
    variants=(
        Variant(
            name="per_head",
            summary="Unsigned, asymmetric, a range for each head of keys and of values.",
            parameters={"items": 128, "margin": 0.05, "granularity": "head"},
            claims=Claims(cache_bits=8),
        ),
        Variant(
            name="per_channel",
            summary="Unsigned, asymmetric, a range for each channel of keys and of values, from calibration.",
            parameters={"items": 128, "margin": 0.05, "granularity": "channel"},
            claims=Claims(cache_bits=8),
        ),
    ),
)


def supports(model: ModelCard, target: TargetCard, variant: Variant) -> Skip | None:
    """Only where the card of a decoder names a cache."""
    if any(component.cache for component in model.components if component.modality == "decoder"):
        return None
    return Skip(f"{model.name} has no decoder with a cache")
