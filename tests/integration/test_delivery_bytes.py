"""What arrives at other people's servers is what was accepted, as one message.

The next hops are aiosmtpd, Postfix's ``smtp-sink`` and a strict reader of our own.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from aiosmtpd.smtp import SMTP
from aiosmtpd.smtp import Envelope as SinkEnvelope
from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.ids import MessageId
from satellite.delivery.worker import Delivery
from satellite.spool.store import Spool
from tests.support.delivery.delivery_room import HEAD, DeliveryRoom, route, settings
from tests.support.network.ports import free_port
from tests.support.smtp.next_hop import NextHop

SMTP_SINK = shutil.which("smtp-sink", path="/usr/sbin:/usr/bin")

# Ends of data that lenient servers have been seen to accept: each must stay inside one message.
SEQUENCES = [
    b"\n.\n",
    b"\n.\r",
    b"\r.\n",
    b"\r.\r",
    b"\n.\r\n",
    b"\r.\r\n",
    b"\r\n\x00.\r\n",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\r\n.\x00\r\n",
    b"\r\n.\r\r\n",
    b"\r\r\n.\r\r\n",
    b"\r\n.\r\n",  # what our own front end unstuffed from CRLF . . CRLF
]
SMUGGLED = b"MAIL FROM:<evil@x>\r\nRCPT TO:<b@y>\r\nDATA\r\nSubject: 2\r\n\r\nevil\r\n.\r\nQUIT\r\n"


def hidden(sequence: bytes, *, before: bytes = b"body") -> bytes:
    return b"Subject: 1\r\n\r\n" + before + sequence + SMUGGLED


BODIES = [hidden(sequence) for sequence in SEQUENCES] + [
    hidden(b"\r\n.\r\n", before=b""),
    hidden(b"\r\n.\r\n", before=b"x" * 998),
    *(hidden(b"\r\n.\r\n", before=b"x" * (65_536 - len(HEAD) - 14 - cut)) for cut in range(6)),
    hidden(b"\r\n.\r\n", before=b"x\r\n" * 100_000),
    b"..\r\n.\r\n..\r\n",
    b"",
]


@contextlib.asynccontextmanager
async def delivering(folder: Path, port: int) -> AsyncIterator[DeliveryRoom]:
    clock: Any = SystemClock()
    spool = await Spool.open(folder, node="lon1", shard=0, clock=clock)
    delivery = Delivery(spool, settings(), clock, registry=CollectorRegistry())
    room = DeliveryRoom(spool, clock, delivery)
    await room.set_routes(route("acme.example", f"127.0.0.1:{port}"))
    async with asyncio.TaskGroup() as group:
        group.create_task(delivery.run())
        try:
            yield room
        finally:
            await delivery.close()
    await spool.close()


async def until_gone(room: DeliveryRoom, messages: list[MessageId]) -> None:
    async with asyncio.timeout(60):
        while any(room.spool.message(message) for message in messages):
            room._news.clear()
            await room._news.wait()


class Keeper:
    """What aiosmtpd took."""

    def __init__(self) -> None:
        self.contents: list[bytes] = []

    async def handle_DATA(self, _server: object, _session: object, envelope: SinkEnvelope) -> str:
        assert isinstance(envelope.original_content, bytes)
        self.contents.append(envelope.original_content)
        return "250 2.0.0 Ok"


def whole(body: bytes) -> bytes:
    """Return a message as it must arrive: with our line, and its last line ended."""
    sent = HEAD + body
    return sent if sent.endswith(b"\r\n") else sent + b"\r\n"


async def test_every_smuggling_sequence_arrives_as_one_unchanged_message(tmp_path: Path) -> None:
    async with NextHop() as hop, delivering(tmp_path, hop.port) as room:
        for body in BODIES:
            await until_gone(room, [await room.accept("x@acme.example", body=body)])

    assert [taken.data for taken in hop.taken] == [whole(body) for body in BODIES]
    assert not any("evil" in line for line in hop.lines)


async def test_aiosmtpd_takes_each_as_one_message(tmp_path: Path) -> None:
    keeper = Keeper()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(keeper, hostname="sink", loop=loop, enable_SMTPUTF8=True), "127.0.0.1", 0
    )
    port = server.sockets[0].getsockname()[1]
    # It refuses lines of more than 1000 octets, and drops the dot of every line that begins so.
    bodies = [body for body in BODIES if max(map(len, body.split(b"\n"))) < 900]
    async with delivering(tmp_path, port) as room:
        for body in bodies:
            await until_gone(room, [await room.accept("x@acme.example", body=body)])
        results = list(room.results("ended").values())
    server.close()
    await server.wait_closed()

    assert all(entry["outcome"] == "delivered" for entry in results)
    assert keeper.contents == [whole(body) for body in bodies]


@pytest.mark.skipif(SMTP_SINK is None, reason="smtp-sink of Postfix is not installed")
@pytest.mark.parametrize(
    "options",
    [
        pytest.param([], id="as it is"),
        pytest.param(["-p"], id="without PIPELINING"),
        pytest.param(["-e"], id="without EHLO"),
        pytest.param(["-8"], id="without 8BITMIME"),
    ],
)
async def test_smtp_sink_takes_many_messages(tmp_path: Path, options: list[str]) -> None:
    assert SMTP_SINK is not None
    port = free_port()
    # Not below tmp_path: as root it gives its rights up, and then may not enter there.
    dump = Path(tempfile.mkdtemp(prefix="smtp-sink-"))
    dump.chmod(0o777)
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    sink = await asyncio.create_subprocess_exec(
        SMTP_SINK, *user, *options, "-d", "%M.", f"127.0.0.1:{port}", "100", cwd=dump
    )
    try:
        await _listening(port, sink)
        (tmp_path / "spool").mkdir()
        async with delivering(tmp_path / "spool", port) as room:
            large = b"Subject: large\r\n\r\n" + b".dot\r\n0123456789\r\n" * 20_000
            bodies = [b"Subject: %d\r\n\r\nhello\r\n" % n for n in range(40)] + [large]
            messages = [await room.accept("x@acme.example", body=body) for body in bodies]
            await until_gone(room, messages)
            assert not room.events("deferred")
        dumped = [path.read_bytes() for path in dump.iterdir()]
    finally:
        if sink.returncode is None:
            sink.terminate()
        await sink.wait()
        shutil.rmtree(dump)

    assert len(dumped) == len(bodies)
    wanted = sorted(body.replace(b"\r\n", b"\n") for body in bodies)
    # It writes its own lines on top, an empty one below, and ends lines with LF.
    assert sorted(_below_head(text) for text in dumped) == wanted


def _below_head(text: bytes) -> bytes:
    head = HEAD.replace(b"\r\n", b"\n")
    return text.replace(b"\r\n", b"\n").partition(head)[2].removesuffix(b"\n")


async def _listening(port: int, sink: Process) -> None:
    async with asyncio.timeout(20):
        while sink.returncode is None:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except OSError:
                await asyncio.sleep(0.02)
                continue
            writer.close()
            return
    pytest.fail(f"smtp-sink ended with {sink.returncode}")


def test_it_runs_on_uvloop_as_well(tmp_path: Path) -> None:
    async def main() -> list[bytes]:
        async with NextHop() as hop, delivering(tmp_path, hop.port) as room:
            body = b"Subject: u\r\n\r\n" + b".x\r\n" * 50_000
            await until_gone(room, [await room.accept("x@acme.example", body=body)])
            assert hop.taken[0].data == HEAD + body
            return [taken.data for taken in hop.taken]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert len(runner.run(main())) == 1
