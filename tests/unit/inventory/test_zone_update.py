"""What is said when a name server fails after half of a zone, and what was done by then?"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator, Sequence

import dns.message
import dns.rcode
import dns.tsig
import pytest

from common.errors import EnvironmentFailure
from inventory.mx.records import RecordSet
from inventory.mx.tsig_key import TsigKey
from inventory.mx.zone_changes import ZoneChange
from inventory.mx.zone_update import ZoneChanged, ZoneServer

ZONE = "mx.scout.example"
KEY = TsigKey("scout", "hmac-sha256", b"secret")
RING = dns.tsig.Key(KEY.name, KEY.secret, KEY.algorithm)
MANY = [
    ZoneChange(None, RecordSet(f"p1-{number:016}.{ZONE}", "A", 300, ("192.0.2.1",)))
    for number in range(2000)
]

Answered = Callable[[dns.message.Message], bytes]


def says(code: dns.rcode.Rcode) -> Answered:
    def answered(question: dns.message.Message) -> bytes:
        answer = dns.message.make_response(question)
        answer.set_rcode(code)
        return answer.to_wire()

    return answered


OK = says(dns.rcode.NOERROR)


def hangs_up(_question: dns.message.Message) -> bytes:
    return b""


@contextlib.contextmanager
def server(answers: Sequence[Answered]) -> Iterator[ZoneServer]:
    """Yield a server that answers one question on each connection, in turn."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            for answered in answers:
                connection, _ = listening.accept()
                with connection, connection.makefile("rwb") as both:
                    [length] = struct.unpack("!H", both.read(2))
                    question = dns.message.from_wire(both.read(length), keyring=RING)
                    if answer := answered(question):
                        both.write(struct.pack("!H", len(answer)) + answer)

        serving = threading.Thread(target=serve, daemon=True)
        serving.start()
        yield ZoneServer(f"127.0.0.1:{listening.getsockname()[1]}", ZONE, KEY)
        serving.join()


@pytest.mark.parametrize(
    ("answered", "why", "hint"),
    [
        (says(dns.rcode.SERVFAIL), "SERVFAIL", "look at the server's log, and run"),
        (says(dns.rcode.REFUSED), "REFUSED", "allow-update"),
        (hangs_up, "the server hung up", "look at the server's log"),
    ],
)
def test_how_much_was_changed_before_a_server_fails_is_said(
    answered: Answered, why: str, hint: str
) -> None:
    told: list[int] = []

    with server([OK, answered]) as at, pytest.raises(EnvironmentFailure) as failure:
        at.change(MANY, lambda _what, done, _all: told.append(done))

    assert why in failure.value.what
    assert f"{told[-1]} of 2000 record sets were changed before that" in failure.value.what
    assert hint in failure.value.hint


def test_a_change_of_somebody_else_after_half_of_a_zone_says_how_much_was_changed() -> None:
    with server([OK, says(dns.rcode.NXRRSET)]) as at, pytest.raises(ZoneChanged, match="of 2000"):
        at.change(MANY)


def test_a_server_that_fails_at_once_has_changed_nothing() -> None:
    with server([hangs_up]) as at, pytest.raises(EnvironmentFailure) as failure:
        at.change(MANY)

    assert "changed before" not in failure.value.what


def test_a_server_that_hangs_up_on_a_transfer_is_told_of() -> None:
    with server([hangs_up]) as at, pytest.raises(EnvironmentFailure, match="hung up"):
        at.read()
