"""In how many ways can the harmless test file be wrapped so that a mail program still opens it?

Pure. Each module is a family: ``FAMILY`` says what its wrappings play with, and ``wrappings()``
yields the name and the octets of each message. All are made of what is public: the standards,
research on how mail programs differ, and attacks that were seen.
"""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.scanning.wrappings import (
    archives,
    documents,
    encodings,
    messages,
    multiparts,
    protections,
    spellings,
)

FAMILIES = (spellings, multiparts, encodings, messages, archives, documents, protections)


def catalogue() -> Mapping[tuple[str, str], bytes]:
    """Return every wrapping by its family and name."""
    found: dict[tuple[str, str], bytes] = {}
    for family in FAMILIES:
        for name, message in family.wrappings():
            assert (family.FAMILY, name) not in found, name
            found[family.FAMILY, name] = message
    return found
