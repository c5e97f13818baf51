"""What do filters cost for a message of 4 KiB, all together and each alone?

Touches the helper process, which it starts for itself, and ``/proc``. There is no node around them
and no name server: DNS answers from the memory of those who ask. Who is measured takes turns with
the others, in another order each round; what stands in the record are medians of the rounds.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from typing import Any

from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.envelope import Envelope
from common.verdict import Outcome, Verdict
from satellite.authentication.authenticator import Authenticator
from satellite.authentication.dns_questions import DnsQuestions
from satellite.filtering.catalogue import build_filters
from satellite.filtering.filter import FilterContext, Mail
from satellite.filtering.registered import public_suffixes
from satellite.filtering.run import Filters
from satellite.headers import HeaderBlock
from satellite.judging.content_reader import ContentReader
from satellite.judging.inside import LooksInside, MessageInside
from satellite.scanning.helper import Helper
from satellite.scanning.sample import Sample
from satellite.tallies.shared_tallies import SharedTallies
from tests.bench.children import Spent, machine_s
from tests.bench.filter_cases import (
    CLIENT,
    DOMAIN,
    KINDS,
    RECIPIENT,
    RECORDS,
    ROUND,
    ZONES,
    FilterCase,
    filter_cases,
    samples,
)
from tests.bench.templates import SEED
from tests.support.network.given_dns import GivenDns
from tests.support.network.resolvers import with_test_entry

# More than a reader remembers, so that none is known when its turn comes again.
MESSAGES = 100
ENVELOPE = Envelope(
    client_address=CLIENT, helo=f"mail.{DOMAIN}", sender=f"a@{DOMAIN}", recipients=(RECIPIENT,)
)
_WORKED = frozenset({Outcome.SCORED, Outcome.SKIPPED})
_PASSED = frozenset({"SPF_PASS", "DKIM_PASS", "DMARC_PASS"})


class NotFiltered(Exception):
    """A filter did not do its work, so that there is nothing to measure."""


class Bench:
    """The filters of one case, built as a worker builds its own.

    Args:
        name: of the case.
        case: what it is.
        looks: who is asked what is inside a message.
    """

    def __init__(self, name: str, case: FilterCase, looks: LooksInside) -> None:
        clock, metrics = SystemClock(), CollectorRegistry()
        tallies = SharedTallies(
            "bench", clock=clock, salt=secrets.randbits(64), life=secrets.token_hex(8)
        )
        resolver = with_test_entry(*ZONES)
        resolver.ttl_s = 3600.0
        context = FilterContext(clock=clock, resolver=resolver, metrics=metrics, tallies=tallies)
        built = build_filters((), context)
        self.name = name
        self._preferences = case.preferences
        self._looks = looks
        self._filters = Filters(
            [each for each in built if each.name in case.kinds], clock=clock, metrics=metrics
        )

    def mails(self, sent: Sequence[Sample]) -> list[Mail]:
        """Return messages as filters see them, which have not been counted before."""
        return [
            Mail(
                envelope=ENVELOPE,
                headers=HeaderBlock.parse(sample.read(0, sample.size)),
                size=sample.size,
                preferences=self._preferences,
                now_us=time.time_ns() // 1000,
                inside=MessageInside(sample, ENVELOPE, self._looks),
                id=secrets.token_hex(8),
            )
            for sample in sent
        ]

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        """Return what all filters say, asked as judging asks them."""
        at_once = self._filters.at_once(mail)
        return await self._filters.examine(mail) if at_once is None else at_once

    async def check(self, sent: Sequence[Sample]) -> None:
        """Let each filter see some messages.

        Raises:
            NotFiltered: one failed, or the round does not find that they are signed.
        """
        for mail in self.mails(sent):
            said = await self.examine(mail)
            for verdict in said:
                if verdict.outcome not in _WORKED:
                    raise NotFiltered(f"{verdict.by} says {verdict.outcome}: {verdict.detail}")
            tests = {test.name for verdict in said for test in verdict.tests}
            if self.name == ROUND and not tests >= _PASSED:
                raise NotFiltered(f"the sender does not pass: {', '.join(sorted(tests))}")

    async def close(self) -> None:
        """Let the filters go."""
        await self._filters.close()


def run(*, rounds: int) -> dict[str, Any]:
    """Measure, and return the record.

    Args:
        rounds: of all cases.

    Raises:
        NotFiltered: a filter did not do its work.
    """
    public_suffixes()  # as the filter's watch does before the first message
    return asyncio.run(_measured(rounds))


async def _measured(rounds: int) -> dict[str, Any]:
    sent = samples(MESSAGES)
    source = random.Random(SEED)
    async with _benches() as benches:
        cells = [(bench, kind) for bench in benches for kind in KINDS]
        for bench, kind in cells:
            await bench.check(sent[kind])
        cpu_ms: dict[tuple[str, str], list[float]] = {}
        elapsed_ms: dict[tuple[str, str], list[float]] = {}
        began_s, busy_s, spent = time.monotonic(), machine_s(), Spent()
        for _ in range(rounds):
            for bench, kind in source.sample(cells, len(cells)):
                used_ms, took_ms = await _times(bench, sent[kind])
                cpu_ms.setdefault((bench.name, kind), []).append(used_ms)
                elapsed_ms.setdefault((bench.name, kind), []).append(took_ms)
        foreign = (machine_s() - busy_s - spent.seconds()) / (time.monotonic() - began_s)
    return {
        "rounds": rounds,
        "messages": MESSAGES,
        "cpu_ms": _medians(cpu_ms),
        "elapsed_ms": _medians(elapsed_ms),
        "foreign_cpus": round(max(0.0, foreign), 2),
    }


@asynccontextmanager
async def _benches() -> AsyncIterator[list[Bench]]:
    """Give one for each case, all with the same reader and the same memory of DNS."""
    clock = SystemClock()
    helper = Helper(clock=clock)
    dns = GivenDns(RECORDS)
    dns.ttl_s = 3600.0
    looks = LooksInside(
        reader=ContentReader(helper), authenticator=Authenticator(DnsQuestions(dns, clock), clock)
    )
    async with AsyncExitStack() as stack:
        stack.push_async_callback(helper.close)
        benches = [Bench(name, case, looks) for name, case in filter_cases().items()]
        for bench in benches:
            stack.push_async_callback(bench.close)
        yield benches


async def _times(bench: Bench, sent: Sequence[Sample]) -> tuple[float, float]:
    """Return the processor time of a message, helper included, and how long half of them took."""
    mails = bench.mails(sent)
    took_s = []
    spent = Spent()
    for mail in mails:
        began_s = time.perf_counter()
        await bench.examine(mail)
        took_s.append(time.perf_counter() - began_s)
    used_s = spent.seconds()
    return used_s / len(mails) * 1000, median(took_s) * 1000


def _medians(times: dict[tuple[str, str], list[float]]) -> dict[str, dict[str, float]]:
    found: dict[str, dict[str, float]] = {}
    for (name, kind), rounds in times.items():
        found.setdefault(name, {})[kind] = round(median(rounds), 4)
    return found
