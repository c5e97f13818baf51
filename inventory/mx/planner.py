"""Which sites should a domain's mail try, and in which order?

Pure, in whole numbers, and a total order: the same inputs give the same order everywhere. What a
site costs a domain depends on that domain and that site alone, so that no other domain and no other
site, be it added, drained or taken away, changes the order of those that are there.

For each active site that the domain's constraints allow, in metres::

    cost = way + failed + SPREAD_M * ln(draw / capacity)

``way`` is the distance along the globe from the domain's location to the site; where the site has
measured the round trip to the domain's servers it is that, RTT_M_PER_US for each microsecond.
``failed`` is FAILED_M for the share of its tries that failed. ``draw`` is what chance gives to each
pair of domain and site (``draws``).

The sites stand in the order of (cost, name), a pinned site before all, and the first three of them
get the preferences 10, 20 and 30. So sites that are equally good share domains in proportion to
their capacities, whichever of them are there; a site that is SPREAD_M farther away than another
is worth 1/e of what it would be worth beside it.

Source: docs/mx.md, *The formula*; Katz-Bassett et al., "Towards IP geolocation using delay and
topology measurements", 2006 (packets travel at 4/9 of the speed of light).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from common.counted import counted
from inventory.model import Location, MailDomain, Site, SiteState
from inventory.mx.distances import FARTHEST_M, distances_m, point_of
from inventory.mx.draws import draw_range_m, draws_m, worth_m
from inventory.mx.measurements import Measured, Measurements

PREFERENCES = (10, 20, 30)  # gaps are for a hand that inserts
REASONED = len(PREFERENCES) + 1  # sites in a reason: the chosen, and the best that was not
RTT_M_PER_US = 67  # 4/9 of the speed of light, there and back
FAILED_M = 30_000_000  # all tries failed: behind the farthest place of the globe
TRIES_MIN = 20  # of fewer tries no share is known: so many are taken for the share
PLACES_MAX = 100_000  # places of which the distances are remembered


@dataclass(frozen=True, slots=True)
class Candidate:
    """What one site costs one domain; all lengths in metres."""

    site: Site
    distance_m: int | None  # None: the domain has no location
    measured: Measured | None
    way_m: int
    failed_m: int
    lot_m: int  # what draw and capacity add, or take off

    @property
    def cost_m(self) -> int:
        """What the order is made by."""
        return self.way_m + self.failed_m + self.lot_m

    def __str__(self) -> str:
        way, at = self._way(), f"drawn at capacity {self.site.capacity}"
        if not way:
            return f"{self.site.name}: {_km(self.lot_m)} {at}"
        lot = f"{'-' if self.lot_m < 0 else '+'} {_km(abs(self.lot_m))} {at}"
        return f"{self.site.name}: {' '.join(way)} {lot} = {_km(self.cost_m)}"

    def _way(self) -> list[str]:
        parts = []
        if self.measured is not None and self.measured.rtt_us is not None:
            parts.append(f"{self.measured.rtt_us / 1000:.3f} ms, {_km(self.way_m)}")
        elif self.distance_m is not None:
            parts.append(f"{_km(self.way_m)} away")
        elif self.way_m:
            parts.append(f"{_km(self.way_m)} for nothing measured")
        if self.measured is not None and self.measured.failures:
            tries = counted(self.measured.tries, "try", "tries")
            share = f"{self.measured.failures} of {tries} failed"
            parts.append(f"+ {_km(self.failed_m)} for {share}")
        return parts


class Planner:
    """The sites, ready to be put in order for one domain after another.

    Args:
        sites: all sites; their order does not matter.
        measurements: None leaves it to the distance.
    """

    def __init__(self, sites: Iterable[Site], measurements: Measurements | None = None) -> None:
        self.sites = sorted(sites, key=lambda site: site.name)
        self._measurements = measurements
        self._grounds: dict[tuple[str, ...] | None, Ground] = {}
        self._away = [
            f"{site.name}: {site.state}"
            for site in self.sites
            if site.state is not SiteState.ACTIVE
        ]

    def ranked(self, domain: MailDomain, *, best: int = REASONED) -> list[tuple[int, str]]:
        """Return the cost and the name of the sites that a domain may have, the best first.

        Args:
            best: so many at least; the others may be left out.
        """
        if domain.pinned is not None:
            best = len(self.sites)  # the pinned one may be the farthest
        found = self.ground(domain).ranked(domain, self._measured(domain), best=best)
        if domain.pinned is not None:
            found.sort(key=lambda pair: pair[1] != domain.pinned)
        return found

    def ground(self, domain: MailDomain) -> Ground:
        """Return the active sites in the regions that a domain allows."""
        ground = self._grounds.get(domain.regions)
        if ground is None:
            ground = self._grounds[domain.regions] = Ground(
                [
                    site
                    for site in self.sites
                    if site.state is SiteState.ACTIVE
                    and (domain.regions is None or site.region in domain.regions)
                ]
            )
        return ground

    def way_m(self, domain: MailDomain, site: str) -> int | None:
        """Return way and failures of one active site; None when it may be anywhere."""
        measured = self._measured(domain)
        if domain.location is None and measured is None:
            return None
        found = self.ground(domain).candidate(domain, measured, site, 0)
        return found.way_m + found.failed_m

    def reason(self, domain: MailDomain, asked: Sequence[tuple[int, str]]) -> str:
        """Return the numbers of some sites with their costs, in this order, then who is away."""
        ground, measured = self.ground(domain), self._measured(domain)
        parts = ground.reasons(domain, measured, asked)
        more = len(ground.sites) - len(parts)
        if more:
            parts.append(f"{more} more")
        parts += self._away
        first = [] if domain.location is not None or measured else ["no location"]
        if domain.regions is not None:
            first.append(f"only {', '.join(domain.regions)}")
        if domain.pinned is not None:
            first.append(f"pinned: {domain.pinned}")
        return "; ".join([*first, *parts])

    def _measured(self, domain: MailDomain) -> Mapping[str, Measured] | None:
        return None if self._measurements is None else self._measurements.of(domain.name)


class Ground:
    """Sites of which one is to be chosen, with all that does not depend on the domain."""

    def __init__(self, sites: Sequence[Site]) -> None:
        self.sites = tuple(sites)
        self._numbers = {site.name: number for number, site in enumerate(sites)}
        self._suffixes = [f"\n{site.name}".encode() for site in sites]
        self._points = [point_of(site.location) for site in sites]
        self._worths_m = [worth_m(site.capacity) for site in sites]
        self._at = [f"drawn at capacity {site.capacity}" for site in sites]
        self._distances: dict[Location, list[int]] = {}
        self._hopefuls: dict[tuple[Location | None, int], list[_Hopeful]] = {}

    def ranked(
        self, domain: MailDomain, measured: Mapping[str, Measured] | None, *, best: int
    ) -> list[tuple[int, str]]:
        """Return the cost and the name of at least the best sites, sorted."""
        if measured is None:
            hopefuls = self._hopefuls_at(domain.location, best)
        else:
            hopefuls = self._hopefuls_of(self._measured_ways(domain.location, measured), best)
        draws, prefix = draws_m(), domain.name.encode()
        found = []
        for base_m, suffix, name in hopefuls:
            digest = sha256(prefix + suffix).digest()
            found.append((base_m + draws[digest[0] << 8 | digest[1]], name))
        found.sort()
        return found

    def candidate(
        self, domain: MailDomain, measured: Mapping[str, Measured] | None, name: str, cost_m: int
    ) -> Candidate:
        """Return all numbers of one site that has this cost."""
        number = self._numbers[name]
        one = None if measured is None else measured.get(name)
        distance_m = (
            None if domain.location is None else self._distances_to(domain.location)[number]
        )
        way_m, failed_m = _way_and_failed(distance_m, one, is_measured=measured is not None)
        return Candidate(
            site=self.sites[number],
            distance_m=distance_m,
            measured=one,
            way_m=way_m,
            failed_m=failed_m,
            lot_m=cost_m - way_m - failed_m,
        )

    def reasons(
        self,
        domain: MailDomain,
        measured: Mapping[str, Measured] | None,
        asked: Sequence[tuple[int, str]],
    ) -> list[str]:
        """Return the numbers of some sites, each as a text."""
        if measured is not None or domain.location is None:
            return [str(self.candidate(domain, measured, name, cost)) for cost, name in asked]
        # The same texts, in a third of the time: most domains are of this kind.
        distances, numbers, at = self._distances_to(domain.location), self._numbers, self._at
        found = []
        for cost, name in asked:
            number = numbers[name]
            way = distances[number]
            lot = cost - way
            sign, lot = ("-", -lot) if lot < 0 else ("+", lot)
            found.append(
                f"{name}: {way / 1000:.3f} km away {sign} {lot / 1000:.3f} km {at[number]}"
                f" = {cost / 1000:.3f} km"
            )
        return found

    def _hopefuls_at(self, location: Location | None, best: int) -> list[_Hopeful]:
        """Return who may be among the best of a place."""
        found = self._hopefuls.get((location, best))
        if found is None:
            if len(self._hopefuls) >= PLACES_MAX:
                self._hopefuls.clear()
            ways = [0] * len(self.sites) if location is None else self._distances_to(location)
            found = self._hopefuls[location, best] = self._hopefuls_of(ways, best)
        return found

    def _hopefuls_of(self, ways: Sequence[int], best: int) -> list[_Hopeful]:
        bases = [way - worth for way, worth in zip(ways, self._worths_m, strict=True)]
        if len(bases) <= best:
            return list(zip(bases, self._suffixes, self._numbers, strict=True))
        # Whoever is farther behind than chance can make good needs no hash.
        limit_m = sorted(bases)[best - 1] + draw_range_m()
        return [
            (base, suffix, name)
            for base, suffix, name in zip(bases, self._suffixes, self._numbers, strict=True)
            if base <= limit_m
        ]

    def _measured_ways(
        self, location: Location | None, measured: Mapping[str, Measured]
    ) -> list[int]:
        distances = None if location is None else self._distances_to(location)
        return [
            sum(
                _way_and_failed(
                    None if distances is None else distances[number],
                    measured.get(name),
                    is_measured=True,
                )
            )
            for name, number in self._numbers.items()
        ]

    def _distances_to(self, location: Location) -> list[int]:
        found = self._distances.get(location)
        if found is None:
            if len(self._distances) >= PLACES_MAX:
                self._distances.clear()
            found = self._distances[location] = distances_m(point_of(location), self._points)
        return found


_Hopeful = tuple[int, bytes, str]  # what a site costs before chance has its say, hash part, name


def _way_and_failed(
    distance_m: int | None, measured: Measured | None, *, is_measured: bool
) -> tuple[int, int]:
    """Return way and failures of one site, in metres.

    A site that has not measured yet stands by its distance. Without that nothing is known of it,
    and once others have measured it waits behind them.

    Args:
        is_measured: whether any site has measured this domain.
    """
    nowhere_m = FARTHEST_M if is_measured else 0
    way_m = nowhere_m if distance_m is None else distance_m
    if measured is None:
        return way_m, 0
    if measured.rtt_us is not None:
        way_m = measured.rtt_us * RTT_M_PER_US
    return way_m, FAILED_M * measured.failures // max(measured.tries, TRIES_MIN)


def _km(metres: int) -> str:
    return f"{metres / 1000:.3f} km"
