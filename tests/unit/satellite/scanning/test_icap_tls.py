"""A scanner that is asked by TLS: what it hears, and who may be it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
import uvloop

from common.clock import SystemClock
from common.errors import LocalError
from common.settings.satellite import EngineSettings
from common.verdict import Outcome
from satellite.scanning.engine import Engine, EngineContext
from satellite.scanning.engines import icap as engine_of_icap
from satellite.scanning.helper import Helper
from tests.support.network.authority import Authority
from tests.support.network.ports import free_port
from tests.support.scanning.clamd import EICAR
from tests.support.scanning.messages import numbered_sample, plain, sample_of
from tests.support.scanning.scripted_icap import CLEAN, ScriptedIcap, icap, says

DEADLINE_S = 20.0
HTTP_OK = b"HTTP/1.0 200 OK\r\n\r\n"
FOUND = icap("200 OK", "X-Virus-ID: Eicar", http=b"HTTP/1.0 403 Forbidden\r\n\r\n")


def engine_at(address: str, authorities: Path) -> Engine:
    clock = SystemClock()
    return engine_of_icap.build(
        EngineSettings(
            name="nod32",
            kind="icap",
            address=address,
            options={"tls": True, "tls_authorities": str(authorities)},
        ),
        EngineContext(clock=clock, helper=Helper(clock=clock)),
    )


def by_content(content: bytes) -> bytes:
    return FOUND if EICAR in content else CLEAN


async def all_sizes(folder: Path) -> None:
    authority = Authority(folder)
    async with ScriptedIcap(by_content, tls=authority.server("127.0.0.1")) as peer:
        engine = engine_at(peer.address, authority.path)
        for size in (0, 100, 70_000, 5_000_000):
            for end, outcome in ((b"", Outcome.CLEAN), (EICAR, Outcome.INFECTED)):
                sample = sample_of(plain(b"x" * size + end))
                assert (await engine.scan(sample, deadline_s=DEADLINE_S)).outcome is outcome
        verdicts = await asyncio.gather(
            *(
                engine.scan(numbered_sample(n, infected=n % 3 == 0), deadline_s=DEADLINE_S)
                for n in range(50)
            )
        )
        connections = peer.connections
        await engine.close()

    assert [v.outcome is Outcome.INFECTED for v in verdicts] == [n % 3 == 0 for n in range(50)]
    assert connections <= 8


async def test_messages_of_all_sizes_are_shown_over_connections_that_are_kept(
    tmp_path: Path,
) -> None:
    await all_sizes(tmp_path)


def test_so_they_are_on_the_event_loop_of_production(tmp_path: Path) -> None:
    uvloop.run(all_sizes(tmp_path))


async def test_a_message_that_comes_back_is_compared(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    def back(content: bytes) -> bytes:
        return icap("200 OK", http=HTTP_OK, body=content)

    async with ScriptedIcap(back, tls=authority.server("127.0.0.1"), piece_bytes=7_000) as peer:
        engine = engine_at(peer.address, authority.path)
        verdict = await engine.scan(sample_of(plain(b"x" * 400_000)), deadline_s=DEADLINE_S)
        await engine.close()

    assert verdict.outcome is Outcome.CLEAN


async def test_an_end_in_the_middle_of_an_answer_is_an_error(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with ScriptedIcap(says(b""), tls=authority.server("127.0.0.1")) as peer:
        engine = engine_at(peer.address, authority.path)
        verdict = await engine.scan(sample_of(plain(b"x")), deadline_s=DEADLINE_S)
        await engine.close()

    assert verdict.outcome is Outcome.ERROR


def of_a_stranger(folder: Path) -> ssl.SSLContext:
    return Authority(folder, "stranger").server("127.0.0.1")


def of_another_host(folder: Path) -> ssl.SSLContext:
    return Authority(folder).server("scanner.example")


@pytest.mark.parametrize("of_server", [of_a_stranger, of_another_host])
async def test_who_cannot_prove_to_be_the_server_is_shown_nothing(
    tmp_path: Path, of_server: Callable[[Path], ssl.SSLContext]
) -> None:
    context = of_server(tmp_path)
    if of_server is of_a_stranger:
        Authority(tmp_path)
    async with ScriptedIcap(says(CLEAN), tls=context) as peer:
        engine = engine_at(peer.address, tmp_path / "authority.pem")
        verdict = await engine.scan(sample_of(plain(b"secret")), deadline_s=DEADLINE_S)
        health = await engine.probe()
        await engine.close()

    assert verdict.outcome is Outcome.UNAVAILABLE
    assert "certificate" in verdict.detail
    assert not health.answering
    assert peer.requests == []


async def test_who_speaks_no_tls_is_shown_nothing(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"ICAP/1.0 400 Bad request\r\n\r\n")
        writer.close()

    port = free_port()
    async with await asyncio.start_server(talk, "127.0.0.1", port):
        engine = engine_at(f"127.0.0.1:{port}", authority.path)
        verdict = await engine.scan(sample_of(plain(b"secret")), deadline_s=DEADLINE_S)
        await engine.close()

    assert verdict.outcome is Outcome.UNAVAILABLE


def test_authorities_that_cannot_be_read_are_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_bytes(b"nothing")
    for name in ("none.pem", "empty.pem"):
        with pytest.raises(LocalError, match="authorities"):
            engine_at("127.0.0.1:11344", tmp_path / name)
