"""Which documents of a set can no longer be read, and what can so not be told?

Pure. A document that was applied once may become unreadable: a later version wrote it before this
one was put back, or somebody did by hand. What hangs on it is not known then, and above all not
that there is no such domain or recipient: their mail is put off, never refused (P1, P4).
"""

from __future__ import annotations

from typing import Self

from common.address import domain_of
from common.preferences.documents import (
    CheckedDocument,
    Document,
    DocumentRefused,
    Kind,
    check_document,
)

TOLD_MAX = 3  # by name; of the others how many there are
_REASON_LENGTH_MAX = 160
_KEY_LENGTH_MAX = 80


class UnreadableDocuments:
    """The documents of one set that cannot be read.

    Only ``collected`` ones grow, while the set is read back.
    """

    __slots__ = ("_domains", "_told", "count")

    def __init__(self) -> None:
        self.count = 0
        self._domains: set[str] = set()
        self._told: list[str] = []

    @classmethod
    def collected(cls) -> Self:
        """Return what ``checked`` fills."""
        return cls()

    def checked(self, document: Document) -> CheckedDocument | None:
        """Return the document as it can be applied; None: it cannot, which is kept in mind."""
        try:
            return check_document(document)
        except DocumentRefused as error:
            self._add(document, error.reason)
            return None

    def hides(self, domain: str) -> bool:
        """Say whether a domain, or a recipient in it, may be ours without our knowing."""
        return domain in self._domains

    def __str__(self) -> str:
        """Return a sentence for operators; empty when all could be read."""
        if not self.count:
            return ""
        more = f"; and {self.count - len(self._told)} more" * (self.count > len(self._told))
        return (
            f"preferences that cannot be read here: {self.count}; the rest is in force, and the"
            f" core sends all anew: {'; '.join(self._told)}{more}"
        )

    def _add(self, document: Document, reason: str) -> None:
        self.count += 1
        if document.kind in (Kind.ROUTE, Kind.RECIPIENT):
            self._domains.add(domain_of(document.key))
        if len(self._told) < TOLD_MAX:
            key = _shown(document.key, _KEY_LENGTH_MAX)
            self._told.append(
                f"{_shown(document.kind, _KEY_LENGTH_MAX)} {key}:"
                f" {_shown(reason, _REASON_LENGTH_MAX)}"
            )


def _shown(text: str, length_max: int) -> str:
    """Return what stood in a damaged row as one short line."""
    return "".join(c if c.isprintable() else "?" for c in text[:length_max])


NONE_UNREADABLE = UnreadableDocuments()
