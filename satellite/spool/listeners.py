"""Which stages does the spool tell that there is work for them?

Pure. A listener is told after what it is told of is durable. It hears no more than that there is
something: losing a call costs nothing that a restart does not find in the spool.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from common.ids import MessageId


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolListeners:
    """All that are told; each is named, so that none can be forgotten.

    Attributes:
        received: of a message that is to be judged.
        queued: of a message that is to be delivered.
        outgoing: of records that the core is to have.
        broken: that only another process can go on with this disk.
    """

    received: Callable[[MessageId], None]
    queued: Callable[[MessageId], None]
    outgoing: Callable[[], None]
    broken: Callable[[], None]
