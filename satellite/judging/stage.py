"""How does a message get from received to judged, through engines, filters and policy?

Touches the spool; connects scanning, filtering and disposition, which do not know each other. Its
work comes from the spool and its result goes back in one transaction: losing what is in flight here
costs another scan and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Protocol

import structlog

from common.address import domain_of, fold
from common.clock import Clock
from common.ids import MessageId
from common.preferences import Policy, Preferences
from common.settings.satellite import SatelliteSettings
from common.states import State
from common.tasks import keep_running
from common.verdict import Verdict
from satellite.filtering.filter import Mail
from satellite.headers import HEADER_BYTES_MAX, HeaderBlock, render
from satellite.judging.backlog import Backlog
from satellite.judging.disposition import Disposed, Done, Finding, FindingKind, Scoring, dispose
from satellite.judging.findings import findings
from satellite.judging.score import score
from satellite.scanning.sample import Sample
from satellite.spool.disk.bodies import Body, BodyDamaged
from satellite.spool.model.messages import Disposition, Judged, Judgement, Recipient, Stored
from satellite.spool.store import Spool

log = structlog.get_logger()

SCANS_AT_ONCE = 4  # for each worker: clamd's own threads are the limit, measured
JUDGED_AT_ONCE = 64  # those that wait for their commit included, so that many share one
WAIT_GROWTH_MAX = 20  # a wait is at most this often the first one

RECIPIENT_RULES_MAX = 1_000  # recipients of one revision that are known, some 300 octets each

DAY_US = 86_400 * 1_000_000


_NO_TESTS = Scoring()


class ScansMail(Protocol):
    """What judging needs of the scanning room."""

    async def scan(self, sample: Sample) -> tuple[Verdict, ...]: ...


class FiltersMail(Protocol):
    """What judging needs of the filtering room."""

    def at_once(self, mail: Mail) -> tuple[Verdict, ...] | None: ...

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class RecipientRules:
    """What one revision says of a recipient, whatever the message is."""

    policy: Policy
    is_homeless: bool  # postmaster mail that no customer takes and nobody of ours reads
    plain: Disposed  # of a message in which nobody found anything


class _Revision:
    """What was looked up in one revision of the preferences; the next one starts afresh."""

    def __init__(self, preferences: Preferences, engines: Sequence[str]) -> None:
        self.preferences = preferences
        self.required = {name: preferences.engine_is_required(name) for name in engines}
        self.rules: dict[str, RecipientRules] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminedMessage:
    """One message with everything that is known of it, against one revision."""

    stored: Stored
    block: HeaderBlock
    revision: _Revision
    verdicts: tuple[Verdict, ...]  # of the engines
    filtered: tuple[Verdict, ...]  # of the filters
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """One recipient of an examined message, with what was weighed and what came of it."""

    recipient: Recipient
    policy: Policy
    scoring: Scoring
    disposed: Disposed


class JudgingStage:
    """The stage between the spool's intake and its delivery.

    Args:
        spool: where the work comes from and goes to.
        scanner, filters: the two rooms that look at mail.
        settings: the node.
        clock: the time.
        judged: called with the id of a message that has recipients to deliver to.
        starts_at_once: says whether a recipient's delivery will begin as soon as it is judged.
        on_done: called after each message that was looked at, whatever came of it.

    Attributes:
        done: how many there were so far.
    """

    def __init__(
        self,
        *,
        spool: Spool,
        scanner: ScansMail,
        filters: FiltersMail,
        settings: SatelliteSettings,
        clock: Clock,
        judged: Callable[[MessageId], None],
        starts_at_once: Callable[[str], bool],
        on_done: Callable[[], None],
    ) -> None:
        self._spool = spool
        self._scanner = scanner
        self._filters = filters
        self._settings = settings
        self._clock = clock
        self._judged = judged
        self._starts_at_once = starts_at_once
        self._on_done = on_done
        self._engines = [engine.name for engine in settings.engines]
        self._backlog = Backlog(clock)
        self._revision: _Revision | None = None
        self._scans = asyncio.Semaphore(SCANS_AT_ONCE)
        self.done = 0  # messages so far that were looked at, whatever came of it

    def add(self, message: MessageId, due_us: int = 0) -> None:
        """Take a message that is to be scanned now, or when the wall clock says ``due_us``."""
        wait_s = (due_us - self._clock.now_us()) / 1e6 if due_us else 0.0
        # Bounded, since the wall clock may have been set back: no mail waits for years.
        self._backlog.add(message, min(wait_s, self._settings.waiting_retry_s * WAIT_GROWTH_MAX))

    def unjudged(self) -> int:
        """Return how many messages are to be judged now and are not begun."""
        return len(self._backlog)

    async def run(self) -> None:
        """Judge messages until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._backlog.run(), name="judging later")
            for number in range(JUDGED_AT_ONCE):
                name = f"judging {number}"
                group.create_task(keep_running(self._work, name=name, clock=self._clock), name=name)

    async def _work(self) -> None:
        while True:
            message = await self._backlog.next()
            done = False
            try:
                await self.judge(message)
                done = True
            finally:
                if not done:  # it stays in the spool as it was; try it again with the waiting ones
                    pause_us = int(self._settings.waiting_retry_s * 1e6)
                    self.add(message, self._clock.now_us() + pause_us)
                self.done += 1
                self._on_done()

    async def judge(self, message: MessageId) -> None:
        """Scan, filter and dispose of one message."""
        stored = self._spool.message(message)
        if stored is None or stored.recipients[0].state not in (State.RECEIVED, State.WAITING):
            return  # a repeat: it was judged before
        try:
            async with self._scans:
                with closing(self._spool.open_body(stored)) as body:
                    await body.verify()  # engines must see what was accepted
                    examined = await self._examine(stored, body)
        except BodyDamaged as error:
            log.error("judging.damaged", message=message, reason=str(error))
            await self._spool.damage(message, error.what)
            return
        await self._put_back(examined)

    async def judge_before_answer(self, stored: Stored, body: Body) -> Judgement | None:
        """Return the judgement of a message that is not accepted yet.

        Only here can a message be rejected, when all its recipients end so. None: somebody must
        wait for an engine, which is what accepted mail does.
        """
        async with self._scans:
            examined = await self._examine(stored, body)
        weighed = [self._weigh(examined, one, can_reject=True) for one in stored.recipients]
        if any(one.disposed.disposition is not Done.REJECT for one in weighed):
            weighed = [self._weigh(examined, one) for one in stored.recipients]
        if any(one.disposed.disposition is Done.WAIT for one in weighed):
            return None
        return self._judgement(examined, weighed)

    async def _examine(self, stored: Stored, body: Body) -> ExaminedMessage:
        revision = self._revision_now()  # the one that judges this message
        block = HeaderBlock.parse(body.read(0, HEADER_BYTES_MAX + 1))
        sample = Sample(
            id=stored.id, size=body.size, sha256=stored.sha256, data=body.data, path=body.path
        )
        mail = Mail(
            envelope=stored.envelope,
            headers=block,
            size=body.size,
            preferences=revision.preferences,
            now_us=self._clock.now_us(),
        )
        verdicts, filtered = await self._asked(sample, mail)
        return ExaminedMessage(
            stored=stored,
            block=block,
            revision=revision,
            verdicts=verdicts,
            filtered=filtered,
            findings=findings(verdicts, required=revision.required),
        )

    def _revision_now(self) -> _Revision:
        preferences = self._spool.preferences
        if self._revision is None or self._revision.preferences is not preferences:
            self._revision = _Revision(preferences, self._engines)
        return self._revision

    async def _asked(
        self, sample: Sample, mail: Mail
    ) -> tuple[tuple[Verdict, ...], tuple[Verdict, ...]]:
        """Return what engines and filters say; at the same time, when both have to wait."""
        filtered = self._filters.at_once(mail)
        if filtered is not None:
            return await self._scanner.scan(sample), filtered
        async with asyncio.TaskGroup() as group:
            scanning = group.create_task(self._scanner.scan(sample))
            filtering = group.create_task(self._filters.examine(mail))
        return scanning.result(), filtering.result()

    async def _put_back(self, examined: ExaminedMessage) -> None:
        stored = examined.stored
        weighed = [self._weigh(examined, recipient) for recipient in stored.recipients]
        waiting = next((one for one in weighed if one.disposed.disposition is Done.WAIT), None)
        if waiting is not None:
            await self._wait(examined, waiting.disposed.reason)
            return
        judgement = self._judgement(examined, weighed)
        await self._spool.judge(stored.id, judgement, stored=stored)
        if any(one.disposition is Disposition.DELIVER for one in judgement.recipients):
            self._judged(stored.id)

    def _weigh(
        self, examined: ExaminedMessage, recipient: Recipient, *, can_reject: bool = False
    ) -> Weighed:
        rules = self._rules_of(examined.revision, recipient.address)
        policy = rules.policy
        if not examined.findings and not any(one.tests for one in examined.filtered):
            plain = rules.plain
            return Weighed(recipient=recipient, policy=policy, scoring=_NO_TESTS, disposed=plain)
        scoring = score(examined.filtered, recipient.address)
        disposed = dispose(
            findings=examined.findings,
            scoring=scoring,
            policy=policy,
            # Asked only where somebody is silent: without a finding nothing waits.
            waited_out=bool(examined.findings) and self._has_waited_out(examined, recipient),
            can_reject=can_reject,
            homeless_postmaster=rules.is_homeless,
        )
        return Weighed(recipient=recipient, policy=policy, scoring=scoring, disposed=disposed)

    def _rules_of(self, revision: _Revision, address: str) -> RecipientRules:
        known = revision.rules.get(address)
        if known is not None:
            return known
        policy = revision.preferences.policy(address)
        is_homeless = self._is_homeless(revision.preferences, address)
        plain = dispose(
            findings=(), scoring=_NO_TESTS, policy=policy, homeless_postmaster=is_homeless
        )
        if len(revision.rules) >= RECIPIENT_RULES_MAX:
            revision.rules.clear()
        rules = RecipientRules(policy=policy, is_homeless=is_homeless, plain=plain)
        revision.rules[address] = rules
        return rules

    def _has_waited_out(self, examined: ExaminedMessage, recipient: Recipient) -> bool:
        route = examined.revision.preferences.route(domain_of(recipient.address))
        hold_days = route.hold_days if route is not None else 7
        return self._spool.age_us() - examined.stored.age_us > hold_days * DAY_US

    def _is_homeless(self, preferences: Preferences, address: str) -> bool:
        """Say whether this is postmaster mail that no customer takes and nobody of ours reads."""
        if self._settings.postmaster or not fold(address).startswith("postmaster@"):
            return False
        return not preferences.accepts(address)

    async def _wait(self, examined: ExaminedMessage, reason: str) -> None:
        stored = examined.stored
        growth = min(1 + stored.scans, WAIT_GROWTH_MAX)
        due_us = self._clock.now_us() + int(self._settings.waiting_retry_s * growth * 1e6)
        verdicts = (*examined.verdicts, *examined.filtered)
        await self._spool.wait(stored.id, next_us=due_us, reason=reason, verdicts=verdicts)
        self.add(stored.id, due_us)

    def _judgement(self, examined: ExaminedMessage, weighed: Sequence[Weighed]) -> Judgement:
        block = examined.block
        disposed = [one.disposed for one in weighed]
        quarantined = next((one for one in disposed if one.quarantine_reason), None)
        return Judgement(
            revision=examined.revision.preferences.position.revision,
            subject=block.subject,
            message_id_header=block.message_id,
            recipients=tuple(self._judged_one(examined, one) for one in weighed),
            verdicts=(*examined.verdicts, *examined.filtered),
            score=max(one.score for one in disposed),
            quarantine_reason=quarantined.quarantine_reason if quarantined else "",
            quarantine_detail=quarantined.reason if quarantined else "",
            rejected_for=disposed[0].cause if disposed[0].disposition is Done.REJECT else "",
        )

    def _judged_one(self, examined: ExaminedMessage, weighed: Weighed) -> Judged:
        recipient, one = weighed.recipient, weighed.disposed
        assert one.settled is not None
        is_delivered = one.settled is Disposition.DELIVER
        copy = render(
            examined.block,
            trace=examined.stored.trace,
            id=examined.stored.id,
            node=self._settings.node,
            mail_domain=self._settings.mail_domain,
            revision=examined.revision.preferences.position.revision,
            disposition_word=one.settled,
            verdicts=examined.verdicts,
            score=one.score,
            required=one.required,
            tests=weighed.scoring.tests,
            spam=one.spam,
            subject_tag=weighed.policy.subject_tag if one.marked else "",
        )
        return Judged(
            number=recipient.number,
            disposition=one.settled,
            reason=one.reason,
            copy=copy,
            sending=is_delivered and self._starts_at_once(recipient.address),
            suspect=one.spam or any(f.kind is FindingKind.VIRUS for f in examined.findings),
        )
