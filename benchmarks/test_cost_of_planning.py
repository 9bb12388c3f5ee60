"""Planning 10,000 cells."""

import dataclasses

from suite import registry
from suite.config import Config
from suite.plan import plan

CELLS = 10_000


def test_plan_10_000_cells(benchmark):
    found = registry.discover()
    model = next(iter(found.models.values()))
    variants = sum(len(card.variants) for card in found.methods.values())
    models = {f"model_{index}": dataclasses.replace(model, name=f"model_{index}") for index in range(CELLS // variants + 1)}
    sources = dict(found.sources) | {("model", name): "0" * 64 for name in models}
    many = dataclasses.replace(found, models=models, sources=sources)
    planned = benchmark(plan, Config(), many, "a host", {})
    assert len(planned.cells) >= CELLS
