"""Is a server asked over HTTP within bounds, in connections that are kept?"""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import LocalError
from common.server_tls import server_tls
from satellite.filtering.servers.failures import HungUp, Nonsense, NoServer
from satellite.filtering.servers.http_messages import HttpQuestion
from satellite.filtering.servers.http_peer import (
    BODY_BYTES_MAX,
    IDLE_S_MAX,
    HttpPeer,
)
from tests.support.clock import FakeClock
from tests.support.network.authority import Authority
from tests.support.network.ports import free_port
from tests.support.scanning.scripted_scorer import ScriptedScorer, http

QUESTION = HttpQuestion(method="POST", target="/it", fields=(("From", "<a@b>"),), body=b"body")


async def test_a_connection_is_kept_for_the_next_question() -> None:
    async with ScriptedScorer(lambda _: http(b"{}")) as server:
        peer = HttpPeer(server.address, clock=FakeClock())

        replies = [await peer.asked(QUESTION) for _ in range(3)]

        assert [(reply.status, reply.body) for reply in replies] == [(200, b"{}")] * 3
        assert server.connections == 1
        assert server.questions[0].startswith(b"POST /it HTTP/1.1\r\n")
        assert server.questions[0].endswith(b"\r\n\r\nbody")
        peer.close()


@pytest.mark.parametrize("answer", [http(b"", more="Connection: close\r\n"), http(b"") + b"more"])
async def test_one_that_cannot_be_used_again_is_not(answer: bytes) -> None:
    async with ScriptedScorer(lambda _: answer) as server:
        peer = HttpPeer(server.address, clock=FakeClock())

        await peer.asked(QUESTION)
        await peer.asked(QUESTION)

        assert server.connections == 2
        peer.close()


async def test_a_kept_connection_that_the_server_closed_costs_no_answer() -> None:
    async with ScriptedScorer(lambda _: http(b"{}")) as server:
        peer = HttpPeer(server.address, clock=FakeClock())
        await peer.asked(QUESTION)
        answers = iter([b"", http(b"[]")])  # it closes as the question comes
        server.answer = lambda _: next(answers)

        assert (await peer.asked(QUESTION)).body == b"[]"
        peer.close()


async def test_an_idle_connection_does_not_grow_old() -> None:
    clock = FakeClock()
    async with ScriptedScorer(lambda _: http(b"{}")) as server:
        peer = HttpPeer(server.address, clock=clock)
        await peer.asked(QUESTION)

        await clock.advance(IDLE_S_MAX)
        await peer.asked(QUESTION)

        assert server.connections == 2
        peer.close()


@pytest.mark.parametrize(
    ("answer", "failure"),
    [
        (b"", HungUp),
        (b"HTTP/1.1 200 OK\r\nContent-Len", HungUp),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf", HungUp),
        (b"220 mail.example ESMTP\r\n\r\n", Nonsense),
        (b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 10_000, Nonsense),
        (b"x" * 100_000, Nonsense),
        (http(b" " * (BODY_BYTES_MAX + 1)), Nonsense),
        (b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", Nonsense),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Nonsense),
    ],
)
async def test_what_is_no_answer_is_told_apart(answer: bytes, failure: type[Exception]) -> None:
    async with ScriptedScorer(lambda _: answer, keeps=False) as server:
        peer = HttpPeer(server.address, clock=FakeClock())

        with pytest.raises(failure):
            await peer.asked(QUESTION)


async def test_a_reply_without_a_length_ends_with_the_connection() -> None:
    answer = b"HTTP/1.0 200 OK\r\n\r\nall of it"
    async with ScriptedScorer(lambda _: answer, keeps=False) as server:
        assert (
            await HttpPeer(server.address, clock=FakeClock()).asked(QUESTION)
        ).body == b"all of it"


async def test_nobody_listens() -> None:
    with pytest.raises(NoServer):
        await HttpPeer(f"127.0.0.1:{free_port()}", clock=FakeClock()).asked(QUESTION)


async def test_no_value_breaks_out_of_its_field() -> None:
    fields = (("From", "<a\r\nX-Evil: 1\x00\x7f>"), ("Helo", " ü" + "x" * 9_999))
    async with ScriptedScorer(lambda _: http(b"")) as server:
        peer = HttpPeer(server.address, clock=FakeClock())

        await peer.asked(HttpQuestion(method="GET", target="/", fields=fields))

        lines = server.questions[0].split(b"\r\n")
        assert b"From: <a??X-Evil: 1??>" in lines
        assert max(map(len, lines)) < 1_100
        peer.close()


async def test_over_tls_the_certificate_must_name_the_host(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    tls = server_tls(str(authority.path))
    for hosts, is_right in ((("127.0.0.1",), True), (("other.example",), False)):
        async with ScriptedScorer(lambda _: http(b"{}"), tls=authority.server(*hosts)) as server:
            peer = HttpPeer(server.address, clock=FakeClock(), tls=tls)
            if is_right:
                assert [(await peer.asked(QUESTION)).body for _ in range(2)] == [b"{}"] * 2
                assert server.connections == 1
            else:
                with pytest.raises(NoServer, match="certificate"):
                    await peer.asked(QUESTION)
            peer.close()


async def test_a_server_without_tls_is_none_where_it_is_wanted() -> None:
    async with ScriptedScorer(lambda _: http(b"{}"), hears=lambda some: some.read(5)) as server:
        with pytest.raises(NoServer):
            await HttpPeer(server.address, clock=FakeClock(), tls=server_tls("")).asked(QUESTION)


def test_authorities_that_are_none_stop_the_start(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("")
    for path in ("/nowhere", str(tmp_path / "empty")):
        with pytest.raises(LocalError):
            server_tls(path)
