"""What does a test of the link need at both ends?

Touches a temporary folder and loopback: certificates of a real authority, a core on a port, shards
with a spool in memory or on disk. Its clock runs faster than the wall's, so that reports and
bookmarks of seconds take milliseconds.

Long because a core, a shard and a spool in memory are only of use together.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from common.backoff import Backoff
from common.chain import ChainPoint
from common.clock import SystemClock
from common.durable import write_file
from common.envelope import Envelope
from common.errors import DiskFull
from common.ids import MessageId, ulid
from common.issuing import Identity
from common.link import DefinitionsOffer, SettingsOrder
from common.preferences import Document, DocumentRefused, Position, Preferences
from common.preferences.documents import check_document
from common.records import LogRecord, NodeRecord, written
from common.reports import HoldReport, NodeReport
from common.rpc import TlsFiles
from common.settings.core import CoreSettings
from common.settings.satellite import SatelliteSettings
from core.custody.arrivals import Arrivals
from core.custody.bodies import BodyFolder
from core.custody.custody import Custody
from core.custody.release import Releases
from core.learning.learning import Learning
from core.link.service import LinkService
from core.store.database import Database
from inventory.certificates import (
    AUTHORITY_CERTIFICATE,
    AUTHORITY_KEY,
    authority,
    credential,
)
from satellite.link.client import Link
from satellite.link.core_choice import ChoiceWaits
from satellite.link.lessons import LearnsLessons
from satellite.link.spool import LinkSpool
from satellite.spool.applied import prepared
from satellite.spool.disk.bodies import Body
from satellite.spool.life import SpoolLife
from satellite.spool.model.messages import Copy, Stored, Upload, UploadsSetAside
from satellite.tallies.shared_tallies import SharedTallies
from tests.support.network.ports import free_port

CLUSTER = "example"
DEADLINE_S = 20.0
START_US = 1_767_225_600_000_000


async def until(holds: Callable[[], bool | Awaitable[bool]], what: str) -> None:
    """Return once something holds; fail when it does not within the deadline."""
    ends = time.monotonic() + DEADLINE_S
    while True:
        found = holds()
        if found if isinstance(found, bool) else await found:
            return
        assert time.monotonic() < ends, f"not within {DEADLINE_S:.0f} s: {what}"
        await asyncio.sleep(0.005)


class HurriedClock(SystemClock):
    """A clock that runs faster than the wall's."""

    def __init__(self, speed: float = 40.0) -> None:
        self._speed = speed

    def monotonic_s(self) -> float:
        return time.monotonic() * self._speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)


class Certificates:
    """An authority, and whatever certificates it is asked for."""

    def __init__(self, folder: Path, *, cluster: str = CLUSTER) -> None:
        self.folder = folder
        self._cluster = cluster
        self._now_us = time.time_ns() // 1000
        folder.mkdir(parents=True, exist_ok=True)
        self.signer = authority(folder, cluster=cluster, now_us=self._now_us)
        write_file(folder / AUTHORITY_KEY, self.signer.key)
        write_file(folder / AUTHORITY_CERTIFICATE, self.signer.certificate)

    def issue(self, role: str, name: str, *, cluster: str = "", days_ago: int = 0) -> TlsFiles:
        """Return the files of a certificate such as the inventory made so many days ago."""
        uri = f"borderscout://{cluster or self._cluster}/{role}/{name}"
        host = f"{name}.{self._cluster}.borderscout.internal"
        return self.write(
            f"{role}-{name}-{cluster or self._cluster}",
            Identity(
                name=name,
                uris=(uri,),
                hosts=(host,) if role == "core" else (),
                is_server=role == "core",
                is_client=True,
            ),
            days_ago=days_ago,
        )

    def write(self, folder_name: str, identity: Identity, *, days_ago: int = 0) -> TlsFiles:
        """Return the files of a certificate that says anything."""
        folder = self.folder / folder_name
        folder.mkdir(exist_ok=True)
        files = TlsFiles(
            certificate=folder / "node.crt", key=folder / "node.key", authority=folder / "ca.crt"
        )
        made = credential(
            files.certificate,
            files.key,
            identity=identity,
            signer=self.signer,
            now_us=self._now_us - days_ago * 86_400_000_000,
        )
        write_file(files.certificate, made.certificate)
        write_file(files.key, made.key)
        write_file(files.authority, self.signer.certificate)
        return files


@dataclass
class Core:
    """A core's store and its link, on loopback."""

    database: Database
    arrivals: Arrivals
    custody: Custody
    releases: Releases
    learning: Learning
    link: LinkService
    clock: HurriedClock
    port: int

    @classmethod
    async def start(
        cls, folder: Path, tls: TlsFiles, *, nodes: Sequence[str] = ("lon1", "fra1"), port: int = 0
    ) -> Core:
        """Open the store of a folder and listen."""
        clock = HurriedClock()
        port = port or free_port()
        settings = CoreSettings.model_validate(
            {
                "cluster": CLUSTER,
                "name": "core",
                "http": "127.0.0.1:1",
                "grpc": f"127.0.0.1:{port}",
                "tls": {
                    "certificate": str(tls.certificate),
                    "key": str(tls.key),
                    "authority": str(tls.authority),
                },
                "nodes": [{"name": node, "site": node[:3]} for node in nodes],
                "bookmark_s": 2.0,
            }
        )
        folder.mkdir(exist_ok=True)
        database = await Database.open(folder / "core.db", clock=clock)
        bodies = await BodyFolder.open(folder / "bodies")
        custody = Custody(database=database, bodies=bodies, clock=clock)
        core = cls(
            database=database,
            arrivals=Arrivals(database=database, bodies=bodies, clock=clock),
            custody=custody,
            releases=Releases(database=database, bodies=bodies, clock=clock, claim_wait_s=30.0),
            learning=Learning(
                database=database, custody=custody, clock=clock, bounds=settings.learning
            ),
            link=None,  # type: ignore[arg-type]  # needs the ones before it
            clock=clock,
            port=port,
        )
        core.link = LinkService(
            settings=settings,
            database=database,
            arrivals=core.arrivals,
            releases=core.releases,
            lessons=core.learning,
            clock=clock,
        )
        await core.link.start()
        return core

    async def stop(self) -> None:
        """End the link, then the store."""
        await self.link.stop(grace_s=0.2)
        await self.database.close()

    def holds(self, node: str) -> tuple[HoldReport, ...]:
        """Return what a node holds, as the core knows it."""
        return self.link.fleet.node(node, now_s=self.clock.monotonic_s()).holds

    def problems(self, node: str) -> tuple[str, ...]:
        """Return what an operator should know of a node, as the core knows it."""
        return self.link.fleet.node(node, now_s=self.clock.monotonic_s()).problems

    def state(self, node: str = "lon1") -> str:
        """Return how the core sees a node."""
        return str(self.link.fleet.node(node, now_s=self.clock.monotonic_s()).state)


def satellite_settings(tls: TlsFiles, *, port: int, node: str = "lon1") -> SatelliteSettings:
    """Return settings of a satellite whose core is on a port of loopback."""
    return SatelliteSettings.model_validate(
        {
            "cluster": CLUSTER,
            "node": node,
            "site": node[:3],
            "hostname": f"{node}.mx.example",
            "mail_domain": "mx.example",
            "smtp": {"listen": ["127.0.0.1:1"]},
            "metrics": "127.0.0.1:1",
            "limits": {"memory_bytes_max": 0},  # the process has the memory of all tests
            "core": {
                "address": f"127.0.0.1:{port}",
                "certificate": str(tls.certificate),
                "key": str(tls.key),
                "authority": str(tls.authority),
            },
        }
    )


@dataclass
class Shard:
    """A link that runs, and what it told its rooms."""

    link: Link
    spool: LinkSpool
    tallies: SharedTallies
    task: asyncio.Task[None]
    flushed: list[str] = field(default_factory=list)
    hinted: list[str] = field(default_factory=list)
    told: NodeReport = field(default_factory=NodeReport)  # what it reports of itself
    released: list[MessageId] = field(default_factory=list)
    definitions: list[DefinitionsOffer] = field(default_factory=list)
    settings: list[SettingsOrder] = field(default_factory=list)
    drains: list[bool] = field(default_factory=list)
    applied: list[int] = field(default_factory=list)

    @classmethod
    def start(
        cls,
        spool: LinkSpool,
        settings: SatelliteSettings,
        *,
        version: str = "1",
        shards: int = 1,
        life: str = "",
        learners: Mapping[str, LearnsLessons] | None = None,
        waits: ChoiceWaits | None = None,
    ) -> Shard:
        """Run a link over a spool."""
        shard: Shard = cls.__new__(cls)
        shard.flushed, shard.released, shard.applied = [], [], []
        shard.definitions, shard.settings, shard.drains = [], [], []
        shard.hinted, shard.told = [], NodeReport(accepting=True, spool={"held": 3})
        shard.spool = spool
        clock = HurriedClock()
        shard.tallies = SharedTallies(
            CLUSTER, clock=clock, salt=7, life=life or secrets.token_hex(8)
        )
        shard.link = Link(
            spool,
            settings,
            clock,
            version=version,
            shards=shards,
            report=lambda: shard.told,
            on_preferences=lambda: shard.applied.append(spool.preferences.position.revision),
            on_flush=shard.flushed.append,
            on_hint=shard.hinted.append,
            on_released=shard.released.append,
            on_definitions=shard.definitions.append,
            on_settings=shard.settings.append,
            on_drain=shard.drains.append,
            tallies=shard.tallies,
            learners=learners,
            spread=lambda: 0.5,
            backoff=Backoff(first_s=0.5, longest_s=5.0),
            waits=waits,
        )
        shard.task = asyncio.create_task(shard.link.run())
        return shard

    async def stop(self) -> None:
        """Cancel it, as the app does."""
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


class MemoryEntry:
    """A released message in a spool in memory."""

    def __init__(self, spool: MemorySpool, identifier: MessageId) -> None:
        self.id = identifier
        self.size = 0
        self._spool = spool
        self._data = bytearray()

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        if self._spool.is_full:
            raise DiskFull("no room")
        self._data += chunk
        self.size = len(self._data)

    async def commit_release(
        self,
        *,
        release_id: str,
        envelope: Envelope,
        copy: Copy,
        subject: str,
        released_from: str,
        suspect: bool,
    ) -> None:
        self._spool.released[release_id] = (self.id, envelope, copy, bytes(self._data))
        self._spool.record("released", self.id, release_id=release_id, released_from=released_from)

    def abandon(self) -> None:
        self._data.clear()


class MemorySpool:
    """A spool without a disk; what it is told to refuse, it refuses."""

    def __init__(self, node: str = "lon1", shard: int = 0, life: int = 1) -> None:
        self.node = node
        self.shard = shard
        self.life = SpoolLife(ulid(now_us=START_US, randomness=life.to_bytes(10, "big")))
        self.preferences = Preferences()
        self.announced = self.preferences.digest
        self.bad_keys: set[str] = set()
        self.is_full = False
        self.log: list[LogRecord] = []
        self.aside: dict[MessageId, str] = {}
        self.waiting: list[Upload] = []
        self.bodies: dict[str, bytes] = {}
        self.released: dict[str, tuple[MessageId, Envelope, Copy, bytes]] = {}
        self.applies: list[bool] = []  # for each: whether it was a snapshot
        self.sequence = 0
        self.on_outgoing: Callable[[], None] = lambda: None

    def record(self, event: str, message_id: str = "", **fields: object) -> None:
        """Append a log record."""
        self.sequence += 1
        self.log.append(
            LogRecord(self.sequence, START_US, event, message_id, json.dumps(fields).encode())
        )
        self.on_outgoing()

    def records(self, *, after: int, limit: int) -> list[LogRecord]:
        return [record for record in self.log if record.sequence > after][:limit]

    def last_sequence(self) -> int:
        return self.sequence

    async def acknowledge_records(self, up_to: int, digest: bytes = b"") -> None:
        self.log = [record for record in self.log if record.sequence > up_to]
        self.life.deleted = ChainPoint(up_to, digest)

    async def mark_forked(self, why: str) -> None:
        self.life.forked = why

    def uploads(self, *, limit: int) -> list[Upload]:
        offered = [one for one in self.waiting if one.message.id not in self.aside]
        return offered[:limit]

    def set_aside(self) -> UploadsSetAside | None:
        if not self.aside:
            return None
        first, reason = min(self.aside.items())
        return UploadsSetAside(len(self.aside), first, reason)

    async def set_upload_aside(self, message: MessageId, reason: str, /) -> None:
        self.aside[message] = reason

    def open_body(self, message: Stored) -> Body:
        return Body(size=message.size, data=self.bodies[message.id])

    async def upload_taken(self, message: MessageId, /) -> None:
        self.waiting = [upload for upload in self.waiting if upload.message.id != message]

    async def apply_preferences(
        self,
        documents: Sequence[Document],
        *,
        position: Position,
        digest: bytes,
        snapshot: bool,
    ) -> None:
        for document in documents:
            if document.key in self.bad_keys:
                raise DocumentRefused(document.kind, document.key, "it does not please")
        self.preferences = prepared(
            self.preferences,
            [check_document(document) for document in documents],
            position=position,
            digest=digest,
            snapshot=snapshot,
        )
        self.announced = digest
        self.applies.append(snapshot)

    async def settle_preferences(self) -> None:
        pass  # there are no rows

    async def preferences_digests(self) -> tuple[bytes, bytes]:
        return self.announced, self.preferences.digest

    def release_is_known(self, release_id: str) -> bool:
        return release_id in self.released

    def begin(self) -> MemoryEntry:
        number = 1_000_000 + len(self.released)
        made = ulid(now_us=START_US, randomness=number.to_bytes(10, "big"))
        return MemoryEntry(self, MessageId(made))

    async def note(self, *records: NodeRecord) -> None:
        for record in records:
            for fields in written(record):
                self.record(record.event, **json.loads(fields))

    def backlog_sizes(self) -> tuple[int, int]:
        return len(self.log), len(self.waiting)
