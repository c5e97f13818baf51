"""The milter: what it asks of a mail server, and what it makes of one that says nonsense."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path

import pytest

from common.clock import SystemClock
from common.errors import EnvironmentFailure
from common.preferences import Document, Kind
from common.preferences.documents import canonical_json
from common.verdict import Outcome
from satellite.scan_server.milter_packets import PACKET_BYTES_MAX, packet
from satellite.scan_server.milter_server import MilterServer
from tests.support.network.ports import free_port
from tests.support.smtp.passing import PuppetRooms, milter_of

DEADLINE_S = 20.0
ALL_ACTIONS, ALL_STEPS = 0x1FF, 0x1FFFFF
X = b"<x@acme.example>"
HEADER = ((b"From", b" a@sender.example"), (b"Subject", b" hello"))


@dataclass
class MailServer:
    """The other end of the conversation, as a test drives it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def say(self, letter: bytes, data: bytes = b"") -> None:
        self.writer.write(packet(letter, data))
        await self.writer.drain()

    async def hear(self) -> tuple[bytes, bytes]:
        async with asyncio.timeout(DEADLINE_S):
            (length,) = struct.unpack("!I", await self.reader.readexactly(4))
            octets = await self.reader.readexactly(length)
        return octets[:1], octets[1:]

    async def is_left(self) -> bool:
        async with asyncio.timeout(DEADLINE_S):
            return await self.reader.read(1) == b""

    async def agree(self, actions: int = ALL_ACTIONS, steps: int = ALL_STEPS) -> tuple[int, ...]:
        await self.say(b"O", struct.pack("!III", 6, actions, steps))
        letter, data = await self.hear()
        assert letter == b"O"
        return struct.unpack("!III", data)

    async def bring(
        self,
        *,
        header: Sequence[tuple[bytes, bytes]] = HEADER,
        body: bytes = b"words\r\n",
        recipients: Sequence[bytes] = (X,),
        answered: bool = False,
    ) -> list[tuple[bytes, bytes]]:
        """Bring a message; return all that is said at its end."""
        said = [
            (b"C", b"far.example\x004" + struct.pack("!H", 25) + b"192.0.2.7\0"),
            (b"H", b"far.example\0"),
            (b"M", b"<a@sender.example>\0SIZE=100\0"),
            *((b"R", recipient + b"\0") for recipient in recipients),
            (b"T", b""),
            *((b"L", name + b"\0" + value + b"\0") for name, value in header),
            (b"N", b""),
            *((b"B", body[at : at + 60_000]) for at in range(0, len(body), 60_000)),
        ]
        for letter, data in said:
            await self.say(letter, data)
            if answered:
                assert await self.hear() == (b"c", b"")
        await self.say(b"E")
        heard = [await self.hear()]
        while heard[-1][0] not in b"atdyc":
            heard.append(await self.hear())
        return heard


@dataclass
class Bench:
    """A milter that listens."""

    server: MilterServer
    rooms: PuppetRooms
    port: int
    folder: Path

    @contextlib.asynccontextmanager
    async def mail_server(self) -> AsyncIterator[MailServer]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            yield MailServer(reader, writer)
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


@contextlib.asynccontextmanager
async def bench(
    folder: Path, *documents: Document, connections_max: int = 10, clients: str = "127.0.0.0/8"
) -> AsyncIterator[Bench]:
    rooms, port = PuppetRooms(), free_port()
    server = MilterServer(
        milter_of(folder, rooms, SystemClock(), documents=documents),
        clients=[ip_network(clients)],
        connections_max=connections_max,
    )
    await server.start([f"127.0.0.1:{port}"])
    try:
        yield Bench(server, rooms, port, folder)
    finally:
        rooms.goes_on.set()
        await server.drain(0.0)


def policy(scope: str, **keys: object) -> Document:
    return Document(Kind.POLICY, scope, 1, canonical_json(keys))


def changes_of(heard: Sequence[tuple[bytes, bytes]]) -> list[tuple[bytes, int, bytes, bytes]]:
    """Return what is asked of the header section: letter, number, name and value."""
    found = []
    for letter, data in heard:
        if letter in b"im":
            (number,) = struct.unpack("!I", data[:4])
            name, value, _ = data[4:].split(b"\0")
            found.append((letter, number, name, value))
    return found


async def test_a_message_gets_our_lines_on_top_in_their_order(tmp_path: Path) -> None:
    async with bench(tmp_path) as here, here.mail_server() as mta:
        version, actions, steps = await mta.agree()
        heard = await mta.bring()

    assert (version, actions) == (6, 0x01 | 0x08 | 0x10 | 0x20)
    assert steps & 0x100000
    changes = changes_of(heard)
    assert [change[:3] for change in changes] == [
        (b"i", 0, b"X-BorderScout"),
        (b"i", 1, b"X-BorderScout-Virus"),
        (b"i", 2, b"X-BorderScout-Spam"),
        (b"i", 3, b"Authentication-Results"),
    ]
    assert changes[1][3].startswith(b" clean; puppet=clean")
    assert heard[-1] == (b"a", b"")


async def test_engines_see_the_message_as_it_came(tmp_path: Path) -> None:
    header = ((b"From", b" a@sender.example"), (b"Subject", b"  folded\n\there"), (b"X-Odd", b""))
    async with bench(tmp_path) as here, here.mail_server() as mta:
        await mta.agree()
        await mta.bring(header=header, body=b"words\r\n" * 30_000)

    (sample,) = here.rooms.samples
    head, _, body = sample.partition(b"\r\n\r\n")
    assert head == b"From: a@sender.example\r\nSubject:  folded\r\n\there\r\nX-Odd:"
    assert body == b"words\r\n" * 30_000
    assert list(tmp_path.iterdir()) == []
    (mail,) = here.rooms.mails
    assert (mail.envelope.client_address, mail.envelope.helo) == ("192.0.2.7", "far.example")
    assert mail.envelope.recipients == ("x@acme.example",)


async def test_a_mail_server_of_the_old_kind_is_answered_at_each_step(tmp_path: Path) -> None:
    header = ((b"Subject", b"hello"),)  # without the blank
    async with bench(tmp_path) as here, here.mail_server() as mta:
        _, _, steps = await mta.agree(steps=0)
        heard = await mta.bring(header=header, answered=True)

    assert steps == 0
    assert here.rooms.samples == [b"Subject: hello\r\n\r\nwords\r\n"]
    assert changes_of(heard)[1][3].startswith(b"clean; ")


async def test_forged_fields_are_deleted_from_the_last_to_the_first(tmp_path: Path) -> None:
    header = (
        (b"X-BorderScout-Virus", b" clean"),
        (b"Subject", b" hello"),
        (b"x-borderscout-virus", b" clean, too"),
        (b"Authentication-Results", b" elsewhere.example; spf=pass"),
        (b"Authentication-Results", b" scan.example; spf=pass"),
    )
    async with bench(tmp_path) as here, here.mail_server() as mta:
        await mta.agree()
        heard = await mta.bring(header=header)

    assert changes_of(heard)[:3] == [
        (b"m", 2, b"Authentication-Results", b""),
        (b"m", 2, b"x-borderscout-virus", b""),
        (b"m", 1, b"X-BorderScout-Virus", b""),
    ]
    assert len(changes_of(heard)) == 3 + 4


async def test_the_subject_of_marked_mail_is_changed_or_made(tmp_path: Path) -> None:
    documents = policy("cluster", virus="mark", subject_tag="[V]")
    async with bench(tmp_path, documents) as here:
        here.rooms.outcome = Outcome.INFECTED
        async with here.mail_server() as mta:
            await mta.agree()
            told = changes_of(await mta.bring())
            made = changes_of(await mta.bring(header=HEADER[:1]))

    assert told[0] == (b"m", 1, b"Subject", b" [V] hello")
    assert made[-1] == (b"i", 4, b"Subject", b" [V]")


async def test_a_virus_is_held_by_the_mail_server(tmp_path: Path) -> None:
    async with bench(tmp_path) as here:
        here.rooms.outcome = Outcome.INFECTED
        async with here.mail_server() as mta:
            await mta.agree()
            heard = await mta.bring()

    assert heard[-2][0] == b"q"
    assert heard[-2][1].startswith(b"virus: puppet Test.Threat")
    assert heard[-1][0] == b"a"


async def test_a_mail_server_that_cannot_hold_keeps_it_with_its_sender(tmp_path: Path) -> None:
    async with bench(tmp_path) as here:
        here.rooms.outcome = Outcome.INFECTED
        async with here.mail_server() as mta:
            await mta.agree(actions=0x11)
            heard = await mta.bring()

    assert heard[-1] == (b"t", b"")


async def test_what_a_policy_rejects_the_sender_hears(tmp_path: Path) -> None:
    async with bench(tmp_path, policy("cluster", virus="reject")) as here:
        here.rooms.outcome = Outcome.INFECTED
        async with here.mail_server() as mta:
            await mta.agree()
            heard = await mta.bring()

    assert heard == [(b"y", b"550 5.7.1 Message refused: a virus was found in it\0")]


async def test_who_is_to_get_nothing_is_taken_off_the_list(tmp_path: Path) -> None:
    documents = (
        policy("cluster", virus="drop"),
        policy("recipient/y@acme.example", virus="mark"),
    )
    async with bench(tmp_path, *documents) as here:
        here.rooms.outcome = Outcome.INFECTED
        async with here.mail_server() as mta:
            await mta.agree()
            both = await mta.bring(recipients=[X, b"<y@acme.example>"])
            one = await mta.bring()

    assert both[-2:] == [(b"-", X + b"\0"), (b"a", b"")]
    assert one == [(b"d", b"")]


async def test_an_engine_that_is_away_is_451(tmp_path: Path) -> None:
    async with bench(tmp_path) as here:
        here.rooms.outcome = Outcome.UNAVAILABLE
        async with here.mail_server() as mta:
            await mta.agree()
            ((letter, text),) = await mta.bring()

    assert letter == b"y"
    assert text.startswith(b"451 4.7.0 Not scanned")


async def test_a_message_that_is_too_large_is_552_and_kept_nowhere(tmp_path: Path) -> None:
    async with bench(tmp_path) as here, here.mail_server() as mta:
        await mta.agree()
        heard = await mta.bring(body=b"words\r\n" * 200_000)

    assert heard == [(b"y", b"552 5.3.4 Message exceeds the size limit\0")]
    assert here.rooms.samples == []
    assert list(tmp_path.iterdir()) == []


async def test_a_message_that_is_broken_off_leaves_nothing(tmp_path: Path) -> None:
    async with bench(tmp_path) as here, here.mail_server() as mta:
        await mta.agree()
        await mta.say(b"M", b"<a@sender.example>\0")
        for _ in range(3):
            await mta.say(b"B", b"x" * 60_000)
        await mta.say(b"A")
        heard = await mta.bring()

    assert heard[-1][0] == b"a"
    assert here.rooms.samples == [b"From: a@sender.example\r\nSubject: hello\r\n\r\nwords\r\n"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "said",
    [
        b"\0\0\0\0",
        struct.pack("!I", PACKET_BYTES_MAX + 1),
        b"GET / HTTP/1.1\r\n\r\n",
        packet(b"M", b"<a>\0"),  # nothing was agreed on
        packet(b"O", b"\0\0\0\6"),
        packet(b"O", struct.pack("!III", 1, ALL_ACTIONS, 0)),
        packet(b"O", struct.pack("!III", 6, 0x01, 0)),  # header fields may not be changed
    ],
)
async def test_who_says_nonsense_is_left(tmp_path: Path, said: bytes) -> None:
    async with bench(tmp_path) as here, here.mail_server() as mta:
        mta.writer.write(said)

        assert await mta.is_left()


@pytest.mark.parametrize(
    ("letter", "data"),
    [(b"R", b"<x>\0"), (b"B", b"x"), (b"E", b""), (b"M", b"no NUL"), (b"Z", b""), (b"C", b"")],
)
async def test_who_says_what_may_not_come_now_is_left(
    tmp_path: Path, letter: bytes, data: bytes
) -> None:
    async with bench(tmp_path) as here, here.mail_server() as mta:
        await mta.agree()
        await mta.say(letter, data)

        assert await mta.is_left()


async def test_who_is_one_too_many_or_a_stranger_is_left(tmp_path: Path) -> None:
    async with bench(tmp_path, connections_max=1) as here, here.mail_server() as first:
        await first.agree()
        async with here.mail_server() as second:
            assert await second.is_left()
        assert (await first.bring())[-1][0] == b"a"
    async with bench(tmp_path, clients="192.0.2.0/24") as here, here.mail_server() as stranger:
        assert await stranger.is_left()


async def test_a_stop_lets_a_message_come_to_its_answer(tmp_path: Path) -> None:
    async with bench(tmp_path) as here:
        here.rooms.goes_on.clear()
        async with here.mail_server() as busy, here.mail_server() as idle:
            await busy.agree()
            await idle.agree()
            bringing = asyncio.create_task(busy.bring())
            await asyncio.wait_for(here.rooms.asked.wait(), DEADLINE_S)
            stopping = asyncio.create_task(here.server.drain(DEADLINE_S))
            assert await idle.is_left()
            here.rooms.goes_on.set()

            assert (await bringing)[-1] == (b"a", b"")
            assert await busy.is_left()
            await stopping


async def test_a_place_that_cannot_be_had_is_said(tmp_path: Path) -> None:
    async with bench(tmp_path) as here:
        other = MilterServer(
            milter_of(tmp_path, here.rooms, SystemClock()), clients=[], connections_max=1
        )

        with pytest.raises(EnvironmentFailure, match="cannot listen"):
            await other.start([f"127.0.0.1:{here.port}"])
