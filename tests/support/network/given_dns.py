"""Which DNS has a test whose evaluators ask for records?

Pure: zones are a dict. It answers evaluators at once, and stands in for the name servers.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import TypeVar

import dns.rdata
import dns.rdataclass
import dns.rdatatype

from satellite.authentication.asking import (
    FAILED,
    NO_NAME,
    NOTHING,
    Asking,
    DnsQuestion,
    Heard,
    RecordKind,
)
from satellite.names.answer import Lookup, LookupResult
from satellite.names.name_servers import Said

T = TypeVar("T")

Records = Mapping[str, Mapping[str, list[str]] | None]


class GivenDns:
    """DNS that knows some names; the others do not exist.

    Args:
        records: by name and kind; None: the name server fails for this name. Hosts of an MX by
            preference.

    Attributes:
        asked: every question, in order.
        is_down: it fails for every name.
    """

    def __init__(self, records: Records | None = None) -> None:
        self.records = dict(records or {})
        self.asked: list[tuple[str, str]] = []
        self.is_down = False
        self.ttl_s = 300.0

    def hear(self, question: DnsQuestion) -> Heard:
        """Return what is said."""
        self.asked.append((question.name, str(question.kind)))
        known = self.records.get(question.name, {})
        if known is None or self.is_down:
            return FAILED
        if question.name not in self.records:
            return NO_NAME
        rows = known.get(question.kind, ())
        return Heard(LookupResult.RECORDS, tuple(rows)) if rows else NOTHING

    def concluded(self, asking: Asking[T]) -> T:
        """Return what an evaluator comes to."""
        try:
            question = next(asking)
            while True:
                question = asking.send(self.hear(question))
        except StopIteration as ended:
            result: T = ended.value
            return result

    async def ask(self, name: str, kind: str, *, within_s: float) -> Said:
        """Return what name servers would say."""
        assert within_s > 0
        heard = self.hear(DnsQuestion(name.removesuffix("."), RecordKind(kind)))
        found = tuple(_rdata(kind, row, place) for place, row in enumerate(heard.records))
        return Said(Lookup(heard.found, found), self.ttl_s)


def txt(*texts: str) -> dict[str, list[str]]:
    """Return the records of a name that has TXT records alone."""
    return {"TXT": list(texts)}


def _rdata(kind: str, row: str, place: int) -> dns.rdata.Rdata:
    if kind in ("A", "AAAA"):
        ipaddress.ip_address(row)
    written = {
        "TXT": " ".join(f'"{row[at : at + 200]}"' for at in range(0, len(row) or 1, 200)),
        "MX": f"{place} {row}.",
        "PTR": f"{row}.",
    }.get(kind, row)
    return dns.rdata.from_text(
        dns.rdataclass.IN, dns.rdatatype.from_text(kind), written.replace(";", "\\;")
    )
