"""A worker answers what it is asked, of its real spool, and nothing that it is not."""

from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from common.clock import Clock
from common.errors import EnvironmentFailure
from common.ids import MessageId
from common.loop_lag import LoopLag
from common.reports import HoldReport
from common.states import State
from satellite.console.questions import (
    BounceQuestion,
    DrainQuestion,
    DropQuestion,
    FlushQuestion,
    FreezeQuestion,
    HoldsQuestion,
    LeftQuestion,
    ListQuestion,
    RenewQuestion,
    ResumeQuestion,
    ShowQuestion,
)
from satellite.console.shard_console import HOLDS_MAX, WORKER_QUESTIONS, ShardConsole
from satellite.delivery.decisions.hold import HoldInfo
from satellite.delivery.worker import Delivery
from satellite.link.status import LinkStatus
from satellite.node.health import ListeningQuestion, MetricsQuestion, StatusQuestion
from satellite.node.question import Question, question_json, read_answer
from satellite.node.settings_question import SettingsQuestion
from satellite.node.told_settings import ToldSettings
from satellite.spool.metrics import SpoolMetrics
from satellite.spool.model.messages import Copy, Disposition, Judged, Judgement
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.core.preferences import at, preferences, route
from tests.support.node.shard import LIVE, settings
from tests.support.spool.listening import listen
from tests.support.spool.open_spool import SMALL, accept

UNKNOWN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"


class FlushedDelivery(Delivery):
    """The delivery room, which writes down what it is told to try again."""

    def __init__(self, spool: Spool, clock: Clock) -> None:
        super().__init__(spool, settings(), clock, registry=CollectorRegistry())
        self.flushed: list[str] = []

    def flush(self, destination: str = "") -> None:
        self.flushed.append(destination)
        super().flush(destination)


class AskedShard:
    """What the console needs of a shard."""

    def __init__(self, spool: Spool, clock: Clock) -> None:
        self.spool = spool
        self.delivery: Delivery = FlushedDelivery(spool, clock)
        self.registry = CollectorRegistry()
        self.loop_lag = LoopLag(clock)
        self.settings_told = ToldSettings("lon1", shard=0, preferences=lambda: spool.preferences)
        self.listening = True
        self.not_accepting_reason = ""
        self.told: tuple[str, ...] = ()
        self.clock = clock
        self.emptied: list[bool] = []
        self.renewals = 0

    def problems(self) -> tuple[str, ...]:
        return (*self.spool.problems(), *self.told)

    def link_status(self) -> LinkStatus:
        return LIVE

    async def pause(self, on: bool) -> None:
        assert not on

    async def empty(self, on: bool) -> None:
        self.emptied.append(on)

    async def renew(self) -> None:
        self.renewals += 1


@pytest.fixture
def shard(spool: Spool, clock: FakeClock) -> AskedShard:
    return AskedShard(spool, clock)


async def ask(shard: AskedShard, what: object, **more: object) -> Any:
    """Return the answer as a program on the channel reads it."""
    said = await ShardConsole(shard).answer({"ask": what, **more})
    return json.loads(json.dumps(said))


async def queue(spool: Spool, message: MessageId) -> None:
    judged = Judged(
        number=0, disposition=Disposition.DELIVER, reason="clean", copy=Copy(head=b"X: y\r\n")
    )
    await spool.judge(
        message,
        Judgement(
            revision=1,
            subject="hi",
            message_id_header="",
            recipients=(judged,),
            verdicts=(),
            score=0.0,
        ),
    )


async def test_the_status_says_where_the_shard_stands(shard: AskedShard) -> None:
    wanted = preferences(route("acme.example"), revision=42)
    await shard.spool.apply_preferences(
        [route("acme.example")], position=at(42), digest=wanted.digest, snapshot=True
    )
    await accept(shard.spool, "x@acme.example", "y@acme.example")
    shard.listening, shard.not_accepting_reason = False, "no disk"

    status = await ask(shard, "status")

    assert status["listening"] is False
    assert status["not_accepting_reason"] == "no disk"
    assert status["revision"] == 42
    assert status["states"]["received"] == 2
    assert status["states"]["held"] == 0
    assert "delivered" not in status["states"], "an outcome is no place to be in"
    assert (status["outbox_records"], status["outbox_quarantine"]) == (2, 0)
    assert (status["link"]["connected"], status["link"]["lag"]) == (True, 0)


async def test_a_folder_that_cannot_be_looked_at_is_a_problem_and_no_answer_less(
    shard: AskedShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_folder: Path) -> Iterator[Path]:
        raise OSError(errno.EMFILE, "Too many open files")

    monkeypatch.setattr(Path, "iterdir", fails)

    status = await ask(shard, "status")

    assert status["problems"] == ["shard-0 cannot be looked at: Too many open files"]
    assert await ask(shard, "listening") == {"listening": True}


async def test_a_question_that_the_disk_does_not_let_us_answer_ends_nobody(
    shard: AskedShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails() -> tuple[int, int]:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(shard.spool, "backlog_sizes", fails)

    assert await ask(shard, "status") == {"error": "[Errno 5] Input/output error"}


async def test_what_is_left_is_told_for_whom_in_which_state_and_until_when(
    shard: AskedShard, clock: FakeClock
) -> None:
    await shard.spool.apply_preferences(
        [route("acme.example", hold_days=2)],
        position=at(1),
        digest=preferences(route("acme.example", hold_days=2)).digest,
        snapshot=True,
    )
    frozen = await accept(shard.spool, "x@acme.example")
    await queue(shard.spool, frozen)
    await shard.spool.freeze(frozen, "by an operator")
    await clock.advance(3600)
    await accept(shard.spool, '"a@b"@Other.Example', "y@other.example")
    waiting = await accept(shard.spool, "z@acme.example")
    await shard.spool.wait(waiting, next_us=0, reason="silent", verdicts=())

    answer = await ask(shard, "left")

    assert [
        (line["domain"], line["customer"], line["state"], line["recipients"], line["expires"])
        for line in answer["left"]
    ] == [
        ("acme.example", "acme", "frozen", 1, ""),
        ("acme.example", "acme", "waiting", 1, "2026-01-03T01:00:00.000Z"),
        ("other.example", "", "received", 2, ""),
    ]
    assert answer["left"][0]["oldest"] == "2026-01-01T00:00:00.000Z"
    assert answer["left"][2]["bytes"] == 2 * len(SMALL)
    assert answer["records"] > 0
    assert answer["is_idle"] is False, "a received message is worked on"


async def test_the_holds_are_those_of_the_delivery_room_and_no_more_than_are_read(
    shard: AskedShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    hold = HoldInfo(
        customer="acme",
        destination="acme.example",
        since_us=1,
        reason="timed out",
        messages=2,
        bytes=3,
        oldest_us=4,
        expires_us=5,
    )
    assert await ask(shard, "holds") == {"holds": []}
    monkeypatch.setattr(shard.delivery, "holds", lambda: [hold] * (HOLDS_MAX + 1))

    holds = (await ask(shard, "holds"))["holds"]

    assert len(holds) == HOLDS_MAX
    assert HoldReport(**holds[0]).destination == "acme.example"


async def test_a_drain_reaches_the_shard_and_says_yes_or_no(shard: AskedShard) -> None:
    for on in (True, False):
        assert await ask(shard, "drain", on=on) == {"done": True}
    for nonsense in ("yes", 1, None):
        assert (await ask(shard, "drain", on=nonsense))["error"].startswith("on: ")

    assert shard.emptied == [True, False]


async def test_the_list_shows_what_has_not_ended_the_oldest_first(
    shard: AskedShard, clock: FakeClock
) -> None:
    first = await accept(shard.spool, "x@acme.example", "y@acme.example")
    await clock.advance(1.5)
    second = await accept(shard.spool)

    found = (await ask(shard, "list"))["messages"]

    assert [one["id"] for one in found] == [first, second]
    assert found[0]["received"] == "2026-01-01T00:00:00.000Z"
    assert found[1]["received"] == "2026-01-01T00:00:01.500Z"
    assert found[0] | {"received": "", "recipients": []} == {
        "id": first,
        "received": "",
        "origin": "smtp",
        "sender": "a@sender.example",
        "size": len(SMALL),
        "subject": "",
        "recipients_count": 2,
        "recipients": [],
    }
    assert found[0]["recipients"][1] == {
        "address": "y@acme.example",
        "state": "received",
        "reason": "",
        "attempts": 0,
        "next_us": 0,
        "reply": "",
        "destination": "acme.example",
        "hosts": [],
        "hold": None,
        "hold_days": 7,
        "left_s": 7 * 86_400 - 1.5,
    }


async def test_one_message_is_shown_and_one_that_is_not_here_is_no_error(
    shard: AskedShard,
) -> None:
    message = await accept(shard.spool)

    assert [one["id"] for one in (await ask(shard, "show", id=message))["messages"]] == [message]
    assert await ask(shard, "show", id=UNKNOWN) == {"messages": []}


@pytest.mark.parametrize("what", ["show", "freeze", "resume", "drop", "bounce"])
@pytest.mark.parametrize("name", ["", "../../etc/passwd", "1", 5, "' OR 1=1 --" * 99])
async def test_what_is_no_id_is_an_error_and_goes_nowhere(
    shard: AskedShard, what: str, name: object
) -> None:
    answer = await ask(shard, what, id=name)

    assert answer["error"].endswith("is no message id")
    assert len(answer["error"]) < 80


async def test_a_message_is_frozen_and_goes_on_when_it_is_resumed(shard: AskedShard) -> None:
    message = await accept(shard.spool)
    await queue(shard.spool, message)
    offered: list[MessageId] = []
    listen(shard.spool, queued=offered.append)

    assert await ask(shard, "freeze", id=message) == {"done": True, "moved": 1}
    assert shard.spool.counts()[State.FROZEN] == 1

    assert await ask(shard, "resume", id=message) == {"done": True, "moved": 1}
    assert shard.spool.counts()[State.DEFERRED] == 1
    assert offered == [message]


async def test_a_flush_reaches_the_delivery_room(shard: AskedShard) -> None:
    assert await ask(shard, "flush", destination="acme.example") == {"done": True}
    assert await ask(shard, "flush") == {"done": True}

    assert isinstance(shard.delivery, FlushedDelivery)
    assert shard.delivery.flushed == ["acme.example", ""]


async def test_the_metrics_are_text_that_prometheus_reads(shard: AskedShard) -> None:
    SpoolMetrics(shard.spool, shard.registry)
    await accept(shard.spool)

    text = (await ask(shard, "metrics"))["text"]

    names = {family.name for family in text_string_to_metric_families(text)}
    assert "borderscout_spool_recipients" in names


@pytest.mark.parametrize("what", ["", "delete", None, 5, ["status"], {"status": 1}])
async def test_an_unknown_question_is_told_so(shard: AskedShard, what: object) -> None:
    answer = await ask(shard, what)

    assert answer["error"].startswith("there are ")


async def test_every_question_is_answered_by_the_answer_that_stands_with_it(
    shard: AskedShard,
) -> None:
    SpoolMetrics(shard.spool, shard.registry)
    questions: list[Question[object]] = [
        MetricsQuestion(),
        ListeningQuestion(),
        StatusQuestion(),
        SettingsQuestion(),
        HoldsQuestion(),
        LeftQuestion(),
        ListQuestion(),
        DrainQuestion(on=True),
        RenewQuestion(),
        FlushQuestion(),
        FreezeQuestion(destination="acme.example"),
        ResumeQuestion(destination="acme.example"),
        *(kind(id=MessageId(UNKNOWN)) for kind in (ShowQuestion, DropQuestion, BounceQuestion)),
    ]
    assert {one.word for one in questions} == set(WORKER_QUESTIONS)

    for question in questions:
        body = await ShardConsole(shard).answer(question_json(question))
        assert isinstance(read_answer(question, body), question.answer), question
    assert shard.renewals == 1


async def test_what_the_spool_refuses_is_an_answer_and_not_the_end_of_the_worker(
    shard: AskedShard, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **_more: object) -> None:
        raise EnvironmentFailure("no disk", hint="check it")

    message = await accept(shard.spool)
    await queue(shard.spool, message)
    monkeypatch.setattr(shard.spool, "freeze", refuse)

    assert await ask(shard, "freeze", id=message) == {"error": "no disk; check it"}


@pytest.mark.parametrize("what", ["freeze", "resume", "drop", "bounce"])
async def test_what_is_not_in_the_spool_is_not_said_to_be_done(
    shard: AskedShard, what: str
) -> None:
    assert await ask(shard, what, id=UNKNOWN) == {"done": False, "moved": 0}
