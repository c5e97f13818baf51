"""What does the link need from the core's store?

The ports that ``core.store`` and ``core.quarantine`` fulfil, and that a test's fakes do.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

from common.chain import ChainPoint
from common.identity import ShardIdentity
from common.lessons import AskedLesson, LessonAnswer
from common.link import Case, Claim
from common.records import LogRecord
from common.round_trips import RoundTrip
from core.custody.arrivals import Arrival
from core.feed.feed import PreferenceSource
from core.learning.learning import LearnerCourse
from core.quarantine.assignment import Release
from core.records.lives import LifeStanding
from core.store.fleet import ShardRow


class RecordSink(Protocol):
    """Where log records become durable."""

    async def position(self, identity: ShardIdentity) -> ChainPoint: ...

    async def take(
        self,
        identity: ShardIdentity,
        records: Sequence[LogRecord],
        *,
        chain: ChainPoint | None = None,
    ) -> int: ...


class FleetTable(Protocol):
    """What is kept of satellites over a restart; it fences their earlier lives, and copies."""

    async def note_hello(
        self, identity: ShardIdentity, hello: Mapping[str, Any]
    ) -> LifeStanding: ...

    async def note_life(self, identity: ShardIdentity) -> LifeStanding: ...

    async def note_fork(self, identity: ShardIdentity, why: str) -> bool: ...

    async def note_report(
        self, identity: ShardIdentity, report: Mapping[str, Any]
    ) -> LifeStanding: ...

    async def shards(self) -> Sequence[ShardRow]: ...


class LostMail(Protocol):
    """What became of the mail of a shard's former life."""

    async def settle(self, identity: ShardIdentity) -> None: ...


class RoundTripTable(Protocol):
    """Where what nodes measured to the customers' servers is kept."""

    async def take(self, node: str, told: Sequence[RoundTrip]) -> None: ...


class Store(Protocol):
    """The core's database."""

    @property
    def preferences(self) -> PreferenceSource: ...

    @property
    def records(self) -> RecordSink: ...

    @property
    def fleet(self) -> FleetTable: ...

    @property
    def lost(self) -> LostMail: ...

    @property
    def round_trips(self) -> RoundTripTable: ...


class CaseSink(Protocol):
    """Where quarantined mail becomes durable."""

    async def open_case(self, identity: ShardIdentity, told: Case) -> Arrival: ...

    async def append(
        self, identity: ShardIdentity, message_id: str, offset: int, data: bytes
    ) -> Arrival: ...

    async def complete(self, identity: ShardIdentity, message_id: str) -> Arrival: ...


class ReleaseSource(Protocol):
    """Who may deliver a released message."""

    async def offers(self, connected: Collection[tuple[str, int]]) -> list[Release]: ...

    async def claim(self, identity: ShardIdentity, release_id: str) -> Claim: ...

    async def read(
        self, identity: ShardIdentity, release_id: str, offset: int, length: int
    ) -> bytes: ...

    async def release(self, release_id: str) -> Release | None: ...

    def subscribe(self) -> AbstractContextManager[asyncio.Event]: ...


class LessonSource(Protocol):
    """Which lesson a learner is to be told next."""

    def subscribe(self) -> AbstractContextManager[asyncio.Event]: ...

    async def came(self, node: str, learners: Collection[str]) -> list[LearnerCourse]: ...

    async def next_for(self, course: LearnerCourse) -> AskedLesson | None: ...

    async def answered(self, course: LearnerCourse, answer: LessonAnswer) -> None: ...
