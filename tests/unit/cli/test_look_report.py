"""``borderscout report engines``: does an SRE see who earns its licence?"""

from __future__ import annotations

import json
from typing import Any

import pytest

from common.records import LogRecord
from core.records.reports import DAY_US
from tests.support.cli.shell import Shell
from tests.support.core.face import Face
from tests.support.core.rooms import START_US, identity, made_id

HOSTILE = "Evil\x1b[2J [red]x[/red]"


def said(by: str, outcome: str, *threats: str, ms: int = 5) -> dict[str, Any]:
    return {"by": by, "outcome": outcome, "ms": ms, "threats": threats}


async def take(core: Face, looks: list[tuple[int, list[dict[str, Any]]]]) -> None:
    """Let looks be known, each with the day after the first on which it was."""
    records = [
        LogRecord(
            number,
            START_US + day * DAY_US,
            "scanned",
            made_id(number),
            json.dumps({"verdicts": verdicts}).encode(),
        )
        for number, (day, verdicts) in enumerate(looks, 1)
    ]
    await core.database.records.take(identity(), records)


LOOKS = [
    (-3, [said("clamav", "clean"), said("nod32", "infected", HOSTILE)]),
    (-3, [said("clamav", "infected", "Eicar"), said("nod32", "infected", "Eicar")]),
    (-3, [said("clamav", "timeout", ms=30_000), said("nod32", "infected", HOSTILE)]),
    (0, [said("clamav", "clean"), said("nod32", "unavailable")]),
]


async def test_each_engine_is_shown_with_its_silence_its_times_and_its_finds(
    core: Face, shell: Shell
) -> None:
    await take(core, LOOKS)

    out = (await shell("report", "engines")).out
    flat = " ".join(out.split())

    for fact in (
        "clamav 4 25 % ██ 1 timeout 5 32767 32767",
        "nod32 4 25 % ██ 1 unavailable 5 5 5",
        "clamav 1 0 · 1",
        "nod32 3 1 1 ·",
        "nod32 clamav 1 1 0 1",
        "Evil�[2J [red]x[/red] nod32 1",
        "2025-12-29 to 2026-01-01, by day",
        "clamav █··▁ 33 %",
        "nod32 ▁··█ 100 %",
        "counted since 2025-12-29",
    ):
        assert fact in flat, (fact, out)


async def test_groups_are_listed_where_they_are_asked_for(core: Face, shell: Shell) -> None:
    await take(core, LOOKS)

    by_day = " ".join((await shell("report", "engines", "--by", "day")).out.split())
    by_site = " ".join((await shell("report", "engines", "--by", "site")).out.split())

    assert "2026-01-01 nod32 1 100 % - - - 0 0" in by_day
    assert "london clamav 4 25 % 5 32767 32767 1 0" in by_site


async def test_a_time_or_a_site_without_looks_says_so(core: Face, shell: Shell) -> None:
    await take(core, LOOKS)

    for more in (["--site", "paris"], ["--until", "2025-12-01"]):
        said_ = await shell("report", "engines", *more)
        assert said_.out.splitlines()[0] == "no look of an engine was counted in this time"
        assert said_.status == 0


async def test_many_engines_stand_below_one_another(core: Face, shell: Shell) -> None:
    verdicts = [said(f"e{number}", "infected", "X") for number in range(9)]
    await take(core, [(0, verdicts)])

    out = (await shell("report", "engines")).out

    assert "Then said" in out
    assert " too" not in out


@pytest.mark.parametrize("encoding", ["latin-1"])
async def test_a_terminal_without_such_signs_has_the_numbers(
    core: Face, shell: Shell, monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    monkeypatch.setattr("cli.look_report.can_draw", lambda: False)
    await take(core, [(day, [said("clamav", "timeout")]) for day in range(2)])

    out = (await shell("report", "engines")).out

    out.encode(encoding)
    assert "100 %" in out
