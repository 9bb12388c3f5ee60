"""Which points no other beats: the Pareto frontier of a gain and an accuracy. Pure."""

import math


def frontier(points: list[tuple[int, float, float]]) -> set[int]:
    """Indices of the points (index, gain, accuracy) that no other point beats: at least as good on both axes, better on one."""
    corner, kept = (0.0, -math.inf), set()
    for index, gain, accuracy in sorted(points, key=lambda point: (-point[1], -point[2])):
        if accuracy > corner[1]:
            corner = gain, accuracy
        if (gain, accuracy) == corner:  # equal points stand together
            kept.add(index)
    return kept
