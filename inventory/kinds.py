"""Do the engines and filters of an inventory have kinds that are installed, and options they know?

Touches the installed packages, through ``common.kinds``. The packages of a node may be absent where
the inventory is kept; then this is said once, and nothing is complained about that may be right.
"""

from __future__ import annotations

from collections.abc import Iterator

from common.kinds import (
    Group,
    KindFault,
    factory_of,
    faults_of,
    options_taken,
    satellite_is_installed,
)
from inventory.model import DOCUMENT_KINDS
from inventory.raw import Raw, RawComplaint, holders_of_engines

WEIGHTS = "weights"
PROFILE = "profile"  # an option that the inventory has a key for


def check_kinds(main: Raw) -> Iterator[RawComplaint]:
    """Yield what is wrong with kinds and options, wherever engines and filters stand."""
    engines = [one for holder in holders_of_engines(main) for one in holder.items("engines")]
    filters = main.items("filters")
    if not engines and not filters:
        return
    if not satellite_is_installed():
        yield RawComplaint(
            (engines + filters)[0],
            "kinds and options of engines and filters are not checked: no satellite is here",
            "install border-scout[satellite] and the packages of the nodes to have them checked",
            is_warning=True,
        )
        return
    for engine in engines:
        yield from _placed(engine, _faults_of_engine(engine))
    for item in filters:
        yield from _placed(item, _faults_of_filter(item))


def _faults_of_engine(engine: Raw) -> list[KindFault]:
    kind, options, profile = (engine.get(key).value for key in ("kind", "options", PROFILE))
    if not isinstance(kind, str):
        return []
    if profile is not None and isinstance(options, dict | None):
        options = {**(options or {}), PROFILE: profile}
    return faults_of(Group.ENGINES, kind, options)


def _faults_of_filter(item: Raw) -> list[KindFault]:
    kind, options = (item.get(key).value for key in ("kind", "options"))
    if not isinstance(kind, str):
        return []
    is_whole = kind in DOCUMENT_KINDS
    faults = faults_of(Group.FILTERS, kind, options, of_document=is_whole)
    weights = item.get(WEIGHTS).value
    if weights is None:
        return [_meant_for_weights(kind, fault) for fault in faults]
    if is_whole:
        what = f"filter of kind {kind!r} has no weights"
        return [*faults, KindFault((WEIGHTS,), what, "write them under options")]
    found = faults_of(Group.FILTERS, kind, weights, of_document=True)
    return [*faults, *(_of_weights(fault) for fault in found if fault.place[0] == "options")]


def _meant_for_weights(kind: str, fault: KindFault) -> KindFault:
    """Return what to do about an option that the filter's document has, and not its settings."""
    if len(fault.place) != 2 or not fault.what.startswith("unknown option"):
        return fault
    document = options_taken(factory_of(Group.FILTERS, kind), of_document=True)
    if document is None or fault.place[1] not in document.model_fields:
        return fault
    return KindFault(fault.place, fault.what, f"write it under {WEIGHTS}")


def _of_weights(fault: KindFault) -> KindFault:
    what = fault.what.replace("option ", "weight ").replace("options.", f"{WEIGHTS}.")
    return KindFault((WEIGHTS, *fault.place[1:]), what, fault.remedy)


def _placed(entry: Raw, faults: list[KindFault]) -> Iterator[RawComplaint]:
    for fault in faults:
        place = fault.place
        if place[:2] == ("options", PROFILE) and entry.get(PROFILE).value is not None:
            place = (PROFILE,)
        yield RawComplaint(Raw(entry.file, (*entry.path, *place), None), fault.what, fault.remedy)
