"""What in a zone differs from what should stand there, and may it be changed?

Pure. The zone may hold what is not ours: nothing is changed but at names that we made. Those of
customers and sites are known by their form; the others are written down in the zone itself, in a
TXT record, so that what is gone from the inventory is found again.

Source: docs/mx.md, *Apply*.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from common.errors import LocalError
from inventory.mx.formats.rendered_files import zone_value
from inventory.mx.names import REPORTS_LABELS, SMTP_LABELS
from inventory.mx.records import MX_TTL_S, DnsZone, RecordSet

MARK = "_borderscout"  # below the mail domain: our labels that have no form of their own
GONE_SHARE_MAX = 0.3
KEY_KINDS = frozenset({"TLSA", "CNAME"})
KINDS = frozenset({"A", "AAAA", "CNAME", "TLSA", "TXT"})

_FORM = re.compile(r"p[1-9]-[a-z2-7]{16}|mx-[a-z0-9-]+")
_KEYS = f"{SMTP_LABELS}."


@dataclass(frozen=True, slots=True)
class ZoneChange:
    """One set of records that is to be another one; None: there is none."""

    before: RecordSet | None
    after: RecordSet | None

    @property
    def set(self) -> RecordSet:
        """Return the set that there is or will be."""
        found = self.after or self.before
        assert found is not None
        return found

    def lines(self) -> Iterator[str]:
        """Yield each record that goes or comes by itself."""
        for sign, one, other in (("-", self.before, self.after), ("+", self.after, self.before)):
            if one is None:
                continue
            kept = other.values if other is not None and other.ttl_s == one.ttl_s else ()
            for value in one.values:
                if value not in kept:
                    yield f"{sign} {one.name}. {one.ttl_s} {one.kind} {zone_value(one.kind, value)}"

    def as_json(self) -> dict[str, Any]:
        """Return what ``--json`` prints."""
        return {
            "name": self.set.name,
            "type": self.set.kind,
            "before": _tree(self.before),
            "after": _tree(self.after),
        }


class ZoneConflict(LocalError):
    """A name is an alias and should be something else, or the other way round."""


def changes_of(wanted: DnsZone, there: Sequence[RecordSet], *, with_keys: bool) -> list[ZoneChange]:
    """Return what is to be changed, what comes before what goes.

    Args:
        wanted: what should stand there.
        there: what stands in the zone, below whatever name.
        with_keys: whether TLSA records are ours to change.

    Raises:
        ZoneConflict: somebody else's record is in the way.
    """
    sought = {_key(one): one for one in _with_mark(wanted)}
    ours = _ours(wanted, there, with_keys=with_keys)
    _check_aliases(sought.values(), [one for key, one in _by_key(there).items() if key not in ours])
    present = _by_key(there)  # what is sought and was there before us becomes ours
    come = [
        ZoneChange(present.get(key), one)
        for key, one in sought.items()
        if key not in present or not _same(present[key], one)
    ]
    gone = [ZoneChange(one, None) for key, one in sorted(ours.items()) if key not in sought]
    return _ordered(come, gone)


def gone_share(changes: Sequence[ZoneChange], there: Sequence[RecordSet], wanted: DnsZone) -> float:
    """Return which share of our sets would go away, from 0 to 1."""
    ours = len(_ours(wanted, there, with_keys=True))
    return sum(change.after is None for change in changes) / ours if ours else 0.0


def _ordered(come: list[ZoneChange], gone: list[ZoneChange]) -> list[ZoneChange]:
    """Return what goes last, unless a name that is an alias becomes something else."""
    names = {change.set.name for change in come}
    first = [change for change in gone if change.set.name in names]
    return first + come + [change for change in gone if change.set.name not in names]


def _with_mark(wanted: DnsZone) -> list[RecordSet]:
    labels = {wanted.label(one.name) for one in wanted.sets}
    plain = {_plain(label) for label in labels}
    named = tuple(sorted(label for label in plain if label and not _FORM.fullmatch(label)))
    return [*wanted.sets, RecordSet(f"{MARK}.{wanted.name}", "TXT", MX_TTL_S, named)]


def _plain(label: str) -> str:
    return "" if label == SMTP_LABELS else label.removeprefix(_KEYS)


def _ours(
    wanted: DnsZone, there: Iterable[RecordSet], *, with_keys: bool
) -> dict[tuple[str, str], RecordSet]:
    """Return what is there and was made by us."""
    present = _by_key(there)
    mark = present.get((f"{MARK}.{wanted.name}", "TXT"))
    marked = frozenset(mark.values if mark is not None else ())
    return {
        key: one
        for key, one in present.items()
        if one.kind in KINDS
        and one.name.endswith(f".{wanted.name}")
        and _is_ours(wanted.label(one.name), one.kind, marked, with_keys)
    }


def _is_ours(label: str, kind: str, marked: frozenset[str], with_keys: bool) -> bool:
    if label == SMTP_LABELS or label.startswith(_KEYS):
        plain = _plain(label)
        is_known = not plain or plain in marked or _FORM.fullmatch(plain) is not None
        return with_keys and kind in KEY_KINDS and is_known
    if kind == "TXT":  # at a host's name it may be its SPF policy, which we publish for none
        return label == MARK or (label == REPORTS_LABELS and label in marked)
    return label in marked or _FORM.fullmatch(label) is not None


def _check_aliases(sought: Iterable[RecordSet], others: Iterable[RecordSet]) -> None:
    kinds: dict[str, set[str]] = {}
    for one in others:
        kinds.setdefault(one.name, set()).add(one.kind)
    for one in sought:
        found = kinds.get(one.name, set()) - {one.kind}
        in_the_way = found if one.kind == "CNAME" else found & {"CNAME"}
        if in_the_way:
            raise ZoneConflict(
                f"{one.name} has a {sorted(in_the_way)[0]} record that is not ours, "
                f"and should have {one.kind}"
            )


def _by_key(sets: Iterable[RecordSet]) -> dict[tuple[str, str], RecordSet]:
    return {_key(one): one for one in sets}


def _same(one: RecordSet, other: RecordSet) -> bool:
    return one.ttl_s == other.ttl_s and sorted(one.values) == sorted(other.values)


def _key(one: RecordSet) -> tuple[str, str]:
    return one.name, one.kind


def _tree(one: RecordSet | None) -> dict[str, Any] | None:
    return None if one is None else {"ttl": one.ttl_s, "values": list(one.values)}
