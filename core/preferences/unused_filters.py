"""Which documents of filters does no node go by?

Pure. Which filters there are is what nodes say; as long as one of them has not, nobody knows.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from common.preferences import CheckedDocument, Kind, Preferences
from common.preferences.bodies import FilterBody
from common.reports import FilterReport

LINES_MAX = 20


def unused_filters(current: Preferences, filters: Collection[FilterReport]) -> list[str]:
    """Return the enabled documents that no node has a filter for, a line each.

    Args:
        current: the preferences in force.
        filters: those that nodes have; none: nobody knows.
    """
    return without_filter(current.documents(Kind.FILTER), filters)[:LINES_MAX]


def without_filter(
    documents: Iterable[CheckedDocument], filters: Collection[FilterReport]
) -> list[str]:
    """Return the same of some documents of the kind filter."""
    if not filters:
        return []
    ours = {each.kind for each in filters if not each.name}
    theirs = {each.name for each in filters if each.name}
    return [
        f"filter {document.key}: no node has a filter of this name (kind {body.kind}), so that it"
        f" does nothing; name it under filters in a node's settings: docs/filters.md"
        for document in documents
        if (body := document.body_as(FilterBody)).enabled
        and body.kind not in ours
        and document.key not in theirs
    ]
