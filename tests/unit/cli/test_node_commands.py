"""The commands for a satellite's own spool, over the control socket of a node that is a fake."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from satellite.console.control_socket import ControlSocket
from satellite.console.questions import RenewQuestion
from satellite.node.channel import JsonObject
from satellite.node.parent import Workers
from satellite.node.question import Question, question_json, read_answer
from satellite.spool.mending.renewal import MARK
from tests.support.cli.shell import Shell
from tests.support.core.rooms import made_id
from tests.support.node.sound_node import SETTINGS

ONE, TWO = made_id(1), made_id(2)


def message(name: str, address: str, *, reply: str = "") -> dict[str, Any]:
    return {
        "id": name,
        "received": "2026-01-01T00:00:00.000Z",
        "origin": "smtp",
        "sender": "a\x1b[2J@sender.example",
        "size": 12,
        "subject": "",
        "recipients_count": 1,
        "recipients": [
            {
                "address": address,
                "state": "deferred",
                "reason": "connection refused",
                "attempts": 3,
                "next_us": 0,
                "reply": reply,
                "destination": "acme.example",
                "hosts": ["mail.acme.example:25"],
                "hold": None,
                "hold_days": 7,
                "left_s": 500_000.0,
            }
        ],
    }


class FakeWorkers:
    """Two shards that note what they are asked."""

    def __init__(self) -> None:
        self.asked: list[JsonObject] = []
        self.script: list[dict[int, JsonObject | None]] = []
        self.answers: dict[int, JsonObject | None] = {
            0: {"messages": [message(TWO, "y@acme.example")], "after": None},
            1: {"messages": [message(ONE, "x@acme.example")], "after": None},
        }

    async def ask_each(self, question: Question[object]) -> dict[int, object]:
        self.asked.append(question_json(question))
        bodies = self.script.pop(0) if self.script else self.answers
        return {
            shard: None if body is None else read_answer(question, body)
            for shard, body in bodies.items()
        }


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = tmp_path / "satellite.yaml"
    file.write_text(SETTINGS)
    (tmp_path / "state").mkdir()
    return file


@pytest.fixture
async def workers(config: Path) -> AsyncIterator[FakeWorkers]:
    fake = FakeWorkers()
    control = ControlSocket(cast("Workers", fake), config.parent / "state")
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
        (("flush",), {"ask": "flush"}),
        (("flush", "--destination", "m:25"), {"ask": "flush", "destination": "m:25"}),
        (("flush", ONE), {"ask": "flush", "id": ONE}),
        (("freeze", ONE), {"ask": "freeze", "id": ONE}),
        (("resume", ONE), {"ask": "resume", "id": ONE}),
        (("freeze", "--domain", "a.example"), {"ask": "freeze", "destination": "a.example"}),
        (("resume", "--destination", "a.example"), {"ask": "resume", "destination": "a.example"}),
    ],
)
async def test_what_an_operator_wants_reaches_every_shard(
    workers: FakeWorkers,
    shell: Shell,
    config: Path,
    command: tuple[str, ...],
    question: JsonObject,
) -> None:
    workers.answers = {0: {"done": True, "moved": 2}, 1: {"done": False, "moved": 0}}

    (line,) = (await shell("spool", *command, "--config", config, "--json")).lines

    assert (line["done"], line["shards"]) == (True, 2)
    assert line.get("messages", 2) == 2
    assert workers.asked == [question]


@pytest.fixture
def stopped(workers: FakeWorkers) -> FakeWorkers:
    """A node that has one message, damaged for one recipient, and what it then says of it."""
    shown = message(ONE, "x@acme.example")
    shown["recipients"][0]["state"] = "damaged"
    nothing: JsonObject = {"done": False, "moved": 0}
    given: JsonObject = {
        "done": True,
        "moved": 1,
        "recipients": 1,
        "told": True,
        "silent": [],
        "content_lost": True,
    }
    workers.script = [{0: {"messages": []}, 1: {"messages": [shown]}}]
    workers.answers = {0: nothing, 1: given}
    return workers


async def test_what_is_damaged_goes_back_once_somebody_has_agreed(
    stopped: FakeWorkers, shell: Shell, config: Path
) -> None:
    command = ("spool", "bounce", ONE, "--config", config, "--reason", "closed")

    line = (await shell(*command)).check_failed(2)

    assert "for 1 recipient, would end and go back to a" in line
    assert "--yes" in line
    assert [question["ask"] for question in stopped.asked] == ["show"]

    stopped.script = [{0: {"messages": [message(ONE, "x@acme.example") | _damaged()]}}]
    (found,) = (await shell(*command, "--yes", "--json")).lines
    assert found == {
        "done": True,
        "shards": 2,
        "recipients": 1,
        "told": True,
        "silent": [],
        "content_lost": True,
    }
    assert stopped.asked[-1] == {"ask": "bounce", "id": ONE, "reason": "closed"}


def _damaged() -> dict[str, Any]:
    recipient = message(ONE, "x@acme.example")["recipients"][0]
    return {"recipients": [recipient | {"state": "damaged"}]}


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "1 recipient; its sender is told; nothing of the content is returned"),
        (
            {"told": False, "silent": ["it has no sender"], "content_lost": False},
            "1 recipient; its sender is told nothing: it has no sender",
        ),
        (
            {"recipients": 2, "silent": ["the sender asked for none"], "content_lost": False},
            "2 recipients; its sender is told; of others it is told nothing: the sender asked",
        ),
    ],
)
async def test_it_is_said_what_the_sender_hears(
    stopped: FakeWorkers, shell: Shell, config: Path, more: dict[str, Any], words: str
) -> None:
    given = stopped.answers[1]
    assert given is not None
    stopped.answers = {0: {"done": False, "moved": 0}, 1: given | more}

    out = (await shell("spool", "bounce", ONE, "--config", config, "--yes")).out

    assert f"bounced {ONE}: {words}" in " ".join(out.split())


@pytest.mark.parametrize(
    ("shown", "said"),
    [
        ({"messages": []}, f"is not in the spool; it may have ended: borderscout track {ONE}"),
        ({"messages": [message(ONE, "x@acme.example")]}, "nothing of it is damaged or frozen"),
    ],
)
async def test_what_is_not_stopped_is_not_sent_back_and_the_node_is_not_asked_to(
    workers: FakeWorkers, shell: Shell, config: Path, shown: JsonObject, said: str
) -> None:
    workers.answers = {0: shown}

    assert said in (await shell("spool", "bounce", ONE, "--config", config, "--yes")).check_failed()
    assert [question["ask"] for question in workers.asked] == ["show"]


async def test_what_went_on_while_somebody_thought_about_it_is_not_said_to_have_gone_back(
    stopped: FakeWorkers, shell: Shell, config: Path
) -> None:
    stopped.answers = {1: {"error": f"{ONE} has gone on or ended meanwhile; nothing was done"}}

    line = (await shell("spool", "bounce", ONE, "--config", config, "--yes")).check_failed()

    assert "meanwhile" in line


async def test_a_damaged_message_is_given_up_once_somebody_has_agreed(
    workers: FakeWorkers, shell: Shell, config: Path
) -> None:
    workers.answers = {0: {"done": True, "moved": 1}}
    command = ("spool", "drop", ONE, "--config", config)

    assert "--yes" in (await shell(*command)).check_failed(2)
    assert workers.asked == []

    assert f"dropped {ONE}" in (await shell(*command, "--yes")).out
    workers.answers = {0: {"done": True, "moved": 0}}
    assert "it is not damaged" in (await shell(*command, "--yes")).check_failed()


async def test_every_spool_of_a_running_node_is_renewed_once_somebody_has_agreed(
    workers: FakeWorkers, shell: Shell, config: Path
) -> None:
    workers.answers = {0: {"done": True}, 1: {"done": True}}
    command = ("spool", "renew", "--config", config)

    assert "--yes" in (await shell(*command)).check_failed(2)
    assert workers.asked == []
    assert "2 spools renewed" in (await shell(*command, "--yes")).out
    assert workers.asked == [question_json(RenewQuestion())]


async def test_a_node_that_does_not_run_is_renewed_at_its_next_start(
    shell: Shell, config: Path
) -> None:
    command = ("spool", "renew", "--config", config, "--yes")
    assert "there is no spool" in (await shell(*command)).check_failed()
    folder = config.parent / "state" / "shard-3"
    folder.mkdir()
    (folder / "spool.db").touch()

    (line,) = (await shell(*command, "--json")).lines

    assert line == {"done": True, "shards": 1}
    assert (folder / MARK).exists()


@pytest.mark.parametrize("verb", ["freeze", "resume"])
async def test_freezing_goes_on_until_each_shard_has_come_to_its_end(
    workers: FakeWorkers, shell: Shell, config: Path, verb: str
) -> None:
    answers: list[dict[int, JsonObject | None]] = [
        {0: {"done": True, "moved": 5, "after": ONE}, 1: {"done": True, "moved": 1}},
        {0: {"done": True, "moved": 2}, 1: {"done": True, "moved": 0}},
    ]
    workers.script = answers

    out = (await shell("spool", verb, "--destination", "a.example", "--config", config)).out

    assert "8 messages for a.example" in out
    assert [question.get("after") for question in workers.asked] == [None, {"0": ONE, "1": "~"}]


@pytest.mark.parametrize(
    ("verb", "answer", "said"),
    [
        ("freeze", {"done": True, "moved": 0}, "nothing of it can be frozen now"),
        ("resume", {"done": True, "moved": 0}, "nothing of it can be resumed now"),
        ("flush", {"done": True, "moved": 0}, "it waits for no server"),
        ("freeze", {"done": False, "moved": 0}, "is not in the spool"),
        ("flush", {"done": False, "moved": 0}, "is not in the spool"),
    ],
)
async def test_what_was_not_done_is_not_said_to_be(
    workers: FakeWorkers, shell: Shell, config: Path, verb: str, answer: JsonObject, said: str
) -> None:
    workers.answers = {0: answer}

    assert said in (await shell("spool", verb, ONE, "--config", config)).check_failed()


async def test_a_list_of_what_is_meant_is_the_oldest_of_all_shards(
    workers: FakeWorkers, shell: Shell, config: Path
) -> None:
    command = ("spool", "list", "--config", config, "--state", "held", "--domain", "a.example")

    said = await shell(*command, "--limit", "1", "--json")

    assert [line["id"] for line in said.lines] == [ONE]
    assert workers.asked == [
        {"ask": "list", "limit": 1, "state": "held", "destination": "a.example"}
    ]
    out = (await shell("spool", "list", "--config", config, "--limit", "1")).out
    assert "there are more" in out
    assert "there are more" not in (await shell("spool", "list", "--config", config)).out


async def test_an_empty_spool_is_said_to_be_so(
    workers: FakeWorkers, shell: Shell, config: Path
) -> None:
    workers.answers = {shard: {"messages": [], "after": None} for shard in (0, 1)}
    command = ("spool", "list", "--config", config)

    assert (await shell(*command)).out == "no message is in the spool\n"
    held = await shell(*command, "--state", "held")
    assert held.out == "no message that fits is in the spool\n"
    assert (await shell(*command, "--json")).out == ""


@pytest.mark.parametrize("columns", ["80", "200", ""])
async def test_a_message_is_explained_and_nothing_is_cut_off(
    workers: FakeWorkers,
    shell: Shell,
    config: Path,
    columns: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if columns:
        monkeypatch.setenv("COLUMNS", columns)
    workers.answers = {0: {"messages": [message(ONE, "x@acme.example", reply="4" * 300)]}}

    out = (await shell("spool", "show", ONE, "--config", config)).out

    text = "".join(out.split())
    assert "4" * 300 in text
    for fact in ("acme.examplebymail.acme.example:25", "now", "6dof7days", "connectionrefused"):
        assert fact in text
    assert all(line.isprintable() for line in out.splitlines())
    if columns:
        assert all(len(line.rstrip()) <= int(columns) for line in out.splitlines())


async def test_a_message_that_is_not_there_points_to_the_core(
    workers: FakeWorkers, shell: Shell, config: Path
) -> None:
    workers.answers = {0: {"messages": []}}

    line = (await shell("spool", "show", ONE, "--config", config)).check_failed()

    assert f"borderscout track {ONE}" in line


@pytest.mark.parametrize("answer", [None, {"error": "no message id"}])
async def test_a_shard_that_does_not_answer_is_named(
    workers: FakeWorkers, shell: Shell, config: Path, answer: JsonObject | None
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
    status = 78 if command[1] == "serve" else 1  # a service manager does not start it again
    missing = tmp_path / "missing.yaml"
    assert f"{missing}:1:1:" in (await shell(*command, "--config", missing)).check_failed(status)
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("- a\n")
    assert f"{wrong}:1:1:" in (await shell(*command, "--config", wrong)).check_failed(status)
    (await shell(*command)).check_failed(2)


async def test_an_id_that_is_none_is_wrong_usage(shell: Shell, config: Path) -> None:
    for command in ("show", "flush", "freeze", "resume", "drop", "bounce"):
        (await shell("spool", command, "x", "--config", config)).check_failed(2)


@pytest.mark.parametrize(
    "command",
    [
        ("freeze",),
        ("resume",),
        ("freeze", ONE, "--destination", "a.example"),
        ("flush", ONE, "--destination", "a.example"),
        ("list", "--state", "delivered"),
        ("list", "--limit", "0"),
    ],
    ids=" ".join,
)
async def test_what_names_too_little_or_too_much_is_wrong_usage(
    workers: FakeWorkers, shell: Shell, config: Path, command: tuple[str, ...]
) -> None:
    (await shell("spool", *command, "--config", config)).check_failed(2)
    assert workers.asked == []
