"""What becomes of a real Postfix's mail while something about the scanning server is broken."""

from __future__ import annotations

import asyncio
import json
import signal
import tempfile
from pathlib import Path

import pytest

from tests.support.node.scan_server import (
    AWAY,
    CLEAN,
    CONTENT_FILTER,
    DEADLINE_S,
    INFECTED,
    LMTP,
    MILTER,
    PROXY,
    RULE,
    TAG,
    YARA,
    Ports,
    beside_postfix,
    hand_over,
    header_of,
    house,
    is_rejected,
    scan_server,
)
from tests.support.scanning.scripted_clamd import Hang, ScriptedClamd
from tests.support.smtp.sink import Sink

QUEUED = pytest.mark.parametrize("heading", [CONTENT_FILTER, LMTP], ids=["content filter", "lmtp"])


class Never:
    """Answers nothing, and tells when it has the mail: the node shows it samples of its own too."""

    def __init__(self) -> None:
        self.has_mail = asyncio.Event()

    def __call__(self, content: bytes) -> bytes:
        if b"\r\nwords\r\n" in content:
            self.has_mail.set()
        raise Hang


@QUEUED
async def test_mail_waits_in_the_mail_servers_queue_for_an_engine(
    tmp_path: Path, heading: str
) -> None:
    ports = Ports.free()
    async with (
        Sink() as sink,
        beside_postfix(ports, heading, sink) as running,
    ):
        async with scan_server(tmp_path, ports, heading, engines=[AWAY]) as scanning:
            assert (await asyncio.to_thread(hand_over, running.port, CLEAN))[0] == 250
            await scanning.process.wait_for_line(
                "451 4.7.0 Not scanned, since a scanner", deadline_s=DEADLINE_S
            )
            assert sink.arrivals == []
            await scanning.process.stop()

        async with scan_server(tmp_path, ports, heading, engines=[YARA]):
            (arrival,) = await sink.wait_for(1, deadline_s=DEADLINE_S)

    assert "X-BorderScout-Virus: clean" in header_of(arrival)


@pytest.mark.parametrize("heading", [PROXY, MILTER], ids=["proxy", "milter"])
async def test_before_the_queue_the_sender_hears_that_an_engine_is_away(
    tmp_path: Path, heading: str
) -> None:
    async with house(tmp_path, heading, engines=[AWAY]) as here:
        answer = await here.send(CLEAN)

        assert answer[0] == 451
        assert answer[1].startswith(b"4.7.0 Not scanned, since a scanner does not answer")
        assert here.sink.arrivals == []


async def test_before_the_queue_the_sender_hears_of_a_next_hop_that_is_away(
    tmp_path: Path,
) -> None:
    nobody = Ports.free()
    async with house(tmp_path, PROXY, next_hop=f"127.0.0.1:{nobody.second}") as here:
        answer = await here.send(CLEAN)

        assert answer[0] == 451
        assert answer[1].startswith(b"4.4.1 The next server does not answer")


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["kill", "stop"])
@QUEUED
async def test_an_end_in_the_middle_of_a_scan_loses_nothing_and_doubles_nothing(
    tmp_path: Path, heading: str, end: signal.Signals
) -> None:
    ports, never = Ports.free(), Never()
    async with (
        Sink() as sink,
        beside_postfix(ports, heading, sink) as running,
        ScriptedClamd(tmp_path / "clamd", never) as clamd,
    ):
        slow = {"name": "clamav", "kind": "clamd", "address": clamd.address}
        async with scan_server(tmp_path, ports, heading, engines=[slow]) as scanning:
            assert (await asyncio.to_thread(hand_over, running.port, CLEAN))[0] == 250
            await asyncio.wait_for(never.has_mail.wait(), DEADLINE_S)
            scanning.process.send(end)
            await scanning.process.wait(deadline_s=DEADLINE_S)

        async with scan_server(tmp_path, ports, heading, engines=[YARA]):
            arrivals = await sink.wait_for(1, deadline_s=DEADLINE_S)
            assert (await asyncio.to_thread(hand_over, running.port, CLEAN))[0] == 250
            arrivals = await sink.wait_for(2, deadline_s=DEADLINE_S)

    assert len(arrivals) == 2
    assert list((tmp_path / "state" / "passing").iterdir()) == []


@pytest.mark.parametrize("heading", [PROXY, MILTER], ids=["proxy", "milter"])
async def test_a_kill_before_the_queue_is_451_to_the_sender(tmp_path: Path, heading: str) -> None:
    never = Never()
    async with ScriptedClamd(tmp_path / "clamd", never) as clamd:
        slow = {"name": "clamav", "kind": "clamd", "address": clamd.address}
        async with house(tmp_path, heading, engines=[slow]) as here:
            sending = asyncio.create_task(here.send(CLEAN))
            await asyncio.wait_for(never.has_mail.wait(), DEADLINE_S)
            await here.scanning.process.kill()

            assert (await sending)[0] == 451
            assert here.sink.arrivals == []


async def test_what_a_milter_refuses_the_sender_hears(tmp_path: Path) -> None:
    async with house(tmp_path, MILTER, quarantine="refuse") as here:
        answer = await here.send(INFECTED)

        assert is_rejected(answer), answer
        assert here.postfix.held() == []


async def test_without_its_milter_postfix_lets_nothing_in(tmp_path: Path) -> None:
    async with house(tmp_path, MILTER) as here:
        await here.scanning.process.kill()
        answer = await here.send(CLEAN)

        assert answer[0] == 451
        assert here.sink.arrivals == []


async def test_a_milter_by_a_socket_file(tmp_path: Path) -> None:
    with tempfile.TemporaryDirectory() as name:  # a path that is short enough for a socket
        folder = Path(name)
        folder.chmod(0o755)
        place = f"unix:{folder}/milter"
        milter = {"listen": [place]}
        async with house(tmp_path, MILTER, f"smtpd_milters = {place}", milter=milter) as here:
            socket = folder / "milter"
            assert socket.stat().st_mode & 0o777 == 0o660
            socket.chmod(0o666)  # as if Postfix's user were in our group
            answer = await here.send(CLEAN)
            await here.sink.wait_for(1, deadline_s=DEADLINE_S)

    assert answer[0] == 250


async def test_other_preferences_are_taken_without_a_restart(tmp_path: Path) -> None:
    async with house(tmp_path, PROXY, documents=[RULE]) as here:
        file = tmp_path / "preferences.json"
        file.write_text("nonsense")
        here.scanning.process.send(signal.SIGHUP)
        await here.scanning.process.wait_for_line("scan.preferences_refused", deadline_s=DEADLINE_S)
        await here.send(CLEAN.replace(b"hello", b"a prize"))
        file.write_text(json.dumps([RULE, TAG]))
        here.scanning.process.send(signal.SIGHUP)
        await here.scanning.process.wait_for_line("scan.preferences_taken", deadline_s=DEADLINE_S)
        await here.send(CLEAN.replace(b"hello", b"a prize"))

        before, after = sorted(
            await here.sink.wait_for(2, deadline_s=DEADLINE_S), key=lambda one: len(one.data)
        )
        assert "X-BorderScout-Spam: yes" in header_of(before)
        assert "Subject: a prize" in header_of(before)
        assert "Subject: [SPAM] a prize" in header_of(after)
