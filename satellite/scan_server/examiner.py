"""What is done with a message that passes through us, recipient by recipient?

Touches the engines and filters, through judging. It is what a node does with its mail, but that
nothing waits here: where a node would wait for an engine, the mail server keeps the message and
brings it again. What an engine could not finish is remembered for a while, so that a message which
no engine can finish is not brought for ever.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from common.clock import Clock
from common.frozen import dataclass
from common.preferences import Policy, Preferences
from common.preferences.policy import CloudScan
from common.preferences.scopes import Scope
from common.verdict import Outcome
from satellite.filtering.filter import Mail
from satellite.headers import HEADER_BYTES_MAX, HeaderBlock
from satellite.judging.copies import RenderedCopies
from satellite.judging.disposition import Disposed, Done, Scoring
from satellite.judging.examination import Examination, ExaminingRooms, shown
from satellite.judging.staleness import ages_max_us
from satellite.scanning.asked_engine import UNANSWERED
from satellite.scanning.deaths import deaths_of
from satellite.spool.disk.bodies import Body
from satellite.spool.model.messages import Copy, Stored

_UNFINISHED = UNANSWERED | {Outcome.LIMITS, Outcome.SKIPPED}
FAULTS_MAX = 1_000  # messages that are remembered, a hundred octets each


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """What is done for one recipient.

    Args:
        recipient: the address.
        disposed: what, and why.
        copy: what it gets, or what is kept of it; None: it has to wait.
    """

    recipient: str
    disposed: Disposed
    copy: Copy | None

    @property
    def done(self) -> Done:
        """What is done."""
        return self.disposed.disposition


@dataclass(frozen=True, slots=True, kw_only=True)
class Treated:
    """A message with everything that is known of it.

    Args:
        block: its header section.
        said: what engines and filters said.
        treatments: of its recipients, in their order.
    """

    block: HeaderBlock
    said: Examination
    treatments: tuple[Treatment, ...]


class Examiner:
    """Engines, filters and policies, for messages that pass.

    Args:
        rooms: engines and filters.
        preferences: what they and the policies go by.
        engines: names of those that are configured.
        hostname: stands in our header lines.
        mail_domain: our authserv-id.
        clock: the time.
    """

    def __init__(
        self,
        rooms: ExaminingRooms,
        preferences: Preferences,
        *,
        engines: Sequence[str],
        hostname: str,
        mail_domain: str,
        clock: Clock,
    ) -> None:
        self._rooms = rooms
        self._engines = tuple(engines)
        self.prefer(preferences)
        self._hostname = hostname
        self._mail_domain = mail_domain
        self._clock = clock
        self._faults: OrderedDict[bytes, Mapping[str, int]] = OrderedDict()

    @property
    def preferences(self) -> Preferences:
        """Return those that the next message is judged by."""
        return self._preferences

    def prefer(self, preferences: Preferences) -> None:
        """Go by these from the next message on."""
        self._preferences = preferences
        self._required = {name: preferences.engine_is_required(name) for name in self._engines}
        self._ages_max_us = ages_max_us(preferences, self._engines)

    async def examined(
        self,
        stored: Stored,
        body: Body,
        *,
        can_reject: bool,
        is_one: bool,
        shares_copy: bool = False,
    ) -> Treated:
        """Return what is known of a message, and what is done with it.

        Args:
            stored, body: the message, with the client that the mail server has it from.
            can_reject: its sender still waits for the answer.
            is_one: all recipients get one answer, so that some of them cannot be rejected alone.
            shares_copy: all of them get one copy, in which there is no word that concerns some
                alone.

        Raises:
            EnvironmentFailure: it cannot be read.
        """
        preferences, required = self._preferences, self._required  # those that judge this message
        oldest_us = self._ages_max_us
        block = HeaderBlock.parse(body.read(0, HEADER_BYTES_MAX + 1))
        sample = shown(
            stored,
            body,
            may_leave=all(
                preferences.policy(one.address).engine_cloud is CloudScan.ALLOW
                for one in stored.recipients
            ),
        )
        mail = Mail(
            envelope=stored.envelope,
            headers=block,
            size=body.size,
            preferences=preferences,
            now_us=self._clock.now_us(),
            inside=self._rooms.inside_of(sample, stored.envelope),
            id=stored.id,
        )
        faults = self._faults.get(stored.sha256, {})
        said = await self._rooms.examined(
            sample, mail, faults, required=required, ages_max_us=oldest_us
        )
        self._remember(stored.sha256, said)
        weighed = _weighed(preferences, stored, said, can_reject=can_reject)
        if is_one and any(one.disposed.disposition is not Done.REJECT for one in weighed):
            weighed = _weighed(preferences, stored, said, can_reject=False)
        if shares_copy:
            common = said.as_for(lambda: _common_scopes(preferences, stored))
            weighed = [replace(one, said=common) for one in weighed]
        return Treated(
            block=block,
            said=said,
            treatments=self._treatments(preferences, stored, block, weighed),
        )

    def _remember(self, digest: bytes, said: Examination) -> None:
        """Remember who could not finish these octets, until he has: they may come for years."""
        done = {one.by for one in said.verdicts if one.outcome not in _UNFINISHED}
        done |= {deaths_of(name) for name in done}
        faults = {name: count for name, count in said.faults.items() if name not in done}
        self._faults.pop(digest, None)
        if any(faults.values()):
            self._faults[digest] = faults
            if len(self._faults) > FAULTS_MAX:
                self._faults.popitem(last=False)

    def _treatments(
        self,
        preferences: Preferences,
        stored: Stored,
        block: HeaderBlock,
        weighed: Sequence[_Weighed],
    ) -> tuple[Treatment, ...]:
        copies = RenderedCopies(
            block,
            stored,
            node=self._hostname,
            mail_domain=self._mail_domain,
            revision=preferences.position.revision,
            scanned_us=self._clock.now_us(),
            authenticity=weighed[0].said.authenticity,  # of the message, whoever gets it
        )

        def copy_of(one: _Weighed) -> Copy | None:
            if one.disposed.settled is None:
                return None
            return copies.of(one.disposed, one.scoring, one.policy, one.said.verdicts)

        return tuple(
            Treatment(recipient=recipient.address, disposed=one.disposed, copy=copy_of(one))
            for recipient, one in zip(stored.recipients, weighed, strict=True)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weighed:
    """One recipient, with what was weighed and what came of it."""

    said: Examination  # as it is for this one
    policy: Policy
    scoring: Scoring
    disposed: Disposed


def _weighed(
    preferences: Preferences, stored: Stored, said: Examination, *, can_reject: bool
) -> list[_Weighed]:
    """Return for each recipient what is done, and by what."""
    weighed = []
    for recipient in stored.recipients:
        own = said.as_for(functools.partial(preferences.scopes, recipient.address))
        policy = preferences.policy(recipient.address)
        scoring = own.scores.of(recipient.address)
        disposed = own.disposed(scoring, policy, can_reject=can_reject)
        weighed.append(_Weighed(said=own, policy=policy, scoring=scoring, disposed=disposed))
    return weighed


def _common_scopes(preferences: Preferences, stored: Stored) -> set[Scope]:
    """Return the scopes that all recipients of a message stand in."""
    return set.intersection(*(set(preferences.scopes(one.address)) for one in stored.recipients))
