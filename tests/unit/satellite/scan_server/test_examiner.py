"""What the scanning server remembers of octets that an engine could not finish."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from common.envelope import Envelope
from common.verdict import Outcome
from satellite.scan_server.passing_message import PassingMessage
from tests.support.clock import FakeClock
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
