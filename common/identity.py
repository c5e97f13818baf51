"""Which shard speaks, and in which life of its spool?

Pure. A later life of the same shard fences the earlier one. Which one is later says the core, by
when it first heard of each; a name and a clock say nothing.

Source: docs/sync.md, *A shard's lives*.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from common.errors import PeerError
from common.ids import is_ulid

SHARDS_MAX = 64  # of one node; more than any machine has cores for

# What an operator does about a spool that the core does not hear.
RENEW = (
    "if this spool is the one that counts, stop the other one and run here:"
    " borderscout spool renew --config FILE"
)

# Why a member is let in no more, as the core says it, and a node and an operator read it.
JOIN_AGAIN = "it has to join again"

_NODE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class IdentityRefused(PeerError):
    """A text that should name a shard names none."""


@dataclass(frozen=True, slots=True)
class LifeOrigin:
    """How a life of a spool began.

    Args:
        former: the incarnation whose mail and records it has; empty: it began with nothing.
        carried: so many of its first records may be known from the former one.
    """

    former: str
    carried: int = 0


@dataclass(frozen=True, slots=True)
class ShardIdentity:
    """One shard of one node, in one life of its spool.

    Args:
        node: the node's name in the inventory.
        shard: from 0.
        incarnation: a ULID, which only tells lives apart.
        run: a ULID of the process that speaks; empty from a version before. It tells a restart
            from a second process on a copy of the same spool.
        origin: how this life began; None: not known.
    """

    node: str
    shard: int
    incarnation: str
    run: str = field(default="", compare=False)
    origin: LifeOrigin | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return f"{self.node}/{self.shard}"

    @property
    def place(self) -> tuple[str, int]:
        """Node and shard: what stays the same over incarnations."""
        return self.node, self.shard


def check_identity(identity: ShardIdentity) -> ShardIdentity:
    """Return the identity, once it may stand in a row, a file name and a log line.

    Raises:
        IdentityRefused: the node is no name, the shard no number of one, the incarnation, run or
            former life no ULID.
    """
    if not _NODE.fullmatch(identity.node):
        raise IdentityRefused(f"{identity.node[:80]!r} is no name of a node")
    if not 0 <= identity.shard < SHARDS_MAX:
        raise IdentityRefused(
            f"shard {identity.shard} of {identity.node} is not below {SHARDS_MAX}"
        )
    if not is_ulid(identity.incarnation):
        raise IdentityRefused(f"{identity.incarnation[:80]!r} is no incarnation")
    if identity.run and not is_ulid(identity.run):
        raise IdentityRefused(f"{identity.run[:80]!r} is no run of a process")
    former = identity.origin.former if identity.origin is not None else ""
    if former and not is_ulid(former):
        raise IdentityRefused(f"{former[:80]!r} is no incarnation")
    return identity
