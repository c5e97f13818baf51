"""What the scanning server remembers of octets, and what it says to whom."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from common.envelope import Envelope
from common.preferences import Kind
from common.verdict import Outcome, ScopedMatch
from satellite.judging.disposition import Done
from satellite.scan_server.passing_message import PassingMessage
from tests.support.clock import FakeClock
from tests.support.core.preferences import document, route
from tests.support.smtp.passing import PuppetRooms, examiner_of


async def test_octets_that_an_engine_has_read_begin_anew(tmp_path: Path) -> None:
    """The same ones may come each day, as of a newsletter; three bad days are no bad message."""
    clock, rooms = FakeClock(), PuppetRooms()
    examiner = examiner_of(rooms, clock, [])
    envelope = Envelope(
        client_address="192.0.2.1", helo="h", sender="a@b.example", recipients=("x@acme.example",)
    )
    said: list[Outcome] = []

    for outcome in (*[Outcome.TIMEOUT] * 2, Outcome.CLEAN, *[Outcome.TIMEOUT] * 4):
        rooms.outcome = outcome
        message = PassingMessage(tmp_path, clock)
        message.write(b"Subject: x\r\n\r\nhello\r\n")
        stored, body = message.offered(envelope=envelope, trace=b"")
        with closing(body):
            treated = await examiner.examined(stored, body, can_reject=True, is_one=True)
        said += [verdict.outcome for verdict in treated.said.verdicts]

    assert said == [
        *[Outcome.TIMEOUT] * 2,
        Outcome.CLEAN,
        *[Outcome.TIMEOUT] * 2,
        *[Outcome.LIMITS] * 2,
    ]


@pytest.mark.parametrize("shares_copy", [False, True], ids=["smtp", "milter"])
async def test_a_rule_of_one_customer_is_followed_for_him_and_told_to_nobody_else(
    tmp_path: Path, *, shares_copy: bool
) -> None:
    """Where all get one copy it has no word of it, not even for him."""
    clock, rooms = FakeClock(), PuppetRooms()
    rooms.scoped = (
        ScopedMatch(
            rules="own", scope="customer/acme", outcome=Outcome.INFECTED, threats=("Secret",)
        ),
    )
    documents = [
        route("acme.example", customer="acme"),
        route("globex.example", customer="globex"),
        document(Kind.POLICY, "customer/acme", virus="mark", subject_tag="[VIRUS]"),
    ]
    examiner = examiner_of(rooms, clock, documents)
    message = PassingMessage(tmp_path, clock)
    message.write(b"Subject: x\r\n\r\nhello\r\n")
    envelope = Envelope(
        client_address="192.0.2.1",
        helo="h",
        sender="a@b.example",
        recipients=("x@acme.example", "y@globex.example"),
    )
    stored, body = message.offered(envelope=envelope, trace=b"")

    with closing(body):
        treated = await examiner.examined(
            stored, body, can_reject=True, is_one=True, shares_copy=shares_copy
        )

    acme, globex = treated.treatments
    assert (acme.done, acme.disposed.marked) == (Done.DELIVER, True)
    assert acme.disposed.reason == "virus: puppet Secret; policy virus=mark (customer/acme)"
    assert (globex.done, globex.disposed.marked) == (Done.DELIVER, False)
    assert acme.copy is not None
    assert globex.copy is not None
    assert (b"Secret" in acme.copy.head) is not shares_copy
    assert b"Secret" not in globex.copy.head
