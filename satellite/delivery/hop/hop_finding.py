"""Which hosts and addresses does a destination have, and do they lead back to us?

Touches DNS. Configured servers are looked up together; the domains that senders name to us have a
limit of their own, so that they hold no customer's lookup.

Source: RFC 5321 sections 5.1 and 6.3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from common.preferences.deliver_to import SMTP_PORT, Target
from satellite.delivery.decisions.outcome import (
    STATUS_NOT_LOOKED_UP,
    STATUS_UNREACHABLE,
    RecipientResult,
    Stage,
)
from satellite.delivery.decisions.routing import (
    Destination,
    Own,
    Via,
    exchanges_of,
    nowhere,
    public_addresses,
)
from satellite.delivery.hop.host_order import HopUnreachable
from satellite.delivery.hop.lookup import MxResolver
from satellite.delivery.hop.session import COMES_BACK, Hop
from satellite.names.answer import Lookup, LookupResult

HOPS_MAX = 20  # addresses tried for one transaction
STRANGERS_MAX = 20  # domains by MX that are looked up at once: anybody may send us there
STRANGER_LOOKUPS_S = 30.0  # for all lookups of one of them together


@dataclass(frozen=True, slots=True)
class _HopsFound:
    """Where one entry of a route leads.

    Args:
        hops: in the order in which they are tried.
        problem: what stands against it, if anything does.
        is_failed: a lookup failed.
    """

    hops: tuple[Hop, ...]
    problem: str
    is_failed: bool


class HopFinder:
    """Where mail goes.

    Args:
        resolver: DNS, for the servers that are configured.
        strangers: DNS, for the domains that senders name to us.
        own: who we are.
        spread: gives a number from 0 up to 1, drawn anew each time.
    """

    def __init__(
        self,
        resolver: MxResolver,
        *,
        strangers: MxResolver,
        own: Own,
        spread: Callable[[], float],
    ) -> None:
        self._resolver = resolver
        self._strangers = strangers
        self._own = own
        self._spread = spread
        self._places_for_strangers = asyncio.Semaphore(STRANGERS_MAX)

    async def hops(
        self, destination: Destination, targets: Sequence[Target], *, asked_before: bool
    ) -> list[Hop]:
        """Return the hosts and addresses of a destination, in the order in which they are tried.

        Args:
            destination: where to.
            targets: its configured hosts; not used for one that goes by MX.
            asked_before: this is not the first try for this message.

        Raises:
            HopUnreachable: there is none.
        """
        if destination.via is not Via.MX:
            return await self._configured_hops(destination, targets)
        async with self._places_for_strangers:
            try:
                async with asyncio.timeout(STRANGER_LOOKUPS_S):
                    return await self._hops_by_mx(destination.name, asked_before=asked_before)
            except TimeoutError:
                answer = nowhere(
                    destination.name, (LookupResult.FAILED,), asked_before=False, refused=False
                )
                raise HopUnreachable(answer, is_away=False) from None

    async def _hops_by_mx(self, domain: str, *, asked_before: bool) -> list[Hop]:
        """Return where a stranger's MX leads, as far as we may go there."""
        lookup = await self._strangers.exchanges(domain)
        hosts = exchanges_of(
            domain, lookup, own=self._own, asked_before=asked_before, spread=self._spread()
        )
        if isinstance(hosts, RecipientResult):
            raise HopUnreachable(hosts, is_away=False)
        hops: list[Hop] = []
        founds: list[LookupResult] = []
        refused = False
        for host in hosts:
            found = await self._strangers.addresses(host)
            founds.append(found.found)
            usable = public_addresses(found.records, own=self._own)
            refused = refused or len(usable) < len(found.records)
            is_validated = lookup.is_validated and found.is_validated
            hops += [
                Hop(Target(host, SMTP_PORT), address, None, domain, is_validated)
                for address in usable
            ]
        if not hops:
            answer = nowhere(domain, founds, asked_before=asked_before, refused=refused)
            raise HopUnreachable(answer, is_away=False)
        return hops[:HOPS_MAX]

    async def _configured_hops(
        self, destination: Destination, targets: Sequence[Target]
    ) -> list[Hop]:
        if not targets:
            text = f"the domain {destination.name} has no route"
            answer = RecipientResult(stage=Stage.ROUTE, finding=text, status="4.3.5")
            raise HopUnreachable(answer, is_away=False)
        found = await asyncio.gather(*(self._hops_at(target) for target in targets))
        hops = [hop for each in found for hop in each.hops]
        if not hops:
            raise _unknown(found)
        return hops[:HOPS_MAX]

    async def _hops_at(self, target: Target) -> _HopsFound:
        """Return where one entry of a route leads, but for ourselves."""
        if not target.is_mx:
            return self._but_us(target, [(target, await self._resolver.addresses(target.host))])
        lookup = await self._resolver.exchanges(target.host)
        hosts = exchanges_of(
            target.host, lookup, own=self._own, asked_before=True, spread=self._spread()
        )
        if isinstance(hosts, RecipientResult):
            is_failed = lookup.found is LookupResult.FAILED
            return _HopsFound((), f"{target}: {hosts.finding}", is_failed)
        lookups = await asyncio.gather(*map(self._resolver.addresses, hosts))
        reached = [Target(host, target.port) for host in hosts]
        found = list(zip(reached, lookups, strict=True))
        return self._but_us(target, found, is_validated=lookup.is_validated)

    def _but_us(
        self,
        configured: Target,
        found: Sequence[tuple[Target, Lookup[str]]],
        *,
        is_validated: bool = True,
    ) -> _HopsFound:
        via = configured if configured.is_mx else None
        domain = configured.host if configured.is_mx else ""
        hops, problems = [], []
        for target, lookup in found:
            for address in lookup.records:
                if self._own.listens_at(address, target.port):
                    problems.append(f"{target} is this satellite itself: {COMES_BACK}")
                else:
                    is_proved = is_validated and lookup.is_validated
                    hops.append(Hop(target, address, via, domain, is_proved))
            if not lookup.records:
                problems.append(f"{target}: {lookup.found}")
        is_failed = LookupResult.FAILED in [lookup.found for _, lookup in found]
        return _HopsFound(tuple(hops), problems[0] if problems else "", is_failed)


def may_have_others(targets: Sequence[Target]) -> bool:
    """Say whether a destination may have more than one host; without configured ones it may."""
    return len(targets) != 1 or targets[0].is_mx


def _unknown(found: Sequence[_HopsFound]) -> HopUnreachable:
    """Return what it means that no entry of a route leads anywhere.

    A lookup that failed is our DNS's doing, and says nothing of the server: it is not away.
    """
    each = next((each for each in found if each.is_failed), found[0])
    status = STATUS_NOT_LOOKED_UP if each.is_failed else STATUS_UNREACHABLE
    answer = RecipientResult(stage=Stage.CONNECT, finding=each.problem, status=status)
    return HopUnreachable(answer, is_away=not each.is_failed)
