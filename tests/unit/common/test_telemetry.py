"""Is a diagnostic that cannot be written no reason to stop?"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
from structlog.typing import EventDict

from common.telemetry import LINES_MAX, SPARED_MAX, SPARING_S, DiagnosticFile, _Sparing

PIPE_BYTES = 4096  # the smallest that a pipe can be


def said(file: DiagnosticFile, line: str) -> None:
    file.write(line)
    file.write("\n")
    file.flush()


def test_lines_that_find_no_room_are_counted_and_none_is_glued_to_another() -> None:
    out, into = os.pipe()
    fcntl.fcntl(into, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    os.set_blocking(into, False)  # full: it takes no more, as a disk does
    file = DiagnosticFile(into)
    first = "x" * (PIPE_BYTES - 10)

    for line in (first, "y" * 10_000, "lost"):
        said(file, line)
    file.put("lost too\nand this\n")
    before = os.read(out, 2 * PIPE_BYTES).decode()
    said(file, "there again")
    said(file, "and again")
    after = os.read(out, 2 * PIPE_BYTES).decode()

    assert before.startswith(f"{first}\n")
    lines = (before + after).splitlines()
    assert json.loads(lines[-3]) == {"event": "log.lines_lost", "lines": 4}
    assert lines[-2:] == ["there again", "and again"]


def test_a_program_goes_on_whose_log_nobody_takes() -> None:
    code = (
        "import structlog, sys\n"
        "from common.telemetry import configure_logging, put_lines\n"
        "configure_logging()\n"
        "for _ in range(1000):\n"
        "    structlog.get_logger().warning('some.thing', fact='x' * 100)\n"
        "    put_lines('of mail\\n')\n"
        "sys.stdout.flush()\n"
        "sys.stderr.write('at its end')\n"
    )
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, check=False
        )

    assert (done.returncode, done.stderr) == (0, b"at its end")


def test_errors_that_nobody_can_be_given_are_one_line_a_minute() -> None:
    code = (
        "from common.telemetry import configure_logging\n"
        "configure_logging(process='test')\n"
        "class Bad:\n"
        "    def __del__(self):\n"
        "        raise ValueError('x' * 1000)\n"
        "for _ in range(50):\n"
        "    Bad()\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    [line] = map(json.loads, done.stdout.splitlines())
    assert (line["event"], line["count"], done.stderr) == ("error.unraisable", 1, b"")
    assert len(line["error"]) == 200


def test_of_one_event_about_one_node_so_many_lines_a_minute_are_written() -> None:
    now_s = 5.0
    sparing = _Sparing(lambda: now_s)

    def written(event: str, shard: str, times: int = 1) -> list[EventDict]:
        found = []
        for _ in range(times):
            with contextlib.suppress(structlog.DropEvent):
                found.append(sparing(None, "warning", {"event": event, "shard": shard}))
        return found

    assert len(written("link.message_unknown", "lon1/0", 1_000)) == LINES_MAX
    assert len(written("link.message_unknown", "par1/0")) == 1  # nobody else's are left out
    assert len(written("link.satellite_came", "lon1/0")) == 1
    now_s += SPARING_S
    first, second = written("link.message_unknown", "lon1/0", 2)

    assert first["left_out"] == 1_000 - LINES_MAX
    assert "left_out" not in second


def test_the_log_of_mail_that_passes_has_a_line_for_each_however_many() -> None:
    sparing = _Sparing(lambda: 1.0)

    for event in ("scan.passed", "smtp.refused"):
        for number in range(LINES_MAX + 1):
            sparing(None, "info", {"event": event, "message": str(number)})


@pytest.mark.parametrize("about", ["engine", "task", "library"])
def test_one_part_that_fails_very_often_hides_no_other(about: str) -> None:
    sparing = _Sparing(lambda: 1.0)
    with contextlib.suppress(structlog.DropEvent):
        for _ in range(LINES_MAX + 1):
            sparing(None, "warning", {"event": "some.thing", "shard": 0, about: "one"})

    assert sparing(None, "warning", {"event": "some.thing", "shard": 0, about: "other"})


def test_events_that_are_counted_have_a_bound() -> None:
    sparing = _Sparing(lambda: 1.0)

    for number in range(SPARED_MAX + 10):
        sparing(None, "info", {"event": f"some.thing{number}"})

    assert len(sparing._seen) == SPARED_MAX
