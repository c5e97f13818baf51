"""How much may each node take in a time, and how does one wait that has taken more?

Touches the clock. Each node has a bucket of its own, whatever its shards are called: their numbers
are the choice of whoever holds its certificate.
"""

from __future__ import annotations

from common.clock import Clock
from common.token_bucket import TokenBucket


class NodeRates:
    """The buckets of all nodes, for one thing that they take."""

    def __init__(self) -> None:
        self._buckets: dict[str, TokenBucket] = {}

    def of(self, node: str, *, per_s: float, burst: float) -> TokenBucket:
        """Return a node's bucket, made when it first takes something.

        Args:
            node: one that was let in.
            per_s, burst: as for ``TokenBucket``.
        """
        bucket = self._buckets.get(node)
        if bucket is None:
            bucket = self._buckets[node] = TokenBucket(per_s=per_s, burst=burst)
        return bucket


async def until_due(bucket: TokenBucket, clock: Clock) -> None:
    """Return once something may be taken from a bucket."""
    while wait_s := bucket.wait_s(now_s=clock.monotonic_s()):
        await clock.sleep(wait_s)
