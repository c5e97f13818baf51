"""Do the servers answer that a node's filters ask?

Touches those servers, each for some seconds at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from cli.checks import DoctorCheck

if TYPE_CHECKING:
    from satellite.filtering.filter import Filter, FilterHealth


def servers_of_filters(filters: Sequence[Filter]) -> Iterator[DoctorCheck]:
    """Yield a line for each server that one of these filters asks."""
    for name, healths in asyncio.run(_probed(filters)).items():
        for health in healths:
            yield DoctorCheck(
                name=f"filter {name} at {health.address}",
                ok=health.is_answering,
                found=health.detail,
                remedy="start it; until then mail goes on without its points",
            )


async def _probed(filters: Sequence[Filter]) -> dict[str, tuple[FilterHealth, ...]]:
    from satellite.filtering.filter import AsksServers

    asking = {each.name: each for each in filters if isinstance(each, AsksServers)}
    try:
        found = await asyncio.gather(*(each.probe() for each in asking.values()))
    finally:
        for each in filters:
            await each.close()
    return dict(zip(asking, found, strict=True))
