"""A node is emptied from its own command line, and what is left is named."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from cli import satellite
from satellite.console.control_socket import ControlSocket
from satellite.console.questions import DrainAnswer, DrainQuestion
from satellite.node.channel import JsonObject
from satellite.node.parent import Workers
from satellite.node.question import Question, question_json, read_answer
from satellite.overload.draining import is_marked
from tests.support.cli.shell import Shell
from tests.support.node.sound_node import SETTINGS

EMPTY: dict[str, Any] = {"left": [], "states": {}, "records": 0, "quarantine": 0, "is_idle": True}


def line(domain: str, state: str, recipients: int) -> dict[str, Any]:
    return {
        "domain": domain,
        "customer": "acme",
        "state": state,
        "recipients": recipients,
        "bytes": 1000 * recipients,
        "oldest": "2026-01-01T00:00:00.000Z",
        "expires": "2026-01-08T00:00:00.000Z",
    }


class DrainingWorkers:
    """A node of two shards; what its first one has left is the next of a list each time."""

    def __init__(self) -> None:
        self.asked: list[JsonObject] = []
        self.left: list[dict[str, Any] | None] = []

    async def ask_each(self, question: Question[object]) -> dict[int, object]:
        self.asked.append(question_json(question))
        if isinstance(question, DrainQuestion):
            return {0: DrainAnswer(done=True), 1: DrainAnswer(done=True)}
        first = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        return {
            0: None if first is None else read_answer(question, first),
            1: read_answer(question, EMPTY),
        }


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "satellite.yaml"
    file.write_text(SETTINGS)
    (tmp_path / "state").mkdir()
    return file


@pytest.fixture
async def workers(config: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[DrainingWorkers]:
    monkeypatch.setattr(satellite, "POLL_S", 0.0)
    monkeypatch.setattr(satellite, "QUIET_S", 0.02)
    fake = DrainingWorkers()
    control = ControlSocket(cast("Workers", fake), config.parent / "state")
    await control.start()
    yield fake
    await control.stop()


async def test_a_node_that_gets_empty_is_drained(
    workers: DrainingWorkers, shell: Shell, config: Path
) -> None:
    busy = EMPTY | {"states": {"queued": 2}, "is_idle": False}
    workers.left = [busy, None, EMPTY | {"records": 1, "is_idle": False}, EMPTY]

    said = await shell("satellite", "drain", "--config", config, "--json")

    assert said.status == 0
    assert said.lines == [
        {"draining": True, "empty": True, "left": [], "records": 0, "quarantine": 0}
    ]
    assert workers.asked[0] == {"ask": "drain", "on": True}
    assert is_marked(config.parent / "state")


async def test_what_is_left_is_named_for_whom_and_until_when(
    workers: DrainingWorkers, shell: Shell, config: Path
) -> None:
    held = {
        "left": [line("acme.example", "held", 3)],
        "states": {"held": 3},
        "records": 7,
        "quarantine": 1,
    }
    workers.left = [EMPTY | held]

    said = await shell("satellite", "drain", "--config", config, "--json")
    assert said.status == 1
    (found,) = said.lines
    assert found["empty"] is False
    assert found["left"] == [{"shard": 0, **line("acme.example", "held", 3)}]
    assert (found["records"], found["quarantine"]) == (7, 1)

    said = await shell("satellite", "drain", "--config", config)
    assert said.status == 1
    assert "acme.example" in said.out
    assert "2026-01-08 00:00:00" in said.out
    assert "7 log records" in said.out
    assert "1 quarantined" in said.out


async def test_what_changes_is_waited_for_and_without_waiting_it_is_told_as_it_is(
    workers: DrainingWorkers, shell: Shell, config: Path
) -> None:
    busy = EMPTY | {"states": {"queued": 2}, "is_idle": False}
    workers.left = [busy, busy, busy, EMPTY]

    said = await shell("satellite", "drain", "--config", config, "--no-wait")
    assert said.status == 1
    assert len(workers.left) == 2, "asked once how much, and once for whom"

    assert (await shell("satellite", "drain", "--config", config)).status == 0
    assert len(workers.left) == 1


async def test_a_drain_is_taken_back(workers: DrainingWorkers, shell: Shell, config: Path) -> None:
    workers.left = [EMPTY]
    await shell("satellite", "drain", "--config", config)

    said = await shell("satellite", "drain", "--config", config, "--resume", "--json")

    assert said.lines == [{"draining": False}]
    assert workers.asked[-1] == {"ask": "drain", "on": False}
    assert not is_marked(config.parent / "state")


async def test_an_interrupted_command_says_that_the_node_goes_on(
    workers: DrainingWorkers, shell: Shell, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    workers.left = [EMPTY | {"is_idle": False}]
    monkeypatch.setattr(satellite, "_left", interrupt)

    said = await shell("satellite", "drain", "--config", config)

    assert said.status == 1
    assert "goes on draining" in said.err
    assert is_marked(config.parent / "state")
