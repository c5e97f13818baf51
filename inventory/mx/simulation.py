"""What happens when some sites are off?

Pure: the plan is made once as it is and once without them.

Source: docs/mx.md, *When a site is off*.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from inventory.load import Progress, no_progress
from inventory.model import Inventory, Site, SiteState
from inventory.mx.loads import Loads, SiteLoad
from inventory.mx.measurements import Measurements
from inventory.mx.plan import MxPlan, make_plan
from inventory.mx.traffic import Traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteChange:
    """One site before and after; parts are in thousandths."""

    site: Site
    before: SiteLoad
    after: SiteLoad
    took: int | None  # the part that it got of what the others lost; None: it is not active
    by_capacity: int | None  # the part that is its by its capacity

    def as_json(self, *, is_known: bool) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            "site": self.site.name,
            "state": str(self.site.state),
            "capacity": self.site.capacity,
            "before": self.before.as_json(is_known=is_known),
            "after": self.after.as_json(is_known=is_known),
            "took": None if self.took is None else self.took / 1000,
            "by_capacity": None if self.by_capacity is None else self.by_capacity / 1000,
            "exceeds": self.after.exceeds(self.site),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """What becomes of all sites and domains."""

    without: tuple[str, ...]
    is_known: bool  # whether there is traffic
    sites: tuple[SiteChange, ...]
    moved: SiteLoad  # what the sites that are off had
    lost: tuple[str, ...]  # domains that no site is left for
    fewer: tuple[str, ...]  # domains with fewer sites than they ask for

    def as_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            "without": list(self.without),
            "moved": self.moved.as_json(is_known=self.is_known),
            "sites": [one.as_json(is_known=self.is_known) for one in self.sites],
            "without_mx": list(self.lost),
            "below_sites_min": list(self.fewer),
        }


def simulate(
    inventory: Inventory,
    without: Collection[str],
    *,
    measurements: Measurements | None = None,
    traffic: Traffic | None = None,
    progress: Progress = no_progress,
) -> Simulation:
    """Return what happens when some sites are off.

    Args:
        without: their names.
    """
    off = tuple(
        site.model_copy(update={"state": SiteState.OFF}) if site.name in without else site
        for site in inventory.sites
    )
    left = inventory.model_copy(update={"sites": off})
    plans = [
        make_plan(one, measurements=measurements, has_reasons=False, progress=progress)
        for one in (inventory, left)
    ]
    before, after = (Loads(off, plan, traffic) for plan in plans)
    moved = SiteLoad()
    for name in sorted(without):
        moved.add(before.planned(name))
    capacity = sum(site.capacity for site in off if site.state is SiteState.ACTIVE)
    return Simulation(
        without=tuple(sorted(without)),
        is_known=traffic is not None,
        sites=tuple(
            _change(site, before.planned(site.name), after.planned(site.name), moved, capacity)
            for site in before.sites
        ),
        moved=moved,
        lost=_with_fewer(left, plans[1], lost=True),
        fewer=_with_fewer(left, plans[1], lost=False),
    )


def _change(
    site: Site, before: SiteLoad, after: SiteLoad, moved: SiteLoad, capacity: int
) -> SiteChange:
    if site.state is not SiteState.ACTIVE:
        return SiteChange(site=site, before=before, after=after, took=None, by_capacity=None)
    # By mail where it is known and there is some, by domains otherwise.
    got, of = after.millionths - before.millionths, moved.millionths
    if not of:
        got, of = after.domains - before.domains, moved.domains
    return SiteChange(
        site=site,
        before=before,
        after=after,
        took=got * 1000 // of if of else 0,
        by_capacity=site.capacity * 1000 // capacity,
    )


def _with_fewer(inventory: Inventory, plan: MxPlan, *, lost: bool) -> tuple[str, ...]:
    wanted = {domain.name: domain.sites_min for _, domain in inventory.domains()}
    return tuple(
        entry.domain
        for entry in plan.domains
        if (not entry.order if lost else 0 < len(entry.order) < wanted[entry.domain])
    )
