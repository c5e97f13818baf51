"""In which order is one MX plan changed into another, and how long is waited between?

Pure. A sender that has the old records, the old policy or an old address must find somebody who
takes its mail at every moment. So what is new comes before what is old goes, the policy allows a
host before an MX names it, and a site takes mail until nobody can remember it.

Source: RFC 8461 section 8.3 (the policy before the records), RFC 5321 section 4.5.4.1 (how long
senders wait), RFC 2308 (how long an answer is remembered).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from inventory.mx.names import Naming
from inventory.mx.plan import Difference, Entry, Mx, MxPlan, differences
from inventory.mx.records import ADDRESS_TTL_S, MX_TTL_S, published_mx

# The longest that usual senders wait between two tries of a young message; asked anew each time.
SENDER_RETRY_S = 14_400


class Actor(StrEnum):
    """Who does a step."""

    US = "us"
    CUSTOMER = "customer"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStep:
    """One thing to do, and what to wait for before the next.

    Attributes:
        records: what comes (``+``) and goes (``-``), each by itself.
        command: that does it; empty: no command of ours does.
        wait_s: after it is done.
    """

    actor: Actor
    what: str
    reason: str
    command: str = ""
    records: tuple[str, ...] = ()
    wait_s: int = 0

    def as_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            "actor": self.actor.value,
            "what": self.what,
            "reason": self.reason,
            "command": self.command,
            "records": list(self.records),
            "wait_s": self.wait_s,
        }


def steps_between(
    before: MxPlan, after: MxPlan, *, naming: Naming, names: int, has_policy: bool
) -> list[PlanStep]:
    """Return what to do, in order; empty where the plans are the same.

    Args:
        naming: of both plans.
        names: that a customer publishes, fixed ones, as ``names_of``.
        has_policy: whether an MTA-STS policy is served.
    """
    left = sorted(_sites(before) - _sites(after))
    if naming is Naming.FIXED:
        after = _with_all_names(after, names)
    changes = differences(before, after)
    if not changes:
        return []
    come = tuple(line for change in changes for line in _lines("+", change))
    go = tuple(line for change in changes for line in _lines("-", change))
    old, new = _zones(before), _zones(after)
    found = [*_policy_first(new - old)] if has_policy and old else []
    found.append(_ready(sorted(_sites(after) - _sites(before))))
    if naming is Naming.FIXED:
        found.append(_addresses(changes))
    else:
        found.append(_site_names())
    found += _customers(come, go)
    found += _leaving(left)
    if has_policy and old - new:
        found += _policy_last(old - new)
    return [*found, _verified()]


def _with_all_names(plan: MxPlan, names: int) -> MxPlan:
    return MxPlan(domains=tuple(_with_names(one, names) for one in plan.domains if one.order))


def _with_names(entry: Entry, names: int) -> Entry:
    mail_domain = entry.mx[0].host.partition(".")[2]
    records = published_mx(entry, names=names, mail_domain=mail_domain)
    return Entry.stated(entry.domain, records)


def _policy_first(domains: set[str]) -> Iterator[PlanStep]:
    if not domains:
        return
    hosts = ", ".join(f"*.{domain}" for domain in sorted(domains))
    yield PlanStep(
        actor=Actor.US,
        what=f"Let the policy name {hosts} beside what it names: cluster.mta_sts.hosts",
        reason="a sender that keeps to a policy sends to no host that it does not name",
        command="borderscout inventory render FILE --out DIR, and the nodes take it",
    )
    yield PlanStep(
        actor=Actor.CUSTOMER,
        what="Publish the policy's new id in TXT _mta-sts",
        reason="senders look for a new policy when the id is another, and the policy comes first",
        command="borderscout mx render FILE --format letter --out DIR",
        wait_s=MX_TTL_S,
    )


def _ready(sites: list[str]) -> PlanStep:
    new = f", {' and '.join(sites)} above all" if sites else ""
    return PlanStep(
        actor=Actor.US,
        what=f"See that every site takes mail{new}",
        reason="a sender that is led to a site which takes no mail waits, or goes to the next",
        command="borderscout mx verify FILE",
    )


def _addresses(changes: list[Difference]) -> PlanStep:
    moved = tuple(
        f"{sign} {change.domain} {record.preference} {record.host} -> {record.site}"
        for change in changes
        for sign, records, others in (
            ("-", change.before or (), change.after or ()),
            ("+", change.after or (), change.before or ()),
        )
        for record in records
        if record not in others
    )
    return PlanStep(
        actor=Actor.US,
        what="Change the addresses of the names in our zone",
        reason=f"addresses are remembered for {ADDRESS_TTL_S} s; until then both sites take mail",
        command="borderscout mx apply FILE --server HOST:PORT --tsig-file KEYFILE --rendered DIR",
        records=moved,
        wait_s=ADDRESS_TTL_S,
    )


def _site_names() -> PlanStep:
    return PlanStep(
        actor=Actor.US,
        what="Publish the names of all sites in our zone",
        reason="an MX must not lead to a name without an address, nor to one that is remembered "
        "as not being there",
        command="borderscout mx apply FILE --server HOST:PORT --tsig-file KEYFILE --rendered DIR "
        "--naming sites",
        wait_s=ADDRESS_TTL_S,
    )


def _customers(come: tuple[str, ...], go: tuple[str, ...]) -> Iterator[PlanStep]:
    letter = "borderscout mx render FILE --format letter --out DIR"
    if come:
        yield PlanStep(
            actor=Actor.CUSTOMER,
            what="Publish the new MX records, beside the old ones",
            reason=f"some senders have the old answer for {MX_TTL_S} s, and it must still be right",
            command=letter,
            records=come,
            wait_s=MX_TTL_S,
        )
    if go:
        yield PlanStep(
            actor=Actor.CUSTOMER,
            what="Remove the old MX records",
            reason="senders remember them until their time is over, and some have begun a try then",
            command=letter,
            records=go,
            wait_s=MX_TTL_S + SENDER_RETRY_S,
        )


def _leaving(sites: list[str]) -> Iterator[PlanStep]:
    for site in sites:
        yield PlanStep(
            actor=Actor.US,
            what=f"Wait until no sender remembers {site}",
            reason="what was tried there comes again within the senders' wait, and asks DNS anew",
            wait_s=ADDRESS_TTL_S + SENDER_RETRY_S,
        )
        yield PlanStep(
            actor=Actor.US,
            what=f"Drain the nodes of {site}, until their spools are empty",
            reason="mail that it has taken is delivered from there, and held mail as well",
            command="borderscout satellite drain, on each of them",
        )


def _policy_last(domains: set[str]) -> Iterator[PlanStep]:
    hosts = ", ".join(f"*.{domain}" for domain in sorted(domains))
    yield PlanStep(
        actor=Actor.US,
        what=f"Take {hosts} out of the policy, and then publish its new id",
        reason="a host that the policy names and nobody keeps could be somebody else's one day",
        command="borderscout inventory render FILE --out DIR, then --format letter",
        wait_s=MX_TTL_S,
    )


def _verified() -> PlanStep:
    return PlanStep(
        actor=Actor.US,
        what="See that the world sees what the inventory says",
        reason="what was forgotten is found while somebody remembers what was done",
        command="borderscout mx verify FILE --resolver ADDRESS:PORT",
    )


def _lines(sign: str, change: Difference) -> Iterator[str]:
    """Yield the MX records that come or go in the customer's zone; sites behind them are ours."""
    first, second = (change.after, change.before) if sign == "+" else (change.before, change.after)
    others = {(one.preference, one.host) for one in second or ()}
    for one in first or ():
        if (one.preference, one.host) not in others:
            yield f"{sign} {change.domain}. MX {one.preference} {one.host}."


def _records(plan: MxPlan) -> Iterator[Mx]:
    for entry in plan.domains:
        yield from entry.mx


def _sites(plan: MxPlan) -> set[str]:
    return {record.site for record in _records(plan)}


def _zones(plan: MxPlan) -> set[str]:
    return {record.host.partition(".")[2] for record in _records(plan)}
