"""Which filter kinds are there, ours and other packages', and which do the settings name?

Touches the installed packages, through ``common.kinds``: ours and other people's are found the same
way. Ours are always there, theirs when the settings name them.
"""

from __future__ import annotations

from collections.abc import Sequence

from common.errors import LocalError, SettingsError
from common.kinds import Group, checked_factory_of, complaints_of, factory_of
from common.reports import FilterReport
from common.settings.satellite import FilterSettings
from satellite.filtering.filter import Build, Filter, FilterContext

# One of each, configured or not.
BUILT_IN = (
    "lists",
    "rules",
    "content",
    "dnsbl",
    "volume",
    "checksums",
    "authentication",
    "spoofing",
)


def build_filters(settings: Sequence[FilterSettings], context: FilterContext) -> tuple[Filter, ...]:
    """Return the built-in filters, then the others in the order of the settings.

    A built-in kind is one filter that serves all its documents; the first of its settings holds.

    Raises:
        SettingsError: with a complaint for each filter that cannot be had.
    """
    ours = {kind: next((s for s in settings if s.kind == kind), None) for kind in BUILT_IN}
    wanted = [*ours.items(), *((s.kind, s) for s in settings if s.kind not in ours)]
    built: list[Filter] = []
    complaints: list[str] = []
    for kind, setting in wanted:
        name = setting.name if setting is not None else kind
        try:
            built.append(_factory(kind, setting)(setting, context))
        except LocalError as error:
            complaints += complaints_of(f"filters.{name}", error)
    if complaints:
        raise SettingsError(complaints)
    return tuple(built)


def filter_reports(settings: Sequence[FilterSettings]) -> tuple[FilterReport, ...]:
    """Return what the core is told of the filters that the settings make."""
    ours = [FilterReport(name="", kind=kind) for kind in BUILT_IN]
    theirs = [FilterReport(name=s.name, kind=s.kind) for s in settings if s.kind not in BUILT_IN]
    return (*ours, *theirs)


def _factory(kind: str, setting: FilterSettings | None) -> Build:
    if setting is None:
        return factory_of(Group.FILTERS, kind)
    return checked_factory_of(Group.FILTERS, setting)
