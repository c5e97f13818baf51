"""A person reads why mail is here, when it goes on, and how long it is kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cli.explanation import next_try, route, time_left, why
from common.states import State
from satellite.console.questions import HoldDescription, RecipientDescription

NOW_US = 1_767_225_600_000_000
HOLD = HoldDescription(
    since_us=NOW_US - 3_600_000_000, reason="connection refused", probe_in_s=23.4
)


def recipient(state: str, **more: Any) -> RecipientDescription:
    found: dict[str, Any] = {
        "reason": "",
        "reply": "",
        "attempts": 0,
        "next_us": 0,
        "hold": None,
        "destination": "acme.example",
        "hosts": ("mail.acme.example:25",),
        "hold_days": 7,
        "left_s": 500_000.0,
    }
    return RecipientDescription(address="x@acme.example", state=State(state), **(found | more))


@pytest.mark.parametrize(
    ("state", "more", "said"),
    [
        ("received", {}, "accepted, and not scanned yet"),
        ("waiting", {"reason": "clamav"}, "an engine that must answer does not: clamav"),
        (
            "deferred",
            {"reason": "greylisted", "reply": "451 4.7.1 later"},
            "tried, and to be tried again: greylisted: 451 4.7.1 later",
        ),
        (
            "held",
            {"hold": HOLD, "reason": "connection refused"},
            "the server is away since 2025-12-31 23:00:00 UTC: connection refused",
        ),
        (
            "queued",
            {"hold": HOLD, "reason": "clean"},
            "the server is away since 2025-12-31 23:00:00 UTC: connection refused: clean",
        ),
        (
            "frozen",
            {"hold": HOLD, "reason": "frozen by an operator"},
            "stopped until somebody resumes it: frozen by an operator",
        ),
        ("damaged", {"hold": HOLD, "reason": "gone"}, "its body cannot be read: gone"),
        ("waiting", {"hold": HOLD, "reason": "x"}, "an engine that must answer does not: x"),
        ("delivered", {"reply": "250 ok", "left_s": None}, "250 ok"),
    ],
)
def test_it_says_why(state: str, more: dict[str, Any], said: str) -> None:
    assert why(recipient(state, **more)) == said


@pytest.mark.parametrize(
    ("state", "more", "said"),
    [
        ("queued", {}, "now"),
        ("deferred", {"next_us": NOW_US + 600_000_000}, "in 10 min"),
        ("deferred", {"next_us": NOW_US - 1}, "now"),
        ("held", {"hold": HOLD}, "probe in 23 s"),
        ("held", {"hold": replace(HOLD, probe_in_s=0.0)}, "probe now"),
        ("held", {"hold": replace(HOLD, probe_in_s=None)}, "a probe is under way"),
        ("frozen", {"hold": HOLD}, "none before it is resumed"),
        ("damaged", {"hold": HOLD}, "none before somebody resumes, bounces or drops it"),
        ("received", {"hold": HOLD}, "now"),
        ("waiting", {"hold": HOLD, "next_us": NOW_US + 60_000_000}, "in 60 s"),
        ("sending", {}, "under way"),
        ("delivered", {}, ""),
    ],
)
def test_it_says_when_something_is_done_next(state: str, more: dict[str, Any], said: str) -> None:
    assert next_try(recipient(state, **more), now_us=NOW_US) == said


@pytest.mark.parametrize(
    ("left_s", "said"),
    [
        (500_000.0, "6 d of 7 days"),
        (100.0, "100 s of 7 days"),
        (-1.0, "nothing of 7 days: it goes back to its sender"),
        (None, ""),
    ],
)
def test_it_says_how_much_of_its_days_is_left(left_s: float | None, said: str) -> None:
    assert time_left(recipient("held", left_s=left_s)) == said


@pytest.mark.parametrize(
    ("hosts", "said"),
    [
        (("a:25", "b:25"), "acme.example by a:25, b:25"),
        ((), "acme.example"),
        (("acme.example",), "acme.example"),
    ],
)
def test_it_says_where_it_goes(hosts: tuple[str, ...], said: str) -> None:
    assert route(recipient("queued", hosts=hosts)) == said
