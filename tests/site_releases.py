"""A site with four releases: what the tests of history and those of accessibility look at."""

from pathlib import Path

import msgspec
from site_cards import method_cards, model_cards, target_cards
from site_store import PLANS, SHAPE, build

from suite.publishing.release import freeze
from suite.record import Estimate, Record
from suite.render import Show, render
from suite.store import Store

DAYS = ("2026-11-22", "2026-11-23", "2026-11-24", "2026-11-25")


def anew(store: Store, old: Record, day: str, *, score: float = 0.0, speed: float = 1.0, test: str | None = None) -> Record:
    """The same cell measured on another day: its score moved by so much, its speed-up so many times."""
    metric = old.accuracy.metric
    columns = store.columns(old)
    hits = columns[metric].copy()
    hits[: int(score * -hits.size)] = False
    share = float(hits.mean())
    accuracy = msgspec.structs.replace(old.accuracy, metrics={metric: Estimate(share, share - 0.03, share + 0.03)})
    timed = old.latency.speed_up
    latency = msgspec.structs.replace(old.latency, speed_up=Estimate(timed.value * speed, timed.low * speed, timed.high * speed))
    provenance = msgspec.structs.replace(old.provenance, test_sha256=test or old.provenance.test_sha256)
    fresh = {"key": day[-2:] * 4 + old.key[8:], "created": f"{day}T10:00:00Z"}
    changed = msgspec.structs.replace(old, accuracy=accuracy, latency=latency, provenance=provenance, **fresh)
    return store.put(changed, {**columns, metric: hits})


def published(room: Path) -> dict[str, Path]:
    """Four releases: int8 became worse and then faster, int4's test set changed, the baseline and the rest stayed. And the first alone."""
    store, releases = build(room / "results", shape=SHAPE, plans=PLANS[:7]), room / "releases"

    def publish(name: str) -> Path:
        render(store, model_cards(), method_cards(), target_cards(), room / name, room / "work", Show(releases=releases))
        return room / name

    def of(variant: str) -> Record:
        return next(one for one in store.records() if one.cell.variant == variant and one.cell.model == "glyph_clip")

    render(store, model_cards(), method_cards(), target_cards(), room / "none", room / "work", Show(releases=releases))
    freeze(DAYS[0], "", store, releases)
    first = publish("first")
    second = anew(store, of("per_channel"), DAYS[1], score=-0.3)
    freeze(DAYS[1], "", store, releases)
    anew(store, second, DAYS[2], speed=1.3)
    freeze(DAYS[2], "", store, releases)
    anew(store, of("block_32"), DAYS[3], test="f" * 64)
    freeze(DAYS[3], "", store, releases)
    return {"none": room / "none", "first": first, "all": publish("all")}
