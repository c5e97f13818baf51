"""How is one document set or taken away over the API, and what stood before told?

Touches the preferences.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from common.preferences import CheckedDocument, Kind, Preferences
from common.preferences.documents import new_tombstone
from core.web.request.problems import Problem
from core.web.request.services import Services


async def document_set(
    core: Services,
    document: CheckedDocument,
    *,
    who: str,
    shown: Callable[[CheckedDocument], dict[str, Any]],
) -> dict[str, Any]:
    """Publish a document, and return its revision, its key and what it replaced.

    Args:
        core: where to.
        document: it takes the place of what has its key.
        who: for the audit.
        shown: how such a document is told.
    """
    stood: CheckedDocument | None = None
    kind = Kind(document.kind)

    def revision(current: Preferences) -> list[CheckedDocument]:
        nonlocal stood  # the last time that it is asked is the one that counts
        stood = current.document(kind, document.key)
        return [document]

    made = await core.database.preferences.revise(revision, who=who)
    return {
        "revision": made.position.revision,
        "key": document.key,
        "replaced": shown(stood) if stood is not None else None,
    }


async def document_removed(
    core: Services, kind: Kind, key: str, *, who: str, missing: Problem
) -> dict[str, Any]:
    """Take a document away, and return the revision and its key.

    Args:
        core: where from.
        kind, key: of the document.
        who: for the audit.
        missing: what is said where there is none.

    Raises:
        Problem: there is no such document.
    """
    preferences = core.database.preferences
    if preferences.current.document(kind, key) is None:
        raise missing
    position = await preferences.publish([new_tombstone(kind, key)], who=who)
    return {"revision": position.revision, "key": key}
