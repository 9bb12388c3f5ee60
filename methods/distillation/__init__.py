"""Knowledge distillation into a smaller student."""

from suite.contracts import Claims, MethodCard, Parameter, Value, Variant

_SHORT = {"keep": 1.0, "drop": 1}
_NARROW = {"keep": 0.3, "drop": 0}
_TAUGHT = {"alpha": 10.0, "beta": 1.0, "temperature": 2.0, "labels": 1.0}
_ALONE = {"alpha": 0.0, "beta": 0.0, "temperature": 2.0, "labels": 1.0}
_PACE: dict[str, Value] = {"steps": 250, "rate": 5e-4, "schedule": "cosine"}


def _left(share: float) -> Claims:
    """What a student with that share of the inner units has of the weights that lose some."""
    return Claims(layers=("MatMul", "Gemm", "Conv"), parameters=share, coverage=0.15)


CARD = MethodCard(
    name="distillation",
    title="Distillation",
    summary="A smaller student, cut out of the model itself, is trained on the features and the softened answers of the whole model.",
    family="distillation",
    stage="module",
    division="training",
    paper="1503.02531",
    dependencies=("torch", "torch-pruning"),
    parameters=(
        Parameter(
            "keep",
            float,
            "Share of the inner units and channels that the student has, those that the outputs depend on most; 1: all.",
            low=0.05,
            high=1.0,
        ),
        Parameter("drop", int, "Blocks that it has not, of each component with more: those that change least.", low=0, high=64),
        Parameter("alpha", float, "Weight of the mean squared error of features, in units of the teacher's.", low=0.0, high=1e3),
        Parameter("beta", float, "Weight of the Kullback-Leibler divergence from the teacher's softened answers.", low=0.0, high=1e3),
        Parameter("temperature", float, "What logits are divided by before they are compared.", low=0.1, high=100.0),
        Parameter("labels", float, "Weight of the task's own loss.", low=0.0, high=1e3),
        Parameter("steps", int, "Training steps.", low=1, high=1_000_000),
        Parameter("rate", float, "Highest learning rate, of AdamW.", low=1e-7, high=1.0),
        Parameter("schedule", str, "What the rate does after its warm-up.", choices=("cosine", "linear", "constant")),
    ),
    variants=(
        Variant(
            name="narrower",
            summary="30 % of the inner units and channels stay; taught by features, answers and labels.",
            parameters={**_NARROW, **_TAUGHT, **_PACE},
            claims=_left(0.3),
        ),
        Variant(
            name="narrower_no_teacher",
            summary="The control: the same student, trained as long on labels alone.",
            parameters={**_NARROW, **_ALONE, **_PACE},
            claims=_left(0.3),
        ),
        Variant(
            name="shallower",
            summary="One block fewer in every component that has several; taught by features, answers and labels.",
            parameters={**_SHORT, **_TAUGHT, **_PACE},
        ),
        Variant(
            name="student_60",
            summary="60 % of the inner units and channels stay; taught by features, answers and labels, to be quantized afterwards.",
            parameters={"keep": 0.6, "drop": 0, **_TAUGHT, **_PACE},
            claims=_left(0.6),
            step_only=True,
        ),
        Variant(
            name="as_it_is",
            summary="What earlier steps left is the student: it is taught, not made smaller.",
            parameters={"keep": 1.0, "drop": 0, **_TAUGHT, **_PACE},
            step_only=True,
        ),
    ),
)
