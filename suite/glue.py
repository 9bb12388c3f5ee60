"""A model's numpy glue with what it may leave out filled in, and what it does wrong said in words."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from suite.errors import CellFailed

if TYPE_CHECKING:
    from suite.contracts import Array, Arrays, Run


@dataclass(frozen=True, slots=True)
class Glue:
    """The functions of `suite.contracts.Task`, of which a model's own module needs `request` and `score` alone."""

    module: ModuleType

    def size(self, inputs: "Arrays") -> int:
        """How many items there are; left out, the rows of the first array."""
        own = getattr(self.module, "size", None)
        if own is None and not inputs:
            raise CellFailed("invalid_output", "the data of the model have no inputs at all")
        return int(own(inputs)) if own else len(next(iter(inputs.values())))

    def predict(self, inputs: "Arrays", items: int, run: "Run", advance: Callable[[int], None]) -> "dict[str, Array]":
        """Columns of predictions for the first `items` items; left out, what `request` answers for each, stacked."""
        if hasattr(self.module, "predict"):
            return _columns(self.module.predict(inputs, items, run, advance), items)
        rows = []
        for index in range(items):
            rows.append(self.request(inputs, index, run))
            advance(index + 1)
        shapes = {tuple((name, array.shape) for name, array in row.items()) for row in rows}
        if len(shapes) > 1:
            raise CellFailed("invalid_output", f"the glue's request() answers items in different shapes ({_two(shapes)}); pad them to one")
        return _columns({name: np.stack([row[name] for row in rows]) for name in rows[0]}, items)

    def score(self, labels: "Arrays", predictions: "Arrays", metrics: tuple[str, ...]) -> "dict[str, Array]":
        """Each item by each of the metrics, bool or float64. Raises CellFailed if the glue gives something else."""
        items = len(next(iter(predictions.values())))
        try:
            found = self.module.score(labels, predictions)
        except IndexError as error:
            raise CellFailed(
                "invalid_output", f"scoring the predictions raised IndexError: {error}; a label or a prediction is out of range"
            ) from error
        except Exception as error:
            raise CellFailed("invalid_output", f"scoring the predictions raised {type(error).__name__}: {error}") from error
        return {metric: _column(found, metric, items) for metric in metrics}

    def slices(self, labels: "Arrays") -> "Mapping[str, Array]":
        """Slice name -> the group of each item; left out, none."""
        own = getattr(self.module, "slices", None)
        found: Mapping[str, Array] = own(labels) if own else {}
        return found

    def request(self, inputs: "Arrays", index: int, run: "Run") -> "Mapping[str, Array]":
        """One request; the index may lie beyond the last item, and then starts again. Raises CellFailed for no answer, or no number."""
        return _answer(self.module.request(inputs, index % self.size(inputs), run))

    @property
    def streams(self) -> bool:
        """Whether it answers token by token."""
        return hasattr(self.module, "stream")

    def stream(self, inputs: "Arrays", index: int, run: "Run") -> "Iterator[Array]":
        """The same request token by token."""
        tokens: Iterator[Array] = self.module.stream(inputs, index % self.size(inputs), run)
        return tokens


def words(data: ModuleType, labels: "Arrays", predictions: "Arrays") -> "tuple[list[str], list[str]] | None":
    """What is right and what was answered for each predicted item, by a model's `truths` and `answers`; None if it has no words."""
    if not hasattr(data, "truths") or not hasattr(data, "answers"):
        return None
    given = list(map(str, data.answers(labels, predictions)))
    return list(map(str, data.truths(labels)))[: len(given)], given


def _answer(found: Any) -> "dict[str, Array]":
    if not isinstance(found, Mapping) or not found:
        raise CellFailed("invalid_output", f"the glue's request() answers with {_kind(found)}, not with arrays by name")
    answer = {name: np.asarray(array) for name, array in found.items()}
    for name, array in answer.items():
        _check_numbers(f"the answer {name!r} of the glue's request()", array)
    return answer


def _kind(found: Any) -> str:
    return "nothing" if found is None or isinstance(found, Mapping) else type(found).__name__


def _check_numbers(what: str, array: "Array") -> None:
    if array.dtype.kind not in "biuf":
        raise CellFailed("invalid_output", f"{what} is not an array of numbers but of {array.dtype}; words belong into answers()")
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise CellFailed("invalid_output", f"{what} has NaN or infinity in it")


def _two(shapes: set[Any]) -> str:
    return " and ".join(sorted(", ".join(f"{name} {shape}" for name, shape in row) for row in shapes)[:2])


def _columns(found: Any, items: int) -> "dict[str, Array]":
    if not isinstance(found, Mapping) or not found:
        raise CellFailed(
            "invalid_output", "the glue predicts nothing: predict() returns a column of numbers by name, and so does request()"
        )
    for name, column in found.items():
        if not isinstance(column, np.ndarray):
            raise CellFailed("invalid_output", f"the glue's prediction {name!r} is not an array of numbers but {type(column).__name__}")
        _check_numbers(f"the glue's prediction {name!r}", column)
        if column.dtype.kind + str(column.dtype.itemsize) in ("u8", "f16"):
            raise CellFailed(
                "invalid_output", f"the glue's prediction {name!r} is {column.dtype}, which no record holds; give int64 or float64"
            )
        if len(column) != items:
            raise CellFailed("invalid_output", f"the glue's prediction {name!r} has {len(column)} rows for {items} items")
    return dict(found)


def _column(found: Any, metric: str, items: int) -> "Array":
    values = found.get(metric) if isinstance(found, Mapping) else None
    if values is None:
        raise CellFailed("invalid_output", f"the glue's score() gives nothing for {metric}, which the card names")
    values = np.asarray(values)
    if values.shape != (items,):
        raise CellFailed(
            "invalid_output", f"the glue's score() gives {metric} in the shape {values.shape}, not ({items},): a value an item"
        )
    if values.dtype == np.bool_:
        return values
    if values.dtype.kind != "f":
        raise CellFailed("invalid_output", f"the glue's score() gives {metric} as {values.dtype}, not as bool or float64")
    if not np.isfinite(values).all():
        raise CellFailed("invalid_output", f"the glue's score() gives NaN or infinity for {metric}")
    return values.astype(np.float64)
