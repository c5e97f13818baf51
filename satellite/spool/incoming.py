"""How do the rows of a large revision come onto the disk while mail goes on?

Touches the spool's tables, a few rows in each transaction. The documents gather in
``document_next``, where they are nothing yet; one short transaction then makes them count
(``switched``), and from there on they go over into ``document``, some at a time. In between, what
is in force is ``document`` with the gathered rows laid over it, or these alone; ``meta`` says
which. So a process that is killed leaves the revision before this one, or this one, whole (G2).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum

from common.preferences import CheckedDocument, Position
from common.records import PreferencesAppliedRecord
from satellite.spool.commits import Operation, Transaction
from satellite.spool.disk.rows import Select

STEP_DOCUMENTS = 200  # in one transaction: 2 to 4 ms of the event loop
STEP_BYTES = 256 * 1024  # of their bodies
START_DOCUMENTS = 20_000  # in one transaction before mail comes in

_MARK = "incoming"  # in meta: what the gathered rows are; no such row: nothing


class GatheredAs(StrEnum):
    """What the gathered rows are, once they count."""

    CHANGES = "changes"  # to be laid over the documents
    EVERYTHING = "everything"  # of the documents none counts any more


def is_short(documents: list[CheckedDocument]) -> bool:
    """Say whether documents go into one transaction, which takes milliseconds."""
    if len(documents) > STEP_DOCUMENTS:
        return False
    return sum(len(document.body) for document in documents) <= STEP_BYTES


def parts(documents: Iterable[CheckedDocument]) -> Iterator[list[CheckedDocument]]:
    """Return the documents in what goes into one transaction each."""
    part: list[CheckedDocument] = []
    octets = 0
    for document in documents:
        if part and (len(part) == STEP_DOCUMENTS or octets + len(document.body) > STEP_BYTES):
            yield part
            part, octets = [], 0
        part.append(document)
        octets += len(document.body)
    if part:
        yield part


def gathered(part: list[CheckedDocument]) -> Operation:
    """Put some documents beside those that count; a tombstone has no body."""

    def write(transaction: Transaction) -> Iterator[None]:
        for one in part:
            yield
            transaction.write(
                "REPLACE INTO document_next VALUES (?,?,?,?)",
                (one.kind, one.key, one.revision, None if one.removed else one.body),
            )

    return write


def switched(position: Position, *, digest: bytes, snapshot: bool) -> Operation:
    """The transaction that makes what was gathered count.

    Args:
        position: where it leads.
        digest: of the whole set there.
        snapshot: whether it is all that there is.
    """

    def write(transaction: Transaction) -> None:
        how = GatheredAs.EVERYTHING if snapshot else GatheredAs.CHANGES
        transaction.write("REPLACE INTO meta VALUES (?,?)", (_MARK, how))
        write_position(transaction, position, digest=digest)

    return write


def write_position(transaction: Transaction, position: Position, *, digest: bytes) -> None:
    """Make a revision the applied one, and record that."""
    facts = {
        "generation": position.epoch.generation,
        "epoch": position.epoch.identifier,
        "revision": position.revision,
        "digest": digest.hex(),
    }
    for name, value in facts.items():
        transaction.write("REPLACE INTO meta VALUES (?,?)", (name, value))
    transaction.record(
        PreferencesAppliedRecord(
            generation=position.epoch.generation,
            epoch=position.epoch.identifier,
            revision=position.revision,
        )
    )


def counts(select: Select) -> bool:
    """Say whether gathered rows count that have not gone over yet."""
    return bool(select("SELECT 1 FROM meta WHERE name=?", (_MARK,)))


def is_settled(select: Select) -> bool:
    """Say whether the documents stand where they belong, with none beside them."""
    return not counts(select) and not select("SELECT 1 FROM document_next LIMIT 1", ())


def step(limit: int = STEP_DOCUMENTS) -> Operation:
    """Some rows go over; those that were gathered and never counted are deleted."""

    def write(transaction: Transaction) -> Iterator[None]:
        mark = transaction.execute("SELECT value FROM meta WHERE name=?", (_MARK,))
        match mark[0][0] if mark else None:
            case None:
                yield from _forget(transaction, limit)
            case GatheredAs.EVERYTHING:
                yield from _make_room(transaction, limit)
            case _:
                yield from _go_over(transaction, limit)

    return write


def _forget(transaction: Transaction, limit: int) -> Iterator[None]:
    for name in transaction.execute("SELECT kind, key FROM document_next LIMIT ?", (limit,)):
        yield
        transaction.write("DELETE FROM document_next WHERE kind=? AND key=?", name)


def _make_room(transaction: Transaction, limit: int) -> Iterator[None]:
    found = transaction.execute("SELECT kind, key FROM document LIMIT ?", (limit,))
    for name in found:
        yield
        transaction.write("DELETE FROM document WHERE kind=? AND key=?", name)
    if len(found) < limit:  # from here on the documents are none, and the rest changes them
        transaction.write("UPDATE meta SET value=? WHERE name=?", (GatheredAs.CHANGES, _MARK))


def _go_over(transaction: Transaction, limit: int) -> Iterator[None]:
    found = transaction.execute(
        "SELECT kind, key, revision, body FROM document_next ORDER BY kind, key LIMIT ?", (limit,)
    )
    for row in found:
        yield
        name = row[:2]
        if row[3] is None:
            transaction.write("DELETE FROM document WHERE kind=? AND key=?", name)
        else:
            transaction.write("REPLACE INTO document VALUES (?,?,?,?)", row)
        transaction.write("DELETE FROM document_next WHERE kind=? AND key=?", name)
    if len(found) < limit:
        transaction.write("DELETE FROM meta WHERE name=?", (_MARK,))
