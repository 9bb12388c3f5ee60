"""What can be said of a method without running it: its card, what its files import, and whether its claims can be meant. Pure."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from suite.contracts import Claims, MethodCard
from suite.filters import paper_href
from suite.formats import FORMATS

TITLE, SUMMARY = 6, 40
"""Characters that a title and a summary need to tell a reader anything."""
ALLOWED = ("suite.contracts", "suite.graph", "suite.surgery")
"""What of the suite a method may import."""
CARD = ("suite.contracts", "suite.graph")
"""What its card may: every command reads it."""
CALLED = ("parts", "parameters", "context")
BITS = 32


def incomplete(card: MethodCard) -> Iterator[str]:
    """What a card lacks that a reader needs."""
    if len(card.title) < TITLE:
        yield f"its title {card.title!r} tells a reader nothing: write what it does in a few words"
    if len(card.summary) < SUMMARY:
        yield f"its summary has {len(card.summary)} characters: say in a sentence or two what it does to a model"
    if unmade := [name for name in card.formats if name not in FORMATS]:
        yield f"it makes the format {unmade[0]!r}; there are {', '.join(FORMATS)}"
    if card.stage == "graph" and card.formats:
        yield "its formats are those of modules: a method of the stage 'graph' makes ONNX graphs"
    if not card.licence:
        yield "it has no licence: nobody may use it"
    if card.paper is not None and paper_href(card.paper) is None:
        yield f"its paper is {card.paper!r}; write an arXiv number such as 1506.02626, or an https address"
    yield from (f"its parameter {parameter.name!r} has no help" for parameter in card.parameters if not parameter.help)
    yield from (f"its variant {variant.name!r} has no summary" for variant in card.variants if not variant.summary)


def implausible(claims: Claims) -> Iterator[str]:
    """Claims that nothing can bear out, or that everything does."""
    if not claims.layers:
        yield "its claims are about no layers: name some of MatMul, Gemm and Conv"
    if not 0 < claims.coverage <= 1:
        yield f"coverage {claims.coverage} is no share: it lies above 0 and up to 1"
    for field in ("weight_bits", "mean_bits", "cache_bits"):
        value = getattr(claims, field)
        if value is not None and not 1 <= value < BITS:
            yield f"{field} {value:g} is no gain: uncompressed weights have {BITS} bits, and the least is 1"
    if claims.sparsity is not None and not 0 < claims.sparsity < 1:
        yield f"sparsity {claims.sparsity:g} cannot be meant: it is the share of weights that is zero, above 0 and below 1"
    if claims.semi_structured is not None and not 0 < claims.semi_structured <= 1:
        yield f"semi_structured {claims.semi_structured:g} cannot be meant: it is the share of weights in the pattern, above 0 and up to 1"
    if claims.parameters is not None and not 0 <= claims.parameters < 1:
        yield f"parameters {claims.parameters:g} cannot be meant: it is the share that is left of what was made smaller, below 1"


def silent(claims: Claims) -> bool:
    """Whether a variant claims nothing that could be checked."""
    return not claims.operators and all(
        getattr(claims, field) is None for field in ("weight_bits", "mean_bits", "sparsity", "semi_structured", "parameters", "cache_bits")
    )


def imports(folder: Path) -> Iterator[str]:
    """What its files import and should not, file by file."""
    for file in sorted(folder.rglob("*.py")):
        try:
            tree = ast.parse(file.read_bytes())
        except (SyntaxError, ValueError) as error:
            yield f"{file.name} cannot be read: {error}"
            continue
        is_card = file == folder / "__init__.py"
        for name in sorted(set(_imported(tree, everywhere=not is_card))):
            yield from _wrong(name, file.name, is_card)


def _wrong(name: str, file: str, is_card: bool) -> Iterator[str]:
    top, allowed = name.partition(".")[0], CARD if is_card else ALLOWED
    if top == "suite" and not any(name == each or name.startswith(f"{each}.") for each in allowed):
        yield f"{file} imports {name}; of the suite there are {', '.join(allowed)} for it"
    elif is_card and top not in ("suite", *sys.stdlib_module_names):
        yield f"{file} imports {name}, which every command would load: import it in apply.py"


def _imported(tree: ast.AST, everywhere: bool) -> Iterator[str]:
    """Absolute imports: at the top level, or inside functions too."""
    nodes = [tree]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            if node.module == "suite":
                yield from (f"suite.{alias.name}" for alias in node.names)
            else:
                yield node.module
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            nodes += node.orelse
        elif everywhere or not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            nodes += ast.iter_child_nodes(node)


def signature(folder: Path) -> Iterator[str]:
    """What is wrong with the function `apply` of apply.py, read and not run."""
    try:
        tree = ast.parse((folder / "apply.py").read_bytes())
    except (OSError, SyntaxError, ValueError):
        return  # `imports` says so
    found = next((node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "apply"), None)
    if found is not None:
        names = [argument.arg for argument in (*found.args.posonlyargs, *found.args.args)]
        if len(names) != len(CALLED) or found.args.kwonlyargs:
            yield f"its apply takes ({', '.join(names)}), and is called with ({', '.join(CALLED)})"
    elif "apply" not in {name for node in tree.body for name in _bound(node)}:
        yield f"its apply.py has no function apply({', '.join(CALLED)})"


def _bound(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom | ast.Import):
        yield from (alias.asname or alias.name for alias in node.names)
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
