"""How is a refusal found again, and how many were there for which reason?

Pure. A sum counts as many refusals as it tells of; beyond the addresses that it names nobody is
found by it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from common.address import domain_of, fold
from common.records import RefusedRecord
from common.records.bounds import TIME_US_MAX
from core.records.search import iso_time

ADDRESSES_MAX = 100  # of one record; a satellite of ours names some forty
REFUSALS_MAX = 1_000_000_000  # of one record that are believed: a total must not overflow

_IPV4_PREFIX, _IPV6_PREFIX = 24, 64  # of the networks that sums are told of


@dataclass(frozen=True, slots=True)
class RefusedAddress:
    """A sender or recipient in the form in which it is looked for."""

    folded: str
    domain: str  # empty: what stood there was no address


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusalReport:
    """What was refused in a time."""

    since_us: int
    until_us: int
    refusals: int
    reasons: tuple[tuple[str, str, int], ...]  # reason, command, refusals
    clients: tuple[tuple[str, int], ...]  # address or network, refusals

    def as_json(self) -> dict[str, Any]:
        """Return the report as it travels."""
        return {
            "since": iso_time(self.since_us),
            "until": iso_time(self.until_us) if self.until_us < TIME_US_MAX else None,
            "refusals": self.refusals,
            "reasons": [
                {"reason": reason, "command": command, "refusals": refusals}
                for reason, command, refusals in self.reasons
            ],
            "clients": [
                {"client": client, "refusals": refusals} for client, refusals in self.clients
            ],
        }


def addresses_of(record: RefusedRecord) -> Iterator[RefusedAddress]:
    """Yield each address by which a refusal is found, once."""
    seen: set[str] = set()
    for address in (*record.senders, *record.recipients)[:ADDRESSES_MAX]:
        is_address = "@" in address
        folded = fold(address) if is_address else address.casefold()
        if folded and folded not in seen:
            seen.add(folded)
            yield RefusedAddress(folded, domain_of(address) if is_address else "")


def believed_refusals(record: RefusedRecord) -> int:
    """Return how many refusals a record counts for."""
    return min(record.refusals, REFUSALS_MAX)


def clients_like(address: str) -> tuple[str, ...]:
    """Return the clients that refusals of an address are told of: itself, and its network."""
    prefix = _IPV6_PREFIX if ":" in address else _IPV4_PREFIX
    return address, str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))
