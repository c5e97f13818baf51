"""How does a message get from received to judged, through engines, filters and policy?

Touches the spool; connects scanning, filtering and disposition, which do not know each other. Its
work comes from the spool and its result goes back in one transaction: losing what is in flight here
costs another scan and nothing else.

Long because all that happens to one message between its intake and its delivery is one sequence.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import structlog

from common.address import domain_of, fold
from common.clock import Clock
from common.frozen import dataclass
from common.ids import MessageId
from common.preferences import Policy, Preferences
from common.preferences.policy import CloudScan
from common.settings.satellite import SatelliteSettings
from common.tasks import keep_running
from satellite.filtering.filter import Mail
from satellite.headers import HEADER_BYTES_MAX, HeaderBlock
from satellite.judging.backlog import TRIED_AGAIN_MAX, Backlog
from satellite.judging.condemning import condemned, digests_in, named_threat
from satellite.judging.copies import RenderedCopies
from satellite.judging.delivered_ring import DeliveredRing
from satellite.judging.disposition import (
    NO_TESTS,
    Cause,
    Disposed,
    Done,
    FindingKind,
    Scoring,
    dispose,
)
from satellite.judging.examination import (
    Examination,
    ExaminingRooms,
    FiltersMail,
    ScansMail,
    shown,
)
from satellite.judging.inside import LooksInside
from satellite.judging.staleness import ages_max_us
from satellite.judging.zero_hour import kept, left_us
from satellite.judging.zero_hour_mail import ZeroHourMail
from satellite.scanning.risk import FindsRisk
from satellite.scanning.sample import Sample
from satellite.spool.disk.bodies import Body, BodyDamaged
from satellite.spool.model.judged import unjudged
from satellite.spool.model.messages import (
    Copy,
    Disposition,
    Judged,
    Judgement,
    PutOff,
    Recipient,
    Stored,
)
from satellite.spool.model.zero_hour import is_kept
from satellite.spool.store import Spool

log = structlog.get_logger()

# Those that wait for an engine, a DNS list, a helper or their commit included: at a list that takes
# half a second, five hundred messages a second.
JUDGED_AT_ONCE = 256
WAIT_GROWTH_MAX = 20  # a wait is at most this often the first one

BREATH_RECIPIENTS = 100  # of one message are dealt with before others have the event loop
# What was kept for later knowledge is shown to engines that go by more than the definitions that
# they tell; of a mass mailing still one message a minute.
AFTER_ZERO_HOUR_S = 60.0
RECIPIENT_RULES_MAX = 1_000  # recipients of one revision that are known, some 300 octets each
DAY_US = 86_400 * 1_000_000


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
        self.ages_max_us = ages_max_us(preferences, engines)
        self.has_zero_hour = preferences.has_zero_hour()
        self.allows_cloud = preferences.allows_cloud()
        self.rules: dict[str, RecipientRules] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class ExaminedMessage:
    """One message with everything that is known of it, against one revision."""

    stored: Stored
    recipients: Sequence[Recipient]  # that are to be judged
    sample: Sample
    began_age_us: int  # the spool's age when its scan began, where somebody counts by it
    block: HeaderBlock
    revision: _Revision
    said: Examination


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """One recipient of an examined message, with what was weighed and what came of it."""

    recipient: Recipient
    said: Examination  # as it is for this one
    policy: Policy
    scoring: Scoring
    disposed: Disposed


class JudgingStage:
    """The stage between the spool's intake and its delivery.

    Args:
        spool: where the work comes from and goes to.
        scanner, filters: the two rooms that look at mail.
        looks: who is asked what is inside a message.
        risk: says of which risky types a message is; asked where a policy has a zero hour.
        ring: what is delivered and risky is kept there for a second look.
        settings: the node.
        clock: the time.
        judged: called with the id of a message that has recipients to deliver to.
        starts_at_once: says whether a recipient's delivery will begin as soon as it is judged.
        on_done: called after each message that was looked at, whatever came of it.

    Attributes:
        kept: what waits for the end of a zero hour.
        done: how many there were so far.
    """

    def __init__(
        self,
        *,
        spool: Spool,
        scanner: ScansMail,
        filters: FiltersMail,
        looks: LooksInside,
        risk: FindsRisk,
        ring: DeliveredRing,
        settings: SatelliteSettings,
        clock: Clock,
        judged: Callable[[MessageId], None],
        starts_at_once: Callable[[MessageId, str], bool],
        on_done: Callable[[], None],
    ) -> None:
        self._spool = spool
        self._rooms = ExaminingRooms(scanner, filters, looks, clock)
        self._risk = risk
        self._ring = ring
        self._settings = settings
        self._clock = clock
        self._judged = judged
        self._starts_at_once = starts_at_once
        self._on_done = on_done
        self._engines = [engine.name for engine in settings.engines]
        self._backlog = Backlog(clock)
        self._revision: _Revision | None = None
        self.kept = ZeroHourMail()
        self.done = 0  # messages so far that were looked at, whatever came of it

    def add(self, message: MessageId, due_us: int = 0, *, is_suspect: bool = False) -> None:
        """Take a message that is to be scanned now, or again when the wall clock says ``due_us``.

        Args:
            message, due_us: which, and when; 0: it is fresh.
            is_suspect: an engine was silent on it, and may be so again.
        """
        if not due_us:
            self._backlog.add(message)
            return
        wait_s = (due_us - self._clock.now_us()) / 1e6
        # Bounded, since the wall clock may have been set back: no mail waits for years.
        wait_s = min(wait_s, self._settings.waiting_retry_s * WAIT_GROWTH_MAX)
        self._backlog.add_again(message, wait_s, is_suspect=is_suspect)

    def hurry(self) -> None:
        """Try what waits for an engine as soon as there is room: one is back."""
        self._backlog.hurry()

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
            suspects = keep_running(self._work_on_suspects, name="suspects", clock=self._clock)
            group.create_task(suspects, name="judging suspects")
            for number in range(TRIED_AGAIN_MAX):
                name = f"judging again {number}"
                again = keep_running(self._work_again, name=name, clock=self._clock)
                group.create_task(again, name=name)

    async def _work(self) -> None:
        while True:
            await self._judge_next(await self._backlog.next())

    async def _work_on_suspects(self) -> None:
        while True:
            await self._judge_next(await self._backlog.next_suspect())

    async def _work_again(self) -> None:
        while True:
            message = await self._backlog.next_again()
            came_to_its_end = False
            try:
                came_to_its_end = await self._judge_next(message)
            finally:
                self._backlog.tried(came_to_its_end=came_to_its_end)

    async def _judge_next(self, message: MessageId) -> bool:
        """Judge a message of the backlog; return whether it need not be tried again."""
        came_to_its_end: bool | None = None
        try:
            came_to_its_end = await self.judge(message)
            return came_to_its_end
        finally:
            if came_to_its_end is None:  # it stays in the spool as it was
                pause_us = int(self._settings.waiting_retry_s * 1e6)
                self.add(message, self._clock.now_us() + pause_us)
            self.done += 1
            self._on_done()

    async def judge(self, message: MessageId) -> bool:
        """Scan, filter and dispose of one message; return whether it need not be tried again."""
        self.kept.remove(message)  # until it is known to be kept on
        stored = self._spool.message(message)
        recipients = unjudged(stored) if stored is not None else []
        if stored is None or not recipients:
            return True  # a repeat: it was judged before
        # What is fresh was never kept, nor asked about before: all but a few messages.
        if stored.scans and (kept_s := self._kept_s(stored, recipients)) > 0:
            self._keep(stored, len(recipients))
            self._backlog.add_again(message, kept_s)  # the wall clock was wrong, or a wait too long
            return True
        faults = self._spool.faults(message) if stored.scans else {}
        try:
            with self._spool.open_body(stored) as body:
                await body.verify()  # engines must see what was accepted
                examined = await self._examine(stored, recipients, body, faults)
                weighed = await self._weighed(examined)
        except BodyDamaged as error:
            log.error("judging.damaged", message=message, reason=str(error))
            await self._spool.damage(message, error.what)
            return True
        return await self._put_back(examined, weighed)

    async def judge_before_answer(self, stored: Stored, body: Body) -> Judgement | None:
        """Return the judgement of a message that is not accepted yet.

        Only here can a message be rejected, when all its recipients end so. None: somebody must
        wait for an engine, which is what accepted mail does.
        """
        examined = await self._examine(stored, unjudged(stored), body, {})
        weighed = await self._weighed(examined, can_reject=True)
        if any(one.disposed.disposition is not Done.REJECT for one in weighed):
            weighed = await self._weighed(examined)
        if any(one.disposed.disposition is Done.WAIT for one in weighed):
            return None
        return await self._judgement(examined, weighed)

    async def _examine(
        self, stored: Stored, recipients: Sequence[Recipient], body: Body, faults: Mapping[str, int]
    ) -> ExaminedMessage:
        revision = self._revision_now()  # the one that judges this message
        is_counted = revision.has_zero_hour or self._ring.is_on
        began_age_us = self._spool.age_us() if is_counted else 0
        block = HeaderBlock.parse(body.read(0, HEADER_BYTES_MAX + 1))
        sample = shown(
            stored,
            body,
            may_leave=revision.allows_cloud and self._all_allow_cloud(revision, stored),
            said_within_s=AFTER_ZERO_HOUR_S
            if stored.scans and any(map(is_kept, recipients))
            else math.inf,
        )
        mail = Mail(
            envelope=stored.envelope,
            headers=block,
            size=body.size,
            preferences=revision.preferences,
            now_us=self._clock.now_us(),
            inside=self._rooms.inside_of(sample, stored.envelope),
            id=stored.id,
        )
        said = await self._rooms.examined(
            sample, mail, faults, required=revision.required, ages_max_us=revision.ages_max_us
        )
        return ExaminedMessage(
            stored=stored,
            recipients=recipients,
            sample=sample,
            began_age_us=began_age_us,
            block=block,
            revision=revision,
            said=said,
        )

    def _revision_now(self) -> _Revision:
        preferences = self._spool.preferences
        if self._revision is None or self._revision.preferences is not preferences:
            self._revision = _Revision(preferences, self._engines)
        return self._revision

    async def _put_back(self, examined: ExaminedMessage, weighed: Sequence[Weighed]) -> bool:
        """Put the result into the spool; return whether the message need not be tried again."""
        stored = examined.stored
        ready: list[Weighed] = []
        waiting: list[Weighed] = []
        for one in weighed:
            (waiting if one.disposed.disposition is Done.WAIT else ready).append(one)
        # Whoever waits for an engine is the first to be told of, and asked for.
        waiting.sort(key=lambda one: one.disposed.cause is Cause.ZERO_HOUR)
        if not ready:
            await self._wait(examined, waiting)
            if waiting[0].disposed.cause is Cause.ZERO_HOUR:
                self._keep(stored, len(waiting))
            return waiting[0].disposed.cause is Cause.ZERO_HOUR
        judgement = await self._judgement(examined, ready)  # who need not wait does not
        put_off = self._put_off(examined, waiting) if waiting else None
        whole = stored if len(ready) == len(stored.recipients) else None
        await self._spool.judge(stored.id, judgement, stored=whole, put_off=put_off)
        if waiting and waiting[0].disposed.cause is Cause.ZERO_HOUR:
            self._keep(stored, len(waiting))
        if put_off is not None:
            self.add(stored.id, put_off.next_us, is_suspect=bool(put_off.faults))
        if judgement.is_for_delivery:
            if judgement.digests and self._ring.is_on:  # before its delivery ends it
                age_s = (self._spool.age_us() - examined.began_age_us) / 1e6
                await self._ring.keep(examined.sample, age_s=age_s)
            self._judged(stored.id)
        return put_off is None or waiting[0].disposed.cause is Cause.ZERO_HOUR

    async def _weighed(
        self, examined: ExaminedMessage, *, can_reject: bool = False
    ) -> list[Weighed]:
        """Return what is done for each recipient that is not judged yet."""
        weighed: list[Weighed] = []
        for recipient in examined.recipients:
            weighed.append(self._weigh(examined, recipient, can_reject=can_reject))
            if not len(weighed) % BREATH_RECIPIENTS:
                await asyncio.sleep(0)
        if not examined.revision.has_zero_hour:
            return weighed
        return await self._kept_back(examined, weighed)

    async def _kept_back(self, examined: ExaminedMessage, weighed: list[Weighed]) -> list[Weighed]:
        """Return the same, but that mail of risky types waits for the end of its zero hour."""
        age_us = examined.began_age_us - examined.stored.age_us
        concerned = {
            one.recipient.number
            for one in weighed
            if one.disposed.disposition is Done.DELIVER
            and left_us(one.policy, one.recipient, age_us=age_us)
        }
        if not concerned:
            return weighed
        types = await self._risk.types_of(examined.sample)
        if types is not None and not types:
            return weighed
        return [
            replace(one, disposed=disposed)
            if one.recipient.number in concerned
            and (disposed := kept(one.disposed, one.policy, types)) is not None
            else one
            for one in weighed
        ]

    def keeps_mail_for(self, address: str) -> bool:
        """Say whether a recipient's policy may keep his mail for a zero hour."""
        revision = self._revision_now()
        return revision.has_zero_hour and (
            self._rules_of(revision, address).policy.zero_hour is not None
        )

    def _keep(self, stored: Stored, recipients: int) -> None:
        self.kept.add(stored.id, octets=stored.size, recipients=recipients)

    def _kept_s(self, stored: Stored, recipients: Sequence[Recipient]) -> float:
        """Return for how long nothing is to be done, since all recipients' zero hours go on."""
        if not all(map(is_kept, recipients)):
            return 0.0
        revision = self._revision_now()
        age_us = self._spool.age_us() - stored.age_us
        policies = [self._rules_of(revision, one.address).policy for one in recipients]
        left = [
            left_us(policy, one, age_us=age_us)
            for policy, one in zip(policies, recipients, strict=True)
        ]
        return min(left) / 1e6

    def _weigh(
        self, examined: ExaminedMessage, recipient: Recipient, *, can_reject: bool = False
    ) -> Weighed:
        rules = self._rules_of(examined.revision, recipient.address)
        policy = rules.policy
        said = examined.said
        if said.own is not None:
            said = said.as_for(lambda: examined.revision.preferences.scopes(recipient.address))
        if not said.findings and said.scores.has_none:
            plain = rules.plain
            return Weighed(
                recipient=recipient, said=said, policy=policy, scoring=NO_TESTS, disposed=plain
            )
        scoring = said.scores.of(recipient.address)
        disposed = said.disposed(
            scoring,
            policy,
            # Asked only where somebody is silent: without a finding nothing waits.
            waited_out=bool(said.findings) and self._has_waited_out(examined, recipient),
            can_reject=can_reject,
            homeless_postmaster=rules.is_homeless,
        )
        return Weighed(
            recipient=recipient, said=said, policy=policy, scoring=scoring, disposed=disposed
        )

    def _rules_of(self, revision: _Revision, address: str) -> RecipientRules:
        known = revision.rules.get(address)
        if known is not None:
            return known
        policy = revision.preferences.policy(address)
        is_homeless = self._is_homeless(revision.preferences, address)
        plain = dispose(
            findings=(), scoring=NO_TESTS, policy=policy, homeless_postmaster=is_homeless
        )
        if len(revision.rules) >= RECIPIENT_RULES_MAX:
            revision.rules.clear()
        rules = RecipientRules(policy=policy, is_homeless=is_homeless, plain=plain)
        revision.rules[address] = rules
        return rules

    def _all_allow_cloud(self, revision: _Revision, stored: Stored) -> bool:
        policies = (self._rules_of(revision, one.address).policy for one in stored.recipients)
        return all(policy.engine_cloud is CloudScan.ALLOW for policy in policies)

    def _has_waited_out(self, examined: ExaminedMessage, recipient: Recipient) -> bool:
        route = examined.revision.preferences.route(domain_of(recipient.address))
        hold_days = route.hold_days if route is not None else 7
        return self._spool.age_us() - examined.stored.age_us > hold_days * DAY_US

    def _is_homeless(self, preferences: Preferences, address: str) -> bool:
        """Say whether this is postmaster mail that no customer takes and nobody of ours reads."""
        if self._settings.postmaster or not fold(address).startswith("postmaster@"):
            return False
        return not preferences.accepts(address)

    async def _wait(self, examined: ExaminedMessage, waiting: Sequence[Weighed]) -> None:
        stored = examined.stored
        due_us = self._due_us(examined, waiting)
        await self._spool.wait(
            stored.id,
            next_us=due_us,
            reason=waiting[0].disposed.reason,
            verdicts=(*examined.said.verdicts, *examined.said.filtered),
            faults=examined.said.faults,
            subject=examined.block.subject,
            message_id_header=examined.block.message_id,
        )
        self.add(stored.id, due_us, is_suspect=bool(examined.said.faults))

    def _put_off(self, examined: ExaminedMessage, waiting: Sequence[Weighed]) -> PutOff:
        return PutOff(
            numbers=tuple(one.recipient.number for one in waiting),
            next_us=self._due_us(examined, waiting),
            reason=waiting[0].disposed.reason,
            faults=examined.said.faults,
        )

    def _due_us(self, examined: ExaminedMessage, waiting: Sequence[Weighed]) -> int:
        """Return when a message is scanned again, by the wall clock, for those who wait."""
        stored = examined.stored
        growth = min(1 + stored.scans, WAIT_GROWTH_MAX)
        wait_us = int(self._settings.waiting_retry_s * growth * 1e6)
        if waiting[0].disposed.cause is Cause.ZERO_HOUR:  # nobody waits for an engine
            age_us = self._spool.age_us() - stored.age_us
            wait_us = min(left_us(one.policy, one.recipient, age_us=age_us) for one in waiting)
        return self._clock.now_us() + wait_us

    async def _judgement(self, examined: ExaminedMessage, weighed: Sequence[Weighed]) -> Judgement:
        block = examined.block
        copies = RenderedCopies(
            block,
            examined.stored,
            node=self._settings.node,
            mail_domain=self._settings.mail_domain,
            revision=examined.revision.preferences.position.revision,
            scanned_us=examined.said.now_us,
            authenticity=examined.said.authenticity,
        )
        recipients: list[Judged] = []
        for one in weighed:
            copy = copies.of(one.disposed, one.scoring, one.policy, one.said.verdicts)
            recipients.append(self._judged_one(examined, one, copy))
            if not len(recipients) % BREATH_RECIPIENTS:
                await asyncio.sleep(0)
        delivered = [one for one in recipients if one.disposition is Disposition.DELIVER]
        threat = named_threat(examined.said.verdicts, examined.said.spared)
        # Where all recipients' policies let it pass, nobody there takes it for a threat.
        is_condemned = threat is not None and len(delivered) < len(weighed)
        # What is delivered although an engine named it was not delivered before it was known.
        is_seen = threat is None and bool(delivered)
        digests = await digests_in(examined.sample) if is_seen or is_condemned else ()
        quarantined = _told_of_quarantine(weighed)
        first = weighed[0].disposed
        return Judgement(
            revision=examined.revision.preferences.position.revision,
            subject=block.subject,
            message_id_header=block.message_id,
            recipients=tuple(recipients),
            verdicts=(*examined.said.verdicts, *examined.said.filtered),
            score=max([one.disposed.score for one in weighed]),
            quarantine_reason=quarantined.quarantine_reason if quarantined else "",
            quarantine_detail=quarantined.reason if quarantined else "",
            rejected_for=first.cause if first.disposition is Done.REJECT else "",
            digests=digests if is_seen else (),
            condemned=condemned(threat, digests) if threat and is_condemned else None,
        )

    def _judged_one(self, examined: ExaminedMessage, weighed: Weighed, copy: Copy) -> Judged:
        recipient, one = weighed.recipient, weighed.disposed
        settled = one.settled
        assert settled is not None
        is_delivered = settled is Disposition.DELIVER
        return Judged(
            number=recipient.number,
            disposition=settled,
            reason=one.reason,
            copy=copy,
            sending=is_delivered and self._starts_at_once(examined.stored.id, recipient.address),
            suspect=one.spam
            or weighed.scoring.asked is not None  # the author's domain disowns it
            or FindingKind.VIRUS in [f.kind for f in weighed.said.findings],
        )


def _told_of_quarantine(weighed: Sequence[Weighed]) -> Disposed | None:
    """Return whose reason the case in the quarantine bears, which all of its recipients share.

    One that holds for everybody, where there is one: what rules of one scope are called is nothing
    to the others.
    """
    cases = [one for one in weighed if one.disposed.quarantine_reason]
    if not cases:
        return None
    of_all = (one for one in cases if not one.said.is_narrowed)
    chosen = next(of_all, cases[0])
    if chosen.said.is_narrowed and any(one.said is not chosen.said for one in cases):
        key = chosen.disposed.cause
        return replace(chosen.disposed, reason=f"{key}: by rules of each recipient's own scope")
    return chosen.disposed
