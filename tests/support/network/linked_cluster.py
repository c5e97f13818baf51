"""What is a core with some shards, which end with the test?

Touches a temporary folder and loopback.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from common import rpc
from common.clock import SystemClock
from common.preferences import Document
from satellite.spool.store import Spool
from tests.support.network.link import (
    Certificates,
    Core,
    MemorySpool,
    Shard,
    satellite_settings,
    until,
)
from tests.support.spool.listening import listen


class LinkedCluster:
    """A core and shards, all stopped at the end, whatever a test did."""

    def __init__(self, folder: Path, certificates: Certificates) -> None:
        self._folder = folder
        self._certificates = certificates
        self._shards: list[Shard] = []
        self._spools: list[Spool] = []
        self.core: Core

    async def start_core(self, *, port: int = 0) -> Core:
        tls = self._certificates.issue("core", "core")
        self.core = await Core.start(self._folder / "core", tls, port=port)
        return self.core

    async def restart_core(self) -> Core:
        port = self.core.port
        await self.core.stop()
        return await self.start_core(port=port)

    async def save_core(self, name: str) -> None:
        """Copy the data of the core, as a snapshot of its machine does, and let it go on."""
        port = self.core.port
        await self.core.stop()
        shutil.copytree(self._folder / "core", self._folder / name)
        await self.start_core(port=port)

    async def put_core_back(self, name: str) -> None:
        """Put what was copied in the place of the core's data."""
        port = self.core.port
        await self.core.stop()
        shutil.rmtree(self._folder / "core")
        shutil.copytree(self._folder / name, self._folder / "core")
        await self.start_core(port=port)

    async def publish(self, *documents: Document) -> int:
        """Make documents one revision, and return its number."""
        made = await self.core.database.preferences.publish(documents, who="test")
        return made.revision

    async def applied(self, spool: MemorySpool | Spool, revision: int) -> None:
        """Return once a spool has a revision in force."""
        await until(
            lambda: spool.preferences.position.revision == revision, f"{revision} is in force"
        )

    async def events(self, name: str) -> list[dict[str, Any]]:
        """Return the records of this event that the core has of its nodes."""
        found = await self.core.database.records.node_events(limit=20_000)
        return [event for event in found if event["event"] == name]

    def shard(
        self,
        spool: MemorySpool | Spool,
        *,
        version: str = "1",
        shards: int = 1,
        port: int = 0,
    ) -> Shard:
        """Link a spool to the core; ``port``: of whoever stands before it."""
        tls = self._certificates.issue("satellite", spool.node)
        settings = satellite_settings(tls, port=port or self.core.port, node=spool.node)
        shard = Shard.start(spool, settings, version=version, shards=shards)
        if isinstance(spool, Spool):
            listen(spool, outgoing=shard.link.outgoing)
        else:
            spool.on_outgoing = shard.link.outgoing
        self._shards.append(shard)
        return shard

    def files(self, node: str) -> rpc.TlsFiles:
        """Return where a node's certificate is."""
        return self._certificates.issue("satellite", node)

    async def spool(self, number: int = 0) -> Spool:
        folder = self._folder / f"shard{number}"
        spool = await Spool.open(folder, node="lon1", shard=number, clock=SystemClock())
        self._spools.append(spool)
        return spool

    async def open(self, folder: Path) -> Spool:
        """Return the spool of a folder, as shard 0."""
        spool = await Spool.open(folder, node="lon1", shard=0, clock=SystemClock())
        self._spools.append(spool)
        return spool

    async def close(self, *spools: Spool) -> None:
        """Close spools before the end."""
        for spool in spools:
            self._spools.remove(spool)
            await spool.close()

    async def stop(self) -> None:
        for shard in self._shards:
            await shard.stop()
        for spool in self._spools:
            await spool.close()
        await self.core.stop()
