"""What becomes of the preferences when somebody publishes, or rolls back?

Pure. A change set becomes one revision, whole or not at all; what changes nothing is left out; a
removal is a change like any other. Rolling back is a new revision with the old content, never a
step back. Source: docs/design/link-guarantees.md, G1, G2, G6, G14.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from common.errors import LocalError
from common.pacing import GoesThrough
from common.preferences.bodies import Body, HoldBody, RouteBody, RuleBody, YaraBody
from common.preferences.deliver_to import parse_deliver_to
from common.preferences.documents import (
    CheckedDocument,
    Document,
    DocumentRefused,
    Epoch,
    Kind,
    Position,
    canonical_json,
    check_document,
    new_document,
    new_tombstone,
)
from common.preferences.list_keys import split_list_key
from common.preferences.loops import NO_HOSTS, LoopComplaint, OurHosts
from common.preferences.resolve import Preferences

CHANGE_SET_MAX = 500_000  # documents; an inventory of a hundred thousand domains is a third of it

_NOT_ROLLED_BACK = (Kind.HOLD, Kind.NODE)


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

    def __init__(self, revision: int, *, current: int, oldest: int = 1) -> None:
        super().__init__(
            f"there is no revision {revision}", hint=f"the revisions are {oldest} to {current}"
        )
        self.revision = revision
        self.current = current


class LeadsBack(LocalError):
    """A route or an order would bring mail back to us."""

    def __init__(self, domain: str, complaint: LoopComplaint) -> None:
        super().__init__(f"{domain}: {complaint.what}", hint=complaint.remedy)


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


@dataclass(frozen=True, slots=True)
class PlannedRevision:
    """What a change set comes to.

    Args:
        changes: what becomes of each document, in the order of the kinds; empty: nothing does.
        documents: what travels, at the new revision.
    """

    changes: tuple[Change, ...]
    documents: tuple[CheckedDocument, ...]


def plan(
    current: Preferences,
    documents: Sequence[Document],
    *,
    base: int | None = None,
    ours: OurHosts = NO_HOSTS,
    pace: GoesThrough = iter,
) -> PlannedRevision:
    """Return what a change set does to the preferences.

    Args:
        current: the preferences in force.
        documents: what shall be set, and tombstones of what shall go.
        base: the revision that the caller looked at; None when it does not matter.
        ours: where no mail may be sent to. What is in force already is not held against it.
        pace: goes through the documents.

    Raises:
        DocumentRefused: one of the documents is wrong or named twice; nothing is published.
        RevisionConflict: the preferences have moved on from ``base``.
        LeadsBack: mail for a domain would come back to us.
    """
    if base is not None and base != current.position.revision:
        raise RevisionConflict(base=base, current=current.position.revision)
    if len(documents) > CHANGE_SET_MAX:
        raise DocumentRefused("", "", f"more than {CHANGE_SET_MAX} documents in one change")
    wanted: dict[Kind, dict[str, CheckedDocument]] = {kind: {} for kind in Kind}  # G9: routes first
    for proposed in pace(documents):
        checked = check_document(_canonical(proposed))
        of_kind = wanted[Kind(checked.kind)]
        if checked.key in of_kind:
            raise DocumentRefused(checked.kind, checked.key, "named twice in one change")
        of_kind[checked.key] = checked
    in_order = ((kind, found[key]) for kind, found in wanted.items() for key in sorted(found))
    changing = [
        (change, document)
        for kind, document in pace(in_order)
        if (change := _change(current.document(kind, document.key), kind, document)) is not None
    ]
    for _, document in pace(changing):
        _refuse_loop(document, ours)
    revision = current.position.revision + 1
    return PlannedRevision(
        tuple(change for change, _ in changing),
        tuple(replace(document, revision=revision) for _, document in pace(changing)),
    )


def _refuse_loop(document: CheckedDocument, ours: OurHosts) -> None:
    """Refuse a document that sends a domain's mail to one of our own hosts.

    Raises:
        LeadsBack: it does.
    """
    body = document.parsed
    if not isinstance(body, RouteBody | HoldBody):
        return
    for entry in body.deliver_to:
        complaint = ours.complaint(document.key, parse_deliver_to(entry))
        if complaint is not None:
            raise LeadsBack(document.key, complaint)


def restored(later: Iterable[Change]) -> list[Document]:
    """Return the documents that undo changes.

    Orders for held mail stay as they are: one that is undone may end the days of mail that waits,
    and one that comes back may return it to its senders. They are taken back by name. So do the
    documents of nodes: who takes back a policy of yesterday means to turn no site away.

    Args:
        later: every change after the revision whose content shall come back, the oldest first.
    """
    then: dict[tuple[Kind, str], bytes | None] = {}
    for change in later:
        if change.kind not in _NOT_ROLLED_BACK:
            then.setdefault((change.kind, change.key), change.before)
    return [Document(kind, key, 0, body or b"", body is None) for (kind, key), body in then.items()]


def read_documents(data: bytes) -> list[CheckedDocument]:
    """Return the documents of a JSON list such as the core's first revision.

    Each item is ``{"kind", "key", "body": {…}}``, or ``{"kind", "key", "removed": true}``.

    Raises:
        DocumentRefused: it is no such list, or a document in it is wrong.
    """
    try:
        items = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DocumentRefused("", "", f"not valid JSON: {error}") from None
    if not isinstance(items, list):
        raise DocumentRefused("", "", "not a list of documents")
    return documents_of(items)


def documents_of(items: Iterable[Any]) -> list[CheckedDocument]:
    """Return the documents of a list that was read from JSON, each checked.

    Raises:
        DocumentRefused: one of them is none, or is wrong.
    """
    return [_document_of(item) for item in items]


def documents_json(documents: Iterable[Document]) -> list[dict[str, Any]]:
    """Return documents as ``read_documents`` takes them, with their revisions."""
    return [_document_json(document) for document in documents]


def _document_of(item: Any) -> CheckedDocument:
    if not isinstance(item, dict):
        raise DocumentRefused("", "", "a document is an object with kind, key and body")
    kind, key = item.get("kind"), item.get("key")
    if not isinstance(kind, str) or not isinstance(key, str):
        raise DocumentRefused(str(kind)[:80], str(key)[:80], "kind and key must be text")
    unknown = set(item) - {"kind", "key", "body", "removed", "revision"}
    if unknown:
        raise DocumentRefused(kind, key, f"unknown field {sorted(unknown)[0]!r}")
    if item.get("removed") is True:
        return new_tombstone(kind, key)
    body = item.get("body")
    if not isinstance(body, dict):
        raise DocumentRefused(kind, key, "the body must be an object")
    return new_document(kind, key, body)


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
    """Return the document with its body written in the one way in which bodies are compared.

    What was checked was made of a body that was written so (``new_document``), or is in force.
    """
    if document.removed or isinstance(document, CheckedDocument):
        return document
    try:
        body = json.loads(document.body)
        written = canonical_json(body) if isinstance(body, dict) else b""
    except (ValueError, RecursionError):  # UnicodeError is a ValueError
        written = b""
    if not written:
        raise DocumentRefused(document.kind, document.key, "the body is no JSON object")
    return Document(document.kind, document.key, 0, written)


def _change(before: CheckedDocument | None, kind: Kind, wanted: CheckedDocument) -> Change | None:
    was = before.body if before else None
    becomes = None if wanted.removed else wanted.body
    if was == becomes:
        return None
    parsed = wanted.parsed or (before.parsed if before else None)
    return Change(kind, wanted.key, scope_of(kind, wanted.key, parsed), was, becomes)


def scope_of(kind: Kind, key: str, body: Body | None) -> str:
    """Return whom a document concerns, as a scope's text."""
    match kind:
        case Kind.ROUTE | Kind.HOLD:
            return f"domain/{key}"
        case Kind.RECIPIENT:
            return f"recipient/{key}"
        case Kind.POLICY:
            return key
        case Kind.LIST:
            return str(split_list_key(key)[1])
        case Kind.RULE | Kind.YARA if isinstance(body, RuleBody | YaraBody):
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
    """The whole set at one position.

    Args:
        position, digest: of the set.
        documents: in the order of their kinds and keys; they can be gone through again and again,
            and need not be in memory as such.
    """

    position: Position
    digest: bytes
    documents: Iterable[Document]


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
