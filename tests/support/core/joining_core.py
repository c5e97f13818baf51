"""What does a test of joining need of a core?

Touches a folder and loopback: the store, the link, the members and a join door that really listens,
with an authority and an issuer of its own. Its clock can be set on.
"""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from common.clock import SystemClock
from common.durable import write_file
from common.join_token import JoinToken, read_token
from common.joining import INTERNAL
from common.rpc import TlsFiles
from common.settings.core import CoreSettings
from common.wireguard_text import WireGuardPeer, wireguard_text
from core.custody.arrivals import Arrivals
from core.custody.bodies import BodyFolder
from core.custody.custody import Custody
from core.custody.release import Releases
from core.joining.join_door import JoinDoor
from core.joining.joining import Joining
from core.joining.member_peers import MemberPeers
from core.learning.learning import Learning
from core.link.service import LinkService
from core.store.database import Database
from inventory.certificates import issuer
from tests.support.network.link import CLUSTER, Certificates, until
from tests.support.network.ports import free_port

MAIL_DOMAIN = "mx.scout.example"
HOUR_S = 3_600


class ShiftedClock(SystemClock):
    """The system's clock, set on by some seconds."""

    def __init__(self) -> None:
        self.shift_s = 0.0

    def now_us(self) -> int:
        return super().now_us() + int(self.shift_s * 1_000_000)

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.shift_s


class JoiningCore:
    """A core at whose join door a test knocks.

    Args:
        folder: its own; a second one on the same folder goes on where the first stopped.
        clock: whose time it goes by.
        address: its machine's in the VPN.
    """

    def __init__(self, folder: Path, clock: ShiftedClock, *, address: str = "10.77.0.1") -> None:
        self.folder = folder
        self.clock = clock
        self.address = address
        self.others: list[JoiningCore] = []  # machines that can be the core, beside this one
        self.certificates = Certificates(folder / "authority")
        self.tls: TlsFiles = self.certificates.issue("core", "core")
        self.port = free_port()
        self.grpc = free_port()
        made = issuer(
            folder,
            cluster=CLUSTER,
            hosts=(MAIL_DOMAIN, INTERNAL),
            signer=self.certificates.signer,
            now_us=time.time_ns() // 1000,
        )
        write_file(folder / "issuer.crt", made.certificate)
        write_file(folder / "issuer.key", made.key)
        self.wireguard = folder / "wg0.conf"
        if not self.wireguard.exists():
            key = base64.b64encode(X25519PrivateKey.generate().private_bytes_raw()).decode()
            peer = WireGuardPeer(name="lon1", public_key="b2xk", allowed=("10.77.1.1/32",))
            text = wireguard_text(
                private_key=key, vpn_addresses=(address,), port=51820, peers=[peer]
            )
            write_file(self.wireguard, text.encode())
        self.database: Database
        self.link: LinkService
        self.joining: Joining

    def as_other(self) -> dict[str, Any]:
        """Return what another machine's ``core.yaml`` says of this one."""
        return {
            "name": self.folder.name,
            "link": f"127.0.0.1:{self.grpc}",
            "vpn_addresses": [self.address],
            "tunnel": ["127.0.0.1:51820"],
            "wireguard_key": MemberPeers(self.wireguard).own_key(),
        }

    @property
    def settings(self) -> CoreSettings:
        """What its ``core.yaml`` says."""
        tls: dict[str, Any] = {
            "certificate": str(self.tls.certificate),
            "key": str(self.tls.key),
            "authority": str(self.tls.authority),
        }
        node = {"site": "london", "addresses": ["192.0.2.10", "10.77.1.1"]}
        return CoreSettings.model_validate(
            {
                "cluster": CLUSTER,
                "name": "core",
                "http": "127.0.0.1:1",
                "grpc": f"127.0.0.1:{self.grpc}",
                "mail_domain": MAIL_DOMAIN,
                "tls": tls,
                "nodes": [
                    {**node, "name": "lon1", "vpn_addresses": ["10.77.1.1"]},
                    {"name": "par1", "site": "paris"},
                ],
                "join": {
                    "listen": f"127.0.0.1:{self.port}",
                    "public": [f"127.0.0.1:{one.port}" for one in (self, *self.others)],
                    "issuer": str(self.folder / "issuer.crt"),
                    "issuer_key": str(self.folder / "issuer.key"),
                },
                "wireguard": {"file": str(self.wireguard)},
                "other_cores": [one.as_other() for one in self.others],
                "state": str(self.folder),
            }
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Serve the link and the join door for a while."""
        settings = self.settings
        self.database = await Database.open(self.folder / "core.db", clock=self.clock)
        bodies = await BodyFolder.open(self.folder / "bodies")
        custody = Custody(database=self.database, bodies=bodies, clock=self.clock)
        self.link = LinkService(
            settings=settings,
            database=self.database,
            arrivals=Arrivals(database=self.database, bodies=bodies, clock=self.clock),
            releases=Releases(
                database=self.database, bodies=bodies, clock=self.clock, claim_wait_s=30.0
            ),
            lessons=Learning(
                database=self.database, custody=custody, clock=self.clock, bounds=settings.learning
            ),
            clock=self.clock,
        )
        self.joining = Joining(
            settings,
            store=self.database.members,
            preferences=self.database.preferences,
            link=self.link,
            clock=self.clock,
        )
        await self.joining.open()
        await self.link.start()
        door = JoinDoor(
            ("127.0.0.1", self.port),
            joining=self.joining,
            cluster=CLUSTER,
            roster=self.link.roster,
            clock=self.clock,
        )
        listening = asyncio.create_task(door.run())
        try:
            await until(lambda: door.port != 0, "the join door listens")
            yield
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
            await self.link.stop(grace_s=0.2)
            await self.database.close()

    async def token(self, node: str = "lon1", *, again: bool = False) -> JoinToken:
        """Return a new token, good for an hour."""
        text = await self.joining.make_token(node, for_s=HOUR_S, again=again, who="t")
        return read_token(text)
