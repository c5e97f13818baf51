"""Which waiting recipients are kept for their zero hour, and which no longer?

Pure. Waiting for later definitions is waiting as for an engine: one state, told apart by its
reason, which stands in the row, the record and on the screen.
"""

from __future__ import annotations

from common.states import State
from satellite.spool.model.messages import Recipient

PREFIX = "zero_hour:"  # no other reason begins so: the others begin with their policy key, too
ENDED = "zero_hour ended by an operator"


def is_kept(recipient: Recipient) -> bool:
    """Say whether nothing but its zero hour keeps a recipient's mail here."""
    return recipient.state is State.WAITING and recipient.reason.startswith(PREFIX)
