"""How much mail gets each site by a plan, and what becomes of it when a site is off?

Pure, in whole numbers. A domain's mail goes to its first site; when that is off, to its second: by
the formula no other domain moves then, so that the plan as it is knows every case.

Source: docs/mx.md, *Load against capacity*.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from inventory.model import Site, SiteState
from inventory.mx.plan import MxPlan
from inventory.mx.traffic import PER_MESSAGE, Traffic


@dataclass(slots=True)
class SiteLoad:
    """What one site carries."""

    domains: int = 0
    millionths: int = 0  # of a message per second

    def add(self, other: SiteLoad) -> None:
        """Add what another one carries."""
        self.domains += other.domains
        self.millionths += other.millionths

    def plus(self, other: SiteLoad) -> SiteLoad:
        """Return both together."""
        return SiteLoad(self.domains + other.domains, self.millionths + other.millionths)

    @property
    def rate(self) -> str:
        """Messages per second, with three places."""
        return f"{self.millionths // PER_MESSAGE}.{self.millionths % PER_MESSAGE // 1000:03}"

    def exceeds(self, site: Site) -> bool:
        """Return whether this is more than a site can take."""
        return self.millionths > site.capacity * PER_MESSAGE

    def as_json(self, *, is_known: bool) -> dict[str, Any]:
        """Return the load as it travels; without traffic there is none."""
        rate = self.millionths / PER_MESSAGE if is_known else None
        return {"domains": self.domains, "messages_per_s": rate}


class Loads:
    """The load of every site, as planned and without any one site."""

    def __init__(self, sites: Sequence[Site], plan: MxPlan, traffic: Traffic | None) -> None:
        self.sites = tuple(sorted(sites, key=lambda site: site.name))
        self.is_known = traffic is not None
        self._planned = {site.name: SiteLoad() for site in self.sites}
        self._next: dict[tuple[str, str | None], SiteLoad] = {}
        names = (entry.domain for entry in plan.domains)
        rates = [0] * len(plan.domains) if traffic is None else traffic.rates(names)
        for entry, rate in zip(plan.domains, rates, strict=True):
            first, second = (*entry.order[:2], None, None)[:2]
            if first is None:
                continue
            for load in (
                self._planned[first],
                self._next.setdefault((first, second), SiteLoad()),
            ):
                load.domains += 1
                load.millionths += rate

    def planned(self, site: str) -> SiteLoad:
        """Return what a site carries."""
        return self._planned[site]

    def moved(self, away: str) -> dict[str | None, SiteLoad]:
        """Return where the mail of a site goes when it is off; None: nowhere."""
        return {
            to: load for (first, to), load in sorted(self._next.items(), key=str) if first == away
        }

    def too_much(self) -> Iterator[str]:
        """Yield a line for each site that gets more than it can take, as planned or without one."""
        if not self.is_known:
            return
        for site in self.sites:
            if self._planned[site.name].exceeds(site):
                yield _line(site, self._planned[site.name])
        for away in self.sites:
            if away.state is not SiteState.ACTIVE:
                continue
            moved = self.moved(away.name)
            for site in self.sites:
                load = self._planned[site.name].plus(moved.get(site.name, SiteLoad()))
                if (
                    site is not away
                    and load.exceeds(site)
                    and not self._planned[site.name].exceeds(site)
                ):
                    yield _line(site, load, without=away.name)


def _line(site: Site, load: SiteLoad, *, without: str = "") -> str:
    when = f" without {without}" if without else ""
    return (
        f"site {site.name} gets {load.rate} messages per second{when}, "
        f"and its capacity is {site.capacity}"
    )
