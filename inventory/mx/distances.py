"""How far is one place from another?

Pure. A place is a point of the unit sphere, made once; what is left for each pair is a chord and an
arc sine. The chord keeps every digit where two places are near each other, as the haversine does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import asin, dist

from inventory.model import Location

EARTH_RADIUS_M = 6_371_009  # mean radius of the WGS 84 ellipsoid
FARTHEST_M = 20_015_115  # half of the way around

Point = tuple[float, float, float]

_DIAMETER_M = 2 * EARTH_RADIUS_M


def point_of(place: Location) -> Point:
    """Return the point of a place on the unit sphere."""
    north, east = math.radians(place.north), math.radians(place.east)
    level = math.cos(north)
    return level * math.cos(east), level * math.sin(east), math.sin(north)


def distances_m(here: Point, there: Sequence[Point]) -> list[int]:
    """Return the lengths of the great circles to other points, in whole metres."""
    try:
        return [round(_DIAMETER_M * asin(dist(here, point) * 0.5)) for point in there]
    except ValueError:  # the other side of the globe, by the last digit of a rounding
        return [round(_DIAMETER_M * asin(min(1.0, dist(here, point) * 0.5))) for point in there]
