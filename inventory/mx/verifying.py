"""Is what the world sees of us what the inventory says?

Touches the network, through ``live_dns``, ``live_smtp`` and ``live_policy``. Every set of records
is asked for at every server that answers for it; every address that an MX leads to is greeted once;
every domain's policy is fetched once. At most ``ASKED_AT_ONCE`` things are asked at a time.

Source: docs/mx.md, *Verify*.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from inventory.load import Progress, no_progress
from inventory.mx.live_dns import DnsServer, LiveDns
from inventory.mx.live_policy import policy_problem
from inventory.mx.live_smtp import smtp_problems
from inventory.mx.names import SMTP_LABELS, STS_LABEL, has_room
from inventory.mx.records import MxRecords, RecordSet

ASKED_AT_ONCE = 30
SETS = 200  # asked for one after the other
STEP = 20  # things between two reports of progress
_NAMED = frozenset({"MX", "CNAME"})  # kinds whose values are names, in whatever case


@dataclass(frozen=True, slots=True, order=True)
class Drift:
    """Something that is not as the inventory says.

    Attributes:
        where: a name in DNS, or an address.
        is_warning: it may well be as it should; nobody could say.
    """

    where: str
    what: str
    is_warning: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {"where": self.where, "what": self.what, "is_warning": self.is_warning}


@dataclass(frozen=True, slots=True, kw_only=True)
class LookAt:
    """What is looked at beside DNS, and where.

    Attributes:
        policy: the MTA-STS policy of all domains; None: there is none.
        context: whose authorities policy hosts are believed by.
    """

    policy: str | None
    context: ssl.SSLContext
    smtp_port: int = 25
    https_port: int = 443


async def verify(
    records: MxRecords,
    dns: LiveDns,
    look: LookAt,
    *,
    now: datetime,
    progress: Progress = no_progress,
) -> list[Drift]:
    """Return everything that is not as it should be, sorted."""
    works = list(_works(records, dns, look, now))
    found: list[Drift] = []
    done = 0
    waiting = iter(works)

    async def worker() -> None:
        nonlocal done
        for work in waiting:
            found.extend([drift async for drift in work()])
            done += 1
            if done % STEP == 0:
                progress("looking", done, len(works))

    async with asyncio.TaskGroup() as group:
        for _ in range(min(ASKED_AT_ONCE, len(works))):
            group.create_task(worker())
    return sorted(set(found))


Work = Callable[[], AsyncIterator[Drift]]


def _works(records: MxRecords, dns: LiveDns, look: LookAt, now: datetime) -> Iterator[Work]:
    for zone in (records.ours, *records.customers):
        for begin in range(0, len(zone.sets), SETS):
            yield partial(_of_sets, dns, zone.name, zone.sets[begin : begin + SETS])
    nodes = {
        address: one.name
        for one in records.ours.sets
        if one.note == "node" and one.kind in ("A", "AAAA")
        for address in one.values
    }
    for address, host in sorted(nodes.items()):
        yield partial(_of_node, dns, address, host, look, now)
    if look.policy is not None:
        for zone in records.customers:
            if not has_room(STS_LABEL, zone.name):
                continue  # nothing leads a sender to a policy there
            yield partial(_of_policy, zone.name, records, look, look.policy)


async def _of_sets(dns: LiveDns, zone: str, sets: Sequence[RecordSet]) -> AsyncIterator[Drift]:
    servers = await dns.servers_of(zone)
    if not servers:
        silent_one = "the resolver does not answer; name another one with --resolver"
        yield Drift(
            zone,
            silent_one if dns.finds_nobody else "nobody answers for it; is it delegated?",
        )
        return
    answered: set[DnsServer] = set()
    silent: set[DnsServer] = set()
    for one in sets:
        for server in servers:
            if server in silent:
                continue  # asked once more for each of its records it would cost hours
            answer = await dns.ask(server, one.name, one.kind)
            if answer is None:
                silent.add(server)
                continue
            answered.add(server)
            for what in _differences(one, answer.values, answer.alias):
                yield Drift(one.name, f"{server}: {what}")
    for server in silent:
        yield Drift(zone, f"{server} does not answer", is_warning=bool(answered))


def _differences(wanted: RecordSet, found: Sequence[str], alias: str) -> Iterator[str]:
    if alias:
        yield f"is an alias of {alias[:260]}, and should have {wanted.kind} records"
        return
    there, sought = _comparable(wanted.kind, found), _comparable(wanted.kind, wanted.values)
    for value in sorted(sought - there):
        yield f"no {wanted.kind} {value}"
    for value in sorted(there - sought):
        more = ": what comes by it is not scanned" if wanted.kind == "MX" else ""
        yield f"another {wanted.kind} {value[:260]!r}{more}"


def _comparable(kind: str, values: Iterable[str]) -> set[str]:
    return {value.lower() if kind in _NAMED else value for value in values}


async def _of_node(
    dns: LiveDns, address: str, host: str, look: LookAt, now: datetime
) -> AsyncIterator[Drift]:
    keys: list[str] = []
    for server in await dns.servers_of(host):
        answer = await dns.ask(server, f"{SMTP_LABELS}.{host}", "TLSA")
        if answer is not None:
            prefix = "3 1 1 "
            keys = [one.removeprefix(prefix) for one in answer.values if one.startswith(prefix)]
            break
    for what in await smtp_problems(address, look.smtp_port, host=host, keys=keys, now=now):
        yield Drift(f"{host} ({address})", what)


async def _of_policy(
    domain: str, records: MxRecords, look: LookAt, policy: str
) -> AsyncIterator[Drift]:
    address = _policy_address(records, domain)
    if address is None:
        return
    problem = await policy_problem(
        domain, address, look.https_port, wanted=policy, context=look.context
    )
    if problem:
        yield Drift(domain, problem)


def _policy_address(records: MxRecords, domain: str) -> str | None:
    """Return one of the addresses of the policy host, another one for each domain in turn."""
    found = [
        address
        for one in records.ours.sets
        if one.note == "MTA-STS policies"
        for address in one.values
    ]
    return found[sum(domain.encode()) % len(found)] if found else None
