"""What becomes of the preferences when somebody publishes, or rolls back?

Pure. A change set becomes one revision, whole or not at all; what changes nothing is left out; a
removal is a change like any other. Rolling back is a new revision with the old content, never a
step back. Source: SYNC.md G1, G2, G6, G14.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from common.errors import LocalError
from common.preferences.bodies import RuleBody
from common.preferences.documents import (
    Document,
    DocumentRefused,
    Epoch,
    Kind,
    Position,
    canonical_json,
    check_document,
    split_list_key,
)
from common.preferences.resolve import Preferences

CHANGE_SET_MAX = 500_000  # documents; an inventory of a hundred thousand domains is a third of it

_ORDER = {kind: place for place, kind in enumerate(Kind)}  # SYNC.md G9: routes first


class RevisionConflict(LocalError):
    """Somebody else published since the caller looked."""

    def __init__(self, *, base: int, current: int) -> None:
        super().__init__(
            f"the change starts from revision {base}, but the current one is {current}",
            hint="look at what changed and publish again",
        )
        self.base = base
        self.current = current


class UnknownRevision(LocalError):
    """There is no such revision to go back to."""

    def __init__(self, revision: int, *, current: int) -> None:
        super().__init__(
            f"there is no revision {revision}", hint=f"the revisions are 1 to {current}"
        )
        self.revision = revision
        self.current = current


@dataclass(frozen=True, slots=True)
class Change:
    """What one revision does to one document.

    Args:
        kind: the document's kind.
        key: its key in canonical form.
        scope: whom it concerns, as a scope's text.
        before: its body until now; None when it was not there.
        after: its body from now on; None when it is removed.
    """

    kind: Kind
    key: str
    scope: str
    before: bytes | None
    after: bytes | None

    def document(self, revision: int) -> Document:
        """Return what travels to the satellites: the new body, or a tombstone."""
        if self.after is None:
            return Document(self.kind, self.key, revision, b"", True)
        return Document(self.kind, self.key, revision, self.after)


def plan(
    current: Preferences, documents: Sequence[Document], *, base: int | None = None
) -> tuple[Change, ...]:
    """Return what a change set does to the preferences, in the order of the kinds.

    Args:
        current: the preferences in force.
        documents: what shall be set, and tombstones of what shall go.
        base: the revision that the caller looked at; None when it does not matter.

    Raises:
        DocumentRefused: one of the documents is wrong or named twice; nothing is published.
        RevisionConflict: the preferences have moved on from ``base``.
    """
    if base is not None and base != current.position.revision:
        raise RevisionConflict(base=base, current=current.position.revision)
    if len(documents) > CHANGE_SET_MAX:
        raise DocumentRefused("", "", f"more than {CHANGE_SET_MAX} documents in one change")
    found: dict[tuple[Kind, str], Change | None] = {}
    for proposed in documents:
        checked = check_document(_canonical(proposed))
        kind = Kind(checked.kind)
        if (kind, checked.key) in found:
            raise DocumentRefused(kind, checked.key, "named twice in one change")
        found[kind, checked.key] = _change(current.document(kind, checked.key), kind, checked)
    changes = [change for change in found.values() if change is not None]
    return tuple(sorted(changes, key=lambda change: (_ORDER[change.kind], change.key)))


def restored(later: Iterable[Change]) -> list[Document]:
    """Return the documents that undo changes.

    Orders for held mail stay as they are: one that is undone may end the days of mail that waits,
    and one that comes back may return it to its senders. They are taken back by name.

    Args:
        later: every change after the revision whose content shall come back, the oldest first.
    """
    then: dict[tuple[Kind, str], bytes | None] = {}
    for change in later:
        if change.kind is not Kind.HOLD:
            then.setdefault((change.kind, change.key), change.before)
    return [Document(kind, key, 0, body or b"", body is None) for (kind, key), body in then.items()]


def read_documents(data: bytes) -> list[Document]:
    """Return the documents of a JSON list such as the core's first revision.

    Each item is ``{"kind", "key", "body": {…}}``, or ``{"kind", "key", "removed": true}``.

    Raises:
        DocumentRefused: it is no such list.
    """
    try:
        items = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DocumentRefused("", "", f"not valid JSON: {error}") from None
    if not isinstance(items, list):
        raise DocumentRefused("", "", "not a list of documents")
    return [_read_document(item) for item in items]


def documents_json(documents: Iterable[Document]) -> list[dict[str, Any]]:
    """Return documents as ``read_documents`` takes them, with their revisions."""
    return [_document_json(document) for document in documents]


def _read_document(item: Any) -> Document:
    if not isinstance(item, dict):
        raise DocumentRefused("", "", "a document is an object with kind, key and body")
    kind, key = item.get("kind"), item.get("key")
    if not isinstance(kind, str) or not isinstance(key, str):
        raise DocumentRefused(str(kind)[:80], str(key)[:80], "kind and key must be text")
    unknown = set(item) - {"kind", "key", "body", "removed", "revision"}
    if unknown:
        raise DocumentRefused(kind, key, f"unknown field {sorted(unknown)[0]!r}")
    if item.get("removed") is True:
        return Document(kind, key, 0, b"", True)
    body = item.get("body")
    if not isinstance(body, dict):
        raise DocumentRefused(kind, key, "the body must be an object")
    try:
        return Document(kind, key, 0, canonical_json(body))
    except UnicodeEncodeError:
        raise DocumentRefused(kind, key, "text must be Unicode without lone surrogates") from None


def _document_json(document: Document) -> dict[str, Any]:
    told: dict[str, Any] = {
        "kind": str(document.kind),
        "key": document.key,
        "revision": document.revision,
    }
    if document.removed:
        return told | {"removed": True}
    return told | {"body": json.loads(document.body)}


def _canonical(document: Document) -> Document:
    """Return the document with its body written in the one way in which bodies are compared."""
    if document.removed:
        return document
    try:
        body = json.loads(document.body)
        written = canonical_json(body) if isinstance(body, dict) else b""
    except (ValueError, RecursionError):  # UnicodeError is a ValueError
        written = b""
    if not written:
        raise DocumentRefused(document.kind, document.key, "the body is no JSON object")
    return Document(document.kind, document.key, 0, written)


def _change(before: Document | None, kind: Kind, wanted: Document) -> Change | None:
    was = before.body if before else None
    becomes = None if wanted.removed else wanted.body
    if was == becomes:
        return None
    parsed = wanted.parsed if becomes is not None else before and before.parsed
    return Change(kind, wanted.key, _scope(kind, wanted.key, parsed), was, becomes)


def _scope(kind: Kind, key: str, body: Any) -> str:
    match kind:
        case Kind.ROUTE | Kind.HOLD:
            return f"domain/{key}"
        case Kind.RECIPIENT:
            return f"recipient/{key}"
        case Kind.POLICY:
            return key
        case Kind.LIST:
            return str(split_list_key(key)[1])
        case Kind.RULE if isinstance(body, RuleBody):
            return body.scope
        case _:
            return "cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """One revision as it travels.

    Args:
        position: where it leads to.
        digest: of the whole set at this position.
        documents: what it sets, and tombstones.
        time_us: when it was published, microseconds since the epoch, UTC.
        who: by whom.
        comment: why.
    """

    position: Position
    digest: bytes
    documents: tuple[Document, ...]
    time_us: int
    who: str
    comment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The whole set at one position."""

    position: Position
    digest: bytes
    documents: list[Document]


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One entry of the history.

    Args:
        number: the revision.
        time_us: when it was published, microseconds since the epoch, UTC.
        who: by whom.
        comment: why.
        changes: what it did, as far as it was asked for.
        changes_count: how many documents it changed altogether.
    """

    number: int
    time_us: int
    who: str
    comment: str
    changes: tuple[Change, ...]
    changes_count: int


def next_position(current: Position, epoch: Epoch) -> Position:
    """Return the position of the revision after ``current``."""
    return Position(epoch, current.revision + 1)
