"""Which preferences does this shard have, and how are new ones taken in?

Touches the spool's tables. A revision is applied in one transaction or not at all; the last good
one stays for ever (G2, G8). How the rows of a large one come is in ``incoming``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

import structlog

from common.errors import PeerError
from common.pacing import GoesThrough, lasting, paced
from common.preferences import CheckedDocument, Document, Epoch, Position, Preferences
from common.preferences.digest import EMPTY_DIGEST, changed, document_hash
from common.preferences.documents import check_document
from satellite.spool.commits import Operation, Transaction
from satellite.spool.disk.rows import Select
from satellite.spool.incoming import counts, write_position

log = structlog.get_logger()

PAGE_DOCUMENTS = 5_000  # read from the disk at once


class DigestMismatch(PeerError):
    """What the documents make is not the set that the core says they make."""


def read_preferences(select: Select) -> Preferences:
    """Return the preferences as they were last applied, as far as they can be read."""
    meta = {str(name): value for name, value in select("SELECT name, value FROM meta", ())}
    if "revision" not in meta:
        return Preferences()
    position = Position(Epoch(int(meta["generation"]), str(meta["epoch"])), int(meta["revision"]))
    found = Preferences.read_back(_kept(select), position=position)
    if found.unreadable.count:
        log.error("preferences.unreadable", problem=str(found.unreadable))
    return found


def read_announced(select: Select) -> bytes | None:
    """Return the digest of the applied set, as the core announced it.

    None: nothing was applied, or by a version that did not keep it.
    """
    rows = select("SELECT value FROM meta WHERE name='digest'", ())
    return bytes.fromhex(str(rows[0][0])) if rows else None


def read_digests(select: Select) -> tuple[bytes | None, bytes]:
    """Return the digest that was announced, and that of the documents that are on the disk now.

    The two are the same when another set came while this one was read, or is still on its way.
    """
    before, is_coming = read_announced(select), counts(select)
    added = sum(document_hash(one.kind, one.key, _octets(one.body)) for one in _kept(select))
    announced, found = read_announced(select), changed(EMPTY_DIGEST, added=added)
    is_coming = is_coming or counts(select) or announced not in (before, None)
    return announced, announced if is_coming and announced else found


def _octets(body: object) -> bytes:
    """Return a body that somebody may have put there by hand, in whatever type."""
    return body if isinstance(body, bytes) else repr(body).encode()


def _kept(select: Select) -> Iterator[Document]:
    """Return the documents in the order of their keys, a page after the other."""
    # Some shards have a million; in this order list entries are packed in one pass.
    after = ("", "")
    while rows := select(
        "SELECT kind, key, revision, body FROM document WHERE (kind, key) > (?,?)"
        " ORDER BY kind, key LIMIT ?",
        (*after, PAGE_DOCUMENTS),
    ):
        for kind, key, revision, body in rows:
            # A row that was written by hand may hold text.
            octets = body.encode() if isinstance(body, str) else body
            yield Document(str(kind), str(key), revision, octets)
        after = rows[-1][0], rows[-1][1]


def taken_in(
    current: Preferences,
    documents: Sequence[Document],
    *,
    position: Position,
    digest: bytes,
    snapshot: bool,
    pace: GoesThrough = iter,
) -> tuple[list[CheckedDocument], Preferences]:
    """Return the documents for the rows, and the preferences that they make; nothing is written.

    Args:
        current: what was applied before.
        documents: of the revision.
        position, digest, snapshot: what the core says of it.
        pace: goes through the documents; ``paced``: in a thread that leaves others their turn.

    Raises:
        DocumentRefused: a document cannot be applied.
        DigestMismatch: the set would differ from the core's.
    """
    checked = [check_document(document) for document in pace(documents)]
    made = prepared(current, pace(checked), position=position, digest=digest, snapshot=snapshot)
    return checked, made


def taken_in_apart(
    take_in: Callable[..., tuple[list[CheckedDocument], Preferences]],
) -> tuple[list[CheckedDocument], Preferences]:
    """Have ``taken_in`` called, in a thread that leaves the event loop its turn."""
    with lasting():
        return take_in(pace=paced)


def prepared(
    current: Preferences,
    documents: Iterable[CheckedDocument],
    *,
    position: Position,
    digest: bytes,
    snapshot: bool,
) -> Preferences:
    """Return the preferences that these documents make; nothing is written yet.

    Raises:
        DigestMismatch: the set would differ from the core's.
    """
    if snapshot:
        made = Preferences.from_documents(documents, position=position)
    else:
        made = current.applied(documents, position=position)
    if made.digest != digest:
        raise DigestMismatch("the documents do not make the set that the core announced")
    return made


def written(
    documents: Sequence[CheckedDocument], position: Position, *, digest: bytes, snapshot: bool
) -> Operation:
    """The transaction that makes a revision the applied one.

    Args:
        documents: that are set or removed.
        position: where they lead.
        digest: of the whole set there: with it a row that changes later is found.
        snapshot: whether they are all that there is.
    """

    def write(transaction: Transaction) -> Iterator[None]:
        if snapshot:
            transaction.write("DELETE FROM document", ())
        for document in documents:
            yield
            if document.removed:
                transaction.write(
                    "DELETE FROM document WHERE kind=? AND key=?", (document.kind, document.key)
                )
            else:
                transaction.write(
                    "REPLACE INTO document VALUES (?,?,?,?)",
                    (document.kind, document.key, document.revision, document.body),
                )
        write_position(transaction, position, digest=digest)

    return write
