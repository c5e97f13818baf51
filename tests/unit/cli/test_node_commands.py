"""The commands for a satellite's own spool, over the control socket of a node that is a fake."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from satellite.app.channel import Answer, Question
from satellite.app.control import Control
from satellite.app.parent import Workers
from tests.support.core_rooms import made_id
from tests.unit.cli.conftest import Shell
from tests.unit.cli.test_doctor import SETTINGS

ONE, TWO = made_id(1), made_id(2)


def message(name: str, address: str) -> dict[str, Any]:
    return {
        "id": name,
        "received": "2026-01-01T00:00:00.000Z",
        "origin": "smtp",
        "sender": "a\x1b[2J@sender.example",
        "size": 12,
        "subject": "",
        "recipients": [
            {
                "address": address,
                "state": "deferred",
                "reason": "connection refused",
                "attempts": 3,
                "next_us": 0,
                "reply": "",
            }
        ],
    }


class FakeWorkers:
    """Two shards that note what they are asked."""

    def __init__(self) -> None:
        self.asked: list[Question] = []
        self.answers: dict[int, Answer | None] = {
            0: {"messages": [message(TWO, "y@acme.example")]},
            1: {"messages": [message(ONE, "x@acme.example")]},
        }

    async def ask_each(self, question: Question) -> dict[int, Answer | None]:
        self.asked.append(question)
        return self.answers


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "satellite.yaml"
    file.write_text(SETTINGS)
    (tmp_path / "state").mkdir()
    return file


@pytest.fixture
async def workers(config: Path) -> AsyncIterator[FakeWorkers]:
    fake = FakeWorkers()
    control = Control(cast("Workers", fake), config.parent / "state")
    await control.start()
    yield fake
    await control.stop()


async def test_messages_of_all_shards_are_listed_the_oldest_first(
    workers: FakeWorkers, shell: Shell, config: Path
) -> None:
    said = await shell("spool", "list", "--config", config, "--limit", "7", "--json")

    assert [(line["id"], line["shard"]) for line in said.lines] == [(ONE, 1), (TWO, 0)]
    assert workers.asked[-1] == {"ask": "list", "limit": 7}
    out = (await shell("spool", "list", "--config", config)).out
    assert ONE in out
    assert "connection refused" in out
    assert all(line.isprintable() for line in out.splitlines())


@pytest.mark.parametrize(
    ("command", "question"),
    [
        (("flush",), {"ask": "flush", "destination": ""}),
        (("flush", "--destination", "m:25"), {"ask": "flush", "destination": "m:25"}),
        (("freeze", ONE), {"ask": "freeze", "id": ONE}),
        (("resume", ONE), {"ask": "resume", "id": ONE}),
    ],
)
async def test_what_an_operator_wants_reaches_every_shard(
    workers: FakeWorkers,
    shell: Shell,
    config: Path,
    command: tuple[str, ...],
    question: Question,
) -> None:
    workers.answers = {0: {"done": True}, 1: {"done": True}}
    (line,) = (await shell("spool", *command, "--config", config, "--json")).lines

    assert line == {"done": True, "shards": 2}
    assert workers.asked == [question]


async def test_a_message_that_is_not_there_points_to_the_core(
    workers: FakeWorkers, shell: Shell, config: Path
) -> None:
    workers.answers = {0: {"messages": []}}

    line = (await shell("spool", "show", ONE, "--config", config)).check_failed()

    assert f"borderscout track {ONE}" in line


@pytest.mark.parametrize("answer", [None, {"error": "no message id"}])
async def test_a_shard_that_does_not_answer_is_named(
    workers: FakeWorkers, shell: Shell, config: Path, answer: Answer | None
) -> None:
    workers.answers = {3: answer}

    assert "shard 3" in (await shell("spool", "list", "--config", config)).check_failed()


async def test_a_node_that_does_not_run_is_told_as_such(shell: Shell, config: Path) -> None:
    line = (await shell("spool", "list", "--config", config)).check_failed()

    assert "borderscout satellite serve" in line


@pytest.mark.parametrize(
    "command",
    [
        ("spool", "list"),
        ("spool", "show", ONE),
        ("satellite", "serve"),
        ("core", "serve"),
    ],
    ids=" ".join,
)
async def test_settings_that_are_missing_or_wrong_are_told_with_their_place(
    shell: Shell, tmp_path: Path, command: tuple[str, ...]
) -> None:
    missing = tmp_path / "missing.yaml"
    assert f"{missing}:1:1:" in (await shell(*command, "--config", missing)).check_failed()
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("- a\n")
    assert f"{wrong}:1:1:" in (await shell(*command, "--config", wrong)).check_failed()
    (await shell(*command)).check_failed(2)


async def test_an_id_that_is_none_is_wrong_usage(shell: Shell, config: Path) -> None:
    for command in ("show", "freeze", "resume"):
        (await shell("spool", command, "x", "--config", config)).check_failed(2)
