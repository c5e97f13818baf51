"""How does a test write preferences in a line or two?

Pure.
"""

from __future__ import annotations

from typing import Any

from common.preferences import Document, Epoch, Kind, Position, Preferences
from common.preferences.documents import canonical_json

EPOCH = Epoch(1, "11111111-1111-4111-8111-111111111111")


def document(kind: Kind, key: str, /, **body: Any) -> Document:
    """Return a document that nobody has published."""
    return Document(kind, key, 0, canonical_json(body))


def tombstone(kind: Kind, key: str) -> Document:
    """Return what removes a document."""
    return Document(kind, key, 0, b"", removed=True)


def at(revision: int) -> Position:
    """Return a place in the test's one epoch."""
    return Position(EPOCH, revision)


def preferences(*documents: Document, revision: int = 1) -> Preferences:
    """Return preferences that hold these documents."""
    return Preferences.from_documents(documents, position=at(revision))


def route(domain: str = "acme.example", customer: str = "acme", **more: Any) -> Document:
    """Return a route to a server of that domain."""
    body = {"customer": customer, "deliver_to": [f"mail.{domain}:25"]} | more
    return document(Kind.ROUTE, domain, **body)
