"""Does the load generator count right? Its source sends to its own sink, with nothing between."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import shutil
import smtplib
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope

from tests.bench.generator import Generator
from tests.bench.loads import LOADS, Load
from tests.support.network.ports import free_port

pytestmark = [
    pytest.mark.skipif(shutil.which("cc") is None, reason="a C compiler is missing: gcc"),
]

ONE_BY_ONE = Load(name="one", mix="plain4k", sessions=1, meaning="one session")


class Careless:
    """A gateway that repeats one message, loses the next, defers one, and gets one right."""

    def __init__(self, sink: int) -> None:
        self._sink = sink
        self._fates = itertools.cycle(("twice", "lost", "deferred", "right"))

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Envelope) -> str:
        fate = next(self._fates)
        if fate == "deferred":
            return "451 4.3.0 later"
        if fate != "lost":
            await asyncio.to_thread(self._hand_on, envelope, 2 if fate == "twice" else 1)
        return "250 2.0.0 taken"

    def _hand_on(self, envelope: Envelope, times: int) -> None:
        assert isinstance(envelope.original_content, bytes)
        with smtplib.SMTP("127.0.0.1", self._sink, timeout=10) as client:
            for _ in range(times):
                client.sendmail("a@bench.test", ["b@bench.test"], envelope.original_content)


@contextlib.contextmanager
def closed_door(port: int) -> Iterator[None]:
    """Answer 421 to whoever connects."""

    class Door(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.sendall(b"421 4.3.2 too busy\r\n")

    with Listener(("127.0.0.1", port), Door) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()


class Listener(socketserver.TCPServer):
    allow_reuse_address = True


@pytest.mark.parametrize("load", ["i", "ii", "iii"])
def test_everything_that_is_sent_arrives_once(tmp_path: Path, load: str) -> None:
    address = f"127.0.0.1:{free_port()}"
    generator = Generator(tmp_path)

    result = generator.send(LOADS[load], target=address, sink=address, messages=300, seconds_max=30)

    assert result["sent"] == result["accepted"] == 300
    assert result["arrived"] + result["infected_delivered"] == 300
    assert result["missing"] == result["duplicates"] == result["unknown"] == 0
    assert result["accept_ms"]["p50"] <= result["accept_ms"]["p99"]


def test_a_sink_that_waits_takes_mail_only_when_it_is_told(tmp_path: Path) -> None:
    """The gateway is another generator's sink: it answers, and hands nothing on."""
    gateway, sink = (f"127.0.0.1:{free_port()}" for _ in range(2))
    generator = Generator(tmp_path)
    idle = [*generator.command(LOADS["i"], target=gateway, sink=gateway), "--messages", "1"]
    held = [*generator.command(LOADS["i"], target=gateway, sink=sink), "--accepted", "40"]

    with (
        generator.begin([*idle, "--linger", "30"]),
        generator.begin([*held, "--sink-waits", "--idle-timeout", "0.2"]) as sending,
    ):
        loaded = sending.wait_for("loaded", deadline_s=20)
        assert sending.is_running
        sending.start_sink()
        result = sending.wait(deadline_s=20)

    assert loaded >= 40
    assert result["accepted"] == loaded
    assert result["missing"] == loaded


def test_a_gateway_that_closes_its_door_puts_mail_off(tmp_path: Path) -> None:
    """421 instead of a greeting is an answer; a connection that breaks is none."""
    port = free_port()
    generator = Generator(tmp_path)
    address = f"127.0.0.1:{port}"
    command = generator.command(ONE_BY_ONE, target=address, sink=f"127.0.0.1:{free_port()}")

    with (
        closed_door(port),
        generator.begin([*command, "--messages", "5", "--idle-timeout", "0.1"]) as sending,
    ):
        refused = sending.wait(deadline_s=30)
    with generator.begin([*command, "--messages", "5", "--idle-timeout", "0.1"]) as sending:
        broken = sending.wait(deadline_s=30)

    assert (refused["tempfail_4xx"], refused["errors"], refused["accepted"]) == (5, 0, 0)
    assert (broken["tempfail_4xx"], broken["errors"], broken["accepted"]) == (0, 5, 0)


def test_a_gateway_that_repeats_and_loses_mail_is_found_out(tmp_path: Path) -> None:
    port, sink = free_port(), free_port()
    gateway = Controller(Careless(sink), hostname="127.0.0.1", port=port)
    generator = Generator(tmp_path)
    command = generator.command(ONE_BY_ONE, target=f"127.0.0.1:{port}", sink=f"127.0.0.1:{sink}")

    gateway.start()
    try:
        with generator.begin([*command, "--accepted", "30", "--idle-timeout", "0.3"]) as sending:
            result = sending.wait(deadline_s=30)
    finally:
        gateway.stop()

    assert result["accepted"] == 30
    assert result["tempfail_4xx"] == 10  # of forty, one in four
    assert result["missing"] == 10
    assert result["duplicates"] == 10
    assert result["arrived"] == 20
