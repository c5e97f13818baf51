"""The scanner of message data."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.delivery.hop.stuffing import Stuffing
from satellite.smtp.data import DataLimits, DataScanner, Fault
from satellite.smtp.trace import own_hop

LIMITS = DataLimits(message_bytes_max=10_000_000, line_bytes_max=1_048_576)

# The union of both public smuggling tools (VU#302671); none of them ends the data.
SEQUENCES = [
    b"\n.\n",
    b"\n.\r",
    b"\r.\n",
    b"\r.\r",
    b"\n.\r\n",
    b"\r.\r\n",
    b"\r\n\x00.\r\n",
    b"\r\n.\n",
    b"\r\n.\r",
    b"\r\n.\x00\r\n",
    b"\r\n.\r\r\n",
    b"\r\r\n.\r\r\n",
]
SMUGGLED = b"MAIL FROM:<evil@x.example>\r\nRCPT TO:<b@acme.example>\r\nDATA\r\nevil\r\n"


def scan(parts: list[bytes], limits: DataLimits = LIMITS) -> tuple[bytes, DataScanner]:
    """Feed parts until the end; what is left of them counts as rest."""
    scanner = DataScanner(limits)
    taken = b""
    rest = b""
    for part in parts:
        if scanner.ended:
            rest += part
        elif part:
            taken += scanner.feed(part)
            rest = scanner.rest
    scanner.rest = rest
    return taken, scanner


def halves(octets: bytes) -> list[list[bytes]]:
    return [[octets[:cut], octets[cut:]] for cut in range(len(octets) + 1)]


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b".\r\n", b""),
        (b"\r\n.\r\n", b"\r\n"),
        (b"a\r\n.\r\n", b"a\r\n"),
        (b"..\r\n.\r\n", b".\r\n"),
        (b".a\r\n.\r\n", b"a\r\n"),
        (b"a\r\n..b\r\n...\r\n.\r\n", b"a\r\n.b\r\n..\r\n"),
        (b"a\r\n\r\n.\r\n", b"a\r\n\r\n"),
        (b"a.\r\n.\r\n", b"a.\r\n"),
    ],
)
def test_a_message_is_unstuffed_however_it_is_cut(sent: bytes, message: bytes) -> None:
    for parts in [*halves(sent + b"NEXT"), [bytes([octet]) for octet in sent + b"NEXT"]]:
        taken, scanner = scan(parts)
        assert (taken, scanner.ended, scanner.rest) == (message, True, b"NEXT"), parts
        assert scanner.size == len(message)
        assert scanner.fault is None


@pytest.mark.parametrize("sequence", SEQUENCES, ids=repr)
@pytest.mark.parametrize(
    "before",
    [
        b"",
        b"Subject: 1",
        b"Subject: 1\r\n\r\nbody",
        b"Subject: 1\r\n\r\n" + b"x" * 998,
        b"Subject: 1\r\n\r\n" + b"y" * 1010,
    ],
    ids=["first body bytes", "inside headers", "in the body", "after 998", "at an edge"],
)
def test_b1_every_sequence_is_one_refused_message_however_it_is_cut(
    sequence: bytes, before: bytes
) -> None:
    sent = before + sequence + SMUGGLED + b".\r\n"
    around = range(max(0, len(before) - 2), len(before) + len(sequence) + 3)
    for parts in [[sent[:cut], sent[cut:]] for cut in around] + [[bytes([o]) for o in sent]]:
        _, scanner = scan(parts)
        assert scanner.ended, parts
        assert scanner.rest == b"", parts
        assert scanner.fault is Fault.BARE_NEWLINE, parts


@pytest.mark.parametrize("sequence", SEQUENCES, ids=repr)
@pytest.mark.parametrize("edge", [1024, 65_536, 262_144])
def test_b1_every_sequence_is_seen_at_a_buffer_s_edge(sequence: bytes, edge: int) -> None:
    for shift in range(len(sequence) + 1):
        sent = b"a" * (edge - shift) + sequence + SMUGGLED + b".\r\n"
        _, scanner = scan([sent[at : at + edge] for at in range(0, len(sent), edge)])
        assert (scanner.ended, scanner.rest) == (True, b"")
        assert scanner.fault is Fault.BARE_NEWLINE


def slow_reading(sent: bytes) -> tuple[bytes, bytes, bool]:
    """The same by the letter of RFC 5321 section 4.5.2: line by line, one octet at a time."""
    message, line, at = b"", b"", 0
    while True:
        line += sent[at : at + 1]
        at += 1
        if line.endswith(b"\r\n"):
            if line == b".\r\n":
                break
            message += line[1:] if line.startswith(b".") else line
            line = b""
    stripped = message.replace(b"\r\n", b"")
    return message, sent[at:], any(octet in stripped for octet in (b"\r", b"\n", b"\0"))


@given(
    octets=st.lists(st.sampled_from([b"\r", b"\n", b".", b"\0", b"a", b"\r\n", b"\r\n."])),
    cuts=st.lists(st.integers(0, 60)),
)
def test_the_scanner_agrees_with_the_letter_of_the_rfc(
    octets: list[bytes], cuts: list[int]
) -> None:
    sent = b"".join(octets) + b"\r\n.\r\n"
    ends = [0, *sorted(cut for cut in cuts if cut < len(sent)), len(sent)]

    taken, scanner = scan([sent[a:b] for a, b in pairwise(ends)])

    message, rest, is_bare = slow_reading(sent)
    assert scanner.ended
    assert (taken, scanner.rest) == (message, rest)
    assert (scanner.fault is Fault.BARE_NEWLINE) == is_bare


def test_a_message_of_just_the_limit_passes_and_one_octet_more_does_not() -> None:
    limits = DataLimits(message_bytes_max=10, line_bytes_max=1000)

    assert scan([b"12345678\r\n.\r\n"], limits)[1].fault is None
    assert scan([b"123456789\r\n.\r\n"], limits)[1].fault is Fault.SIZE
    # RFC 1870 section 5: the dots that stuffing adds do not count.
    assert scan([b"..2345678\r\n.\r\n"], limits)[1].fault is None


@pytest.mark.parametrize("block", [1, 7, 100, 10_000])
def test_a_line_of_just_the_limit_passes_and_one_octet_more_does_not(block: int) -> None:
    limits = DataLimits(message_bytes_max=100_000, line_bytes_max=1000)

    def fault_of(line: bytes) -> Fault | None:
        sent = b"a\r\n" + line + b"\r\nb\r\n.\r\n"
        return scan([sent[at : at + block] for at in range(0, len(sent), block)], limits)[1].fault

    assert fault_of(b"x" * 998) is None
    assert fault_of(b"x" * 999) is Fault.LINE_LENGTH


def test_a_megabyte_without_a_line_s_end_passes_unchanged() -> None:
    sent = b"x" * (1_048_576 - 2) + b"\r\n"

    taken, scanner = scan(
        [sent[at : at + 65_536] for at in range(0, len(sent), 65_536)] + [b".\r\n"]
    )

    assert taken == sent
    assert scanner.fault is None


@pytest.mark.parametrize("block", [1, 3, 11, 64, 100_000])
def test_hops_are_counted_in_the_header_section_only(block: int) -> None:
    def scanned(hops: int) -> DataScanner:
        sent = (
            b"RECEIVED: from a\r\n" * hops
            + b"Subject: Received: no\r\n Received: a continuation\r\nX-Received: no\r\n"
            + b"\r\nReceived: quoted\r\n.\r\n"
        )
        return scan([sent[at : at + block] for at in range(0, len(sent), block)])[1]

    assert scanned(100).hops == 100
    assert scanned(100).fault is None
    assert scanned(101).fault is Fault.LOOP


@pytest.mark.parametrize("block", [1, 3, 11, 64, 100_000])
def test_our_own_hops_are_few_before_it_is_a_loop(block: int) -> None:
    ours = own_hop("lon1.mx.scout.example", "MX.Scout.example")
    limits = DataLimits(message_bytes_max=100_000, line_bytes_max=1000, own_hop=ours)

    def scanned(hops: int) -> DataScanner:
        field = b"Received: from a\r\n\tby Lon1.mx.scout.example with ESMTP id 1;\r\n\tnow\r\n"
        quoted = b"\r\n" + field * 9
        sent = b"Received: from b by c\r\n" + field * hops + b"Subject: hi\r\n" + quoted + b".\r\n"
        return scan([sent[at : at + block] for at in range(0, len(sent), block)], limits)[1]

    assert (scanned(5).own_hops, scanned(5).hops, scanned(5).fault) == (5, 6, None)
    assert scanned(6).fault is Fault.LOOP


def test_a_message_without_a_header_section_has_no_hops() -> None:
    assert scan([b"\r\nReceived: body\r\n.\r\n"])[1].hops == 0


def test_millions_of_empty_or_dotted_lines_cost_no_memory_for_each() -> None:
    scanner = DataScanner(LIMITS)

    taken = scanner.feed(b"\r\n" * 1_000_000 + b"..\r\n" * 1_000_000)

    assert scanner.fault is None
    assert taken.count(b"\n") == 2_000_000 - 1  # the last line's end may begin the final dot
    assert scanner.size == len(taken)


# ---- mended

MENDED = DataLimits(message_bytes_max=10_000_000, line_bytes_max=1_048_576, mends_newlines=True)


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        (b"a\r\nb\r\n.\r\n", b"a\r\nb\r\n"),
        (b"a\nb\n\r\n.\r\n", b"a\r\nb\r\n\r\n"),
        (b"a\rb\r\n.\r\n", b"a b\r\n"),
        (b"a\0b\r\n.\r\n", b"ab\r\n"),
        (b"a\r\r\nb\n\rc\r\n.\r\n", b"a \r\nb\r\n c\r\n"),
        (b"a\n..b\n.c\n...\r\n.\r\n", b"a\r\n.b\r\n.c\r\n..\r\n"),
        (b"\n.\r\n.\r\n", b"\r\n.\r\n"),
        (b"\n\r\n.\r\n", b"\r\n\r\n"),
    ],
)
def test_bare_newlines_are_mended_however_the_octets_are_cut(sent: bytes, message: bytes) -> None:
    cuts = [*halves(sent), [bytes([octet]) for octet in sent]]
    for parts in cuts:
        taken, scanner = scan(parts, MENDED)
        assert (taken, scanner.fault, scanner.ended) == (message, None, True), parts
        assert scanner.has_mended is (message != b"a\r\nb\r\n")
        assert scanner.size == len(message)


@pytest.mark.parametrize("sequence", SEQUENCES, ids=repr)
def test_b1_what_is_mended_has_one_end_and_it_is_the_real_one(sequence: bytes) -> None:
    sent = b"Subject: 1\r\n\r\nbody" + sequence + SMUGGLED + b".\r\n"
    for parts in halves(sent):
        taken, scanner = scan(parts, MENDED)
        assert scanner.ended
        assert scanner.rest == b""
        assert b"evil\r\n" in taken
        assert taken.count(b"\n") == taken.count(b"\r") == taken.count(b"\r\n")
        assert b"\0" not in taken
        # Sent on, each line that begins with a dot gets another one: nothing in it ends the data.
        assert b"\r\n.\r\n" not in Stuffing().feed(taken)


@given(st.lists(st.sampled_from([b"\r", b"\n", b".", b"\0", b"a", b"\r\n"]), max_size=30))
def test_what_is_mended_has_no_bare_newline_and_does_not_depend_on_cuts(
    pieces: list[bytes],
) -> None:
    sent = b"".join(pieces) + b"\r\n.\r\n"
    whole, _ = scan([sent], MENDED)
    apart, scanner = scan([bytes([octet]) for octet in sent], MENDED)

    assert whole == apart
    assert scanner.fault is None
    assert whole.count(b"\n") == whole.count(b"\r") == whole.count(b"\r\n")
    assert b"\0" not in whole


def test_what_grows_by_mending_is_held_against_the_limit() -> None:
    limits = DataLimits(message_bytes_max=15, line_bytes_max=100, mends_newlines=True)
    _, scanner = scan([b"\n" * 8 + b"\r\n.\r\n"], limits)

    assert scanner.fault is Fault.SIZE
