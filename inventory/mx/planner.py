"""Which sites should a domain's mail try, and in which order?

Pure, in whole numbers, and a total order: the same inventory gives the same plan everywhere, and an
entry depends on its domain and the sites alone, so that adding a domain moves no other.

For each active site, in metres::

    cost   = distance + min(spread, SPREAD_LIMIT_M)
    spread = SPREAD_M * draw * (mean capacity of the active sites) / (capacity of the site)

``distance`` is along the globe from the domain's location to the site; 0 without a location. The
sites stand in the order of (cost, spread, name), and the first three of them get the preferences
10, 20 and 30.

``draw`` is a number that a hash gives to each pair of domain and site, spread like the waiting time
for an event that comes once per unit (exponentially). So:

- between sites about equally far away, domains divide in proportion to the capacities;
- the same holds for domains without a location, exactly, and there a site that is added takes its
  share evenly from all others while no domain moves between those;
- no domain goes to a site that is more than 300 km farther than another.

Source: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", 1998 (rendezvous
hashing); Schindelhauer and Schomaker, "Weighted distributed hash tables", 2005 (the smallest
-ln(hash)/weight wins); the haversine formula.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass

from inventory.model import Location, Site, SiteState

EARTH_RADIUS_M = 6_371_009  # mean radius of the WGS 84 ellipsoid
SPREAD_M = 50_000  # what separates two sites on average, for domains at the same place
SPREAD_LIMIT_M = 300_000  # no draw and no capacity outweighs more distance than this
PREFERENCES = (10, 20, 30)  # gaps are for a hand that inserts

_DRAW_BITS = 16  # of a draw's fraction
_HASH_BITS = 64
_LN2_SCALED = 45_426  # ln 2 * 2**16


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """What one site costs one domain; all lengths in metres."""

    site: str
    distance_m: int
    spread_m: int
    capacity: int

    @property
    def cost_m(self) -> int:
        """What the order is made by."""
        return self.distance_m + min(self.spread_m, SPREAD_LIMIT_M)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One MX of a domain."""

    preference: int
    site: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The MX of one domain, best first, and why."""

    domain: str
    choices: tuple[Choice, ...]
    reason: str


def plan_domain(domain: str, location: Location | None, sites: Sequence[Site]) -> Plan:
    """Return the plan of one domain: at most three active sites, the best first.

    Args:
        domain: as A-labels.
        location: where its mail goes; None leaves the capacity alone to decide.
        sites: all sites; their order does not matter.
    """
    active = [site for site in sites if site.state is SiteState.ACTIVE]
    capacity_sum = sum(site.capacity for site in active)
    candidates = sorted(
        (_candidate(domain, location, site, capacity_sum, len(active)) for site in active),
        key=lambda one: (one.cost_m, one.spread_m, one.site),
    )
    chosen = [
        Choice(preference=preference, site=candidate.site)
        for preference, candidate in zip(PREFERENCES, candidates, strict=False)
    ]
    away = sorted((site for site in sites if site not in active), key=lambda site: site.name)
    reason = _reason(candidates, away, is_located=location is not None)
    return Plan(domain=domain, choices=tuple(chosen), reason=reason)


def _candidate(
    domain: str, location: Location | None, site: Site, capacity_sum: int, count: int
) -> Candidate:
    spread_m = (SPREAD_M * _draw(domain, site.name) * capacity_sum) // (
        (site.capacity * count) << _DRAW_BITS
    )
    return Candidate(
        site=site.name,
        distance_m=0 if location is None else distance_m(location, site.location),
        spread_m=spread_m,
        capacity=site.capacity,
    )


def distance_m(here: Location, there: Location) -> int:
    """Return the length of the great circle between two places, in whole metres."""
    north, other_north = math.radians(here.north), math.radians(there.north)
    half_north = math.sin((other_north - north) / 2)
    half_east = math.sin(math.radians(there.east - here.east) / 2)
    share = half_north**2 + math.cos(north) * math.cos(other_north) * half_east**2
    return round(2 * EARTH_RADIUS_M * math.asin(math.sqrt(min(1.0, share))))


def _draw(domain: str, site: str) -> int:
    """Return a pair's exponential draw, in 65536ths."""
    digest = hashlib.sha256(f"{domain}\n{site}".encode()).digest()
    number = int.from_bytes(digest[: _HASH_BITS // 8], "big")
    return _minus_log2(number + 1) * _LN2_SCALED >> _DRAW_BITS


def _minus_log2(number: int) -> int:
    """Return -log2(number / 2**64) in 65536ths, from 1 up to 2**64; digit by digit, exactly."""
    whole = number.bit_length() - 1
    rest = number << (_HASH_BITS - whole)  # from 1 up to 2, with 64 bits of fraction
    fraction = 0
    for _ in range(_DRAW_BITS):
        rest = rest * rest >> _HASH_BITS
        fraction <<= 1
        if rest >> (_HASH_BITS + 1):
            rest >>= 1
            fraction |= 1
    return (_HASH_BITS << _DRAW_BITS) - ((whole << _DRAW_BITS) | fraction)


def _reason(candidates: Sequence[Candidate], away: Sequence[Site], *, is_located: bool) -> str:
    """Return the numbers that decided, best first, then who was not asked."""
    parts = [
        f"{one.site}: {_km(one.distance_m)} away + {_km(min(one.spread_m, SPREAD_LIMIT_M))} "
        f"for capacity {one.capacity} = {_km(one.cost_m)}"
        if is_located
        else f"{one.site}: {_km(one.spread_m)} for capacity {one.capacity}"
        for one in candidates
    ]
    parts += [f"{site.name}: {site.state}" for site in away]
    return ("" if is_located else "no location; ") + "; ".join(parts)


def _km(metres: int) -> str:
    return f"{metres // 1000}.{metres % 1000:03} km"
