"""How does a test run delivery alone, over a real spool?

Touches a spool's files. Its clock is moved by the test, and its DNS is a table.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from common.envelope import Envelope
from common.ids import ULID_RANDOM_BYTES, MessageId
from common.preferences import Document, Epoch, Position, Preferences
from common.preferences.documents import canonical_json
from common.settings.satellite import SatelliteSettings
from common.states import State
from satellite.delivery.decisions.routing import Exchange
from satellite.delivery.worker import Delivery
from satellite.names.answer import Lookup, LookupResult
from satellite.spool.model.messages import Copy, Disposition, Judged, Judgement, Origin, Stored
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.spool.listening import listen

BODY = b"Subject: hi\r\nMessage-ID: <1@sender.example>\r\n\r\nhello\r\n"
HEAD = b"X-BorderScout: id=1\r\n"
SENDER = "a@sender.example"


def route(domain: str, *targets: str, **more: Any) -> Document:
    body = {"customer": "acme", "deliver_to": list(targets)} | more
    return Document("route", domain, 1, canonical_json(body))


def preferences(*documents: Document) -> Preferences:
    return Preferences.from_documents(documents, position=Position(Epoch(1, "e"), 1))


def settings(**delivery: Any) -> SatelliteSettings:
    more = delivery.pop("more", {})
    return SatelliteSettings.model_validate(
        {
            "cluster": "example",
            "node": "lon1",
            "site": "london",
            "hostname": "lon1.mx.scout.example",
            "mail_domain": "mx.scout.example",
            "smtp": {"listen": ["192.0.2.10:25"]},
            "metrics": "127.0.0.1:9000",
            "core": {"address": "core:1", "certificate": "c", "key": "k", "authority": "a"},
            "delivery": {"connect_timeout_s": 5, "reply_timeout_s": 5, "dot_timeout_s": 5}
            | delivery,
        }
        | more
    )


class TableResolver:
    """DNS from two tables; what is in neither does not exist."""

    def __init__(self) -> None:
        self.mx: dict[str, Lookup[Exchange]] = {}
        self.hosts: dict[str, Lookup[str]] = {}

    async def exchanges(self, domain: str) -> Lookup[Exchange]:
        return self.mx.get(domain, Lookup(LookupResult.NO_NAME))

    async def addresses(self, host: str) -> Lookup[str]:
        if host[0].isdigit() or ":" in host:
            return Lookup(LookupResult.RECORDS, (host,))
        return self.hosts.get(host, Lookup(LookupResult.NO_NAME))


class DeliveryRoom:
    """The room, its spool and its clock."""

    def __init__(self, spool: Spool, clock: FakeClock, delivery: Delivery) -> None:
        self.spool = spool
        self.clock = clock
        self.delivery = delivery
        self.registry = CollectorRegistry()
        self._news = asyncio.Event()
        listen(spool, outgoing=self._news.set)

    async def set_routes(self, *documents: Document) -> None:
        wanted = preferences(*documents)
        await self.spool.apply_preferences(
            documents, position=wanted.position, digest=wanted.digest, snapshot=True
        )

    async def accept(
        self,
        *to: str,
        body: bytes = BODY,
        sender: str = SENDER,
        copies: Sequence[Copy] = (),
        sending: bool = True,
        offer: bool = True,
        suspect: bool = False,
        **envelope: Any,
    ) -> MessageId:
        """Put a judged message into the spool and offer it."""
        message = await self.take(*to, body=body, sender=sender, **envelope)
        await self.judge(message, *copies, offer=offer, sending=sending, suspect=suspect)
        return message

    async def take(
        self, *to: str, body: bytes = BODY, sender: str = SENDER, **envelope: Any
    ) -> MessageId:
        """Put a message into the spool that is not judged yet."""
        entry = self.spool.begin()
        entry.write(body)
        taken = Envelope(
            client_address="192.0.2.7",
            helo="client.example",
            sender=sender,
            recipients=to,
            **envelope,
        )
        await entry.commit(envelope=taken, trace=b"")
        return entry.id

    async def judge(
        self,
        message: MessageId,
        *copies: Copy,
        offer: bool = True,
        sending: bool = True,
        suspect: bool = False,
    ) -> None:
        """Judge a message in the spool to be delivered, and offer it."""
        stored = self.spool.message(message)
        assert stored is not None
        judged = tuple(
            Judged(
                number=recipient.number,
                disposition=Disposition.DELIVER,
                reason="clean",
                copy=copies[recipient.number] if copies else Copy(head=HEAD),
                sending=sending,
                suspect=suspect,
            )
            for recipient in stored.recipients
        )
        await self.spool.judge(
            message,
            Judgement(
                revision=1,
                subject="hi",
                message_id_header="<1@sender.example>",
                recipients=judged,
                verdicts=(),
                score=0.0,
            ),
        )
        if offer:
            self.delivery.offer(message)

    def events(self, name: str = "") -> list[tuple[str, dict[str, Any]]]:
        found = [(r.event, json.loads(r.fields)) for r in self.spool.records(after=0, limit=10_000)]
        return [item for item in found if name in ("", item[0])]

    def results(self, event: str) -> dict[str, dict[str, Any]]:
        """Return what records of an event say of each recipient, by address; the last one wins."""
        return {
            entry["address"]: entry
            for _, fields in self.events(event)
            for entry in fields["recipients"]
        }

    def states(self, message: MessageId) -> list[State]:
        stored = self.spool.message(message)
        return [recipient.state for recipient in stored.recipients] if stored else []

    def unfinished(self) -> list[Stored]:
        return self.spool.unfinished(limit=1000)

    def notices(self) -> list[bytes]:
        """Return the DSNs that are in the spool, the oldest first."""
        return [self.octets(one) for one in self.unfinished() if one.origin is Origin.BOUNCE]

    def octets(self, stored: Stored) -> bytes:
        """Return the body of a message."""
        with self.spool.open_body(stored) as body:
            return body.read(0, body.size)

    async def until(self, claim: Callable[[], object]) -> None:
        """Return once a claim about what is committed holds."""
        async with asyncio.timeout(20):
            while not claim():
                self._news.clear()
                await self._news.wait()
        await self.clock.settle()

    async def soon(self, claim: Callable[[], object]) -> None:
        """Return once a claim holds that no commit tells of."""
        async with asyncio.timeout(20):
            while not claim():
                await asyncio.sleep(0)
        await self.clock.settle()

    async def until_ended(self, message: MessageId) -> None:
        await self.until(lambda: self.spool.message(message) is None)

    async def until_state(self, message: MessageId, *states: State) -> None:
        await self.until(lambda: self.states(message) == list(states))


def _drawn() -> Callable[[int], bytes]:
    """Return what draws ids that are each their own, and no jitter."""
    numbers = itertools.count(1)

    def drawn(count: int) -> bytes:
        return next(numbers).to_bytes(count, "big") if count == ULID_RANDOM_BYTES else bytes(count)

    return drawn


OpenRoom = Callable[..., Awaitable[DeliveryRoom]]


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def resolver() -> TableResolver:
    return TableResolver()


@pytest.fixture
async def open_room(
    tmp_path: Path, clock: FakeClock, resolver: TableResolver
) -> AsyncIterator[OpenRoom]:
    opened: list[tuple[DeliveryRoom, asyncio.Task[None]]] = []

    async def shut() -> None:
        while opened:
            room, task = opened.pop()
            await room.delivery.close()
            await asyncio.wait({task}, timeout=10)
            await room.spool.close()
            assert task.done()
            with contextlib.suppress(asyncio.CancelledError):
                task.result()

    async def again(
        *routes: Document,
        resolver_: Any = resolver,
        randomness: Callable[[int], bytes] | None = None,
        **delivery: Any,
    ) -> DeliveryRoom:
        await shut()
        spool = await Spool.open(tmp_path, node="lon1", shard=0, clock=clock)
        made = Delivery(
            spool,
            settings(**delivery),
            clock,
            resolver=resolver_,
            registry=CollectorRegistry(),
            randomness=randomness or _drawn(),
        )
        room = DeliveryRoom(spool, clock, made)
        if routes:
            await room.set_routes(*routes)
        opened.append((room, asyncio.create_task(made.run())))
        return room

    yield again
    await shut()
