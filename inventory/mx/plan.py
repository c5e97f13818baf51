"""What is the MX plan of an inventory, and how does it differ from an earlier one?

Pure. The plan has an entry for every domain, sorted by its name.

Source: docs/mx.md, *Plan, compare, render*.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ConfigDict

from common.settings.values import Settings
from inventory.load import Progress, no_progress
from inventory.model import Inventory
from inventory.mx.names import Naming, host_of
from inventory.mx.planner import plan_domain

STEP = 2000  # domains between two reports of progress


class Mx(Settings):
    """One MX record of a domain."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    preference: int
    site: str
    host: str

    def __str__(self) -> str:
        return f"{self.preference} {self.host} ({self.site})"


class Entry(Settings):
    """The MX records of one domain, and the numbers that led to them."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    domain: str
    mx: tuple[Mx, ...]
    reason: str = ""


class MxPlan(Settings):
    """A whole plan, as its JSON file has it; keys of a later version are passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    domains: tuple[Entry, ...]


@dataclass(frozen=True, slots=True)
class Difference:
    """One domain whose records are not what they were; None where it is not in a plan."""

    domain: str
    before: tuple[Mx, ...] | None
    after: tuple[Mx, ...] | None

    def as_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            "domain": self.domain,
            "before": None if self.before is None else [mx.model_dump() for mx in self.before],
            "after": None if self.after is None else [mx.model_dump() for mx in self.after],
        }


def make_plan(
    inventory: Inventory, *, naming: Naming = Naming.FIXED, progress: Progress = no_progress
) -> MxPlan:
    """Return the plan of all domains."""
    entries = []
    domains = inventory.domains()
    mail_domain = inventory.cluster.mail_domain
    for number, (_, domain) in enumerate(domains):
        if number % STEP == 0:
            progress("planning", number, len(domains))
        plan = plan_domain(domain.name, domain.location, inventory.sites)
        records = tuple(
            Mx(
                preference=choice.preference,
                site=choice.site,
                host=host_of(
                    naming,
                    domain=domain.name,
                    rank=rank,
                    site=choice.site,
                    mail_domain=mail_domain,
                ),
            )
            for rank, choice in enumerate(plan.choices, start=1)
        )
        entries.append(Entry(domain=domain.name, mx=records, reason=plan.reason))
    return MxPlan(domains=tuple(entries))


def differences(before: MxPlan, after: MxPlan) -> list[Difference]:
    """Return every domain whose records differ, sorted by name; reasons are not compared."""
    old, new = _by_domain(before.domains), _by_domain(after.domains)
    return [
        Difference(name, old.get(name), new.get(name))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def _by_domain(entries: Iterable[Entry]) -> dict[str, tuple[Mx, ...]]:
    return {entry.domain: entry.mx for entry in entries}


def shares(plan: MxPlan) -> Iterator[tuple[str, list[int]]]:
    """Yield each site with the number of domains that have it first, second and third."""
    found: dict[str, list[int]] = {}
    for entry in plan.domains:
        for rank, record in enumerate(entry.mx):
            found.setdefault(record.site, [0, 0, 0])[rank] += 1
    yield from sorted(found.items())
