"""What do the engines and filters of a settings file say of a message, and what would be done?

Touches the engines, DNS and one folder of copies. It joins the rooms that a node joins, without a
spool: nothing is accepted, so that nothing can be lost, and nothing is delivered.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from prometheus_client import CollectorRegistry

from common.clock import Clock
from common.envelope import Envelope
from common.frozen import dataclass
from common.ids import MessageId, ulid
from common.preferences import Preferences
from common.preferences.policy import CloudScan
from common.settings.satellite import FilterSettings, SatelliteSettings
from common.settings.scan_server import ScanServerSettings
from common.verdict import Verdict
from satellite.app.file_sample import sample_of
from satellite.app.without_spool import built_rooms
from satellite.filtering.filter import Mail
from satellite.headers import HEADER_BYTES_MAX, HeaderBlock
from satellite.judging.disposition import Disposed, Finding, FindingKind
from satellite.judging.examination import ExaminingRooms
from satellite.judging.staleness import ages_max_us
from satellite.scanning.sample import Sample

_NOT_SCANNED = frozenset(
    {
        FindingKind.UNAVAILABLE,
        FindingKind.UNAVAILABLE_ERROR,
        FindingKind.UNAVAILABLE_TIMEOUT,
        FindingKind.UNSCANNABLE,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessment:
    """What is known of one message.

    Args:
        size: octets.
        verdicts: of the engines and then of the filters.
        findings: what was weighed.
        disposed: what would be done for the recipient.
    """

    size: int
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    disposed: Disposed

    @property
    def has_found(self) -> bool:
        """Whether something was found, be it spam."""
        found = any(finding.kind not in _NOT_SCANNED for finding in self.findings)
        return found or self.disposed.spam

    @property
    def is_whole(self) -> bool:
        """Whether every engine that must has read all of it."""
        return not any(finding.kind in _NOT_SCANNED for finding in self.findings)


class Assessor:
    """Engines and filters, ready.

    Args:
        rooms: both.
        engines: their names.
        bytes_max: of one message.
        preferences: what filters and dispositions go by.
        recipient: whose policy is asked; empty: the cluster's.
        folder: for copies.
        clock: the time.
    """

    def __init__(
        self,
        rooms: ExaminingRooms,
        *,
        engines: Sequence[str],
        bytes_max: int,
        preferences: Preferences,
        recipient: str,
        folder: Path,
        clock: Clock,
    ) -> None:
        self._rooms = rooms
        self._preferences = preferences
        self._recipient = recipient
        self._engines = tuple(engines)
        self._bytes_max = bytes_max
        self._folder = folder
        self._clock = clock

    async def assess(
        self, file: BinaryIO, *, preferences: Preferences | None = None, recipient: str = ""
    ) -> Assessment:
        """Return what is said of an open file.

        Args:
            file: a message, or anything else.
            preferences: instead of the assessor's own.
            recipient: instead of the assessor's own.

        Raises:
            FileTooLarge: no message may be so large.
            OSError: it cannot be read, or the copy not be written.
        """
        name = MessageId(ulid(now_us=self._clock.now_us(), randomness=os.urandom(10)))
        copy = self._folder / name
        try:
            sample = await asyncio.to_thread(
                sample_of, file, copy, id=name, bytes_max=self._bytes_max
            )
            return await self._assessed(
                sample, preferences or self._preferences, recipient or self._recipient
            )
        finally:
            copy.unlink(missing_ok=True)

    async def _assessed(
        self, sample: Sample, preferences: Preferences, recipient: str
    ) -> Assessment:
        policy = preferences.policy(recipient)
        sample = replace(sample, may_leave=policy.engine_cloud is CloudScan.ALLOW)
        envelope = Envelope(client_address="", helo="", sender="", recipients=(recipient,))
        mail = Mail(
            envelope=envelope,
            headers=HeaderBlock.parse(sample.read(0, HEADER_BYTES_MAX + 1)),
            size=sample.size,
            preferences=preferences,
            now_us=self._clock.now_us(),
            inside=self._rooms.inside_of(sample, envelope),
        )
        said = await self._rooms.examined(
            sample,
            mail,
            {},
            required={name: preferences.engine_is_required(name) for name in self._engines},
            ages_max_us=ages_max_us(preferences, self._engines),
        )
        said = said.as_for(lambda: self._preferences.scopes(self._recipient))
        return Assessment(
            size=sample.size,
            verdicts=(*said.verdicts, *said.filtered),  # of this recipient alone
            findings=said.findings,
            disposed=said.disposed(said.scores.of(recipient), policy),
        )


def _only_asking(settings: FilterSettings) -> FilterSettings:
    """Return a filter's settings so that it reports nothing: this is no mail that has come in.

    The same message is counted by whom it is reported to as often as it is looked at here.
    """
    if not settings.options.get("report"):
        return settings
    return settings.model_copy(update={"options": settings.options | {"report": False}})


def _bytes_max(settings: SatelliteSettings | ScanServerSettings) -> int:
    """Return how large a message may be, at the largest of the doors that there are."""
    doors = (settings.smtp, getattr(settings, "milter", None))
    return max(door.message_bytes_max for door in doors if door is not None)


@asynccontextmanager
async def assessor(
    settings: SatelliteSettings | ScanServerSettings,
    *,
    preferences: Preferences,
    recipient: str,
    clock: Clock,
) -> AsyncIterator[Assessor]:
    """Give what assesses, for as long as the context lasts.

    Args:
        settings: of a node, or of a scanning server.
        preferences: what filters and dispositions go by.
        recipient: whose policy is asked.
        clock: the time.

    Raises:
        SettingsError: an engine or a filter cannot be.
    """
    with tempfile.TemporaryDirectory(prefix="borderscout-scan-") as folder:
        async with built_rooms(
            settings.engines,
            [_only_asking(one) for one in settings.filters],
            resolver=settings.resolver,
            registry=CollectorRegistry(),
            clock=clock,
            yara_rules=preferences.yara_rules,
        ) as rooms:
            yield Assessor(
                rooms.examining,
                engines=[engine.name for engine in settings.engines],
                bytes_max=_bytes_max(settings),
                preferences=preferences,
                recipient=recipient,
                folder=Path(folder),
                clock=clock,
            )
