"""Listening, and the end of it (docs/design/faults.md, row 59)."""

from __future__ import annotations

import asyncio
import gc
import socket
import weakref

import pytest
from aiosmtpd.smtp import SMTP

from satellite.smtp.server import HAND_OVER_S
from satellite.smtp.session import Session
from tests.support.smtp.front_end import Talk, front_end, until


async def test_a_drain_ends_idle_sessions_at_once_and_says_why() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await asyncio.wait_for(front.front.drain(20.0), 10)

        assert (await talk.reply()).startswith("421 4.3.2 ")
        assert await talk.is_closed()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((front.host, front.port), timeout=5)


async def test_a_drain_lets_a_message_finish() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.open_data()
        drained = asyncio.ensure_future(front.front.drain(20.0))
        await front.clock.settle()
        assert not drained.done()
        await talk.send(b"a\r\n.\r\nMAIL FROM:<b@c.example>\r\n")

        assert (await talk.reply()).startswith("250 2.0.0 ")
        assert (await talk.reply()).startswith("421 4.3.2 ")
        assert await talk.is_closed()
        await asyncio.wait_for(drained, 10)
        assert len(front.intake.taken) == 1


async def test_a_drain_cuts_what_is_still_open_at_its_deadline() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.open_data()
        drained = asyncio.ensure_future(front.front.drain(20.0))
        await front.clock.advance(21)
        await asyncio.wait_for(drained, 10)

        assert front.intake.entries[0].abandoned
        assert front.intake.taken == []


async def test_who_hands_over_takes_nobody_and_lets_who_is_here_go_on_for_a_moment() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        drained = asyncio.ensure_future(front.front.drain(20.0, turns_away=False))
        await front.clock.settle()
        front.front._backpressure.crossed.set()  # which opens what is closed, at other times
        await front.clock.settle()

        late = await Talk.connect(front.host, front.port)  # waits where others find it
        await talk.open_data()
        await talk.send(b"a\r\n.\r\n")
        assert (await talk.reply()).startswith("250 2.0.0 ")
        assert (await talk.ask("MAIL FROM:<b@c.example>")).startswith("250 ")
        assert (await talk.ask("RSET")).startswith("250 ")
        await front.clock.advance(HAND_OVER_S)
        assert (await talk.reply()).startswith("421 4.3.2 ")
        await asyncio.wait_for(drained, 10)

        assert await late.is_closed()  # without a word of ours: nobody else has this socket here
        await late.close()
        assert len(front.intake.taken) == 1


async def test_a_drain_awaits_a_commit_beyond_its_deadline_even_without_a_client() -> None:
    async with front_end() as front, front.client() as talk:
        front.intake.may_commit.clear()
        await talk.greet()
        await talk.open_data()
        await talk.send(b"a\r\n.\r\n")
        await front.intake.committing.wait()
        talk.reset()
        await until(lambda: front.front.sessions == 0)
        drained = asyncio.ensure_future(front.front.drain(1.0))
        await front.clock.advance(5)
        assert not drained.done()
        front.intake.may_commit.set()

        await asyncio.wait_for(drained, 10)
        assert len(front.intake.taken) == 1


async def test_a_drain_awaits_a_commit_that_begins_after_it_and_whose_client_goes() -> None:
    async with front_end() as front, front.client() as talk:
        front.intake.may_commit.clear()
        await talk.greet()
        await talk.open_data()
        drained = asyncio.ensure_future(front.front.drain(20.0))
        await front.clock.settle()
        await talk.send(b"a\r\n.\r\n")
        await front.intake.committing.wait()
        talk.reset()
        await until(lambda: front.front.sessions == 0)
        await front.clock.settle()
        assert not drained.done()
        front.intake.may_commit.set()

        await asyncio.wait_for(drained, 10)
        assert len(front.intake.taken) == 1


async def test_a_connection_that_comes_during_a_drain_is_told_to_come_back() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.ask("MAIL FROM:<a@b.example>")
        drained = asyncio.ensure_future(front.front.drain(20.0))
        await front.clock.settle()
        with socket.create_server(("127.0.0.1", 0)) as connection_limits:
            late = await Talk.connect("127.0.0.1", connection_limits.getsockname()[1])
            accepted, _ = connection_limits.accept()
        # As if the kernel had accepted it before the listening socket closed.
        await asyncio.get_running_loop().connect_accepted_socket(front.front._session, accepted)
        assert (await late.reply()).startswith("421 4.3.2 ")
        assert await late.is_closed()
        await late.close()
        await talk.ask("RSET")
        await asyncio.wait_for(drained, 10)


async def test_a_connection_that_is_over_needs_no_collector_to_be_forgotten() -> None:
    async with front_end() as front:
        gc.collect()
        gc.disable()
        try:
            async with front.client() as talk:
                await talk.greet()
                await talk.open_data()
                await talk.send(b"a\r\n.\r\n")
                assert (await talk.reply()).startswith("250 2.0.0 ")
                left = weakref.ref(front.connection)
                assert (await talk.ask("QUIT")).startswith("221 ")
            await until(lambda: left() is None)
        finally:
            gc.enable()


async def test_several_sockets_are_served() -> None:
    async with front_end() as front, front.client() as first, front.client() as second:
        assert (await first.reply()).startswith("220 ")
        assert (await second.reply()).startswith("220 ")
        assert front.front.sessions == 2


async def test_what_aiosmtpd_s_constructor_sets_ours_sets_too() -> None:
    async with front_end() as front:
        theirs = SMTP(object(), loop=asyncio.get_running_loop(), hostname="mx")
        ours = Session(front.front._sessions)  # type: ignore[arg-type]
        # What only its own loop, HELP, AUTH, EHLO and PROXY read: all of these are ours or absent.
        unused = {
            "__ident__",
            "_timeout_duration",
            "_auth_require_tls",
            "_proxy_timeout",
            "_auth_callback",
            "_authenticator",
            "_auth_methods",
            "_ehlo_hook_ver",
            "_smtp_methods",
            "_enforce_call_limit",
        }
        assert vars(theirs).keys() - vars(ours).keys() == unused


@pytest.mark.parametrize("verb", ["EXPN", "NOOP", "RSET", "STARTTLS"])
def test_what_we_leave_to_aiosmtpd_is_still_there(verb: str) -> None:
    assert callable(getattr(SMTP, f"smtp_{verb}"))
