"""How does what was counted look on the wire?

Pure. A tally that breaks a bound ends the stream: nobody of ours says such a thing.
"""

from __future__ import annotations

from collections.abc import Iterable

from borderscout.v1 import tallies_pb2 as tallies_

from common import tallies
from common.sliding_count import AMOUNT_MAX, CELLS_MAX
from common.wire import bounds
from common.wire.bounds import WireError
from common.wire.positions import identity_from_wire, identity_to_wire


def tallies_request_to_wire(
    told: Iterable[tallies.ToldTally], hello: tallies.TellsTallies | None = None
) -> tallies_.TalliesRequest:
    """Return what a shard has seen, or the hello that opens the stream, as protobuf."""
    request = tallies_.TalliesRequest(tallies=map(_tally_to_wire, told))
    if hello is not None:
        request.identity.CopyFrom(identity_to_wire(hello.identity))
        request.life = hello.life
    return request


def tallies_hello_from_wire(message: tallies_.TalliesRequest) -> tallies.TellsTallies:
    """Return who opened a stream.

    Raises:
        WireError: it does not say.
    """
    if tallies.LIFE.fullmatch(message.life) is None:
        raise WireError("a tally stream begins with an identity and a life")
    return tallies.TellsTallies(identity_from_wire(message.identity), message.life)


def tallies_response_to_wire(told: Iterable[tallies.ToldTally]) -> tallies_.TalliesResponse:
    """Return what all others have seen as protobuf."""
    return tallies_.TalliesResponse(tallies=map(_tally_to_wire, told))


def tallies_from_wire(
    message: tallies_.TalliesRequest | tallies_.TalliesResponse,
) -> tuple[tallies.ToldTally, ...]:
    """Return what a peer has seen.

    Raises:
        WireError: it is too much, or no tallies.
    """
    bounds.at_most(len(message.tallies), tallies.TALLIES_OF_MESSAGE_MAX, "tallies")
    found = tuple(_tally_from_wire(tally) for tally in message.tallies)
    cells = sum(len(tally.ages) for tally in found)
    bounds.at_most(cells, tallies.CELLS_OF_MESSAGE_MAX, "cells of tallies")
    return found


def _tally_to_wire(tally: tallies.ToldTally) -> tallies_.Tally:
    kind, key = tally.key
    return tallies_.Tally(
        kind=kind,
        key=key,
        age_s=[age_s for age_s, _ in tally.ages],
        amount=[amount for _, amount in tally.ages],
    )


def _tally_from_wire(message: tallies_.Tally) -> tallies.ToldTally:
    kind, key = message.kind, message.key
    if tallies.KIND.fullmatch(kind) is None:
        raise WireError(f"{bounds.plain(kind[:40])!r} is nothing that is counted")
    if len(key) != tallies.KEY_BYTES:
        raise WireError(f"a tally's key of {len(key)} octets")
    bounds.at_most(len(message.age_s), CELLS_MAX, "cells of one tally")
    if len(message.age_s) != len(message.amount):
        raise WireError("a tally whose cells have no age or no amount")
    if any(amount > AMOUNT_MAX for amount in message.amount):
        raise WireError("a tally of more than anybody counts")
    return tallies.ToldTally((kind, key), tuple(zip(message.age_s, message.amount, strict=True)))
