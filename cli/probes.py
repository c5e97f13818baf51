"""What does the core know of the round trips that nodes measured?

Touches the core.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cli.client import Client, CoreFailure
from common.errors import PeerError
from inventory.mx.site_probes import Probe, parse_probes

PATH = "/api/v1/probes"
PAGES_MAX = 1_000  # each of a thousand: more nodes than a cluster has


@dataclass(frozen=True, slots=True)
class KnownProbes:
    """All that nodes measured lately, and when the core told it."""

    made: datetime
    probes: list[Probe]


def known_probes(client: Client) -> KnownProbes:
    """Ask the core for all of it.

    Raises:
        CoreFailure, PeerError: it does not tell, or something else.
    """
    found: list[Any] = []
    after, made = "", ""
    for _ in range(PAGES_MAX):
        page = client.ask("GET", PATH, query={"after": after or None})
        try:
            made = made or page["made"]
            found += page["probes"]
            after = page["next"]
            began = datetime.fromisoformat(made)
        except (KeyError, TypeError, ValueError):
            raise CoreFailure(
                f"{client.url}{PATH}: no page of probes", hint="is this its address?"
            ) from None
        if not after:
            return KnownProbes(began.astimezone(UTC).replace(microsecond=0), parse_probes(found))
    raise PeerError(f"{client.url}{PATH}: the pages do not end")
