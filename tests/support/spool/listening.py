"""How does a test hear what a spool tells?

Touches a spool. A test names what it listens to; whoever listened before to the rest still does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from satellite.spool.listeners import SpoolListeners
from satellite.spool.store import Spool

DEAF = SpoolListeners(
    received=lambda message: None,
    queued=lambda message: None,
    ended=lambda ends: None,
    outgoing=lambda: None,
    broken=lambda: None,
)


def listen(spool: Spool, **to: Callable[..., Any]) -> None:
    """Connect a spool to these listeners, named as in ``SpoolListeners``."""
    spool.connect(replace(spool._listeners or DEAF, **to))
