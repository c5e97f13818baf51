"""Which changes to a message on its way are allowed?"""

from __future__ import annotations

import pytest

from tests.support.smtp.anatomy import digest, take_apart
from tests.support.smtp.octets import difference, forged
from tests.support.smtp.sink import Arrival
from tests.support.witnesses.history import Arrived, arrivals
from tests.support.witnesses.ledger import Sending

OURS = b"X-BorderScout: id=1\r\nReceived: from x\r\n\tby y\r\n"
GID = b"X-BS-Test-Gid: g\r\n"


def _sending(data: bytes) -> Sending:
    anatomy = take_apart(data)
    return Sending(
        gid="g",
        attempt=1,
        target="t",
        sender="",
        recipients=("x@a.example",),
        sha256=digest(data),
        below_sha256=digest(anatomy.below),
        bytes=len(data),
        header=tuple(field.decode() for field in anatomy.fields),
        time_us=1,
    )


def _arrived(data: bytes) -> Arrived:
    arrival = Arrival(
        session=1,
        helo="x",
        sender="",
        recipients=("x@a.example",),
        parameters="",
        data=data,
        answered=True,
    )
    (arrived,) = arrivals([arrival.line(1)])
    return arrived


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (GID + b"A: 1\r\n\r\nx\r\n", OURS + GID + b"A: 1\r\n\r\nx\r\n"),
        (b"no header\r\n", OURS + b"\r\nno header\r\n"),
        (b"", OURS),
        (
            GID + b"X-BorderScout: forged\r\nA: 1\r\n\r\nx\r\n",
            OURS + GID + b"A: 1\r\n\r\nx\r\n",
        ),
        (
            GID + b"Authentication-Results: mx.scout.example; spf=pass\r\nA: 1\r\n\r\nx\r\n",
            OURS + b"Authentication-Results: mx; none\r\n" + GID + b"A: 1\r\n\r\nx\r\n",
        ),
        (
            GID + b"X-BorderScout: a\r\nAuthentication-Results: other; spf=fail\r\n\r\nx\r\n",
            OURS + GID + b"Authentication-Results: other; spf=fail\r\n\r\nx\r\n",
        ),
        (GID + b"A: 1\r\n\r\n", OURS + b"Subject: [SPAM]\r\n" + GID + b"A: 1\r\n\r\n"),
        (
            GID + b"Subject: win\r\nA: 1\r\n\r\nx\r\n",
            OURS + GID + b"Subject: [SPAM] win\r\nA: 1\r\n\r\nx\r\n",
        ),
    ],
)
def test_what_a_gateway_may_do_is_no_difference(before: bytes, after: bytes) -> None:
    assert difference(_sending(before), _arrived(after)) is None
    assert forged(_sending(before), _arrived(after)) is None


@pytest.mark.parametrize(
    ("after", "what"),
    [
        (OURS + GID + b"A: 1\r\nSubject: s\r\n\r\nX\r\n", "below the header"),
        (OURS + GID + b"A: 2\r\nSubject: s\r\n\r\nx\r\n", "a differs or is missing"),
        (OURS + GID + b"A:  1\r\nSubject: s\r\n\r\nx\r\n", "a differs or is missing"),
        (OURS + GID + b"A: 1\r\nSubject: other\r\n\r\nx\r\n", "subject differs"),
        (OURS + GID + b"A: 1\r\n\r\nx\r\n", "subject differs or is missing"),
        (b"Subject: [SPAM]\r\n" + GID + b"A: 1\r\nSubject: s\r\n\r\nx\r\n", "put on top"),
        (GID + GID + b"A: 1\r\nSubject: s\r\n\r\nx\r\n", "x-bs-test-gid was put on top"),
        (b"X-Ad: 1\r\n" + GID + b"A: 1\r\nSubject: s\r\n\r\nx\r\n", "x-ad was put on top"),
        (OURS + GID + b"A: 1\r\nSubject: s\r\nB: 2\r\n\r\nx\r\n", "differs"),
    ],
)
def test_anything_else_is_named(after: bytes, what: str) -> None:
    before = _sending(GID + b"A: 1\r\nSubject: s\r\n\r\nx\r\n")

    assert what in str(difference(before, _arrived(after)))


def test_a_forged_line_below_the_senders_first_field_is_seen() -> None:
    data = GID + b"X-BORDERSCOUT-Spam: no\r\n\r\nx\r\n"

    assert forged(_sending(data), _arrived(OURS + data)) == "x-borderscout-spam"
