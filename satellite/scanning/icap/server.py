"""How is one ICAP server asked, what does it offer, and does it look at what it is shown?

Touches that server. What it offers is asked for first (OPTIONS), and again when that is old or its
tag changes. A message that it did not look at may be too large for it, or of a kind that it skips;
or it has lost its scanner and looks at nothing, as c-icap does without clamd. A message of our own
tells, which every scanner looks at: text, and small.
"""

from __future__ import annotations

import asyncio
from functools import partial
from hashlib import sha256

from common.clock import Clock
from common.errors import PeerError
from common.ids import MessageId
from common.verdict import Outcome, printable
from satellite.scanning.engine import EngineHealth
from satellite.scanning.icap import requests
from satellite.scanning.icap.meaning import UNSEEN, meaning, meaning_of_body, refusal
from satellite.scanning.icap.offer import RESPMOD, TTL_S_MIN, IcapOffer, offer, tag_of
from satellite.scanning.icap.requests import Service
from satellite.scanning.icap.session import IcapSession, connect
from satellite.scanning.meaning import Meaning
from satellite.scanning.sample import Sample
from satellite.scanning.sessions.connection import (
    CONNECT_S,
    Encryption,
    Misunderstood,
    ServerUnreachable,
    SessionEnded,
)
from satellite.scanning.sessions.pool import Pool

PROBE_S = 5.0
LOOKS_S = 10.0  # for how long it is believed to look at what it can
_HARMLESS = (
    b"From: <postmaster@localhost>\r\nSubject: Is anybody there?\r\n\r\n"
    b"A message of the mail gateway's own, to see whether it is looked at.\r\n"
)
_OURS = Sample(
    id=MessageId("probe"),
    size=len(_HARMLESS),
    sha256=sha256(_HARMLESS).digest(),
    data=_HARMLESS,
)
BLIND = Meaning(
    Outcome.UNAVAILABLE,
    (),
    "it looks at nothing, our own text included: its scanner is away, or set to skip text",
)


class Refused(PeerError):
    """The service does not offer what we need.

    Args:
        meaning: what that means for a message.
    """

    def __init__(self, meaning: Meaning) -> None:
        super().__init__(meaning.detail)
        self.meaning = meaning


class IcapServer:
    """One ICAP server.

    Args:
        service: which of its services, and where.
        clock: for the age of what we know of it.
        sessions_max: scans at once; fewer where it asks for it.
        connect_s: how long a connection to it may take.
        answer_s: how long it may take to say what it offers, where another can be asked instead.
        encryption: how the way to it is encrypted; None: it is not.
    """

    def __init__(
        self,
        service: Service,
        *,
        clock: Clock,
        sessions_max: int,
        connect_s: float = CONNECT_S,
        answer_s: float | None = None,
        encryption: Encryption | None = None,
    ) -> None:
        self._service = service
        self._clock = clock
        self._sessions_max = sessions_max
        self._connecting = partial(
            connect, service.host, connect_s=connect_s, encryption=encryption
        )
        self._answer_s = answer_s
        self._connections_max: int | None = None  # what the pool was made for
        self._pool = self._new_pool()
        self._offer: IcapOffer | None = None
        self._offer_until_s = float("-inf")
        self._asking_offer = asyncio.Lock()
        self._looks_until_s = float("-inf")
        self._tag = ""  # of the last answer

    @property
    def tells_client(self) -> bool:
        """Return whether it is told which client a message came from."""
        return self._service.profile.tells_client

    @property
    def address(self) -> str:
        return self._service.host

    @property
    def product(self) -> str:
        """Return what it calls itself, empty where it does not say."""
        return self._offer.service if self._offer is not None else ""

    @property
    def tag(self) -> str:
        """Return what changes with its definitions, as its last answer had it."""
        return self._tag

    async def scanned(self, sample: Sample, shown: asyncio.Event) -> tuple[Meaning, int]:
        """Return what its answer to a message means, and how often it was asked.

        Args:
            sample: the message.
            shown: set once it is asked about it.

        Raises:
            ServerUnreachable, SessionEnded, Misunderstood: there is no answer.
            SampleUnreadable: the message cannot be read.
        """
        try:
            said, tries = await self._shown(sample, shown)
            if said == UNSEEN and not await self._looks():
                return BLIND, tries
        except Refused as error:
            return error.meaning, 1
        return said, tries

    async def probe(self) -> EngineHealth:
        """Return whether it would look at a message now."""
        try:
            async with asyncio.timeout(PROBE_S):
                offered = await self._learn_offer()
                said, _ = await self._shown(_OURS, asyncio.Event())
        except TimeoutError:
            return EngineHealth(answering=False, detail="it does not answer")
        except (ServerUnreachable, SessionEnded, Misunderstood) as error:
            return EngineHealth(answering=False, detail=error.what)
        except Refused as error:
            return EngineHealth(answering=False, detail=error.meaning.detail)
        if said.outcome is not Outcome.CLEAN:
            what = BLIND.detail if said == UNSEEN else said.detail or f"{said.outcome} of our text"
            return EngineHealth(answering=False, detail=what)
        return EngineHealth(
            answering=True,
            version=self.product,
            detail=_offered(offered),
            definitions=self._tag,
        )

    def close(self) -> None:
        """Close its sessions."""
        self._pool.close()

    async def _looks(self) -> bool:
        """Say whether it looks at anything."""
        now_s = self._clock.monotonic_s()
        if now_s >= self._looks_until_s:
            said, _ = await self._shown(_OURS, asyncio.Event())
            if said.outcome is not Outcome.CLEAN:
                return False
            self._looks_until_s = now_s + LOOKS_S
        return True

    async def _shown(self, sample: Sample, shown: asyncio.Event) -> tuple[Meaning, int]:
        offered = await self._offer_in_force()
        return await self._pool.ask(partial(self._exchange, sample, offered), lent=shown)

    async def _exchange(self, sample: Sample, offered: IcapOffer, session: IcapSession) -> Meaning:
        question = requests.respmod(self._service, sample, offered)
        answer = await session.ask(question, sample)
        self._notice(tag_of(answer.icap))
        said = meaning(answer, self._service.profile)
        return said or meaning_of_body(await session.body(answer, sample))

    def _notice(self, tag: str) -> None:
        """Take note of an answer's tag: with another one the offer may be another, too."""
        if tag and tag != self._tag:
            self._tag = tag
            soon_s = self._clock.monotonic_s() + TTL_S_MIN
            self._offer_until_s = min(self._offer_until_s, soon_s)

    async def _offer_in_force(self) -> IcapOffer:
        """Return what the service offers, asked for again when that is old."""
        if self._offer is not None and self._clock.monotonic_s() < self._offer_until_s:
            return self._offer
        try:
            async with asyncio.timeout(self._answer_s), self._asking_offer:
                if self._offer is not None and self._clock.monotonic_s() < self._offer_until_s:
                    return self._offer
                return await self._learn_offer()
        except TimeoutError:
            what = f"no answer from {self.address} within {self._answer_s:g} s"
            raise ServerUnreachable(what) from None

    async def _learn_offer(self) -> IcapOffer:
        question = requests.options(self._service)
        head, _ = await self._pool.ask(
            lambda session: session.options(question), lent=asyncio.Event()
        )
        if head.status != 200:
            raise Refused(refusal(head, self._service.profile))
        offered = offer(head)
        if RESPMOD not in offered.methods:
            methods = printable(", ".join(sorted(offered.methods))) or "nothing"
            detail = f"wrong service: it offers {methods}, and no {RESPMOD}; check options.service"
            raise Refused(Meaning(Outcome.ERROR, (), detail))
        self._offer = offered
        self._tag = offered.tag
        self._offer_until_s = self._clock.monotonic_s() + offered.ttl_s
        self._fit(offered.connections_max)
        return offered

    def _fit(self, connections_max: int | None) -> None:
        """Keep to what the server takes; whoever is under way ends on what he has."""
        if connections_max != self._connections_max:
            self._connections_max = connections_max
            self._pool.close()
            self._pool = self._new_pool()

    def _new_pool(self) -> Pool[IcapSession]:
        most = self._connections_max
        return Pool(
            self._connecting,
            clock=self._clock,
            sessions_max=min(self._sessions_max, most or self._sessions_max),
            open_max=most,
        )


def _offered(offered: IcapOffer) -> str:
    preview = "none" if offered.preview_bytes is None else str(offered.preview_bytes)
    most = "not said" if offered.connections_max is None else str(offered.connections_max)
    return f"preview {preview}, connections {most}"
