"""How does a test put one core in the place of another, before the eyes of a shard?

Touches a temporary folder and loopback.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from common import rpc
from common.clock import SystemClock
from satellite.spool.store import Spool
from tests.support.core.rooms import route
from tests.support.network.link import Certificates, Core, Shard, satellite_settings, until
from tests.support.network.ports import free_port
from tests.support.spool.listening import listen


class TwoCores:
    """One address, at which now one core is and now another; and a shard that looks for its own."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_port()
        self._certificates = Certificates(folder / "authority")
        self.core: Core
        self.spool: Spool
        self.shard: Shard

    async def begin(self) -> None:
        """Let a shard follow its core, which has one revision."""
        await self.put("ours")
        await self.core.database.preferences.publish([route()], who="test")
        self.spool = await Spool.open(
            self._folder / "shard0", node="lon1", shard=0, clock=SystemClock()
        )
        tls = self._certificates.issue("satellite", "lon1")
        settings = satellite_settings(tls, port=self._port)
        self.shard = Shard.start(self.spool, settings)
        listen(self.spool, outgoing=self.shard.link.outgoing)
        await until(lambda: self.shard.applied == [1], "it follows its core")
        await until(lambda: self.spool.backlog_sizes() == (0, 0), "its core has its records")

    async def put(self, name: str, *, port: int = 0) -> Core:
        """Start the core of this name; unless told otherwise, where the shard looks for one."""
        tls = self._certificates.issue("core", "core")
        self.core = await Core.start(self._folder / name, tls, port=port or self._port)
        return self.core

    def certificate(self, node: str) -> rpc.TlsFiles:
        """Return where a node's certificate is."""
        return self._certificates.issue("satellite", node)

    def clone(self) -> None:
        """Copy the data of our core, which is stopped."""
        shutil.copytree(self._folder / "ours", self._folder / "another")

    def refused(self) -> str:
        """Return why the shard refuses the core that is there."""
        now_s = self.core.clock.monotonic_s()
        return self.shard.link.status(now_s=now_s).core_refused

    def told(self) -> str:
        """Return what the shard says of its link."""
        return "\n".join(self.shard.link.status(now_s=self.core.clock.monotonic_s()).problems)

    async def end(self) -> None:
        await self.shard.stop()
        await self.spool.close()
        await self.core.stop()


async def another_core(two: TwoCores, kind: str) -> Core:
    """Put another core in the place of ours."""
    await two.core.stop()
    if kind == "clone that went on":
        two.clone()
        ours = await two.put("ours")
        await ours.database.preferences.publish([route("ours.example")], who="test")
        await until(lambda: two.shard.applied == [1, 2], "the shard follows its own")
        await ours.stop()
        aside = await two.put("another", port=free_port())  # nobody meets it before it went on
        for name in ("theirs.example", "more.example"):
            await aside.database.preferences.publish([route(name)], who="test")
        await aside.stop()
    other = await two.put("another")
    if kind == "with a set":
        await other.database.preferences.publish([route("theirs.example")], who="test")
    return other
