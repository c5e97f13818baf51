"""How do a position in the preferences and an identity look on the wire?

Pure.
"""

from __future__ import annotations

from borderscout.v1 import position_pb2 as position_

from common.identity import IdentityRefused, LifeOrigin, ShardIdentity, check_identity
from common.preferences import Epoch, Position
from common.wire import bounds
from common.wire.bounds import NAME_LENGTH_MAX, WireError


def position_to_wire(position: Position) -> position_.PreferencePosition:
    """Return a position as protobuf."""
    return position_.PreferencePosition(
        epoch=position_.Epoch(
            generation=position.epoch.generation, identifier=position.epoch.identifier
        ),
        revision=position.revision,
    )


def position_from_wire(message: position_.PreferencePosition) -> Position:
    """Return the position that a peer named.

    Raises:
        WireError: it is none.
    """
    identifier = bounds.text(message.epoch.identifier, length_max=NAME_LENGTH_MAX)
    epoch = Epoch(bounds.number(message.epoch.generation), identifier)
    return Position(epoch, bounds.number(message.revision))


def identity_to_wire(identity: ShardIdentity) -> position_.ShardIdentity:
    """Return who we are as protobuf."""
    message = position_.ShardIdentity(
        node=identity.node,
        shard=identity.shard,
        incarnation=identity.incarnation,
        run=identity.run,
    )
    if identity.origin is not None:
        message.origin.SetInParent()
        message.origin.former = identity.origin.former
        message.origin.carried = identity.origin.carried
    return message


def identity_from_wire(message: position_.ShardIdentity) -> ShardIdentity:
    """Return who a peer says it is; the certificate must agree.

    Raises:
        WireError: no shard can be called so.
    """
    origin = None
    if message.HasField("origin"):
        origin = LifeOrigin(message.origin.former, bounds.number(message.origin.carried))
    told = ShardIdentity(message.node, message.shard, message.incarnation, message.run, origin)
    try:
        return check_identity(told)
    except IdentityRefused as error:
        raise WireError(error.what) from None
