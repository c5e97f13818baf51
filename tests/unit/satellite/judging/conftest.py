"""The fixtures of tests over a shard's spool."""

from __future__ import annotations

from tests.support.node.shard import clock, open_spool, spool

__all__ = ["clock", "open_spool", "spool"]
