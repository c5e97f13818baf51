"""Which settings may the core not change over the link?

Pure. What a node is called, and what names a file, a folder or a program on its disk: the link
carries numbers, addresses and names, and whoever holds the core chooses no file here. Such a change
is made on the machine, by the rendered file and a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any

from common.settings.satellite import EngineSettings, FilterSettings, SatelliteSettings

FIXED = (
    "cluster",
    "node",
    "state",
    "smtp.certificate",
    "smtp.key",
    "smtp.rsa_certificate",
    "smtp.rsa_key",
    "core.certificate",
    "core.key",
    "core.authority",
    "delivery.authorities",
    "wireguard.state",
)
FOLDERS: Mapping[str, Callable[[SatelliteSettings], frozenset[str]]] = {
    "definitions.folder": lambda of: frozenset(one.folder for one in of.definitions),
    "mta_sts.certificates": lambda of: frozenset(
        one.certificates for one in (of.mta_sts,) if one is not None
    ),
}
REMEDY = "change it on the node: copy the rendered file there, and restart the node"


def fixed_complaints(running: SatelliteSettings, told: SatelliteSettings) -> Iterator[str]:
    """Yield what other settings change that the link may not, a line each.

    Args:
        running: those that are in force.
        told: those that the core means.
    """
    for name in FIXED:
        value = attrgetter(name)
        if value(running) != value(told):
            yield f"{name} cannot be changed over the link; {REMEDY}"
    for name, folders in FOLDERS.items():  # what is not there may come without them, and go
        if not folders(told) <= folders(running):
            yield f"{name} cannot be changed over the link; {REMEDY}"
    yield from _paths_of("engines", running.engines, told.engines)
    yield from _paths_of("filters", running.filters, told.filters)


def _paths_of(
    what: str,
    running: Sequence[EngineSettings | FilterSettings],
    told: Sequence[EngineSettings | FilterSettings],
) -> Iterator[str]:
    """Yield the entries whose options name paths, and are not those that are in force."""
    known = [(one.kind, one.options) for one in running]
    for one in told:
        if _names_a_path(one.options) and (one.kind, one.options) not in known:
            yield (
                f"{what}: the options of {one.name} name a path on the node, which cannot be"
                f" changed over the link; {REMEDY}"
            )


def _names_a_path(value: Any) -> bool:
    match value:
        case str():
            return value.startswith("/")
        case dict():
            return any(map(_names_a_path, value.values()))
        case list():
            return any(map(_names_a_path, value))
        case _:
            return False
