"""Findings 1 and 3: what happens when something of ours fails, or the client goes away."""

from __future__ import annotations

import asyncio

import pytest

from common.errors import DiskFull, EnvironmentFailure
from common.preferences import Preferences
from tests.support.smtp.front_end import RunningFrontEnd, Talk, front_end, until

SECRET = "/var/spool/x said ENOSPC"
ERRORS = [
    (DiskFull(SECRET), "452 4.3.1 "),
    (EnvironmentFailure(SECRET), "451 4.3.0 "),
    (OSError(28, SECRET), "451 4.3.0 "),
    (RuntimeError(SECRET), "451 4.3.0 "),
    (ZeroDivisionError(SECRET), "451 4.3.0 "),
]


def check(answer: str, expected: str) -> None:
    assert answer.startswith(expected), answer
    assert "spool" not in answer
    assert "Error:" not in answer


@pytest.mark.parametrize(("error", "expected"), ERRORS, ids=repr)
async def test_finding_3_a_failed_commit_is_temporary(error: Exception, expected: str) -> None:
    async with front_end() as front, front.client() as talk:
        front.intake.commit_error = error
        await talk.greet()
        await talk.open_data()
        await talk.send(b"a\r\n.\r\n")
        check(await talk.reply(), expected)
        assert front.intake.entries[0].abandoned

        front.intake.commit_error = None
        await talk.open_data()
        await talk.send(b"a\r\n.\r\n")
        assert (await talk.reply()).startswith("250 2.0.0 ")


@pytest.mark.parametrize(("error", "expected"), ERRORS, ids=repr)
async def test_finding_3_a_message_that_cannot_begin_is_temporary(
    error: Exception, expected: str
) -> None:
    async with front_end() as front, front.client() as talk:
        front.intake.begin_error = error
        await talk.greet()
        await talk.ask("MAIL FROM:<a@b.example>")
        await talk.ask("RCPT TO:<x@acme.example>")
        check(await talk.ask("DATA"), expected)
        assert (await talk.ask("NOOP")).startswith("250 ")


@pytest.mark.parametrize(("error", "expected"), ERRORS[:3], ids=repr)
async def test_finding_3_a_failed_write_reads_on_and_is_temporary(
    error: Exception, expected: str
) -> None:
    async with front_end() as front, front.client() as talk:
        front.intake.write_error = error
        await talk.greet()
        await talk.open_data()
        await talk.send(b"MAIL FROM:<not@a.command>\r\n" * 10_000 + b".\r\n")
        check(await talk.reply(), expected)
        assert (await talk.ask("NOOP")).startswith("250 ")
        assert front.intake.entries[0].abandoned


async def test_finding_3_a_defect_in_the_middle_of_data_is_temporary_and_hangs_up() -> None:
    async with front_end() as front, front.client() as talk:
        front.intake.write_error = RuntimeError(SECRET)
        await talk.greet()
        await talk.open_data()
        await talk.send(b"a\r\n")
        check(await talk.reply(), "451 4.3.0 ")
        assert await talk.is_closed()
        assert front.intake.entries[0].abandoned


async def test_finding_3_a_defect_in_a_decision_is_temporary() -> None:
    class Broken(Preferences):
        def route(self, domain: str) -> None:
            raise ZeroDivisionError(SECRET)

    async with front_end() as front, front.client() as talk:
        front.intake.preferences = Broken()
        await talk.greet()
        await talk.ask("MAIL FROM:<a@b.example>")
        check(await talk.ask("RCPT TO:<x@acme.example>"), "451 4.3.0 ")


async def test_p4_a_nearly_full_disk_is_452_at_mail_and_mail_goes_on_afterwards() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        front.intake.why_not = "256 MiB left on " + SECRET
        check(await talk.ask("MAIL FROM:<a@b.example>"), "452 4.3.1 ")
        front.intake.why_not = None
        assert (await talk.ask("MAIL FROM:<a@b.example>")).startswith("250 ")


async def reach_commit(front: RunningFrontEnd, talk: Talk) -> None:
    front.intake.may_commit.clear()
    await talk.greet()
    await talk.open_data()
    await talk.send(b"a\r\n.\r\n")
    await front.intake.committing.wait()


@pytest.mark.scenario(row=51, checks="a client that drops while its message is committed")
async def test_finding_1_a_client_that_drops_does_not_cut_the_commit_short() -> None:
    async with front_end() as front, front.client() as talk:
        await reach_commit(front, talk)
        talk.reset()
        await until(lambda: front.front.sessions == 0)
        assert front.intake.taken == []

        front.intake.may_commit.set()
        await until(lambda: len(front.intake.taken) == 1)


@pytest.mark.scenario(row=51, checks="a client that half-closes behind its message is answered")
async def test_finding_1_a_client_that_half_closes_gets_its_reply() -> None:
    async with front_end() as front, front.client() as talk:
        await reach_commit(front, talk)
        talk.half_close()
        await front.clock.settle()
        front.intake.may_commit.set()

        assert (await talk.reply()).startswith("250 2.0.0 ")
        assert await talk.is_closed()


async def test_finding_1_no_timer_of_ours_ends_a_commit() -> None:
    async with front_end() as front, front.client() as talk:
        await reach_commit(front, talk)
        await front.clock.advance(10_000)
        front.intake.may_commit.set()

        assert (await talk.reply()).startswith("250 2.0.0 ")


async def test_finding_1_a_cancelled_session_still_commits() -> None:
    async with front_end() as front, front.client() as talk:
        await reach_commit(front, talk)
        [conversation] = [
            task for task in asyncio.all_tasks() if "_handle_client" in repr(task.get_coro())
        ]
        conversation.cancel()
        await front.clock.settle()
        front.intake.may_commit.set()

        await until(lambda: len(front.intake.taken) == 1)


@pytest.mark.scenario(row=51, checks="a client that goes in the middle of its data")
@pytest.mark.parametrize("how", ["reset", "half_close"])
async def test_a_client_that_goes_in_the_middle_of_data_leaves_nothing(how: str) -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.open_data()
        await talk.send(b"half a message\r\n.\r")
        getattr(talk, how)()

        await until(lambda: front.front.sessions == 0)
        await until(lambda: front.intake.entries[0].abandoned)
        assert front.intake.taken == []


async def test_a_session_sent_whole_and_half_closed_is_answered_to_the_end() -> None:
    async with front_end() as front, front.client() as talk:
        await talk.greet()
        await talk.send(b"MAIL FROM:<a@b.example>\r\nRSET\r\nQUIT\r\n")
        talk.half_close()

        assert [(await talk.reply())[:3] for _ in range(3)] == ["250", "250", "221"]
        assert await talk.is_closed()
