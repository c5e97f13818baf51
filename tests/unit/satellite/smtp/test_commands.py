"""Lines, verbs and paths."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.smtp import replies
from satellite.smtp.commands import (
    COMMAND_BYTES_MAX,
    CommandLines,
    PathArgument,
    SmtpCommand,
    read_command,
    read_path,
)
from satellite.smtp.replies import Reply


def lines_of(parts: list[bytes]) -> list[bytes | Reply]:
    lines = CommandLines()
    found: list[bytes | Reply] = []
    for part in parts:
        lines.feed(part)
        while (line := lines.next_line()) is not None:
            found.append(line)
    return found


@given(cuts=st.lists(st.integers(0, 60)))
def test_lines_are_the_same_however_they_are_cut(cuts: list[int]) -> None:
    sent = b"EHLO a\r\nMAIL FROM:<>\r\nbare\nRSET\rx\r\n\r\nQUIT\r\n"
    ends = [0, *sorted(cut for cut in cuts if cut < len(sent)), len(sent)]

    assert lines_of([sent[a:b] for a, b in pairwise(ends)]) == [
        b"EHLO a",
        b"MAIL FROM:<>",
        replies.CONTROL_CHARACTERS,
        replies.CONTROL_CHARACTERS,
        b"",
        b"QUIT",
    ]


@pytest.mark.parametrize("octet", [*range(0x20), 0x7F])
def test_finding_11_a_control_octet_in_a_command_is_refused_before_it_is_parsed(
    octet: int,
) -> None:
    line = b'MAIL FROM:<"a\\' + bytes([octet]) + b'"@x.test>\r\n'

    assert lines_of([line])[0] == replies.CONTROL_CHARACTERS


def test_a_line_of_just_the_limit_passes_and_a_longer_one_is_one_refusal() -> None:
    fits = b"NOOP " + b"x" * (COMMAND_BYTES_MAX - 7)

    assert lines_of([fits + b"\r\n"]) == [fits]
    assert lines_of([fits + b"y\r\nQUIT\r\n"]) == [replies.LINE_TOO_LONG, b"QUIT"]
    assert lines_of([b"z" * 3000] * 10 + [b"\r\nQUIT\r\n"]) == [replies.LINE_TOO_LONG, b"QUIT"]


def test_an_endless_line_is_not_kept() -> None:
    lines = CommandLines()
    for _ in range(100):
        lines.feed(b"z" * 100_000)
        assert lines.next_line() is None
        assert not lines.octets


@pytest.mark.parametrize(
    ("line", "command"),
    [
        (b"NOOP", SmtpCommand("NOOP", "")),
        (b"noop  x ", SmtpCommand("NOOP", "x")),
        ("MAIL FROM:<ä@b>".encode(), SmtpCommand("MAIL", "FROM:<ä@b>")),
        ("EHLO ä".encode(), replies.NOT_ASCII),
        (b"RCPT TO:<\xff@b>", replies.NOT_ASCII),
        (b"", replies.UNRECOGNISED),
        (b" NOOP", replies.UNRECOGNISED),
        (b"A" * 40, replies.UNRECOGNISED),
        (b"NO-OP", replies.UNRECOGNISED),
    ],
)
def test_a_line_is_a_verb_and_an_argument(line: bytes, command: SmtpCommand | Reply) -> None:
    assert read_command(line) == command


@pytest.mark.parametrize(
    ("argument", "path"),
    [
        ("TO:<a@b>", PathArgument("a@b", {})),
        ("to: <a@b>", PathArgument("a@b", {})),
        ("TO:a@b", PathArgument("a@b", {})),
        ("TO:<>", PathArgument("", {})),
        ('TO:<"a b>c"@d>', PathArgument('"a b>c"@d', {})),
        ('TO:<"a\\"b"@d>', PathArgument('"a\\"b"@d', {})),
        ("TO:<a@b> X=1 y", PathArgument("a@b", {"X": "1", "Y": None})),
        ("TO:<a@b>X", None),
        ("TO:<a b@c>", None),
        ("TO:<a@b", None),
        ("TO:", None),
        ("TO <a@b>", None),
        ("FROM:<a@b>", None),
        ('TO:<"a@b>', None),
        ("TO:<a@b> X=1 x=2", PathArgument("a@b", {"X": "1"}, frozenset({"X"}))),
        ("TO:<a@b> X==1 Y=", PathArgument("a@b", {"X": "=1", "Y": ""})),
        ("TO:<a@b> =1", None),
        ("TO:<" + "a" * 2000 + "@b>", None),
    ],
)
def test_a_path_is_read_or_refused(argument: str, path: PathArgument | None) -> None:
    assert read_path(argument, "TO:") == path
