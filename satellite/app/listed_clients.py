"""Is a client refused at RCPT, since DNS lists have it?

Touches DNS, through the filter that asks the lists of every message. Only where the policy of a
recipient wants it, and only by what the lists say within two seconds: whoever is silent, broken or
late refuses nobody, and the message is judged as any other. Mail to postmaster and abuse is always
taken: it may be about the refusal (RFC 5321 section 4.5.1, RFC 2142). A white list entry is
stronger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

import structlog

from common.clock import Clock
from common.envelope import Envelope
from common.preferences import ListColour, Preferences
from common.strangers import outcome_of, outcome_of_call
from common.verdict import Verdict
from satellite.filtering.filter import Mail
from satellite.filtering.inside import GivenInside
from satellite.headers import HeaderBlock

log = structlog.get_logger()

RCPT_S = 2.0  # for all lists; a sender waits five minutes for the reply to RCPT
_SPARE_S = 0.5  # for lists that do not end when they should
_NEVER_REFUSED = frozenset({"postmaster", "abuse"})
_NO_HEADER = HeaderBlock.parse(b"")


class AsksAtRcpt(Protocol):
    """The filter that asks DNS lists, as far as it is asked here."""

    def examine_envelope_at_once(self, mail: Mail) -> tuple[Verdict, ...] | None: ...

    async def examine_envelope(self, mail: Mail, *, budget_s: float) -> tuple[Verdict, ...]: ...


class ListedClients:
    """What DNS lists say of clients before they have sent anything.

    Args:
        lists: asks them.
        preferences: gives those in force.
        clock: the time.
    """

    def __init__(
        self, lists: AsksAtRcpt, preferences: Callable[[], Preferences], clock: Clock
    ) -> None:
        self._lists = lists
        self._preferences = preferences
        self._clock = clock
        self._known: Preferences | None = None
        self._is_wanted = False

    @property
    def is_wanted(self) -> bool:
        """Whether any policy refuses somebody for what DNS lists say."""
        preferences = self._preferences()
        if preferences is not self._known:  # most clusters have no such policy: then ask no more
            self._known, self._is_wanted = preferences, preferences.rejects_by_dns_lists()
        return self._is_wanted

    def at_hand(self, envelope: Envelope) -> bool | None:
        """Return whether a client is refused, or None: lists have to be asked.

        Args:
            envelope: client, HELO name, sender, and one recipient.
        """
        limit = self._limit(envelope)
        if limit is None:
            return False
        found = outcome_of_call(self._lists.examine_envelope_at_once, self._mail(envelope))
        return None if found is None else are_enough(found, limit)

    async def is_refused(self, envelope: Envelope) -> bool:
        """Ask the lists, and return the same."""
        limit = self._limit(envelope)
        if limit is None:
            return False
        try:
            async with asyncio.timeout(RCPT_S + _SPARE_S):
                asking = self._lists.examine_envelope(self._mail(envelope), budget_s=RCPT_S)
                return are_enough(await outcome_of(asking), limit)
        except TimeoutError:
            return False

    def _limit(self, envelope: Envelope) -> float | None:
        """Return the points from which a recipient's policy refuses this client; None: never."""
        (recipient,) = envelope.recipients
        preferences = self._preferences()
        limit = preferences.policy(recipient).dnsbl_reject
        if limit is None or recipient.partition("@")[0].casefold() in _NEVER_REFUSED:
            return None
        entry = preferences.list_search(
            sender=envelope.sender,
            client_address=envelope.client_address,
            now_us=self._clock.now_us(),
        ).hit(recipient)
        return None if entry is not None and entry.colour is ListColour.WHITE else limit

    def _mail(self, envelope: Envelope) -> Mail:
        return Mail(
            envelope=envelope,
            headers=_NO_HEADER,
            size=0,
            preferences=self._preferences(),
            now_us=self._clock.now_us(),
            inside=GivenInside(data=b""),
        )


def are_enough(verdicts: tuple[Verdict, ...] | Exception, limit: float) -> bool:
    """Say whether the points of all lists together reach a limit; a defect refuses nobody."""
    if isinstance(verdicts, Exception):
        log.error("dnsbl.failed", exc_info=verdicts)
        return False
    points = [test.score for verdict in verdicts for test in verdict.tests]
    return bool(points) and sum(points) >= limit
