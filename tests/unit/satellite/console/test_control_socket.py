"""An operator on the node gets one answer for each shard, and nobody else gets any."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import pytest

from common.errors import EnvironmentFailure
from satellite.console.control_socket import NAME, ControlSocket, ask
from satellite.console.questions import (
    OPERATOR_QUESTIONS,
    DrainAnswer,
    DrainQuestion,
    ListAnswer,
    ListQuestion,
)
from satellite.node.channel import JsonObject
from satellite.node.health import StatusAnswer, StatusQuestion
from satellite.node.question import ErrorAnswer, Question
from satellite.overload.draining import is_marked, mark
from tests.support.node.shard import (
    AnsweringWorker,
    open_descriptors,
    status_json,
    until,
    workers_of,
)

AnswerT = TypeVar("AnswerT")


@asynccontextmanager
async def serving(state: Path, *workers: AnsweringWorker) -> AsyncIterator[ControlSocket]:
    control = ControlSocket(workers_of(*workers), state)
    await control.start()
    try:
        yield control
    finally:
        await control.stop()


STATUS = StatusAnswer(
    listening=True,
    not_accepting_reason="",
    revision=1,
    states={},
    outbox_records=0,
    outbox_quarantine=0,
    problems=(),
)


def one_worker() -> AnsweringWorker:
    return AnsweringWorker(0, {"status": status_json()})


async def said(state: Path, question: JsonObject) -> JsonObject:
    """Return what the socket says to a line, as any program hears it."""
    reader, writer = await asyncio.open_unix_connection(state / NAME)
    writer.write(json.dumps(question).encode() + b"\n")
    answer: JsonObject = json.loads(await reader.readline())
    writer.close()
    await writer.wait_closed()
    return answer


async def test_every_shard_is_asked_and_answers_under_its_number(tmp_path: Path) -> None:
    first = AnsweringWorker(0, {"list": {"messages": [], "after": "a"}})
    second = AnsweringWorker(1, {"list": {"messages": [], "after": None}})

    async with serving(tmp_path, first, second):
        answers = await ask(tmp_path, ListQuestion(limit=5))

    assert answers == {
        0: ListAnswer(messages=(), after="a"),
        1: ListAnswer(messages=(), after=None),
    }
    assert first.asked == second.asked == [{"ask": "list", "limit": 5}]


async def test_a_worker_that_does_not_answer_has_none(tmp_path: Path) -> None:
    silent = AnsweringWorker(1, {})

    async with serving(tmp_path, one_worker(), silent):
        answers = await ask(tmp_path, StatusQuestion())

    assert answers == {0: STATUS, 1: None}


async def test_a_question_and_its_answer_are_a_line_of_json_each(tmp_path: Path) -> None:
    async with serving(tmp_path, one_worker()):
        answer = await said(tmp_path, {"ask": "status"})

    assert answer == {"shards": {"0": status_json()}}


async def test_why_a_shard_has_no_answer_is_told_with_its_number(tmp_path: Path) -> None:
    ill = AnsweringWorker(1, {"status": {"error": "no disk; check it"}})
    other = AnsweringWorker(1, {"status": {"listening": True}})

    for worker, why in ((ill, "no disk; check it"), (other, "the answer to status is none: ")):
        async with serving(tmp_path, one_worker(), worker):
            with pytest.raises(EnvironmentFailure, match=f"^shard 1: {why}") as failure:
                await ask(tmp_path, StatusQuestion())
        assert failure.value.hint == "see borderscout spool --help"


@pytest.mark.parametrize(
    "question", [{"ask": "metrics"}, {"ask": "listening"}, {"ask": "delete"}, {"ask": 1}, {}]
)
async def test_an_unknown_question_reaches_no_worker_and_is_told_which_there_are(
    tmp_path: Path, question: dict[str, object]
) -> None:
    worker = one_worker()

    async with serving(tmp_path, worker):
        answer = await said(tmp_path, question)

    assert answer == {"error": f"there are {', '.join(sorted(OPERATOR_QUESTIONS))}"}
    assert worker.asked == []


@pytest.mark.parametrize("on", ["yes", 1, None])
async def test_a_drain_that_says_neither_yes_nor_no_changes_nothing(
    tmp_path: Path, on: object
) -> None:
    mark(tmp_path)
    worker = one_worker()

    async with serving(tmp_path, worker):
        answer = await said(tmp_path, {"ask": "drain", "on": on})

    assert str(answer["error"]).startswith("on: ")
    assert is_marked(tmp_path)
    assert worker.asked == []


async def test_a_node_that_is_to_be_emptied_is_marked_before_any_worker_hears_of_it(
    tmp_path: Path,
) -> None:
    class Looking(AnsweringWorker):
        marked: list[bool]

        async def ask(self, question: Question[AnswerT]) -> AnswerT | ErrorAnswer | None:
            self.marked.append(is_marked(tmp_path))
            return await super().ask(question)

    worker = Looking(0, {"drain": {"done": True}})
    worker.marked = []
    async with serving(tmp_path, worker):
        assert await ask(tmp_path, DrainQuestion(on=True)) == {0: DrainAnswer(done=True)}
        assert is_marked(tmp_path)
        assert await ask(tmp_path, DrainQuestion(on=False)) == {0: DrainAnswer(done=True)}

    assert worker.marked == [True, False]
    assert not is_marked(tmp_path)


async def test_a_mark_that_the_disk_refuses_is_told_and_no_worker_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(state: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("satellite.console.control_socket.mark", refuse)
    worker = one_worker()
    async with serving(tmp_path, worker):
        with pytest.raises(EnvironmentFailure, match="No space left"):
            await ask(tmp_path, DrainQuestion(on=True))

    assert worker.asked == []


async def test_only_its_owner_may_talk_to_the_socket(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        async with serving(tmp_path, one_worker()):
            mode = (tmp_path / NAME).stat().st_mode
            assert os.umask(0) == 0, "the process keeps its own mask"
    finally:
        os.umask(before)

    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


async def test_a_folder_may_be_longer_than_a_unix_address(tmp_path: Path) -> None:
    deep = tmp_path / ("long-" * 20) / ("name-" * 20)
    deep.mkdir(parents=True)
    assert len(os.fsencode(deep / NAME)) > 200

    async with serving(deep, one_worker()):
        answers = await ask(deep, StatusQuestion())

    assert answers == {0: STATUS}


async def test_a_socket_that_a_killed_parent_left_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / NAME))  # closed, but its name stays

    async with serving(tmp_path, one_worker()):
        answers = await ask(tmp_path, StatusQuestion())

    assert answers == {0: STATUS}
    assert not (tmp_path / NAME).exists()


async def test_a_node_that_does_not_run_is_named_with_the_way_to_start_it(tmp_path: Path) -> None:
    for state in (tmp_path, tmp_path / "none"):
        with pytest.raises(EnvironmentFailure, match=f"{state} does not answer") as failure:
            await ask(state, StatusQuestion())
        assert "borderscout satellite serve" in failure.value.hint


async def test_a_state_folder_that_is_gone_is_named(tmp_path: Path) -> None:
    control = ControlSocket(workers_of(), tmp_path / "gone")

    with pytest.raises(EnvironmentFailure, match=r"cannot make .*control\.sock"):
        await control.start()
    await control.stop()


@pytest.mark.parametrize("nonsense", [b"no json\n", b"[]\n", b"null\n"])
async def test_nonsense_ends_its_own_conversation_and_no_other(
    tmp_path: Path, nonsense: bytes
) -> None:
    async with serving(tmp_path, one_worker()):
        reader, writer = await asyncio.open_unix_connection(tmp_path / NAME)
        other_reader, other_writer = await asyncio.open_unix_connection(tmp_path / NAME)
        writer.write(nonsense)
        assert await reader.read() == b""
        other_writer.write(b'{"ask":"status"}\n')
        assert json.loads(await other_reader.readline())["shards"]["0"]["listening"]
        for one in (writer, other_writer):
            one.close()
            await one.wait_closed()


async def test_a_node_that_hangs_up_is_told_from_an_answer(tmp_path: Path) -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.close()

    server = await asyncio.start_unix_server(hang_up, tmp_path / NAME)
    async with server:
        with pytest.raises(EnvironmentFailure, match="closed the connection"):
            await ask(tmp_path, StatusQuestion())


async def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    async with serving(tmp_path, one_worker()):
        await ask(tmp_path, StatusQuestion())
        before = open_descriptors()
        for _ in range(5):
            await ask(tmp_path, StatusQuestion())
        await until(lambda: open_descriptors() <= before, "descriptors are given back")


async def test_a_client_that_says_nothing_does_not_hold_up_the_end(tmp_path: Path) -> None:
    async with serving(tmp_path, one_worker()) as control:
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / NAME))
        writer.write(b'{"ask":"status"}\n')
        assert await reader.readline()

        await control.stop()

        async with asyncio.timeout(30):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()
