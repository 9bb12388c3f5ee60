"""Methods that are really bad, each in its own way: what the conformance suite of methods has to find."""

from pathlib import Path

CARD = """
from suite.contracts import Claims, MethodCard, Variant

CARD = MethodCard(
    name={name!r}, title="A method for a test", summary="Does one thing that a method must not do, or does nothing wrong at all.",
    family="pruning", stage="graph", division="data-free", variants=(Variant(name="only", summary="The only one.", claims={claims}),),
)
"""

HEAD = """
import numpy as np

from suite.contracts import NotApplicable
from suite.graph import editable, initializers, replace, weights


def changed(parts, change):
    made = {name: editable(model) for name, model in parts.items()}
    for model in made.values():
        replace(model, {weight.name: change(weight.array) for weight in weights(model)})
    return made


def half(array):
    flat = array.ravel()
    flat[np.argsort(np.abs(flat))[: (flat.size + 1) // 2]] = 0
    return flat.reshape(array.shape)


def apply(parts, parameters, context):
"""

APPLY = {
    "honest": "return changed(parts, half)",
    "undecided": "return changed(parts, lambda array: array + np.random.default_rng().normal(size=array.shape).astype(array.dtype) * 1e-4)",
    "not_finite": "return changed(parts, lambda array: array * np.float32('nan'))",
    "liar": "return changed(parts, half)",
    "idle": "return {name: editable(model) for name, model in parts.items()}",
    "raises": "raise RuntimeError('no such\\nlayer')",
    "greedy": "return changed(parts, lambda array: np.zeros(1 << 42, np.float32))",
    "peeks": """
    for folder in context.scratch.parents:
        for path in folder.glob("*-test-*/labels.npz"):
            np.load(path)
    return changed(parts, half)""",
    "asks": """
    import importlib
    importlib.import_module("suite.models.tiny_matcher.data").test(0)
    return changed(parts, half)""",
    "nowhere": "raise NotApplicable('there is no such layer')",
}
"""Name -> the body of its `apply`."""

CLAIMS = {"liar": "Claims(sparsity=0.9)", "honest": "Claims(sparsity=0.5)"}

CARDS = {
    "unreadable": "import no_such_library",
}
"""Name -> its card, where that is what is bad."""


def write(folder: Path) -> list[str]:
    """Writes all of them as folders of methods; their names."""
    for name in (*APPLY, *CARDS):
        (folder / name).mkdir(parents=True)
        card = CARDS.get(name) or CARD.format(name=name, claims=CLAIMS.get(name, "Claims()"))
        (folder / name / "__init__.py").write_text(card)
        (folder / name / "apply.py").write_text(f"{HEAD}    {APPLY.get(name, APPLY['honest'])}\n")
    return [*APPLY, *CARDS]
