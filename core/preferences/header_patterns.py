"""Are there more header patterns in the lists than each message can be held against?

Pure. Every other pattern is found by its text; of these each one that might apply is tried.
"""

from __future__ import annotations

from collections.abc import Iterable

from common.preferences import Document, Kind, Preferences
from common.preferences.documents import DocumentRefused
from common.preferences.list_keys import cut_list_key, is_header_pattern

OF_SCOPE_MAX = 20  # header patterns of one scope; each takes microseconds of each of its messages
OF_ALL_MAX = 2_000


def refuse_many_header_patterns(made: Preferences, changed: Iterable[Document]) -> None:
    """Refuse a change after which there are too many header patterns.

    Args:
        made: the preferences with the change in them.
        changed: what the change sets and removes.

    Raises:
        DocumentRefused: the first entry of a scope that has too many.
    """
    for document in changed:
        if document.kind != Kind.LIST or document.removed:
            continue
        _, scope, pattern = cut_list_key(document.key)
        if not is_header_pattern(pattern):
            continue
        counts = made.header_entries()
        if counts[scope] > OF_SCOPE_MAX:
            reason = f"{scope} has more than {OF_SCOPE_MAX} header patterns; join some with |"
            raise DocumentRefused(Kind.LIST, document.key, reason)
        if sum(counts.values()) > OF_ALL_MAX:
            reason = f"there are more than {OF_ALL_MAX} header patterns in all"
            raise DocumentRefused(Kind.LIST, document.key, reason)
