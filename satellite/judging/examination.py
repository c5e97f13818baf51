"""What do engines and filters say of one message, and what does it come to?

Touches the two rooms that look at mail, and the clock. Only engines take a place of working:
filters that do not answer at once wait, for DNS mostly. Nor does a message keep its place while it
waits for our own reader alone, which has a line of its own: a hundred that take it for seconds held
up all mail that needs no reader.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Protocol

from common.clock import Clock
from common.envelope import Envelope
from common.frozen import dataclass
from common.ids import MessageId
from common.preferences import Policy
from common.preferences.scopes import Scope
from common.verdict import Verdict
from satellite.authentication.results import Authenticity
from satellite.filtering.filter import Mail
from satellite.judging.disposition import Disposed, Finding, Scoring, dispose
from satellite.judging.findings import findings
from satellite.judging.inside import LooksInside, MessageInside, known_authenticity
from satellite.judging.own_faults import blamed
from satellite.judging.scoped_matches import as_for, concerning, has_scoped, scoped_threats
from satellite.judging.score import Scores
from satellite.judging.staleness import with_stale
from satellite.judging.threats import spared
from satellite.judging.votes import counted
from satellite.scanning.sample import Sample
from satellite.spool.disk.bodies import Body
from satellite.spool.model.messages import Stored
from satellite.working_places import WorkingPlaces

SCANS_AT_ONCE = 4  # for each worker: clamd's own threads are the limit, measured
SCAN_HELD_S = 0.25  # who scans for longer waits for somebody, and lets the next one begin


class ScansMail(Protocol):
    """What judging needs of the scanning room."""

    async def scan(
        self,
        sample: Sample,
        *,
        known: Collection[str] = (),
        others_done: Callable[[], None] = lambda: None,
    ) -> tuple[Verdict, ...]: ...

    def answered_since(self, name: str, began_s: float, *, size: int) -> bool: ...

    def died_alone(self, name: str, sha256: bytes) -> bool: ...

    def set_aside(self, verdict: Verdict, message: MessageId) -> None: ...


class FiltersMail(Protocol):
    """What judging needs of the filtering room."""

    def at_once(self, mail: Mail) -> tuple[Verdict, ...] | None: ...

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What was said of a message, and what it comes to.

    Args:
        verdicts: of the engines, with what holds for recipients of some scopes alone.
        filtered: of the filters, and what the operators say of threats that engines named.
        findings: what is weighed.
        scores: the points, recipient by recipient.
        faults: engines that could not finish this message, and how often by now.
        spared: threats that are none, each with the engine that named it.
        authenticity: who answers for the message; None: no filter has asked.
        now_us: when all was said, microseconds since the epoch.
        required: every configured engine, and whether it must answer.
        own: the same as it is for recipients of some scopes, by what concerns them; None: there is
            nothing that holds for some alone.
    """

    verdicts: tuple[Verdict, ...]
    filtered: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    scores: Scores
    faults: Mapping[str, int]
    spared: Collection[tuple[str, str]]
    now_us: int
    authenticity: Authenticity | None = None
    required: Mapping[str, bool]
    own: dict[frozenset[str], Examination] | None = None

    def as_for(self, scopes: Callable[[], Iterable[Scope]]) -> Examination:
        """Return what it is for one recipient, without a word that concerns others alone.

        Args:
            scopes: returns those that the recipient stands in; called where it matters.
        """
        if self.own is None:
            return self
        theirs = frozenset(map(str, scopes())) & self._scopes
        own = self.own.get(theirs)
        if own is None:
            own = self.own[theirs] = self._as_for(theirs)
        return own

    @property
    def is_narrowed(self) -> bool:
        """Whether it says what holds for recipients of some scopes alone, for these."""
        return self.own is None and has_scoped(self.verdicts)

    @property
    def _scopes(self) -> frozenset[str]:
        return frozenset(match.scope for verdict in self.verdicts for match in verdict.scoped)

    def _as_for(self, scopes: frozenset[str]) -> Examination:
        verdicts = as_for(self.verdicts, scopes)
        # What operators say of threats by name they say to all: of a rule of his own each decides.
        spared = set(self.spared) - scoped_threats(verdicts)
        found = findings(verdicts, required=self.required, spared=spared)
        return replace(self, verdicts=verdicts, findings=found, own=None)

    def disposed(
        self,
        scoring: Scoring,
        policy: Policy,
        *,
        waited_out: bool = False,
        can_reject: bool = False,
        homeless_postmaster: bool = False,
    ) -> Disposed:
        """Return what is done for one recipient.

        Args:
            scoring: the recipient's points.
            policy: the recipient's own.
            waited_out, can_reject, homeless_postmaster: as for ``dispose``.
        """
        return dispose(
            findings=counted(self.findings, rule=policy.virus_rule, verdicts=self.verdicts),
            scoring=scoring,
            policy=policy,
            waited_out=waited_out,
            can_reject=can_reject,
            homeless_postmaster=homeless_postmaster,
        )


def shown(
    stored: Stored, body: Body, *, may_leave: bool, said_within_s: float = math.inf
) -> Sample:
    """Return what engines are shown of a message that is in the spool, or on its way through.

    Args:
        stored, body: the message.
        may_leave, said_within_s: as for ``Sample``.
    """
    return Sample(
        id=stored.id,
        size=body.size,
        sha256=stored.sha256,
        data=body.data,
        path=body.path,
        client=stored.envelope.client_address,
        may_leave=may_leave,
        said_within_s=said_within_s,
    )


class ExaminingRooms:
    """Scanning and filtering, as judging asks them.

    Args:
        scanner, filters: the two rooms.
        looks: who is asked what is inside a message.
        clock: the time.
    """

    def __init__(
        self, scanner: ScansMail, filters: FiltersMail, looks: LooksInside, clock: Clock
    ) -> None:
        self._scanner = scanner
        self._filters = filters
        self._looks = looks
        self._clock = clock
        self._scans = WorkingPlaces(SCANS_AT_ONCE, held_s=SCAN_HELD_S)

    def inside_of(self, sample: Sample, envelope: Envelope) -> MessageInside:
        """Return what filters ask when they want to know more of a message."""
        return MessageInside(sample, envelope, self._looks)

    async def examined(
        self,
        sample: Sample,
        mail: Mail,
        faults: Mapping[str, int],
        *,
        required: Mapping[str, bool],
        ages_max_us: Mapping[str, int],
    ) -> Examination:
        """Ask both, at the same time when both have to wait.

        Args:
            sample, mail: the message, as engines and as filters see it.
            faults: of the tries before.
            required: every configured engine, and whether it must answer.
            ages_max_us: how old the definitions of those may be that have a limit.
        """
        began_s = self._clock.monotonic_s()
        filtered = self._filters.at_once(mail)
        if filtered is not None:
            verdicts = await self._scanned(sample, faults)
        else:
            try:
                verdicts, filtered = await self._asked_both(sample, mail, faults)
            finally:
                mail.inside.close()
        judged, faults = blamed(
            verdicts,
            faults,
            scanner=self._scanner,
            began_s=began_s,
            size=sample.size,
            sha256=sample.sha256,
        )
        for said, verdict in zip(verdicts, judged, strict=True):
            if said is not verdict:
                self._scanner.set_aside(verdict, sample.id)
        now_us = self._clock.now_us()
        verdicts = with_stale(judged, ages_max_us, now_us=now_us)
        is_scoped = has_scoped(verdicts)
        if is_scoped:
            verdicts = concerning(verdicts, _scopes_of(mail))
        none = spared(verdicts, mail.preferences.threats(), now_us=now_us)
        filtered = (*filtered, *none.said)
        return Examination(
            verdicts=verdicts,
            filtered=filtered,
            findings=findings(verdicts, required=required, spared=none.threats),
            scores=Scores(filtered, mail.preferences.weights),
            faults=faults,
            spared=none.threats,
            authenticity=known_authenticity(mail.inside),
            now_us=now_us,
            required=required,
            own={} if is_scoped else None,
        )

    async def _asked_both(
        self, sample: Sample, mail: Mail, known: Collection[str]
    ) -> tuple[tuple[Verdict, ...], tuple[Verdict, ...]]:
        async with asyncio.TaskGroup() as group:
            scanning = group.create_task(self._scanned(sample, known))
            filtering = group.create_task(self._filters.examine(mail))
        return scanning.result(), filtering.result()

    async def _scanned(self, sample: Sample, known: Collection[str]) -> tuple[Verdict, ...]:
        place = await self._scans.take()
        try:
            return await self._scanner.scan(sample, known=known, others_done=place.give_back)
        finally:
            self._scans.take_back(place)


def _scopes_of(mail: Mail) -> set[str]:
    """Return the scopes of all recipients of a message."""
    scopes = (mail.preferences.scopes(one) for one in mail.envelope.recipients)
    return {str(scope) for each in scopes for scope in each}
