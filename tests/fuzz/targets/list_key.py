"""Is a list entry's key, whatever is in it, refused or kept in one way, and then found again?

Pure.
"""

from __future__ import annotations

from common.preferences.documents import Document, DocumentRefused, Kind, check_document
from common.preferences.list_entries import ListEntries
from common.preferences.list_keys import cut_list_key, split_list_key
from common.preferences.packed_entries import KeptEntry

WORDS = (
    *(b"black/", b"white/", b"cluster/", b"customer/", b"domain/", b"recipient/", b"a.example"),
    *(b"header:", b"subject:", b"[a-z]+", b"(", b"192.0.2.0/24", b"2001:db8::/32"),
    *(b"@", b'"', b"."),
)


def target(data: bytes) -> None:
    """Check the key, and look for the entry where a message would."""
    text = data.decode("utf-8", "replace")
    try:
        checked = check_document(Document(Kind.LIST, text, 1, b"{}"))
    except DocumentRefused as refused:
        assert refused.reason
        return
    assert check_document(Document(Kind.LIST, checked.key, 1, b"{}")).key == checked.key
    colour, scope, pattern = split_list_key(checked.key)
    assert cut_list_key(checked.key) == (str(colour), str(scope), pattern)
    entry = KeptEntry(checked.key, 1, checked.body)
    other = KeptEntry("black/cluster/other.example", 1, b"{}")
    packed = ListEntries.of(sorted({entry.key: entry, other.key: other}.values()))
    for found in (packed, ListEntries().changed([entry])):
        assert found.get(entry.key) == entry
        assert entry in found.at(str(scope), pattern)
        assert found.has_scope(str(scope))
