"""What does a test of the core's HTTP face stand on?

Touches a database and a folder of bodies. The rooms are the real ones; the link is the real one
that nobody started, and nodes are made known to its fleet by hand.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from common.clock import Clock
from common.identity import ShardIdentity
from common.link import Taken
from common.preferences import Position
from common.reports import EngineReport, HoldReport, NodeReport
from common.settings.core import CoreSettings, NodeEntry, TlsSettings
from core.custody.arrivals import Arrivals
from core.custody.bodies import BodyFolder
from core.custody.custody import Custody
from core.custody.release import Releases
from core.definitions.definitions import Definitions
from core.feed.session import PreferenceStanding
from core.joining.joining import Joining
from core.learning.learning import Learning
from core.link.service import LinkService
from core.people.tokens import Token
from core.retention.sweeper import Sweeper
from core.settings import our_hosts
from core.store.database import Database
from core.web.application import application_of
from core.web.request.services import Services
from tests.support.core.rooms import identity, told_case

BASE = "http://core.test"


def core_settings(folder: Path, **more: Any) -> CoreSettings:
    """Return the settings of a core with the nodes lon1 and par1."""
    return CoreSettings(
        cluster="example",
        name="core",
        http="127.0.0.1:8080",
        grpc="127.0.0.1:8443",
        tls=TlsSettings(certificate="c", key="k", authority="a"),
        token_file=str(folder / "token"),
        state=str(folder),
        mail_domain="mx.scout.example",
        nodes=[
            NodeEntry(name="lon1", site="london", addresses=["192.0.2.10", "2001:db8::10"]),
            NodeEntry(name="par1", site="paris"),
        ],
        **more,
    )


class Face:
    """A core's rooms, its application, and a client that has the token."""

    def __init__(self, services: Services, arrivals: Arrivals) -> None:
        self.services = services
        self.database = services.database
        self.arrivals = arrivals
        self.token = Path(services.settings.token_file).read_text(encoding="ascii").strip()
        self.application = application_of(services)
        self.stranger = self._client({})
        self.client = self._client({"Authorization": f"Bearer {self.token}"})

    def _client(self, headers: dict[str, str]) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.application, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers)

    async def ask(self, method: str, path: str, **more: Any) -> Any:
        """Return the answer to a request that must succeed."""
        answer = await self.client.request(method, path, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def refused(self, status: int, method: str, path: str, **more: Any) -> dict[str, Any]:
        """Return the problem document of a request that must fail."""
        answer = await self.client.request(method, path, **more)
        assert answer.status_code == status, answer.text
        return problem_of(answer)

    async def hold(self, message: str, body: bytes, **more: Any) -> None:
        """Let a quarantined message arrive."""
        shard = identity()
        await self.arrivals.open_case(shard, told_case(message, body, **more))
        if body:
            await self.arrivals.append(shard, message, 0, body)
        assert await self.arrivals.complete(shard, message) == Taken(message)

    def hear(self, node: str = "lon1", *, revision: int = 0, **more: Any) -> None:
        """Let a node say that it has applied a revision, with the set that is the core's."""
        position = Position(self.database.epoch, revision)
        clock = self.services.clock
        fleet, shard = self.services.link.fleet, ShardIdentity(node, 0, identity().incarnation)
        fleet.greeted(shard, shards=1, version="1", now_s=clock.monotonic_s())
        values: dict[str, Any] = {
            "applied": position,
            "spool": {"queued": 2, "held": 1},
            "accepting": True,
            "engines": (
                EngineReport(name="yara", answering=True, version="1.10", detail=""),
                EngineReport(name="clamav", answering=False, version="", detail="refused"),
            ),
            "holds": (
                HoldReport(
                    customer="acme",
                    destination="acme.example",
                    since_us=clock.now_us(),
                    messages=3,
                    bytes=1234,
                    oldest_us=clock.now_us(),
                    expires_us=clock.now_us() + 1,
                    reason="connection refused",
                ),
            ),
            "time_us": clock.now_us(),
        }
        report = NodeReport(**(values | more))
        fleet.reported(shard, report, now_s=clock.monotonic_s(), now_us=clock.now_us())
        standing = PreferenceStanding(report.applied, None, None, agreed=report.applied)
        fleet.stood(shard, standing, now_s=clock.monotonic_s())


def problem_of(answer: httpx.Response) -> dict[str, Any]:
    """Return a problem document, once it is one (RFC 9457)."""
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["status"] == answer.status_code
    assert problem["title"]
    assert problem["remedy"]
    return problem


@asynccontextmanager
async def open_face(folder: Path, clock: Clock, **settings: Any) -> AsyncIterator[Face]:
    """Open a core on a folder; nothing listens."""
    folder.mkdir(exist_ok=True)
    made = core_settings(folder, **settings)
    async with await Database.open(
        folder / "core.db", clock=clock, ours=our_hosts(made.mail_domain, made.nodes)
    ) as database:
        bodies = await BodyFolder.open(folder / "bodies")
        arrivals = Arrivals(database=database, bodies=bodies, clock=clock)
        releases = Releases(
            database=database, bodies=bodies, clock=clock, claim_wait_s=made.claim_wait_s
        )
        custody = Custody(database=database, bodies=bodies, clock=clock)
        learning = Learning(database=database, custody=custody, clock=clock, bounds=made.learning)
        link = LinkService(
            settings=made,
            database=database,
            arrivals=arrivals,
            releases=releases,
            lessons=learning,
            clock=clock,
        )
        definitions = Definitions(made, audit=database.audit, link=link, clock=clock)
        await definitions.open()
        custody = Custody(database=database, bodies=bodies, clock=clock)
        joining = Joining(
            made,
            store=database.members,
            preferences=database.preferences,
            link=link,
            clock=clock,
        )
        await joining.open()
        services = Services(
            settings=made,
            clock=clock,
            database=database,
            custody=custody,
            sweeper=Sweeper(made, database=database, custody=custody, clock=clock),
            releases=releases,
            learning=learning,
            link=link,
            definitions=definitions,
            joining=joining,
            token=Token.load_or_make(Path(made.token_file)),
            version="1.2.3",
        )
        face = Face(services, arrivals)
        async with face.client, face.stranger:
            yield face
