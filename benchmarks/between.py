"""Whether sessions differ by more than their launches show: `python benchmarks/between.py`. Some minutes; a quiet machine.

An interval over the launches of one session knows only what a launch draws anew. So the same artifact is measured in several sessions of
as many launches each, and the spread of the sessions' ratios is held against what their launches predict (an analysis of variance).
Launches load the two sides in turn in either order: what that does to the ratio stands beside it.
"""

import argparse
import math

import numpy as np
from scipy.stats import f as ratio_of_variances
from sessions import Array, Session, ready, verdict

from suite import measure
from suite.statistics import quad_log_ratios
from suite.undisturbed import undisturbed

RARE = 0.01
"""As unlikely a spread is no chance: a machine that is the same in all sessions shows it in one run of a hundred."""


def launches(session: Session, number: int) -> Array:
    """The log ratio of each launch of one session, (launches,): the median over its quads."""
    cell = session.cell()
    cell.effort = measure.Effort(number, number, cell.effort.seconds, cell.effort.others)
    logs = quad_log_ratios(*undisturbed(measure.stacked(list(measure.paired(cell)))))
    found: Array = np.nanmedian(logs, axis=-1)
    return found


def chance(logs: Array) -> tuple[float, float, float]:
    """Of (sessions, launches): the standard deviation of the sessions' means, what their launches predict of it, and how likely so much
    or more is if sessions do not differ (Fisher's F)."""
    sessions, number = logs.shape
    between, within = float(logs.mean(1).var(ddof=1)), float(logs.var(1, ddof=1).mean()) / number
    return math.sqrt(between), math.sqrt(within), float(ratio_of_variances.sf(between / within, sessions - 1, sessions * (number - 1)))


def main() -> None:
    """Prints the ratio of each session, the two spreads, and what the order of loading does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="glyph_clip")
    parser.add_argument("--method", default="dynamic_int8/per_channel")
    parser.add_argument("--sessions", type=int, default=10)
    parser.add_argument("--launches", type=int, default=8, help="of each, an even number")
    asked = parser.parse_args()
    if asked.launches < 2 or asked.launches % 2 or asked.sessions < 2:
        parser.error("two sessions at least, of an even number of launches: each side is loaded first in every other one")
    with ready(asked.model, asked.method, tier="full") as session:
        logs = np.stack([launches(session, asked.launches) for _ in range(asked.sessions)])
    if not np.isfinite(logs).all():
        parser.exit(1, "A launch had its core for none of its quads: run it again on a quieter machine.\n")
    between, within, likely = chance(logs)
    print(f"{session.planned.title}: {asked.sessions} sessions of {asked.launches} launches")
    print(f"ratios: {', '.join(f'{math.exp(mean):.3f}' for mean in logs.mean(1))}")
    print(f"sessions spread by {between:.2%}, where their launches predict {within:.2%}: so much or more in {likely:.1%} of such runs")
    order = logs[:, 1::2].mean(1) - logs[:, 0::2].mean(1)
    error = float(order.std(ddof=1)) / math.sqrt(len(order))
    print(f"the ratio is {order.mean():+.2%} (standard error {error:.2%}) where the uncompressed model is loaded first instead of second")
    verdict({f"sessions differ by no more than their launches show, {likely:.1%} >= {RARE:.0%}": likely >= RARE})


if __name__ == "__main__":
    main()
