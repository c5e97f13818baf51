"""Asking clamd: what comes back is the answer to this message, or no answer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import pytest

from common.verdict import Outcome, Verdict
from satellite.scanning.clamd.control import ClamdControl, Stats
from satellite.scanning.clamd.opens import LOCKED_RAR
from satellite.scanning.clamd.server import VERSION_S
from satellite.scanning.clamd.session import ClamdSession, connect
from satellite.scanning.engines.clamav import Clamav
from satellite.scanning.sample import Sample
from satellite.scanning.sessions.connection import Misunderstood, SessionEnded
from satellite.scanning.sessions.connection import connect as opened
from satellite.scanning.sessions.pool import FRESH_S, IDLE_S_MAX
from tests.support.clock import FakeClock
from tests.support.scanning.messages import file_sample, numbered_sample, plain, sample_of
from tests.support.scanning.scripted_clamd import VERSION, Close, Hang, ScriptedClamd, number_in

OK = b"stream: OK"
FOUND = b"stream: Eicar FOUND"
DEADLINE_S = 20.0


def engine_of(
    peer: ScriptedClamd, clock: FakeClock | None = None, *, sessions_max: int = 8
) -> Clamav:
    return Clamav("clamav", [peer.address], clock=clock or FakeClock(), sessions_max=sessions_max)


async def scan(engine: Clamav, sample: Sample | None = None) -> Verdict:
    return await engine.scan(sample or sample_of(plain(b"hello")), deadline_s=DEADLINE_S)


def says(reply: bytes) -> Callable[[bytes], bytes]:
    return lambda _: reply


@pytest.mark.parametrize(
    ("of_rar", "is_opened"), [(b"stream: Heuristics.Encrypted.RAR FOUND", True), (OK, False)]
)
async def test_who_calls_a_locked_rar_archive_locked_opens_rar(
    tmp_path: Path, of_rar: bytes, is_opened: bool
) -> None:
    def script(seen: bytes) -> bytes:
        return of_rar if seen == LOCKED_RAR else OK

    async with ScriptedClamd(tmp_path / "s", script) as peer:
        engine = engine_of(peer)

        assert ("rar" in await engine.opens()) is is_opened
        assert ("opens no RAR" in (await engine.probe()).detail) is not is_opened
        await engine.close()


async def test_who_does_not_answer_opens_nothing_for_now(tmp_path: Path) -> None:
    engine = Clamav("clamav", [f"unix:{tmp_path}/none"], clock=FakeClock(), sessions_max=1)

    assert await engine.opens() == frozenset()


async def test_an_answer_that_is_split_at_any_octet_is_read_whole(tmp_path: Path) -> None:
    whole = b"1: " + FOUND + b"\0"
    for place in range(1, len(whole)):
        rest = asyncio.Event()

        async def serve(
            reader: asyncio.StreamReader,
            writer: asyncio.StreamWriter,
            place: int = place,
            rest: asyncio.Event = rest,
        ) -> None:
            await reader.readuntil(b"\0\0\0\0")
            writer.write(whole[:place])
            await writer.drain()
            await rest.wait()
            writer.write(whole[place:])
            writer.close()

        path = tmp_path / f"s{place}"
        server = await asyncio.start_unix_server(serve, str(path))
        session = await connect(f"unix:{path}")
        answer = asyncio.create_task(session.scan(sample_of(b"x" * 1000)))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not answer.done()
        rest.set()

        assert await answer == FOUND
        session.close()
        server.close()


async def test_half_an_answer_is_no_answer(tmp_path: Path) -> None:
    whole = b"1: " + OK
    for length in range(len(whole) + 1):  # whole, but without its end, is half too

        async def serve(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, length: int = length
        ) -> None:
            await reader.readuntil(b"\0\0\0\0")
            writer.write(whole[:length])
            writer.close()

        path = tmp_path / f"s{length}"
        server = await asyncio.start_unix_server(serve, str(path))
        session = await connect(f"unix:{path}")

        with pytest.raises(SessionEnded):
            await session.scan(sample_of(b"x" * 1000))

        session.close()
        server.close()


async def test_a_session_is_kept_for_the_next_message(tmp_path: Path) -> None:
    async with ScriptedClamd(tmp_path / "c", says(OK)) as peer:
        engine = engine_of(peer)
        for _ in range(5):
            assert (await scan(engine)).outcome is Outcome.CLEAN
        assert peer.connections == 1
        await engine.close()


async def test_a_session_that_was_idle_for_long_is_not_asked_again(tmp_path: Path) -> None:
    clock = FakeClock()
    async with ScriptedClamd(tmp_path / "c", says(OK)) as peer:
        engine = engine_of(peer, clock)
        await scan(engine)
        await clock.advance(IDLE_S_MAX)
        await scan(engine)
        assert peer.connections == 2
        await engine.close()


async def test_a_kept_session_that_died_costs_a_second_try_and_not_the_message(
    tmp_path: Path,
) -> None:
    calls = 0

    def once_dead(_: bytes) -> bytes:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise Close  # as if clamd had closed it while the message was on its way
        return OK

    async with ScriptedClamd(tmp_path / "c", once_dead) as peer:
        engine = engine_of(peer)
        first, second = await scan(engine), await scan(engine)
        await engine.close()

    assert (first.outcome, first.attempt) == (Outcome.CLEAN, 1)
    assert (second.outcome, second.attempt) == (Outcome.CLEAN, 2)


async def test_a_kept_session_that_clamd_closed_is_noticed_before_it_is_asked(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    async with ScriptedClamd(tmp_path / "c", says(OK)) as peer:
        engine = engine_of(peer, clock)
        await scan(engine)
        await peer.drop()
        await clock.advance(FRESH_S)
        verdict = await scan(engine)
        await engine.close()

        assert (verdict.outcome, verdict.attempt) == (Outcome.CLEAN, 1)
        assert peer.connections == 2


async def test_a_kept_session_that_clamd_closed_a_moment_ago_costs_a_second_question(
    tmp_path: Path,
) -> None:
    async with ScriptedClamd(tmp_path / "c", says(OK)) as peer:
        engine = engine_of(peer)
        await scan(engine)
        await peer.drop()
        verdict = await scan(engine)
        await engine.close()

        assert (verdict.outcome, verdict.attempt) == (Outcome.CLEAN, 2)
        assert peer.connections == 2


async def test_a_session_in_which_a_scan_was_cancelled_is_never_asked_again(
    tmp_path: Path,
) -> None:
    asked, release = asyncio.Event(), asyncio.Event()

    async def slow_at_first(content: bytes) -> bytes:
        if number_in(content) == 0:
            asked.set()
            await release.wait()
        return OK

    async with ScriptedClamd(tmp_path / "c", slow_at_first) as peer:
        engine = engine_of(peer)
        given_up = asyncio.create_task(scan(engine, numbered_sample(0, infected=True)))
        await asked.wait()
        given_up.cancel()
        await asyncio.wait([given_up])
        verdict = await scan(engine, numbered_sample(1, infected=False))
        release.set()
        await engine.close()

        assert (verdict.outcome, verdict.attempt) == (Outcome.CLEAN, 1)
        assert peer.connections == 2


@pytest.mark.parametrize("size", [100, 5_000_000])
async def test_an_answer_that_was_there_before_the_write_failed_is_read(
    tmp_path: Path, size: int
) -> None:
    closed = asyncio.Event()

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"1: INSTREAM size limit exceeded. ERROR\0")
        writer.close()
        await writer.wait_closed()
        closed.set()

    server = await asyncio.start_unix_server(serve, str(tmp_path / "c"))
    session = await connect(f"unix:{tmp_path / 'c'}")
    await closed.wait()

    assert await session.scan(sample_of(b"x" * size)) == b"INSTREAM size limit exceeded. ERROR"
    assert not session.is_usable
    session.close()
    server.close()


async def test_a_message_with_which_clamd_dies_twice_is_an_error(tmp_path: Path) -> None:
    def deadly(_: bytes) -> bytes:
        raise Close

    async with ScriptedClamd(tmp_path / "c", deadly) as peer:
        engine = engine_of(peer)
        verdict = await scan(engine)
        await engine.close()

    assert (verdict.outcome, verdict.died) == (Outcome.ERROR, True)
    assert verdict.detail == "clamd closed the session without an answer"


@pytest.mark.parametrize("prefix", ["x", "7: ", "0: ", "{}: {}: ", " {}: "])
async def test_an_ok_without_the_number_of_the_question_is_not_clean(
    tmp_path: Path, prefix: str
) -> None:
    async with ScriptedClamd(tmp_path / "c", says(OK), prefix=prefix) as peer:
        engine = engine_of(peer)
        verdict = await scan(engine)
        await engine.close()

    assert verdict.outcome is Outcome.ERROR


async def test_an_answer_that_came_unasked_is_not_taken_for_the_next_one(tmp_path: Path) -> None:
    async with ScriptedClamd(tmp_path / "c", says(FOUND), end=b"\0004: stream: OK\0") as peer:
        engine = engine_of(peer)
        outcomes = [(await scan(engine)).outcome for _ in range(4)]
        await engine.close()

    assert Outcome.CLEAN not in outcomes


async def test_an_answer_without_an_end_is_an_error(tmp_path: Path) -> None:
    async with ScriptedClamd(tmp_path / "c", says(b"x" * 1_000_000)) as peer:
        engine = engine_of(peer)
        verdict = await scan(engine)
        await engine.close()

    assert (verdict.outcome, verdict.detail) == (
        Outcome.ERROR,
        "clamd gave an answer without an end",
    )


async def test_an_answer_before_the_end_of_the_message_is_read(tmp_path: Path) -> None:
    async with ScriptedClamd(tmp_path / "c", says(OK), read_bytes_max=1000) as peer:
        engine = engine_of(peer)
        large = await scan(engine, sample_of(b"x" * 20_000_000))
        small = await scan(engine, sample_of(b"x" * 500))
        await engine.close()

    assert (large.outcome, small.outcome) == (Outcome.LIMITS, Outcome.CLEAN)


async def test_a_large_body_is_sent_from_its_file(tmp_path: Path) -> None:
    seen: list[bytes] = []

    def keep(content: bytes) -> bytes:
        seen.append(content)
        return OK

    body = bytes(range(256)) * 4000
    async with ScriptedClamd(tmp_path / "c", keep) as peer:
        engine = engine_of(peer)
        verdict = await scan(engine, file_sample(tmp_path / "body", body))
        await engine.close()

    assert verdict.outcome is Outcome.CLEAN
    assert seen == [body]


@pytest.mark.parametrize("size", [100, 1_000_000])
async def test_a_body_that_cannot_be_read_is_an_error(tmp_path: Path, size: int) -> None:
    sample = file_sample(tmp_path / "body", b"x" * size)
    (tmp_path / "body").write_bytes(b"short")
    async with ScriptedClamd(tmp_path / "c", says(OK)) as peer:
        engine = engine_of(peer)
        shorter = await scan(engine, sample)
        (tmp_path / "body").unlink()
        missing = await scan(engine, sample)
        await engine.close()

    assert (shorter.outcome, missing.outcome) == (Outcome.ERROR, Outcome.ERROR)
    assert shorter.detail.startswith("the body is shorter than it was")


async def test_scans_beyond_the_sessions_wait_for_one(tmp_path: Path) -> None:
    release = asyncio.Event()
    at_once, most = 0, 0

    async def slow(content: bytes) -> bytes:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await release.wait()
        at_once -= 1
        return b"stream: N%d FOUND" % number_in(content)

    async with ScriptedClamd(tmp_path / "c", slow) as peer:
        engine = engine_of(peer, sessions_max=3)
        scans = [
            asyncio.create_task(scan(engine, numbered_sample(n, infected=False))) for n in range(10)
        ]
        async with asyncio.timeout(DEADLINE_S):
            while at_once < 3:
                await asyncio.sleep(0.001)
        release.set()
        verdicts = await asyncio.gather(*scans)
        await engine.close()

    assert most == 3
    assert [verdict.threats for verdict in verdicts] == [(f"N{n}",) for n in range(10)]


async def test_messages_that_clamd_never_finishes_leave_sessions_for_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("satellite.scanning.sessions.pool.HELD_S", 0.01)

    def script(content: bytes) -> bytes:
        if b"endless" in content:
            raise Hang
        return OK

    async with ScriptedClamd(tmp_path / "c", script) as peer:
        engine = engine_of(peer, sessions_max=2)
        endless = [
            asyncio.create_task(scan(engine, sample_of(plain(b"endless")))) for _ in range(10)
        ]

        async with asyncio.timeout(DEADLINE_S):
            assert (await scan(engine)).outcome is Outcome.CLEAN

        assert not any(one.done() for one in endless)
        for one in endless:
            one.cancel()
        await asyncio.wait(endless)
        await engine.close()


async def test_a_message_that_clamd_was_never_shown_is_not_what_it_is_silent_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("satellite.scanning.sessions.pool.SESSIONS_TIMES_MAX", 1)

    async def hang(_: bytes) -> bytes:
        await asyncio.Event().wait()
        raise AssertionError

    async with ScriptedClamd(tmp_path / "c", hang) as peer:
        engine = engine_of(peer, sessions_max=1)
        first = asyncio.create_task(scan(engine))
        async with asyncio.timeout(DEADLINE_S):
            await peer.received.wait()

        verdict = await engine.scan(sample_of(plain(b"second")), deadline_s=0.05)

        assert (verdict.outcome, verdict.detail) == (
            Outcome.UNAVAILABLE,
            "no session within 0.05 s",
        )
        first.cancel()
        await asyncio.wait([first])
        await engine.close()


async def test_the_version_in_a_verdict_follows_new_definitions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    async with ScriptedClamd(tmp_path / "c", says(OK)) as peer:
        engine = engine_of(peer, clock)
        before = await scan(engine)
        monkeypatch.setattr(
            "tests.support.scanning.scripted_clamd.VERSION",
            VERSION.replace(b"27807", b"27808"),
        )
        cached = await scan(engine)
        await clock.advance(VERSION_S)
        after = await scan(engine)
        await engine.close()

    assert [(v.version, v.definitions) for v in (before, cached, after)] == [
        ("1.4.6", "27807"),
        ("1.4.6", "27807"),
        ("1.4.6", "27808"),
    ]


async def test_pyclamd_tells_how_clamd_is(tmp_path: Path) -> None:
    async with ScriptedClamd(tmp_path / "c", says(OK)) as peer:
        control = ClamdControl(peer.address)

        assert await control.ping()
        assert await control.version() == VERSION.decode()
        assert await control.stats() == Stats(threads=1, queued=0)
        assert not await control.reload()  # it answered UNKNOWN COMMAND


@pytest.mark.parametrize("reply", [b"", b"PONGS", b"\xff\xfe", b"None"])
async def test_what_pyclamd_does_not_understand_is_unknown(tmp_path: Path, reply: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(reply)
        writer.close()

    server = await asyncio.start_unix_server(serve, str(tmp_path / "c"))
    control = ClamdControl(f"unix:{tmp_path / 'c'}", call_s=0.2)
    answers: list[Awaitable[object]] = [control.version(), control.stats()]

    assert not await control.ping()
    assert [await answer for answer in answers] == [None, None]
    assert not await control.reload()
    server.close()


async def test_statistics_that_come_in_many_packets_are_read_to_their_end(tmp_path: Path) -> None:
    said = b"POOLS: 1\n\nSTATE: VALID PRIMARY\nTHREADS: live 12  idle 0\nQUEUE: 3 items\nEND\n"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        for octet in said:
            writer.write(bytes([octet]))
            await writer.drain()
            await asyncio.sleep(0)
        writer.close()

    server = await asyncio.start_unix_server(serve, str(tmp_path / "c"))

    assert await ClamdControl(f"unix:{tmp_path / 'c'}").stats() == Stats(threads=12, queued=3)
    server.close()


async def test_where_nobody_listens_pyclamd_knows_nothing(tmp_path: Path) -> None:
    for address in (f"unix:{tmp_path / 'nobody'}", "127.0.0.1:1", "[::1]:1"):
        assert not await ClamdControl(address).ping()


async def test_what_comes_unasked_without_end_is_not_gathered(tmp_path: Path) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                writer.write(b"1: stream: OK" * 10_000)
                await writer.drain()
            except ConnectionError:
                break
        writer.close()

    server = await asyncio.start_unix_server(serve, str(tmp_path / "c"))
    connection = await opened(f"unix:{tmp_path / 'c'}", receive_bytes=4096, received_bytes_max=9000)
    async with asyncio.timeout(10):
        while connection.is_reading:
            await asyncio.sleep(0)
    session = ClamdSession(connection)

    assert len(connection.received) <= 9000 + 4096
    assert not session.is_silent()
    with pytest.raises((SessionEnded, Misunderstood)):
        await session.scan(sample_of(b"x"))
    session.close()
    server.close()


async def test_an_answer_without_end_to_a_large_message_is_an_error(tmp_path: Path) -> None:
    """It came as a group of errors, which nobody expects."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"INSTREAM\0")
        writer.write(b"1: stream: " + b"x" * 100_000)
        with suppress(ConnectionError):
            while await reader.read(65_536):
                pass
        writer.close()

    server = await asyncio.start_unix_server(serve, str(tmp_path / "c"))
    session = await connect(f"unix:{tmp_path / 'c'}")
    with pytest.raises(Misunderstood, match="without an end"):
        await session.scan(sample_of(b"x" * 1_000_000))
    session.close()
    server.close()


async def test_a_session_that_its_peer_ended_is_not_silent(tmp_path: Path) -> None:
    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_unix_server(serve, str(tmp_path / "c"))
    session = await connect(f"unix:{tmp_path / 'c'}")
    async with asyncio.timeout(10):
        while session.is_silent():
            await asyncio.sleep(0)

    assert not session.is_silent()
    session.close()
    server.close()
