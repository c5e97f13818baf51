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

import pytest

from common.errors import EnvironmentFailure
from satellite.console.control_socket import NAME, ControlSocket, ask
from satellite.node.channel import Answer, Question
from satellite.overload.draining import is_marked
from tests.support.node.shard import AnsweringWorker, open_descriptors, until, workers_of


@asynccontextmanager
async def serving(state: Path, *workers: AnsweringWorker) -> AsyncIterator[ControlSocket]:
    control = ControlSocket(workers_of(*workers), state)
    await control.start()
    try:
        yield control
    finally:
        await control.stop()


def one_worker() -> AnsweringWorker:
    return AnsweringWorker(0, {"status": {"listening": True}})


async def test_every_shard_is_asked_and_answers_under_its_number(tmp_path: Path) -> None:
    first = AnsweringWorker(0, {"list": {"messages": [{"id": "a"}]}})
    second = AnsweringWorker(1, {"list": {"messages": []}})

    async with serving(tmp_path, first, second):
        answer = await ask(tmp_path, {"ask": "list", "limit": 5})

    assert answer == {"shards": {"0": {"messages": [{"id": "a"}]}, "1": {"messages": []}}}
    assert first.asked == second.asked == [{"ask": "list", "limit": 5}]


async def test_a_worker_that_does_not_answer_has_none(tmp_path: Path) -> None:
    silent = AnsweringWorker(1, {})

    async with serving(tmp_path, one_worker(), silent):
        answer = await ask(tmp_path, {"ask": "status"})

    assert answer == {"shards": {"0": {"listening": True}, "1": None}}


@pytest.mark.parametrize("question", [{"ask": "metrics"}, {"ask": "delete"}, {"ask": 1}, {}])
async def test_an_unknown_question_reaches_no_worker_and_is_told_which_there_are(
    tmp_path: Path, question: dict[str, object]
) -> None:
    worker = one_worker()

    async with serving(tmp_path, worker):
        answer = await ask(tmp_path, question)

    assert answer == {
        "error": "there are bounce, drain, drop, flush, freeze, holds, left, list, resume, show,"
        " status"
    }
    assert worker.asked == []


async def test_a_node_that_is_to_be_emptied_is_marked_before_any_worker_hears_of_it(
    tmp_path: Path,
) -> None:
    class Looking(AnsweringWorker):
        marked: list[bool]

        async def ask(self, question: Question) -> Answer | None:
            self.marked.append(is_marked(tmp_path))
            return await super().ask(question)

    worker = Looking(0, {"drain": {"done": True}})
    worker.marked = []
    async with serving(tmp_path, worker):
        assert "shards" in await ask(tmp_path, {"ask": "drain", "on": True})
        assert is_marked(tmp_path)
        assert "shards" in await ask(tmp_path, {"ask": "drain", "on": False})

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
        answer = await ask(tmp_path, {"ask": "drain", "on": True})

    assert "No space left" in answer["error"]
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
        answer = await ask(deep, {"ask": "status"})

    assert answer == {"shards": {"0": {"listening": True}}}


async def test_a_socket_that_a_killed_parent_left_is_replaced(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / NAME))  # closed, but its name stays

    async with serving(tmp_path, one_worker()):
        answer = await ask(tmp_path, {"ask": "status"})

    assert answer == {"shards": {"0": {"listening": True}}}
    assert not (tmp_path / NAME).exists()


async def test_a_node_that_does_not_run_is_named_with_the_way_to_start_it(tmp_path: Path) -> None:
    for state in (tmp_path, tmp_path / "none"):
        with pytest.raises(EnvironmentFailure, match=f"{state} does not answer") as failure:
            await ask(state, {"ask": "status"})
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
            await ask(tmp_path, {"ask": "status"})


async def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    async with serving(tmp_path, one_worker()):
        await ask(tmp_path, {"ask": "status"})
        before = open_descriptors()
        for _ in range(5):
            await ask(tmp_path, {"ask": "status"})
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
