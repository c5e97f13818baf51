"""How many octets of quarantined mail does each node have here, and may it have more?

Touches the database, for reading, when it begins and each hour; in between it counts. A body that
is arriving counts in full, and one that several cases stand on once for each: rather too much than
too little. Source: promise P9, one node takes nobody else's room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy import Connection, func, select

from core.quarantine.cases import KEEPING_BODY, CaseState, QuarantineFull
from core.store import tables
from core.store.writer import StoreReader

ASK_S = 3_600.0
_COUNTED = [str(state) for state in (CaseState.ARRIVING, *KEEPING_BODY)]


class CaseRoom:
    """The octets of each node.

    Args:
        reader: of the database.
    """

    def __init__(self, reader: StoreReader) -> None:
        self.bytes_max = 0  # of one node; 0: no bound
        self._reader = reader
        self._used: Counter[str] | None = None
        self._asked_s = 0.0

    @property
    def used(self) -> Mapping[str, int]:
        """What each node has, as far as it is known."""
        return MappingProxyType(self._used or {})

    async def know(self, *, now_s: float) -> None:
        """Ask the database, where that was not done lately: rows go, and a commit may have failed.

        Args:
            now_s: the monotonic clock, in seconds.
        """
        if self._used is None or now_s - self._asked_s >= ASK_S:
            self._asked_s = now_s
            self._used = Counter(await self._reader.run(_sums))

    def check(self, message_id: str, node: str, size: int) -> None:
        """Accept that a node has one more body here.

        Raises:
            QuarantineFull: it has as many octets as one node may have.
        """
        used = self._used[node] if self._used is not None else 0
        if self.bytes_max and used + size > self.bytes_max:
            raise QuarantineFull(message_id, node, used=used, bytes_max=self.bytes_max)

    def changed(self, node: str, by: int) -> None:
        """A node has so many octets more, or less, once the row is written."""
        if self._used is not None:
            self._used[node] = max(0, self._used[node] + by)


def _sums(connection: Connection) -> dict[str, int]:
    table = tables.quarantine_case
    query = (
        select(table.c.node, func.sum(table.c.size))
        .where(table.c.state.in_(_COUNTED))
        .group_by(table.c.node)
    )
    return {node: int(size or 0) for node, size in connection.execute(query)}
