"""Every row of the table of clamd's answers."""

from __future__ import annotations

from datetime import datetime

import pytest

from common.verdict import Outcome
from satellite.scanning.clamd.replies import meaning, numbered, version

MADE_US = round(datetime(2026, 11, 24, 8).timestamp()) * 1_000_000  # noqa: DTZ001  # as clamd has it

ROWS = [
    (b"stream: OK", Outcome.CLEAN, ()),
    (b"stream: Eicar-Test-Signature FOUND", Outcome.INFECTED, ("Eicar-Test-Signature",)),
    (b"stream: a FOUND FOUND", Outcome.INFECTED, ("a FOUND",)),
    (
        b"stream: Heuristics.Limits.Exceeded.MaxScanSize FOUND",
        Outcome.LIMITS,
        ("Heuristics.Limits.Exceeded.MaxScanSize",),
    ),
    (b"stream: Heuristics.Encrypted.PDF FOUND", Outcome.ENCRYPTED, ("Heuristics.Encrypted.PDF",)),
    (
        b"stream: Heuristics.OLE2.ContainsMacros.XLM FOUND",
        Outcome.MACRO,
        ("Heuristics.OLE2.ContainsMacros.XLM",),
    ),
    (
        b"stream: Heuristics.Phishing.Email FOUND",
        Outcome.INFECTED,
        ("Heuristics.Phishing.Email",),
    ),
    (b"INSTREAM size limit exceeded. ERROR", Outcome.LIMITS, ()),
    (b"stream: Can't allocate memory ERROR", Outcome.ERROR, ()),
    (b"COMMAND READ TIMED OUT", Outcome.ERROR, ()),
    (b"UNKNOWN COMMAND", Outcome.ERROR, ()),
    (b"", Outcome.ERROR, ()),
    (b"OK", Outcome.ERROR, ()),
    (b"stream: ok", Outcome.ERROR, ()),
    (b"stream: OK ", Outcome.ERROR, ()),
    (b" stream: OK", Outcome.ERROR, ()),
    (b"stream: OK\n", Outcome.ERROR, ()),
    (b"stream:  FOUND", Outcome.LIMITS, ()),
    (b"stream: (null) FOUND", Outcome.LIMITS, ()),
    (b"stream: (null)(d41d8cd98f00b204e9800998ecf8427e:0) FOUND", Outcome.LIMITS, ()),
    (b"stream: (null)x FOUND", Outcome.INFECTED, ("(null)x",)),
    (b"stream: Exceeded time limit ERROR", Outcome.LIMITS, ()),
    (b"stream: Can't unpack some data ERROR", Outcome.LIMITS, ()),
    (b"stream: Can't create temporary file ERROR", Outcome.ERROR, ()),
    (b"stream: Unspecified error ERROR", Outcome.ERROR, ()),
    (b"fd[7]: OK", Outcome.ERROR, ()),
    (b"stream: OK\r\nstream: Evil FOUND", Outcome.INFECTED, ("OK??stream: Evil",)),
]


@pytest.mark.parametrize(("reply", "outcome", "threats"), ROWS)
def test_an_answer_means(reply: bytes, outcome: Outcome, threats: tuple[str, ...]) -> None:
    said = meaning(reply)

    assert (said.outcome, said.threats) == (outcome, threats)


def test_only_one_answer_of_all_is_clean() -> None:
    assert [reply for reply, _, _ in ROWS if meaning(reply).outcome is Outcome.CLEAN] == [
        b"stream: OK"
    ]


def test_a_name_is_made_printable_and_short() -> None:
    (name,) = meaning(b"stream: \x1b[2J\r\nX: y\xff" + b"N" * 1000 + b" FOUND").threats

    assert name.startswith("?[2J??X: y?N")
    assert len(name) == 256


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        (b"1: stream: OK", (1, b"stream: OK")),
        (b"17: ", (17, b"")),
        (b"stream: OK", (None, b"stream: OK")),
        (b"", (None, b"")),
        (b"99999999999: stream: OK", (None, b"99999999999: stream: OK")),
    ],
)
def test_an_answer_carries_the_number_of_its_question(
    reply: bytes, expected: tuple[int | None, bytes]
) -> None:
    assert numbered(reply) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (b"ClamAV 1.4.3/27807/Tue Nov 24 08:00:00 2026", ("1.4.3", "27807", MADE_US)),
        (b"ClamAV 1.4.3/27807/Tue Nov  4 08:00:00 20260", ("1.4.3", "27807", 0)),
        (b"ClamAV 1.4.3/27807/Tue Jan  1 00:00:00 0001", ("1.4.3", "27807", 0)),
        (b"ClamAV 1.4.6", ("1.4.6", "", 0)),
        (b"ClamAV 1.4.6/27807", ("1.4.6", "27807", 0)),
        (b"ClamAV 1.4\x1b6/1/x", ("1.4?6", "1", 0)),
        (b"UNKNOWN COMMAND", ("", "", 0)),
        (b"", ("", "", 0)),
    ],
)
def test_the_version_is_engine_and_definitions(line: bytes, expected: tuple[str, str, int]) -> None:
    said = version(line)

    assert (said.version, said.definitions, said.definitions_us) == expected
