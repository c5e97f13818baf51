"""What is a core with some shards, which end with the test?

Touches a temporary folder and loopback.
"""

from __future__ import annotations

from pathlib import Path

from common import rpc
from common.clock import SystemClock
from satellite.spool.store import Spool
from tests.support.network.link import Certificates, Core, MemorySpool, Shard, satellite_settings
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

    def shard(self, spool: MemorySpool | Spool, *, version: str = "1", shards: int = 1) -> Shard:
        tls = self._certificates.issue("satellite", spool.node)
        settings = satellite_settings(tls, port=self.core.port, node=spool.node)
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
