"""Which MTA-STS policy holds for a domain, and when is it fetched?

Touches DNS and, off the mail's way, the policy hosts. A policy that is known holds for its max_age,
whatever DNS says meanwhile; one with a new id is fetched beside the mail, which goes on under the
old one. Only the first mail to a domain waits for its policy, and not for long. Kept in memory: a
restart begins anew.

Source: RFC 8461 sections 3.3 and 5.1.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import NoReturn

import structlog

from common.clock import Clock
from common.errors import PeerError
from common.tasks import spawn
from satellite.delivery.published.mta_sts import StsPolicy, parse_sts_policy, record_id
from satellite.names.names import Names

log = structlog.get_logger()

POLICIES_MAX = 2_000  # domains
FETCHES_MAX = 4  # at once
WANTED_MAX = 200  # that wait for their fetch; beyond it mail goes on without
WAIT_S = 5.0  # for the first policy of a domain
AGAIN_S = 300.0  # after a failed fetch: RFC 8461 section 3.3

Fetch = Callable[[str], Awaitable[bytes]]


@dataclass(slots=True)
class _Known:
    """What is known of a domain; times are monotonic."""

    identity: str = ""
    policy: StsPolicy | None = None
    until_s: float = 0.0
    again_s: float = 0.0  # no fetch before
    problem: str = ""  # of the last fetch; empty: it went well


@dataclass(frozen=True, slots=True)
class StsFinding:
    """What holds for a domain now: a policy, or why there is none although one is published."""

    policy: StsPolicy | None
    problem: str = ""


class StsPolicies:
    """The policies of the domains that had mail.

    Args:
        names: DNS.
        fetch: returns the document of a domain; raises PeerError.
        clock: for ages.
    """

    def __init__(self, names: Names, fetch: Fetch, clock: Clock) -> None:
        self._names = names
        self._fetch = fetch
        self._clock = clock
        self._known: dict[str, _Known] = {}
        self._wanted: asyncio.Queue[tuple[str, str]] = asyncio.Queue(WANTED_MAX)
        self._under_way: dict[str, asyncio.Event] = {}

    async def of(self, domain: str) -> StsFinding:
        """Return what holds for mail to a domain."""
        identity = await self._published_id(domain)
        known = self._known.get(domain)
        is_live = known is not None and self._is_live(known)
        if identity and not (is_live and known is not None and known.identity == identity):
            is_over = self._order(domain, identity)
            if is_over is not None and not is_live:
                try:
                    async with asyncio.timeout(WAIT_S):
                        await is_over.wait()
                except TimeoutError:
                    return StsFinding(None, f"its policy did not come within {WAIT_S:g} s")
        known = self._known.get(domain)
        if known is None:
            return StsFinding(None)
        if self._is_live(known):
            return StsFinding(known.policy)
        return StsFinding(None, known.problem if identity else "")

    async def run(self) -> None:
        """Fetch what is wanted, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for number in range(FETCHES_MAX):
                spawn(group, self._fetch_in_turn(), name=f"delivery.sts {number}")

    # ---- inside

    def _is_live(self, known: _Known) -> bool:
        return known.policy is not None and self._clock.monotonic_s() < known.until_s

    async def _published_id(self, domain: str) -> str | None:
        found = await self._names.records(f"_mta-sts.{domain}", "TXT")
        return record_id([_text(record) for record in found.records])

    def _order(self, domain: str, identity: str) -> asyncio.Event | None:
        """Have a policy fetched; None: not now."""
        under_way = self._under_way.get(domain)
        if under_way is not None:
            return under_way
        known = self._known.get(domain)
        if known is not None and self._clock.monotonic_s() < known.again_s:
            return None
        if self._wanted.full():
            return None
        self._wanted.put_nowait((domain, identity))
        is_over = self._under_way[domain] = asyncio.Event()
        return is_over

    async def _fetch_in_turn(self) -> NoReturn:
        while True:
            domain, identity = await self._wanted.get()
            try:
                await self._fetch_one(domain, identity)
            finally:
                self._under_way.pop(domain).set()

    async def _fetch_one(self, domain: str, identity: str) -> None:
        known = self._known.pop(domain, None) or _Known()
        self._known[domain] = known
        if len(self._known) > POLICIES_MAX:
            del self._known[next(iter(self._known))]
        try:
            policy = parse_sts_policy(await self._fetch(domain))
        except (PeerError, ValueError) as error:
            known.problem = str(error)
            known.again_s = self._clock.monotonic_s() + AGAIN_S
            log.info("delivery.sts_not_fetched", domain=domain, reason=known.problem)
            return
        now_s = self._clock.monotonic_s()
        known.identity, known.policy, known.problem = identity, policy, ""
        known.until_s = now_s + policy.max_age_s
        known.again_s = now_s + AGAIN_S


def _text(record: object) -> str:
    strings: tuple[bytes, ...] = getattr(record, "strings", ())
    return b"".join(strings).decode("latin-1")
