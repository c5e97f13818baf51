"""The doctor finds mail that waits for an operator, over the control socket of a real shard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from cli import spool_checks
from common.clock import Clock
from common.ids import MessageId
from common.loop_lag import LoopLag
from common.states import State
from satellite.console import inspection
from satellite.console.control_socket import ControlSocket
from satellite.console.shard_console import ShardConsole
from satellite.delivery.worker import Delivery
from satellite.link.status import LinkStatus
from satellite.node.channel import JsonObject
from satellite.node.health_pages import HealthPages
from satellite.node.parent import Workers
from satellite.node.question import Question, question_json, read_answer
from satellite.node.told_settings import ToldSettings
from satellite.settings import load_settings
from satellite.spool.store import Spool
from tests.support.cli.shell import Said, Shell
from tests.support.clock import FakeClock
from tests.support.core.face import Face
from tests.support.delivery.delivery_room import DeliveryRoom, TableResolver, route, settings
from tests.support.network.ports import free_port
from tests.support.node.shard import LIVE
from tests.support.node.sound_node import sound_node

X = "x@acme.example"
NOBODY = "127.0.0.1:1"  # refused at once


class OneShard:
    """What the console needs, and what the control socket asks."""

    def __init__(self, spool: Spool, clock: FakeClock, delivery: Delivery) -> None:
        self.spool = spool
        self.clock: Clock = clock
        self.delivery = delivery
        self.registry = CollectorRegistry()
        self.loop_lag = LoopLag(clock)
        self.listening = True
        self.not_accepting_reason = ""
        self.settings_told = ToldSettings("lon1", shard=0, preferences=lambda: spool.preferences)
        self.told: tuple[str, ...] = ()
        self.script: dict[str, dict[int, JsonObject | None]] = {}

    def problems(self) -> tuple[str, ...]:
        return (*self.spool.problems(), *self.told)

    def link_status(self) -> LinkStatus:
        return LIVE

    async def pause(self, on: bool) -> None:
        assert not on

    async def empty(self, on: bool) -> None:
        raise AssertionError("nobody asked for that")

    async def renew(self) -> None:
        raise AssertionError("nobody asked for that")

    async def ask_each(self, question: Question[object]) -> dict[int, object]:
        bodies = self.script.get(question.word) or {
            0: await ShardConsole(self).answer(question_json(question))
        }
        return {
            shard: None if body is None else read_answer(question, body)
            for shard, body in bodies.items()
        }


@pytest.fixture
def config(tmp_path: Path) -> Path:
    file = sound_node(tmp_path)
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace(":9100", f":{free_port()}"), encoding="utf-8")
    return file


@pytest.fixture
def pages(config: Path) -> Iterator[HealthPages]:
    endpoint = load_settings(config).metrics
    served = HealthPages(endpoint, metrics=lambda: b"", why_not_ready=lambda: ())
    served.start()
    yield served
    served.stop()


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[DeliveryRoom]:
    clock = FakeClock()
    spool = await Spool.open(tmp_path / "shard", node="lon1", shard=0, clock=clock)
    delivery = Delivery(
        spool, settings(), clock, resolver=TableResolver(), registry=CollectorRegistry()
    )
    room = DeliveryRoom(spool, clock, delivery)
    await room.set_routes(route("acme.example", NOBODY))
    running = asyncio.create_task(delivery.run())
    yield room
    await delivery.close()
    await asyncio.wait({running}, timeout=10)
    await spool.close()


@pytest.fixture
async def shard(room: DeliveryRoom, config: Path, pages: HealthPages) -> AsyncIterator[OneShard]:
    made = OneShard(room.spool, room.clock, room.delivery)
    control = ControlSocket(cast("Workers", made), config.parent / "state")
    await control.start()
    yield made
    await control.stop()


async def queued(room: DeliveryRoom) -> MessageId:
    await room.clock.advance(0.002)  # so that ids are in order
    return await room.accept(X, sending=False, offer=False)


async def damaged(room: DeliveryRoom) -> MessageId:
    message = await queued(room)
    await room.spool.damage(message, "its body cannot be read")
    return message


async def frozen(room: DeliveryRoom) -> MessageId:
    message = await queued(room)
    await room.spool.freeze(message, "an operator asked")
    return message


def checks(said: Said) -> dict[str, dict[str, Any]]:
    assert said.err == ""
    return {line["name"]: line for line in said.lines}


async def examined(shell: Shell, config: Path) -> dict[str, dict[str, Any]]:
    return checks(await shell("doctor", "--config", config, "--json"))


async def test_a_node_whose_mail_goes_its_way_is_well(
    shard: OneShard, shell: Shell, config: Path
) -> None:
    found = await examined(shell, config)

    assert found["shards"]["ok"]
    assert found["damaged mail"] | {"remedy": ""} == {
        "name": "damaged mail",
        "ok": True,
        "found": "none",
        "remedy": "",
        "note": False,
    }
    assert not {"frozen mail", "held mail", "spool"} & found.keys()


async def test_damaged_mail_is_a_fault_with_its_ids_and_what_to_type_next(
    shard: OneShard, room: DeliveryRoom, shell: Shell, config: Path
) -> None:
    messages = [await damaged(room) for _ in range(2)]

    said = await shell("doctor", "--config", config, "--json")

    check = checks(said)["damaged mail"]
    assert said.status == 1
    assert not check["ok"]
    assert check["found"] == (f"mail for 2 recipients cannot be read: {messages[0]}, {messages[1]}")
    for command in ("resume", "bounce", "drop"):
        assert f"spool {command}" in check["remedy"]
    out = (await shell("doctor", "--config", config)).out
    assert f"✘ damaged mail: mail for 2 recipients cannot be read: {messages[0]}" in out


async def test_of_very_many_only_some_are_named_and_the_rest_is_pointed_to(
    shard: OneShard, room: DeliveryRoom, shell: Shell, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    messages = [await damaged(room) for _ in range(spool_checks.IDS_MAX + 1)]

    found = (await examined(shell, config))["damaged mail"]["found"]

    assert all(one in found for one in messages[: spool_checks.IDS_MAX])
    assert messages[-1] not in found
    assert found.endswith("and more: borderscout spool list --config FILE --state damaged")

    # An answer that takes its time comes in parts, and the doctor does not wait for all of them.
    monkeypatch.setattr(inspection, "BUDGET_S", 0.0)
    monkeypatch.setattr(spool_checks, "PAGES_MAX", 2)
    found = (await examined(shell, config))["damaged mail"]["found"]
    assert messages[1] in found
    assert messages[2] not in found
    assert "and more" in found


async def test_a_worker_that_stood_still_is_a_fault_with_the_length_of_the_step(
    shard: OneShard, shell: Shell, config: Path
) -> None:
    shard.loop_lag.was_late(0.3)
    assert (await examined(shell, config))["event loop"]["ok"]

    shard.loop_lag.was_late(2.345)

    check = (await examined(shell, config))["event loop"]
    assert not check["ok"]
    assert check["found"] == "all of shard 0 waited 2.3 s for one step"
    assert "loop.step_long" in check["remedy"]


async def test_frozen_mail_is_a_note_and_no_fault(
    shard: OneShard, room: DeliveryRoom, shell: Shell, config: Path
) -> None:
    message = await frozen(room)

    said = await shell("doctor", "--config", config, "--json")

    check = checks(said)["frozen mail"]
    assert said.status == 0
    assert (check["ok"], check["note"]) == (True, True)
    assert f"mail for 1 recipient is stopped: {message};" in check["found"]
    assert "spool resume" in check["found"]
    assert "• frozen mail" in (await shell("doctor", "--config", config)).out


async def test_what_a_shard_tells_of_itself_is_a_note(
    shard: OneShard, shell: Shell, config: Path
) -> None:
    shard.told = ("connections run out: silent clients are sent away early",)

    check = (await examined(shell, config))["shard 0"]

    assert (check["ok"], check["note"], check["found"]) == (True, True, shard.told[0])


async def test_a_customer_that_is_away_is_a_note_with_since_when_and_why(
    shard: OneShard, room: DeliveryRoom, shell: Shell, config: Path
) -> None:
    message = await room.accept(X)
    await room.until_state(message, State.HELD)

    said = await shell("doctor", "--config", config, "--json")

    check = checks(said)["held mail"]
    assert said.status == 0
    assert (check["ok"], check["note"]) == (True, True)
    assert (
        "acme is away at acme.example since 2026-01-01 00:00:00: 1 message held" in (check["found"])
    )
    assert check["found"].partition("; ")[2].startswith(NOBODY)


async def test_the_shards_holds_are_told_as_one_and_only_so_many_of_them(
    shard: OneShard, shell: Shell, config: Path
) -> None:
    def hold(number: int, messages: int, since_us: int) -> dict[str, Any]:
        return {
            "customer": "acme",
            "destination": f"d{number:02}.example",
            "since_us": since_us,
            "reason": "timed out\x1b[2J",
            "messages": messages,
            "bytes": 10,
            "oldest_us": 1,
            "expires_us": 2,
        }

    many = [hold(number, 2, 60_000_000) for number in range(spool_checks.HOLDS_MAX + 1)]
    shard.script["holds"] = {0: {"holds": many}, 1: {"holds": [hold(0, 3, 1_000_000)]}, 2: None}

    said = await shell("doctor", "--config", config)

    held = [line for line in said.out.splitlines() if "held mail" in line]
    assert len(held) == spool_checks.HOLDS_MAX + 1
    assert "d00.example since 1970-01-01 00:00:01: 5 messages held" in held[0]
    assert "further destinations are away" in held[-1]
    assert all(line.isprintable() for line in held)


async def test_a_shard_that_does_not_answer_is_a_fault(
    shard: OneShard, shell: Shell, config: Path
) -> None:
    answer = await ShardConsole(shard).answer({"ask": "status"})
    shard.script["status"] = {0: answer, 3: None}

    found = await examined(shell, config)

    assert not found["shards"]["ok"]
    assert found["shards"]["found"] == "shard 3 does not answer"


@pytest.mark.parametrize("answer", [{"error": "unknown question"}])
async def test_a_node_that_cannot_tell_is_a_note(
    shard: OneShard, shell: Shell, config: Path, answer: JsonObject
) -> None:
    shard.script["holds"] = {0: answer}

    check = (await examined(shell, config))["spool"]

    assert (check["ok"], check["note"]) == (True, True)
    assert check["found"] == "not looked at: shard 0: unknown question"


async def test_a_node_that_never_ran_is_a_note(shell: Shell, config: Path) -> None:
    check = (await examined(shell, config))["spool"]

    assert (check["ok"], check["note"]) == (True, True)
    assert "does not answer" in check["found"]


async def test_a_node_that_ran_and_does_not_is_a_fault(shell: Shell, config: Path) -> None:
    (config.parent / "state" / "shard-0").mkdir()
    (config.parent / "state" / "shard-0" / "spool.db").touch()

    check = (await examined(shell, config))["spool"]

    assert not check["ok"]
    assert check["remedy"].startswith("start it: systemctl start borderscout-satellite")


async def test_a_page_of_metrics_that_a_running_node_does_not_serve_is_a_fault(
    shell: Shell, config: Path, shard: OneShard, pages: HealthPages
) -> None:
    served = (await examined(shell, config))["metrics page"]
    pages.stop()
    missing = (await examined(shell, config))["metrics page"]

    assert (missing["ok"], served["ok"]) == (False, True)
    assert "is not served at 127.0.0.1:" in missing["found"]
    assert "ss -ltnp" in missing["remedy"]


async def test_what_the_core_knows_of_its_nodes_mail_is_told_too(core: Face, shell: Shell) -> None:
    core.hear(spool={"damaged": 2, "frozen": 1})

    found = checks(await shell("doctor", "--json"))

    damaged = found["damaged mail at lon1"]
    assert not damaged["ok"]
    assert damaged["found"] == "mail for 2 recipients cannot be read"
    command = "borderscout spool list --config FILE --state damaged"
    assert damaged["remedy"] == f"see it on lon1: {command}"
    assert found["frozen mail at lon1"]["note"]
    assert "acme is away at acme.example since" in found["held mail at lon1"]["found"]

    core.hear(spool={}, holds=())
    found = checks(await shell("doctor", "--json"))
    assert found["damaged mail at lon1"]["ok"]
    assert not {"frozen mail at lon1", "held mail at lon1"} & found.keys()
