"""Which tallies pass from the wire?"""

from __future__ import annotations

import pytest
from borderscout.v1 import tallies_pb2

from common import wire
from common.identity import ShardIdentity
from common.sliding_count import AMOUNT_MAX, CELLS_MAX
from common.tallies import TALLIES_OF_MESSAGE_MAX, TellsTallies, ToldTally
from common.wire import WireError

KEY = b"k" * 16
TOLD = (ToldTally(("volume.mail", KEY), ((0, 3), (70, 2))), ToldTally(("greylist", KEY), ()))
HELLO = TellsTallies(ShardIdentity("lon1", 0, "01KDVDNA000000000000000002"), "0123456789abcdef")


def test_tallies_arrive_as_they_left() -> None:
    assert wire.tallies_from_wire(wire.tallies_request_to_wire(TOLD)) == TOLD
    assert wire.tallies_from_wire(wire.tallies_response_to_wire(TOLD)) == TOLD
    assert wire.tallies_hello_from_wire(wire.tallies_request_to_wire((), HELLO)) == HELLO


def tally(**more: object) -> tallies_pb2.Tally:
    given = {"kind": "mail", "key": KEY, "age_s": [1], "amount": [1]} | more
    return tallies_pb2.Tally(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "given",
    [
        {"kind": ""},
        {"kind": "Mail"},
        {"kind": "m" * 33},
        {"kind": "m\n"},
        {"key": b""},
        {"key": b"k" * 17},
        {"age_s": [1, 2]},
        {"amount": [AMOUNT_MAX + 1]},
        {"age_s": [1] * (CELLS_MAX + 1), "amount": [1] * (CELLS_MAX + 1)},
    ],
)
def test_a_tally_that_breaks_a_bound_ends_the_stream(given: dict[str, object]) -> None:
    with pytest.raises(WireError):
        wire.tallies_from_wire(tallies_pb2.TalliesRequest(tallies=[tally(**given)]))


def test_too_many_at_once_end_the_stream() -> None:
    many = [tally()] * (TALLIES_OF_MESSAGE_MAX + 1)

    with pytest.raises(WireError):
        wire.tallies_from_wire(tallies_pb2.TalliesRequest(tallies=many))


@pytest.mark.parametrize("life", ["", "0" * 15, "g" * 16, "0" * 16 + "\n"])
def test_a_stream_begins_with_a_life(life: str) -> None:
    message = wire.tallies_request_to_wire((), HELLO)
    message.life = life

    with pytest.raises(WireError):
        wire.tallies_hello_from_wire(message)
