"""Which engines the demonstration runs where none is installed, and what they must say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from cli.demonstration import engines, mail
from cli.demonstration.checks import every_engine_is_heard
from cli.demonstration.cluster import DemoCluster
from cli.demonstration.engines import DemoEngines
from cli.demonstration.sending import SentMail
from common.clock import SystemClock
from common.settings.satellite import EngineSettings
from common.verdict import Outcome
from satellite.scanning.engine import EngineContext, Fitted, build_engines
from satellite.scanning.helper import Helper
from tests.support.scanning.messages import plain, sample_of

DEADLINE_S = 30.0
EICAR = mail.EICAR.encode()


@pytest.fixture
async def nothing_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[DemoEngines]:
    monkeypatch.setattr(engines, "WHERE", "")
    monkeypatch.setenv("PATH", "")
    told = DemoEngines(tmp_path / "engines")
    await told.start(lambda _: None)
    yield told
    await told.end()


def fitted(entries: list[dict[str, Any]]) -> tuple[Fitted, ...]:
    clock = SystemClock()
    settings = [EngineSettings.model_validate(entry) for entry in entries]
    return tuple(build_engines(settings, EngineContext(clock=clock, helper=Helper(clock=clock))))


@pytest.mark.parametrize(
    ("message", "outcome"),
    [
        (plain(b"hello"), Outcome.CLEAN),
        (b"", Outcome.CLEAN),
        (plain(b"x" * 100_000), Outcome.CLEAN),
        (plain(EICAR), Outcome.INFECTED),
        (plain(b"x" * 5_000 + EICAR), Outcome.INFECTED),
    ],
    ids=["plain", "empty", "large", "infected", "infected behind the preview"],
)
async def test_where_nothing_is_installed_peers_answer_that_are_called_scripted(
    nothing_installed: DemoEngines, message: bytes, outcome: Outcome
) -> None:
    assert nothing_installed.names == ["yara", "scripted-clamav", "scripted-icap"]

    for item in fitted(nothing_installed.entries[1:]):
        for _ in range(2):  # the second in the same session
            verdict = await item.engine.scan(sample_of(message), deadline_s=DEADLINE_S)
            assert verdict.outcome is outcome, verdict
            assert "scripted" in verdict.version
        assert (await item.engine.probe()).answering
        await item.engine.close()


async def test_one_that_does_not_start_is_told_of_and_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "clamd"
    program.write_text("#!/bin/sh\necho 'it may not read its settings'\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(engines, "_program", lambda name: str(program) if name == "clamd" else None)
    told: list[str] = []
    made = DemoEngines(tmp_path / "engines")

    await made.start(told.append)
    await made.end()

    assert made.names == ["yara", "scripted-clamav", "scripted-icap"]
    assert any("it may not read its settings" in line for line in told)


def sent(name: str) -> SentMail:
    (planned,) = (one for one in mail.MESSAGES if one.name == name)
    return SentMail(planned=planned, node="lon1", message_id="<a@b>", content=b"", reply="250 Ok")


class AnsweringCluster:
    """A cluster that knows one message."""

    def __init__(self, **outcomes: str) -> None:
        self.engines = DemoEngines(Path("none"))
        self.engines.entries = [{"name": name} for name in ("yara", "clamav", "c_icap")]
        self._said = [{"by": name, "outcome": said} for name, said in outcomes.items()]

    async def ask(self, *_: Any, **__: Any) -> Any:
        return {"messages": [{"recipients": [{"state": "quarantined"}], "verdicts": self._said}]}


@pytest.mark.parametrize(
    ("name", "outcomes", "ok"),
    [
        ("virus", {"yara": "infected", "clamav": "infected", "c_icap": "infected"}, True),
        ("virus", {"yara": "infected", "clamav": "clean", "c_icap": "infected"}, False),
        ("virus", {"yara": "infected", "clamav": "infected"}, False),
        ("plain", {"yara": "clean", "clamav": "clean", "c_icap": "clean"}, True),
        ("plain", {"yara": "clean", "clamav": "clean", "c_icap": "unavailable"}, False),
    ],
)
async def test_a_check_holds_only_when_all_three_say_what_they_must(
    name: str, outcomes: dict[str, str], ok: bool
) -> None:
    cluster = cast("DemoCluster", AnsweringCluster(**outcomes))

    check = await every_engine_is_heard(cluster, sent(name))

    assert check.ok is ok
    assert "yara infected" in check.found or "yara clean" in check.found
