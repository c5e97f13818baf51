"""Is the client on a DNS list?

Touches DNS through the resolver that it is given. Each enabled filter document of kind ``dnsbl`` is
one list with a verdict of its own; lists are asked in parallel, each within the same budget. What a
list's answer means is decided in ``listing``, whether it may be asked in ``health``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import structlog
from prometheus_client import Gauge

from common.address import canonical_ip
from common.kinds import NoOptions, Options, takes
from common.preferences.bodies import FilterBody
from common.settings.satellite import FilterSettings
from common.verdict import Outcome, Test, Verdict, printable
from satellite.filtering.answers import Answers
from satellite.filtering.filter import Filter, FilterContext, Mail, name_of_test
from satellite.filtering.list_health import ListHealth
from satellite.filtering.listing import (
    LISTED_TEST,
    UNLISTED_TEST,
    Broken,
    Listed,
    NotListed,
    is_public,
    query_name,
    read_answer,
)
from satellite.filtering.resolver import DnsAnswer, NoDnsAnswer

log = structlog.get_logger()

BUDGET_S = 5.0  # for one message, self-test included
KIND = "dnsbl"


class DnsListOptions(Options):
    """What a list's document may say in its ``options``."""

    family: Literal[4, 6] = 4
    """6: a list of IPv6 alone, whose test entries are of IPv6."""


@dataclass(slots=True)
class _List:
    """One zone: what is known of it, and a lock so that one message tests it for all."""

    health: ListHealth = field(default_factory=ListHealth)
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


class Dnsbl:
    """The DNS lists of the preferences.

    Args:
        context: clock, resolver and metrics.
        budget_s: seconds for all lookups of one message.
    """

    def __init__(self, context: FilterContext, *, budget_s: float = BUDGET_S) -> None:
        self.name = KIND
        self._clock = context.clock
        self._resolver = context.resolver
        self.budget_s = budget_s
        self._answers = Answers()
        self._lists: dict[str, _List] = {}  # by zone
        self._disabled = Gauge(
            "borderscout_dnsbl_disabled",
            "1 while a DNS list is left alone since it is broken or silent, else 0",
            ["list"],
            registry=context.metrics,
        )
        self._shown: set[str] = set()

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        """Return one verdict for each list."""
        at_once = self.examine_at_once(mail)
        if at_once is not None:
            return at_once
        lists = mail.preferences.filters(KIND)
        client = canonical_ip(mail.envelope.client_address)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._verdict(name, body, client), name=f"dnsbl {name}")
                for name, body in lists.items()
            ]
        return tuple(task.result() for task in tasks)

    def examine_at_once(self, mail: Mail) -> tuple[Verdict, ...] | None:
        """Return the verdicts when there is no list to ask, or nothing to ask them of."""
        lists = mail.preferences.filters(KIND)
        self._forget_others(lists)
        if lists and is_public(mail.envelope.client_address):
            return None
        return tuple(
            Verdict(by=name, outcome=Outcome.SKIPPED, detail="the client is not public")
            for name in lists
        )

    async def close(self) -> None:
        """Nothing is held open."""

    async def _verdict(self, name: str, body: FilterBody, client: str) -> Verdict:
        began_s = self._clock.monotonic_s()
        entry = self._lists.setdefault(body.zone, _List())
        outcome, points, detail = await self._outcome(entry, name, body, client)
        self._show(name, entry.health)
        # A failure counts nothing and stands among the tests, so that nobody takes it for a pass.
        is_told = points != 0 or outcome is not Outcome.SCORED
        test = Test(name=name_of_test("DNSBL", name), score=points, detail=printable(detail))
        return Verdict(
            by=name,
            outcome=outcome,
            ms=int((self._clock.monotonic_s() - began_s) * 1000),
            detail=printable(detail),
            tests=(test,) if is_told else (),
        )

    async def _outcome(
        self, entry: _List, name: str, body: FilterBody, client: str
    ) -> tuple[Outcome, float, str]:
        """Return outcome, points and evidence of one list."""
        health = entry.health
        try:
            async with asyncio.timeout(self.budget_s):
                async with entry.lock:
                    if health.needs_test(self._clock.monotonic_s()):
                        await self._test(health, name, body)
                refusal = health.refusal(self._clock.monotonic_s())
                if refusal is not None:
                    return refusal.outcome, 0.0, refusal.reason
                answer = await self._ask(query_name(client, body.zone))
        except (NoDnsAnswer, TimeoutError) as error:
            reason = str(error) or f"no answer within {self.budget_s:g} s"
            health.was_silent(self._clock.monotonic_s(), reason)
            return Outcome.UNAVAILABLE, 0.0, reason
        health.answered()
        return self._read(health, name, body, client, answer)

    def _read(
        self, health: ListHealth, name: str, body: FilterBody, client: str, answer: DnsAnswer
    ) -> tuple[Outcome, float, str]:
        match read_answer(answer.addresses, body.codes):
            case Listed(codes, points):
                return Outcome.SCORED, points, f"{client} in {body.zone}: {', '.join(codes)}"
            case NotListed():
                return Outcome.SCORED, 0.0, f"{client} not in {body.zone}"
            case Broken(reason):
                self._disable(health, name, f"{body.zone} {reason}")
                return Outcome.ERROR, 0.0, f"{body.zone} {reason}"

    async def _test(self, health: ListHealth, name: str, body: FilterBody) -> None:
        """Ask for the entry that must be there and the one that must not.

        Raises:
            NoAnswer: DNS was silent; the test is still due.
        """
        version = _family_option(body)
        for address, must_list in ((LISTED_TEST[version], True), (UNLISTED_TEST[version], False)):
            query = query_name(address, body.zone)
            answer = await self._resolver.addresses(query, timeout_s=self.budget_s)
            # Any code will do: a list need not keep its test entry under a code that counts.
            reading = read_answer(answer.addresses, dict.fromkeys(answer.addresses, 0.0))
            if isinstance(reading, Broken):
                return self._disable(health, name, f"{body.zone} {reading.reason}")
            if isinstance(reading, Listed) is not must_list:
                fault = "does not list" if must_list else "lists"
                reason = f"{body.zone} {fault} the test address {address}"
                return self._disable(health, name, reason)
        return health.passed(self._clock.monotonic_s())

    def _disable(self, health: ListHealth, name: str, reason: str) -> None:
        log.warning("dnsbl.disabled", list=name, reason=printable(reason))
        health.broke(self._clock.monotonic_s(), reason)

    async def _ask(self, query: str) -> DnsAnswer:
        known = self._answers.get(query, now_s=self._clock.monotonic_s())
        if known is not None:
            return known
        answer = await self._resolver.addresses(query, timeout_s=self.budget_s)
        self._answers.keep(query, answer, now_s=self._clock.monotonic_s())
        return answer

    def _show(self, name: str, health: ListHealth) -> None:
        refused = health.refusal(self._clock.monotonic_s()) is not None
        self._disabled.labels(name).set(float(refused))
        self._shown.add(name)

    def _forget_others(self, lists: Mapping[str, FilterBody]) -> None:
        """Drop what is known of lists that the preferences no longer have."""
        for name in self._shown - lists.keys():
            self._disabled.remove(name)
            self._shown.discard(name)
        zones = {body.zone for body in lists.values()}
        for zone in self._lists.keys() - zones:
            del self._lists[zone]


def _family_option(body: FilterBody) -> int:
    """Return which test entry a list has: ``options: {family: 6}`` for one of IPv6 alone."""
    return 6 if body.options.get("family") == 6 else 4


@takes(NoOptions, of_document=DnsListOptions)
def build(settings: FilterSettings | None, context: FilterContext) -> Filter:
    """Return the filter; ``timeout_s`` of its settings is the budget of one message."""
    return Dnsbl(context, budget_s=BUDGET_S if settings is None else settings.timeout_s)
