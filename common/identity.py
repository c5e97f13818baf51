"""Which shard speaks, and in which life of its spool?

Pure. A later incarnation of the same shard fences the earlier one; incarnations are ULIDs, so they
have an order. Source: docs/sync.md, *A shard's lives*.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from common.errors import PeerError
from common.ids import is_ulid

SHARDS_MAX = 64  # of one node; more than any machine has cores for

_NODE = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class IdentityRefused(PeerError):
    """A text that should name a shard names none."""


@dataclass(frozen=True, slots=True)
class ShardIdentity:
    """One shard of one node, in one life of its spool.

    Args:
        node: the node's name in the inventory.
        shard: from 0.
        incarnation: a ULID.
    """

    node: str
    shard: int
    incarnation: str

    def __str__(self) -> str:
        return f"{self.node}/{self.shard}"

    @property
    def place(self) -> tuple[str, int]:
        """Node and shard: what stays the same over incarnations."""
        return self.node, self.shard


def check_identity(identity: ShardIdentity) -> ShardIdentity:
    """Return the identity, once it may stand in a row, a file name and a log line.

    Raises:
        IdentityRefused: the node is no name, the shard no number of one, the incarnation no ULID.
    """
    if not _NODE.fullmatch(identity.node):
        raise IdentityRefused(f"{identity.node[:80]!r} is no name of a node")
    if not 0 <= identity.shard < SHARDS_MAX:
        raise IdentityRefused(
            f"shard {identity.shard} of {identity.node} is not below {SHARDS_MAX}"
        )
    if not is_ulid(identity.incarnation):
        raise IdentityRefused(f"{identity.incarnation[:80]!r} is no incarnation")
    return identity
