"""What is known of one DNS list, and what does it say of the names of a message?

Touches DNS through the lookups that it is given. Whatever goes wrong is a verdict without points:
a list that is broken, silent or out of hand says nothing, neither good nor bad.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Sequence

import structlog

from common.clock import Clock
from common.frozen import dataclass
from common.preferences.bodies import FilterBody
from common.verdict import Outcome, printable
from satellite.filtering.asked_names import AskedName
from satellite.filtering.list_health import OUT_OF_HAND_S, ListHealth
from satellite.filtering.list_share import ListShare
from satellite.filtering.list_terms import ListMistake, ListTerms, terms_of
from satellite.filtering.listing import Broken, Listed, NotListed, Reading, read_answer
from satellite.filtering.lookups import SharedLookups
from satellite.filtering.reserved_entries import list_fault
from satellite.filtering.resolver import DnsAnswer, NoDnsAnswer

log = structlog.get_logger()

AT_ONCE_MAX = 64  # names of one list: each has a socket of its own while it is asked
MADE_UP_BYTES = 8
_TOLD_MAX = 5  # names of a verdict's detail


@dataclass(frozen=True, slots=True, kw_only=True)
class ListSays:
    """What came of asking one list.

    Args:
        outcome: as in a verdict.
        points: 0 unless it lists something.
        detail: the evidence, or what went wrong.
        counted: in how many ways, for a metric: ``listed``, ``not listed``, ``no answer`` or
            ``broken``; empty: it was not asked.
    """

    outcome: Outcome
    points: float = 0.0
    detail: str = ""
    counted: str = ""


_NOTHING_ASKED = ListSays(outcome=Outcome.SKIPPED, detail="nothing public to ask about")


class AskedList:
    """One list of the preferences.

    Args:
        name: of its document.
        body: of its document.
        lookups: DNS.
        clock: the time.
    """

    def __init__(self, name: str, body: FilterBody, lookups: SharedLookups, clock: Clock) -> None:
        self._name = name
        self._body = body
        self._lookups = lookups
        self._clock = clock
        self._health = ListHealth()
        self._places = asyncio.Semaphore(AT_ONCE_MAX)
        self._testing: asyncio.Task[None] | None = None
        self._was_disabled = False
        self.mistake = ""
        self.terms: ListTerms | None = None
        self._read(body)
        self._share = ListShare(share_max=1.0 if self.terms is None else self.terms.share_max)

    def is_of(self, body: FilterBody) -> bool:
        """Say whether what is known is of this document; other points for its codes change nothing.

        Args:
            body: of the document as it is now.
        """
        if body is self._body:  # nearly always: the same revision
            return True
        if body.zone != self._body.zone or body.options != self._body.options:
            return False
        if body.codes != self._body.codes:
            self._read(body)
        self._body = body
        return True

    def _read(self, body: FilterBody) -> None:
        try:
            self.terms = terms_of(body)
        except ListMistake as error:
            self.mistake = str(error)

    @property
    def refusal(self) -> ListSays | None:
        """Why it is left alone now, as it stands in a verdict; None: it is asked."""
        if self.mistake:
            return ListSays(outcome=Outcome.ERROR, detail=self.mistake)
        refused = self._health.refusal(self._clock.monotonic_s())
        if refused is None:
            return None
        return ListSays(outcome=refused.outcome, detail=refused.reason)

    def test_when_due(self) -> asyncio.Task[None] | None:
        """Begin the self-test when it is due; return the one that is going on, if any."""
        if self._testing is not None and not self._testing.done():
            return self._testing
        if self.terms is None or not self._health.needs_test(self._clock.monotonic_s()):
            return None
        self._testing = asyncio.create_task(self._test(self.terms), name=f"dnsbl {self._name}")
        return self._testing

    async def _test(self, terms: ListTerms) -> None:
        made_up = secrets.token_hex(MADE_UP_BYTES)
        try:
            fault = await list_fault(terms, self._lookups.fresh, made_up=made_up)
        except NoDnsAnswer as error:
            return self._health.was_silent(self._clock.monotonic_s(), error.what)
        if fault:
            return self._disable(fault)
        self._health.passed(self._clock.monotonic_s())
        if self._was_disabled:
            self._was_disabled = False
            log.info("dnsbl.enabled", list=self._name)
        return None

    def is_at_hand(self, names: Sequence[AskedName]) -> bool:
        """Say whether it is known already what it says of these names."""
        if self.refusal is not None or not names:
            return True
        if not self._health.has_passed:
            return False
        return all(self._lookups.known(self._query(name)) is not None for name in names)

    def says_at_once(self, names: Sequence[AskedName]) -> ListSays:
        """Return what it says of names that are at hand."""
        if not names:
            return _NOTHING_ASKED
        self.test_when_due()
        known = ((name, self._lookups.known(self._query(name))) for name in names)
        return self._understood([(name, one) for name, one in known if one is not None])

    async def says(
        self, names: Sequence[AskedName], *, seconds_left: Callable[[], float]
    ) -> ListSays:
        """Return what it says of the names of a message.

        Args:
            names: perhaps none.
            seconds_left: for all that is waited for.
        """
        if not names:
            return _NOTHING_ASKED
        unfit = await self._unfit(timeout_s=seconds_left())
        if unfit is not None:
            return unfit
        timeout_s = seconds_left()
        answers = await asyncio.gather(
            *(self._answer(self._query(name), timeout_s=timeout_s) for name in names)
        )
        return self._understood(list(zip(names, answers, strict=True)))

    async def _unfit(self, *, timeout_s: float) -> ListSays | None:
        """Return why it cannot be asked, or None. A test is waited for only if none was passed."""
        test = self.test_when_due()
        if test is not None and not self._health.has_passed:
            await asyncio.wait([test], timeout=max(timeout_s, 0.0))
        if self.refusal is None and not self._health.has_passed:
            return ListSays(outcome=Outcome.UNAVAILABLE, detail="its self-test has not ended")
        return self.refusal

    def _query(self, name: AskedName) -> str:
        return f"{name.label}.{self._body.zone}"

    async def _answer(self, name: str, *, timeout_s: float) -> DnsAnswer | NoDnsAnswer:
        try:
            async with asyncio.timeout(timeout_s), self._places:
                return await self._lookups.addresses(name, timeout_s=timeout_s)
        except NoDnsAnswer as error:
            return error
        except TimeoutError:
            return NoDnsAnswer(f"{AT_ONCE_MAX} others are asked before {name}", hint="")

    def _understood(self, answers: Sequence[tuple[AskedName, DnsAnswer | NoDnsAnswer]]) -> ListSays:
        terms, now_s = self.terms, self._clock.monotonic_s()
        assert terms is not None  # else it is refused
        silences = [said for _, said in answers if isinstance(said, NoDnsAnswer)]
        read = [
            (name, read_answer(said.addresses, terms.codes, terms.errors))
            for name, said in answers
            if not isinstance(said, NoDnsAnswer)
        ]
        if not read:
            what = silences[0].what if silences else "what was known has just grown too old"
            if silences:
                self._health.was_silent(now_s, what)
            return ListSays(outcome=Outcome.UNAVAILABLE, detail=what, counted="no answer")
        self._health.answered()
        listed: dict[str, bool] = {}
        for name, reading in read:
            if isinstance(reading, Broken):
                return self._broken(f"{terms.zone} {reading.reason}")
            listed[name.whose] = listed.get(name.whose, False) or isinstance(reading, Listed)
        for whose, is_listed in listed.items():
            self._share.note(whose, is_listed=is_listed, now_s=now_s)
        excess = self._share.excess(now_s)
        if excess:
            self._share.forget_the_hour()
            return self._broken(f"{terms.zone} {excess}", for_s=OUT_OF_HAND_S)
        return _weighed(terms.zone, read, silences)

    def _broken(self, reason: str, **more: float) -> ListSays:
        self._disable(reason, **more)
        return ListSays(outcome=Outcome.ERROR, detail=reason, counted="broken")

    def _disable(self, reason: str, **more: float) -> None:
        log.warning("dnsbl.disabled", list=self._name, reason=printable(reason))
        self._was_disabled = True
        self._health.broke(self._clock.monotonic_s(), reason, **more)

    def close(self) -> None:
        """Stop a test that is going on."""
        if self._testing is not None:
            self._testing.cancel()


def _weighed(
    zone: str, read: Sequence[tuple[AskedName, Reading]], silences: Sequence[NoDnsAnswer]
) -> ListSays:
    """Return what some answers come to: of several names that are listed the weightiest counts."""
    hits = [(name, one) for name, one in read if isinstance(one, Listed)]
    if hits:
        told = [f"{name.subject} in {zone}: {', '.join(one.codes)}" for name, one in hits]
        points = max((one.points for _, one in hits), key=abs)
        detail = "; ".join(told[:_TOLD_MAX])
        return ListSays(outcome=Outcome.SCORED, points=points, detail=detail, counted="listed")
    if silences:
        return ListSays(outcome=Outcome.UNAVAILABLE, detail=silences[0].what, counted="no answer")
    (name, first), others = read[0], len(read) - 1
    detail = f"{name.subject} not in {zone}" + (f", nor {others} others" if others else "")
    if isinstance(first, NotListed) and first.others and not others:
        detail += f" under a code that counts: {', '.join(first.others)}"
    return ListSays(outcome=Outcome.SCORED, detail=detail, counted="not listed")
