"""Which filters does this satellite have?

Touches the installed packages' entry points. Ours and other people's are found the same way; ours
are always there, theirs when the settings name them.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import cast

from common.errors import LocalError, SettingsError
from common.settings.satellite import FilterSettings
from satellite.filtering.filter import Build, Filter, FilterContext

GROUP = "borderscout.filters"
BUILT_IN = ("lists", "rules", "dnsbl")  # one of each, configured or not


def build_filters(settings: Sequence[FilterSettings], context: FilterContext) -> tuple[Filter, ...]:
    """Return the built-in filters, then the others in the order of the settings.

    A built-in kind is one filter that serves all its documents; the first of its settings holds.

    Raises:
        SettingsError: with a complaint for each filter that cannot be had.
    """
    kinds = {point.name: point for point in entry_points(group=GROUP)}
    ours = {kind: next((s for s in settings if s.kind == kind), None) for kind in BUILT_IN}
    wanted = [*ours.items(), *((s.kind, s) for s in settings if s.kind not in ours)]
    built: list[Filter] = []
    complaints: list[str] = []
    for kind, setting in wanted:
        name = setting.name if setting is not None else kind
        try:
            built.append(_build(kinds, kind)(setting, context))
        except LocalError as error:
            complaints.append(f"filters: {name}: {error}")
    if complaints:
        raise SettingsError(complaints)
    return tuple(built)


def _build(kinds: dict[str, EntryPoint], kind: str) -> Build:
    point = kinds.get(kind)
    if point is None:
        known = ", ".join(sorted(kinds)) or "none"
        raise LocalError(
            f"there is no filter of kind {kind!r}, only {known}",
            hint="install the package that brings it, or correct the kind",
        )
    try:
        return cast(Build, point.load())
    except (ImportError, AttributeError) as error:
        raise LocalError(
            f"the filter of kind {kind!r} does not load: {error}", hint="reinstall its package"
        ) from error
