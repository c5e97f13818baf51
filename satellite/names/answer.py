"""How did a DNS lookup end, and what was found?

Pure. Every way in which a lookup can fail is one of four answers, so that whoever decides need not
know a library's exceptions. A failed lookup says nothing of the name.

Source: RFC 2308 (no such name, no such record), RFC 4035 section 3.2.3 (AD).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

RecordT = TypeVar("RecordT")


class LookupResult(StrEnum):
    """How a DNS lookup ended."""

    RECORDS = "records"
    NOTHING = "the name has no such record"
    NO_NAME = "there is no such name"
    FAILED = "the lookup failed"


@dataclass(frozen=True, slots=True)
class Lookup(Generic[RecordT]):
    """The answer of one DNS lookup.

    Args:
        found: how it ended.
        records: what was found.
        is_validated: a resolver that we trust has proved it by DNSSEC.
    """

    found: LookupResult
    records: tuple[RecordT, ...] = ()
    is_validated: bool = False
