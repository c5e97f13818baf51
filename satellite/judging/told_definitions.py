"""Which definitions do engines tell, and who tells nothing although he seems to?

Pure: the time arrives as ``now_s``. An ICAP server has to change its tag with its definitions (RFC
3507 section 4.7), and some never do. Virus scanners have new definitions several times a day: who
has told the same for longer than ``SAME_S`` is taken for one that does not tell, until he tells
something else.
"""

from __future__ import annotations

from collections.abc import Iterable

from common.reports import EngineReport

SAME_S = 86_400.0


class ToldDefinitions:
    """What the engines of a shard told of their definitions, and since when.

    Args:
        doubted: names of the engines that may not tell.
    """

    def __init__(self, doubted: Iterable[str]) -> None:
        self._doubted = frozenset(doubted)
        self._since: dict[str, tuple[str, float]] = {}  # what each told, and when first

    def told(self, reports: Iterable[EngineReport], *, now_s: float) -> dict[str, str]:
        """Return the definitions of each engine that answers; empty: it does not tell them.

        Args:
            reports: how the engines were when they were probed last.
            now_s: the time.
        """
        return {
            one.name: self._of(one.name, one.definitions, now_s) for one in reports if one.answering
        }

    def _of(self, name: str, definitions: str, now_s: float) -> str:
        if name not in self._doubted:
            return definitions
        told, since_s = self._since.get(name, ("", now_s))
        if told != definitions:
            self._since[name] = definitions, now_s
            return definitions
        return definitions if now_s - since_s < SAME_S else ""
