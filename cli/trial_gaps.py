"""What did a trial of documents not hear, so that nobody knows whether it would change anything?

Pure. Of mail of the past that is what nobody was asked then; of mail on disk it is who was asked
and did not answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import islice

from common.frozen import dataclass
from common.preferences import Kind, Preferences
from common.preferences.bodies import PolicyBody
from common.preferences.list_keys import is_header_pattern, split_list_key
from common.preferences.policy import POLICY_KEYS
from common.verdict import Outcome, Verdict

NOT_JUDGED_MAX = 100  # lines; a change may have a hundred thousand documents
_ASKED_ANEW = (Kind.RULE, Kind.FILTER, Kind.YARA)
# What these say is done before a message is taken, or decides who is shown it.
_BEFORE_RECORDS = frozenset(
    {"greylisting", "greylisting_wait_s", "dnsbl.reject", "unverified", "engine.cloud"}
)
_WITHOUT_ANSWER = (Outcome.UNAVAILABLE, Outcome.TIMEOUT, Outcome.ERROR)


@dataclass(frozen=True, slots=True)
class Unheard:
    """An engine or a filter that said nothing of a message.

    Args:
        by: its name.
        outcome: ``unavailable``, ``timeout``, ``error``, or ``skipped``: it was not asked.
        detail: why.
    """

    by: str
    outcome: str
    detail: str


def unheard(verdicts: Iterable[Verdict]) -> frozenset[Unheard]:
    """Return who had no answer about a message."""
    return frozenset(
        Unheard(each.by, each.outcome.value, each.detail)
        for each in verdicts
        if each.outcome in _WITHOUT_ANSWER or each.outcome is Outcome.SKIPPED
    )


def in_sum(found: Iterable[frozenset[Unheard]]) -> list[dict[str, object]]:
    """Return who was not heard of how many copies, with one reason of each."""
    counts: Counter[tuple[str, str]] = Counter()
    details: dict[tuple[str, str], str] = {}
    for each in found:
        for one in each:
            details.setdefault((one.by, one.outcome), one.detail)
        counts.update({(one.by, one.outcome) for one in each})
    return [
        {"by": by, "outcome": outcome, "copies": count, "detail": details[by, outcome]}
        for (by, outcome), count in sorted(counts.items())
    ]


def not_in_records(
    stands: Preferences, tried: Preferences, changed: Iterable[tuple[Kind, str]]
) -> list[str]:
    """Return which changes cannot be judged by what was said of mail in the past, a line each.

    Args:
        stands, tried: the preferences without and with the changes.
        changed: the documents that differ, by kind and key.
    """
    return _bounded(line for each in changed for line in _not_recorded(*each, stands, tried))


def not_on_disk(changed: Iterable[tuple[Kind, str]]) -> list[str]:
    """Return which changes cannot be judged by mail on disk, a line each.

    Args:
        changed: the documents that differ, by kind and key.
    """
    return _bounded(
        f"{kind} {key}: mail on disk does not say who brought it, nor its envelope's sender"
        for kind, key in changed
        if kind is Kind.LIST and not is_header_pattern(split_list_key(key)[2])
    )


def _bounded(lines: Iterable[str]) -> list[str]:
    found = list(islice(lines, NOT_JUDGED_MAX + 1))
    return found if len(found) <= NOT_JUDGED_MAX else [*found[:-1], "there are more of this kind"]


def _not_recorded(kind: Kind, key: str, stands: Preferences, tried: Preferences) -> Iterator[str]:
    if kind in _ASKED_ANEW and tried.document(kind, key) is None:
        yield f"{kind} {key}: what it said of mail then still counts here, though it would be gone"
    elif kind in _ASKED_ANEW:
        yield f"{kind} {key}: what it would say of mail was not asked then"
    elif kind is Kind.LIST and is_header_pattern(split_list_key(key)[2]):
        yield f"{kind} {key}: records do not have the header"
    elif kind is Kind.POLICY:
        keys = sorted(_keys(stands, key) ^ _keys(tried, key))
        names = dict.fromkeys(name for name, _ in keys if name in _BEFORE_RECORDS)
        if names:
            yield f"{kind} {key}: {', '.join(names)} acts before a message is judged"


def _keys(preferences: Preferences, key: str) -> set[tuple[str, str]]:
    document = preferences.document(Kind.POLICY, key)
    if document is None:
        return set()
    said = document.body_as(PolicyBody).settings
    return {
        (each.name, str(said[each.attribute]))
        for each in POLICY_KEYS.values()
        if each.attribute in said
    }
