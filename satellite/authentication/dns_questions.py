"""How are the questions of evaluators asked, each once, within a budget of look-ups and time?

Touches the name servers. What is known need not be asked; who asks what another one is asking
waits for that answer. Beyond the budget of its message a question counts as failed. While the name
servers are silent on everything, nobody is asked for some seconds, or each message would wait for
them in vain; that a few domains are silent, which anybody can have, is told apart by a probe.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, TypeVar

import dns.rdata
import structlog

from common.clock import Clock
from satellite.authentication.asking import (
    FAILED,
    NOTHING,
    Asking,
    DnsQuestion,
    Heard,
    RecordKind,
)
from satellite.authentication.dns_memory import DnsMemory
from satellite.names.answer import LookupResult
from satellite.names.name_servers import Said

log = structlog.get_logger()

T = TypeVar("T")

LOOKUPS_MAX = 60  # of one message, of which honest mail needs a dozen when nothing is known
DMARC_LOOKUPS_MAX = (
    20  # of these: who sends a message can spend the others, and not what judges him
)
BUDGET_S = 8.0  # of one message: a filter has ten seconds
LOOKUP_S = 4.0  # of one question
SILENCES_MAX = 3  # in a row, until the name servers are probed
SILENCE_SHARE = 0.9  # of its time that a question took: it failed for want of an answer
PROBE_S = 1.0
REST_S = 10.0  # in which nobody is asked, once the probe was silent too
RECORDS_MAX = 50  # of one answer
RECORD_LENGTH_MAX = 16_384  # octets of one record; what is longer is as good as not there


class AsksNameServers(Protocol):
    """The name servers, as they are asked here."""

    async def ask(self, name: str, kind: str, *, within_s: float) -> Said: ...


class DnsQuestions:
    """The questions of all messages of a worker.

    Args:
        servers: who is asked.
        clock: for the age of what is remembered.
        lookup_s: for one question.
    """

    def __init__(
        self, servers: AsksNameServers, clock: Clock, *, lookup_s: float = LOOKUP_S
    ) -> None:
        self._servers = servers
        self._clock = clock
        self._lookup_s = lookup_s
        self._memory = DnsMemory()
        self._asked: dict[DnsQuestion, asyncio.Event] = {}
        self._silences = 0  # in a row
        self._is_probing = False
        self._rests_until_s = 0.0

    def of_message(self, *, lookups_max: int = LOOKUPS_MAX) -> MessageQuestions:
        """Return what asks the questions of one message, whose time begins now."""
        return MessageQuestions(self, self._clock, lookups_max=lookups_max)

    def known(self, question: DnsQuestion) -> Heard | None:
        """Return what need not be asked."""
        return self._memory.known(question, now_s=self._clock.monotonic_s())

    async def heard(self, question: DnsQuestion, *, left_s: float) -> Heard:
        """Return what the name servers say, within the time that is left for a message."""
        within_s = min(left_s, self._lookup_s)
        while True:
            known = self.known(question)
            if known is not None:
                return known
            is_over = self._asked.get(question)
            if is_over is None:
                is_resting = self._clock.monotonic_s() < self._rests_until_s
                return FAILED if is_resting else await self._ask(question, within_s)
            try:
                async with asyncio.timeout(within_s):
                    await is_over.wait()
            except TimeoutError:
                return FAILED

    async def _ask(self, question: DnsQuestion, within_s: float) -> Heard:
        is_over = self._asked[question] = asyncio.Event()
        began_s = self._clock.monotonic_s()
        try:
            said = await self._servers.ask(question.name + ".", question.kind, within_s=within_s)
            heard = heard_of(said, question.kind)
            now_s = self._clock.monotonic_s()
            self._memory.keep(question, heard, ttl_s=said.ttl_s, now_s=now_s)
        finally:
            del self._asked[question]
            is_over.set()
        if heard.has_failed and now_s - began_s >= within_s * SILENCE_SHARE:
            await self._was_silent()
        else:
            self._silences = 0
        return heard

    async def _was_silent(self) -> None:
        """Take note of a question that had no answer in its time; probe after some in a row."""
        self._silences += 1
        if self._silences < SILENCES_MAX or self._is_probing:
            return
        self._is_probing = True
        try:
            said = await self._servers.ask(".", "NS", within_s=PROBE_S)
        finally:
            self._is_probing = False
        self._silences = 0
        if said.lookup.found is LookupResult.FAILED:
            log.warning("authentication.dns_silent", rest_s=REST_S)
            self._rests_until_s = self._clock.monotonic_s() + REST_S


class MessageQuestions:
    """The questions of one message.

    Args:
        questions: of all messages.
        clock: for the time that is left.
        lookups_max: how many are asked.
    """

    def __init__(self, questions: DnsQuestions, clock: Clock, *, lookups_max: int) -> None:
        self._questions = questions
        self._clock = clock
        self._ends_s = clock.monotonic_s() + BUDGET_S
        self._left = lookups_max

    async def answered(self, asking: Asking[T]) -> T:
        """Return what an evaluator comes to, once all that it asks is answered."""
        try:
            question = next(asking)
            while True:
                question = asking.send(await self._heard(question))
        except StopIteration as ended:
            result: T = ended.value
            return result

    async def _heard(self, question: DnsQuestion) -> Heard:
        known = self._questions.known(question)
        if known is not None:
            return known
        left_s = self._ends_s - self._clock.monotonic_s()
        if not self._left or left_s <= 0:
            return FAILED
        self._left -= 1
        return await self._questions.heard(question, left_s=left_s)


def heard_of(said: Said, kind: RecordKind) -> Heard:
    """Return what an evaluator hears of what the name servers said."""
    if said.lookup.found is not LookupResult.RECORDS:
        return Heard(said.lookup.found)
    records = said.lookup.records[:RECORDS_MAX]
    match kind:
        case RecordKind.A | RecordKind.AAAA:
            texts = [str(record) for record in records]
        case RecordKind.MX:
            records = tuple(sorted(records, key=_preference))
            texts = [_host(record, "exchange") for record in records]
        case RecordKind.PTR:
            texts = [_host(record, "target") for record in records]
        case RecordKind.TXT:
            texts = [_strings(record) for record in records]
    kept = tuple(text for text in texts if len(text) <= RECORD_LENGTH_MAX)
    return Heard(LookupResult.RECORDS, kept) if kept else NOTHING


def _preference(record: dns.rdata.Rdata) -> int:
    preference: int = getattr(record, "preference", 0)
    return preference


def _host(record: dns.rdata.Rdata, field: str) -> str:
    return str(getattr(record, field)).removesuffix(".")


def _strings(record: dns.rdata.Rdata) -> str:
    strings: tuple[bytes, ...] = getattr(record, "strings", ())
    return b"".join(strings).decode("latin-1")
