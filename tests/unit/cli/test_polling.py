"""A command that waits looks at once, ends in time, and is heard of where no terminal is."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import typer

from cli import polling, progress
from cli.polling import Glance, poll
from cli.progress import FIRST_LINE_S, LINE_S, ProgressLines


class Time:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


@pytest.fixture(autouse=True)
def passing(monkeypatch: pytest.MonkeyPatch) -> Time:
    made = Time()
    monkeypatch.setattr(polling, "time", made)
    monkeypatch.setattr(progress, "time", made)
    return made


def counting(over_at: int) -> tuple[list[float], Callable[[float], Glance[int]]]:
    waited: list[float] = []

    def look(waited_s: float) -> Glance[int]:
        waited.append(waited_s)
        return Glance(len(waited), len(waited) >= over_at, "it comes", len(waited), over_at)

    return waited, look


def test_what_is_so_already_is_not_waited_for() -> None:
    waited, look = counting(1)

    seen = poll(look, every_s=2.0, within_s=0.0, interrupted="")

    assert (seen.found, seen.is_over, waited) == (1, True, [0.0])


def test_it_looks_until_it_is_over() -> None:
    waited, look = counting(3)

    assert poll(look, every_s=2.0, within_s=math.inf, interrupted="").found == 3
    assert waited == [0.0, 2.0, 4.0]


def test_when_the_time_is_over_what_was_seen_last_is_the_answer() -> None:
    _, look = counting(100)

    seen = poll(look, every_s=2.0, within_s=5.0, interrupted="")

    assert (seen.found, seen.is_over) == (4, False)


def test_whoever_interrupts_reads_what_goes_on_without_him(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def look(_waited_s: float) -> Glance[int]:
        raise KeyboardInterrupt

    with pytest.raises(typer.Exit) as ended:
        poll(look, every_s=2.0, within_s=5.0, interrupted="lon1 goes on; type this again")

    assert ended.value.exit_code == 1
    said = capsys.readouterr()
    assert (said.out, said.err) == (
        "",
        "borderscout: interrupted; lon1 goes on; type this again\n",
    )


def test_where_no_terminal_is_a_line_tells_now_and_then_why_it_lasts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, look = counting(60)

    poll(look, every_s=2.0, within_s=math.inf, interrupted="")

    said = capsys.readouterr()
    assert said.out == "", "what a program reads is not mixed with it"
    assert said.err.splitlines() == [
        "borderscout: it comes, 6 of 60, after 10 s",
        "borderscout: it comes, 36 of 60, after 70 s",
    ]


def test_a_line_is_said_after_a_while_and_then_once_in_a_while() -> None:
    lines = ProgressLines(0.0)

    assert not lines.line("it comes", 0, None, now_s=FIRST_LINE_S - 0.1)
    assert lines.line("it comes", 0, None, now_s=FIRST_LINE_S) == "it comes, after 10 s"
    assert not lines.line("it comes", 0, None, now_s=FIRST_LINE_S + LINE_S - 0.1)
    assert lines.line("it comes", 1, 2, now_s=FIRST_LINE_S + LINE_S) == (
        "it comes, 1 of 2, after 70 s"
    )
