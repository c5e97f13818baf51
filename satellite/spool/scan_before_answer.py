"""Which rows and records does a message write that was scanned before its answer?

Pure over a ``Transaction``.
"""

from __future__ import annotations

from collections.abc import Callable

from common.states import State
from satellite.spool.changes import accepted, judged
from satellite.spool.commits import Operation, Transaction
from satellite.spool.log_records import record_judgement, rejected_record
from satellite.spool.model.messages import Judgement, Stored


def accepted_and_judged(
    stored: Stored, body: bytes | None, judgement: Judgement, drop_body: Callable[[], None]
) -> Operation:
    """A message came in with its judgement: both steps are one."""
    assert len(judgement.recipients) == len(stored.recipients)
    steps = (accepted(stored, body), judged(stored.id, judgement, drop_body))

    def write(transaction: Transaction) -> None:
        for step in steps:
            step(transaction)

    return write


def rejected(stored: Stored, judgement: Judgement) -> Operation:
    """A message is not taken: nothing of it is kept but what explains it (P12)."""

    def write(transaction: Transaction) -> None:
        addresses = {recipient.number: recipient.address for recipient in stored.recipients}
        after = dict.fromkeys(addresses, State.REJECTED)
        transaction.record(rejected_record(stored), stored.id)
        record_judgement(transaction, stored.id, judgement, addresses, after, rejected=stored)

    return write
