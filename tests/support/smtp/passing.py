"""How does a test pass mail through the scanning server, step by step?

Touches loopback sockets. The front end, its sessions and the way to the next hop are the real ones;
the engine is a puppet that says what the test tells it, when it tells it.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from common.ids import MessageId
from common.preferences import Document, Preferences
from common.preferences.deliver_to import parse_deliver_to
from common.preferences.documents import NOTHING
from common.settings.satellite import SmtpSettings
from common.verdict import Outcome, ScopedMatch, Verdict
from satellite.filtering.filter import Mail
from satellite.judging.examination import ExaminingRooms
from satellite.node.sockets import listening_sockets
from satellite.scan_server.examiner import Examiner
from satellite.scan_server.kept_mail import KeptMail
from satellite.scan_server.milter_session import Milter
from satellite.scan_server.passage import NextServer
from satellite.scan_server.passing_front_end import PassingFrontEnd, front_end, mending
from satellite.scan_server.passing_log import PassingLog
from satellite.scan_server.passing_message import PassingIntake
from satellite.scan_server.passing_session import Passing
from satellite.scanning.sample import Sample
from satellite.smtp.metrics import SmtpMetrics
from satellite.smtp.refusal_log import RefusalLog
from satellite.smtp.server import FrontEnd
from tests.support.clock import FakeClock
from tests.support.judging.looks import given_looks
from tests.support.network.ports import free_port
from tests.support.smtp.front_end import Talk

HOSTNAME = "scan.example"
ENGINE = "puppet"


class PuppetRooms:
    """An engine that says what it is told, and no filter.

    Attributes:
        outcome, scoped: of all messages.
        asked: set once a message has come.
        goes_on: it says nothing before this is set.
        samples: what it has seen.
        mails: what filters have seen.
    """

    def __init__(self) -> None:
        self.outcome = Outcome.CLEAN
        self.scoped: tuple[ScopedMatch, ...] = ()
        self.asked = asyncio.Event()
        self.goes_on = asyncio.Event()
        self.goes_on.set()
        self.samples: list[bytes] = []
        self.mails: list[Mail] = []

    async def scan(
        self,
        sample: Sample,
        *,
        known: Collection[str] = (),
        others_done: Callable[[], None] = lambda: None,
    ) -> tuple[Verdict, ...]:
        self.asked.set()
        self.samples.append(sample.read(0, sample.size))
        await self.goes_on.wait()
        threats = ("Test.Threat",) if self.outcome is Outcome.INFECTED else ()
        return (Verdict(by=ENGINE, outcome=self.outcome, threats=threats, scoped=self.scoped),)

    def set_aside(self, verdict: Verdict, message: MessageId) -> None:
        """Do nothing: who is set aside is told by the answer."""

    def answered_since(self, name: str, began_s: float, *, size: int) -> bool:
        return True  # for other mail

    def died_alone(self, name: str, sha256: bytes) -> bool:
        return True

    def at_once(self, mail: Mail) -> tuple[Verdict, ...]:
        self.mails.append(mail)
        return ()

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        return ()


@dataclass
class RunningPassing:
    """A front end that passes mail on."""

    front: FrontEnd
    rooms: PuppetRooms
    kept: KeptMail
    clock: FakeClock
    state: Path
    port: int
    talks: list[Talk] = field(default_factory=list)

    async def connect(self, *, source: str = "127.0.0.1") -> Talk:
        """Connect, and hear the greeting."""
        talk = await Talk.connect("127.0.0.1", self.port, source=source)
        self.talks.append(talk)
        assert (await talk.reply()).startswith("220 ")
        return talk

    async def client(self, hello: str = "EHLO") -> Talk:
        """Connect and say hello."""
        talk = await self.connect()
        await talk.ask(f"{hello} mail.example")
        return talk

    def kept_files(self) -> list[str]:
        """Return the names in the folder of kept mail."""
        return sorted(path.suffix for path in (self.state / "kept").iterdir())


def examiner_of(rooms: PuppetRooms, clock: Any, documents: Sequence[Document]) -> Examiner:
    """Return an examiner whose engine is a puppet."""
    return Examiner(
        ExaminingRooms(rooms, rooms, given_looks(), clock),
        Preferences.from_documents(documents, position=NOTHING),
        engines=[ENGINE],
        hostname=HOSTNAME,
        mail_domain=HOSTNAME,
        clock=clock,
    )


@asynccontextmanager
async def passing(
    folder: Path,
    next_hop: str,
    *,
    documents: Sequence[Document] = (),
    can_reject: bool = False,
    keeps: bool = True,
    kept_bytes_max: int = 1 << 20,
    clients: Sequence[str] = ("127.0.0.0/8",),
    **smtp: Any,
) -> AsyncIterator[RunningPassing]:
    """Run a front end that passes mail on.

    Args:
        folder: for what it keeps.
        next_hop: where mail goes.
        documents: preferences.
        can_reject: it stands before the queue.
        keeps: what were quarantined is kept, and not refused.
        kept_bytes_max: and how much of it.
        clients: who may use it.
        smtp: settings of the front end.
    """
    clock, rooms, registry = FakeClock(), PuppetRooms(), CollectorRegistry()
    kept = KeptMail(folder, bytes_max=kept_bytes_max, clock=clock)
    server = NextServer(parse_deliver_to(next_hop), hostname=HOSTNAME, timeout_s=20.0)
    port = free_port()
    listen = [f"127.0.0.1:{port}"]
    front = front_end(
        PassingFrontEnd(
            hostname=HOSTNAME,
            mail_domain=HOSTNAME,
            smtp=mending(SmtpSettings.model_validate({"listen": listen, **smtp}), clients),
        ),
        Passing(
            examiner=examiner_of(rooms, clock, documents),
            server=server,
            kept=kept if keeps else None,
            log=PassingLog(registry, kept_bytes=lambda: kept.bytes, is_away=lambda: server.is_away),
            can_reject=can_reject,
            clients=tuple(map(ipaddress.ip_network, clients)),
            scan_s_max=90.0,
        ),
        PassingIntake(folder, Preferences, clock),
        metrics=SmtpMetrics(registry),
        refusal_log=RefusalLog(),
        clock=clock,
    )
    await server.look()
    await front.start(listening_sockets(listen))
    running = RunningPassing(front, rooms, kept, clock, folder, port)
    try:
        yield running
    finally:
        for talk in running.talks:
            await talk.close()
        rooms.goes_on.set()
        await front.drain(0.0)


def milter_of(
    folder: Path, rooms: PuppetRooms, clock: Any, *, documents: Sequence[Document] = ()
) -> Milter:
    """Return what sessions of a milter share, with a puppet for an engine."""
    registry = CollectorRegistry()
    return Milter(
        examiner=examiner_of(rooms, clock, documents),
        intake=PassingIntake(folder, Preferences, clock),
        log=PassingLog(registry, kept_bytes=lambda: 0, is_away=lambda: False),
        mail_domain=HOSTNAME,
        refuses_quarantine=False,
        message_bytes_max=1 << 20,
        scan_s_max=90.0,
        clock=clock,
    )
