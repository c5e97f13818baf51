"""How does a core's word of itself look on the wire, and in a call's first metadata?

Pure. Metadata reach the caller before the first answer does, and a peer of the version before
passes over what it does not know.
"""

from __future__ import annotations

from collections.abc import Iterable

from borderscout.v1 import standing_pb2
from google.protobuf.message import DecodeError

from common.link import LIFE, CoreStanding
from common.wire import bounds
from common.wire.bounds import WireError
from common.wire.positions import position_from_wire, position_to_wire

STANDING = "borderscout-standing-bin"  # the name that says that the value is octets

Metadata = Iterable[tuple[str, str | bytes]]


def standing_to_wire(standing: CoreStanding) -> standing_pb2.CoreStanding:
    """Return what a core says of itself as protobuf."""
    return standing_pb2.CoreStanding(
        position=position_to_wire(standing.position),
        digest=standing.digest,
        life=standing.life,
        digest_at_yours=standing.digest_at_yours or b"",
    )


def standing_from_wire(message: standing_pb2.CoreStanding) -> CoreStanding:
    """Return what a core said of itself.

    Raises:
        WireError: it breaks a bound.
    """
    if LIFE.fullmatch(message.life) is None:
        raise WireError("a core that does not say which of its lives this is")
    at_yours = message.digest_at_yours
    return CoreStanding(
        position=position_from_wire(message.position),
        digest=bounds.digest(message.digest),
        life=message.life,
        digest_at_yours=bounds.digest(at_yours) if at_yours else None,
    )


def standing_to_metadata(standing: CoreStanding) -> tuple[str, bytes]:
    """Return what a core says of itself as an entry of metadata."""
    return STANDING, standing_to_wire(standing).SerializeToString()


def standing_from_metadata(metadata: Metadata) -> CoreStanding | None:
    """Return what a core says of itself; None: it is of a version that does not.

    Raises:
        WireError: it breaks a bound.
    """
    for name, value in metadata:
        if name == STANDING and isinstance(value, bytes):
            try:
                return standing_from_wire(standing_pb2.CoreStanding.FromString(value))
            except DecodeError:
                raise WireError("what a core says of itself cannot be read") from None
    return None
