"""What is the MX plan of an inventory, and how does it differ from an earlier one?

Pure. The plan has an entry for every domain, sorted by its name. Without an earlier plan to keep,
an entry depends on its domain and the sites alone.

Source: docs/mx.md, *Plan, compare, render*.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from inventory.load import Progress, no_progress
from inventory.model import Inventory, MailDomain
from inventory.mx.keeping import Former, Keeping, chosen_moves, kept_order
from inventory.mx.measurements import Measurements
from inventory.mx.names import Naming, hosts_of
from inventory.mx.plan_inputs import inventory_digest
from inventory.mx.planner import PREFERENCES, REASONED, Planner

SCHEMA = 1  # of the plan's file
STEP = 2000  # domains between two reports of progress


class Mx(NamedTuple):
    """One MX record of a domain."""

    preference: int
    site: str
    host: str

    def __str__(self) -> str:
        return f"{self.preference} {self.host} ({self.site})"

    def as_json(self) -> dict[str, Any]:
        """Return the record as the plan's file has it."""
        return {"preference": self.preference, "site": self.site, "host": self.host}


HostNames = Callable[[str, Sequence[str]], Sequence[str]]  # of a domain's sites, the best first


class Entry:
    """The MX records of one domain, and the numbers that led to them.

    Args:
        domain: whose they are.
        order: the sites, the best first.
        hosts: gives their names: a hundred thousand domains have three each, and few are asked for.
        records: those of a plan that was read; they may have other names than we would give.
        reason: in words.
        since: when the order last changed; known to plans that keep one.
    """

    __slots__ = ("_hosts", "_records", "domain", "order", "reason", "since")

    def __init__(
        self,
        domain: str,
        order: tuple[str, ...],
        *,
        hosts: HostNames | None = None,
        records: tuple[Mx, ...] | None = None,
        reason: str = "",
        since: datetime | None = None,
    ) -> None:
        self.domain = domain
        self.order = order
        self.reason = reason
        self.since = since
        self._hosts = hosts
        self._records = records

    @property
    def mx(self) -> tuple[Mx, ...]:
        """The records."""
        if self._records is not None:
            return self._records
        assert self._hosts is not None
        return tuple(map(Mx, PREFERENCES, self.order, self._hosts(self.domain, self.order)))

    @classmethod
    def stated(
        cls,
        domain: str,
        records: Iterable[Mx],
        *,
        reason: str = "",
        since: datetime | None = None,
    ) -> Entry:
        """Return an entry with just these records, whatever names we would give."""
        mx = tuple(records)
        order = tuple([one.site for one in mx])
        return cls(domain, order, records=mx, reason=reason, since=since)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Entry) and self._said() == other._said()

    def __hash__(self) -> int:
        return hash(self.domain)

    def __repr__(self) -> str:
        return f"Entry{self._said()!r}"

    def _said(self) -> tuple[str, tuple[Mx, ...], str, datetime | None]:
        return self.domain, self.mx, self.reason, self.since


@dataclass(frozen=True, slots=True)
class MxPlan:
    """A whole plan."""

    domains: tuple[Entry, ...]
    waiting: tuple[str, ...] = ()  # domains that would change too, and are over the limit of a run
    naming: Naming = Naming.FIXED
    inputs: Mapping[str, str] = field(default_factory=dict)  # the digest of each thing planned from

    @property
    def digest(self) -> str:
        """The SHA-256 of what the plan says, which is its id."""
        head = {"inputs": dict(self.inputs), "naming": str(self.naming), "schema": SCHEMA}
        found = hashlib.sha256(json.dumps(head, sort_keys=True, separators=(",", ":")).encode())
        for entry in self.domains:
            records = ",".join(f"{one.preference} {one.site} {one.host}" for one in entry.mx)
            found.update(f"\n{entry.domain} {time_text(entry.since)} {records}".encode())
        return found.hexdigest()


def time_text(time: datetime | None) -> str:
    """Return a time as a plan's file has it, in whole seconds."""
    return "-" if time is None else f"{time.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


@dataclass(frozen=True, slots=True)
class Difference:
    """One domain whose records are not what they were; None where it is not in a plan."""

    domain: str
    before: tuple[Mx, ...] | None
    after: tuple[Mx, ...] | None

    @property
    def removed(self) -> list[Mx]:
        """The records that are no longer there."""
        return [record for record in self.before or () if record not in (self.after or ())]

    @property
    def added(self) -> list[Mx]:
        """The records that were not there."""
        return [record for record in self.after or () if record not in (self.before or ())]

    def as_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            "domain": self.domain,
            "before": None if self.before is None else [mx.as_json() for mx in self.before],
            "after": None if self.after is None else [mx.as_json() for mx in self.after],
        }


def make_plan(
    inventory: Inventory,
    *,
    naming: Naming = Naming.FIXED,
    measurements: Measurements | None = None,
    earlier: MxPlan | None = None,
    keeping: Keeping | None = None,
    has_reasons: bool = True,
    progress: Progress = no_progress,
) -> MxPlan:
    """Return the plan of all domains.

    Args:
        measurements: of the sites; None leaves it to the distance.
        earlier: the plan whose orders stand; with ``keeping`` alone.
        keeping: when an order changes; None: whenever another one is better.
        has_reasons: False leaves the numbers out, and takes less time.
    """
    planner = Planner(inventory.sites, measurements)
    former: dict[str, Former] = {}
    if keeping is not None and earlier is not None:
        former = {one.domain: Former(one.order, one.since) for one in earlier.domains}
    domains = [domain for _, domain in inventory.domains()]
    choices: Iterable[_Choice] = (
        _choice(planner, domain, former.get(domain.name), keeping) for domain in domains
    )
    moving: set[str] = set()
    waiting: tuple[str, ...] = ()
    if former and keeping is not None:
        choices = list(choices)  # which change is known when all are
        gains_m = {
            domain.name: one.gain_m
            for domain, one in zip(domains, choices, strict=True)
            if one.gain_m
        }
        moving = chosen_moves(gains_m.items(), moves_max=keeping.moves_max)
        waiting = tuple(name for name in gains_m if name not in moving)
    entries: list[Entry] = []
    orders: dict[tuple[str, ...], tuple[str, ...]] = {}  # of few sites there are few
    hosts = _host_names(naming, inventory.cluster.mail_domain)
    for number, (domain, choice) in enumerate(zip(domains, choices, strict=True)):
        if number % STEP == 0:
            progress("planning", number, len(domains))
        order = choice.order if domain.name in moving or not choice.gain_m else choice.settled
        asked = _asked(order, choice.ranked, is_kept=bool(former))
        reason = planner.reason(domain, asked) if has_reasons else ""
        since = _since(order, former.get(domain.name), keeping)
        shared = orders.setdefault(order, order)
        entries.append(Entry(domain.name, shared, hosts=hosts, reason=reason, since=since))
    inputs = {"inventory": inventory_digest(inventory)}
    if measurements is not None:
        inputs["measurements"] = measurements.digest
    if keeping is not None and earlier is not None:
        inputs["against"] = earlier.digest
    return MxPlan(domains=tuple(entries), waiting=waiting, naming=naming, inputs=inputs)


def _host_names(naming: Naming, mail_domain: str) -> HostNames:
    def names(domain: str, order: Sequence[str]) -> Sequence[str]:
        return hosts_of(naming, domain=domain, sites=order, mail_domain=mail_domain)

    return names


class _Choice(NamedTuple):
    """What a domain gets: ``order``; ``settled`` when too many others change in this run."""

    order: tuple[str, ...]
    settled: tuple[str, ...]
    gain_m: int  # 0: both are the same
    ranked: Sequence[tuple[int, str]]  # cost and name, as if nothing had been before


def _choice(
    planner: Planner, domain: MailDomain, former: Former | None, keeping: Keeping | None
) -> _Choice:
    if former is None or keeping is None:
        ranked = planner.ranked(domain)
        order = tuple([name for _, name in ranked[: len(PREFERENCES)]])
        return _Choice(order, order, 0, ranked)
    ranked = planner.ranked(domain, best=len(planner.sites))

    def room(site: str) -> int:
        way_m = planner.way_m(domain, site)
        return 0 if way_m is None else keeping.room_m(way_m)

    count = len(PREFERENCES)
    settled = kept_order(ranked, former.order, count=count, pinned=domain.pinned)
    if not keeping.may_move(former.since):
        return _Choice(settled.order, settled.order, 0, ranked)
    better = kept_order(ranked, former.order, count=count, pinned=domain.pinned, room_m=room)
    return _Choice(better.order, settled.order, better.gain_m, ranked)


def _asked(
    order: tuple[str, ...], ranked: Sequence[tuple[int, str]], *, is_kept: bool
) -> Sequence[tuple[int, str]]:
    """Return the sites of a reason: the chosen ones, and the best of the others."""
    if not is_kept:
        return ranked[:REASONED]
    costs = {name: cost for cost, name in ranked}
    chosen = [(costs[name], name) for name in order]
    return chosen + [pair for pair in ranked if pair[1] not in order][:1]


def _since(
    order: tuple[str, ...], former: Former | None, keeping: Keeping | None
) -> datetime | None:
    """Return when an order last changed; a plan that keeps nothing knows no time."""
    if keeping is None:
        return None
    return former.since if former is not None and former.order == order else keeping.now


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
        for rank, site in enumerate(entry.order):
            found.setdefault(site, [0, 0, 0])[rank] += 1
    yield from sorted(found.items())
