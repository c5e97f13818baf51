"""Which filters have to see mail under one revision, and what do the others say of all of it?

Touches nothing by itself. Most filters have no document that asks anything of them; a message must
not pay for each of them.
"""

from __future__ import annotations

from collections.abc import Sequence

from common.preferences import Preferences
from common.strangers import outcome_of_call
from common.verdict import Verdict
from satellite.filtering.filter import (
    Filter,
    FilterAnswersAtOnce,
    FilterAnswersForAll,
    check_verdicts,
)


class AskedFilters:
    """The filters of a worker under one revision of the preferences.

    Args:
        filters: all of them.
        preferences: the revision.

    Attributes:
        of_all: what filters say of each message, checked, by their names.
        at_once: those that have to see a message and may answer at once, by their names.
        waiting: those that have to see it and always wait.
        speaking: the names of all that may have a verdict, in the order of the filters.
    """

    def __init__(self, filters: Sequence[Filter], preferences: Preferences) -> None:
        self.preferences = preferences
        self.of_all: dict[str, tuple[Verdict, ...]] = {}
        self.at_once: dict[str, FilterAnswersAtOnce] = {}
        self.waiting: list[Filter] = []
        for each in filters:
            said = _of_all(each, preferences)
            if said is not None:
                self.of_all[each.name] = said
            elif isinstance(each, FilterAnswersAtOnce):
                self.at_once[each.name] = each
            else:
                self.waiting.append(each)
        self.speaking = tuple(each.name for each in filters if self.of_all.get(each.name) != ())


def _of_all(each: Filter, preferences: Preferences) -> tuple[Verdict, ...] | None:
    """Return what a filter says of all mail; None: it has to see it, and fails there if it does."""
    if not isinstance(each, FilterAnswersForAll):
        return None
    said = outcome_of_call(each.of_all, preferences)
    if said is None or isinstance(outcome_of_call(check_verdicts, said), Exception):
        return None
    assert isinstance(said, tuple)
    return said
