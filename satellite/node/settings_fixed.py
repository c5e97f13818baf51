"""Which settings may the core not change over the link?

Pure. What a node is called, and what names a file, a folder or a program on its disk: the link
carries numbers, addresses and names, and whoever holds the core chooses no file here. Such a change
is made on the machine, by the rendered file and a restart.
"""

from __future__ import annotations

import ipaddress
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
# How the options of engines and filters are called that say a file, a folder or a program.
FILE_OPTIONS = ("_file", "rules", "authorities", "folder", "program", "programs")
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
    """Yield the entries whose options name paths, and are not those that are in force.

    Their address is fixed, too: the file may hold a password, which goes there.
    """
    known = [(one.kind, one.options, one.address) for one in running]
    for one in told:
        if _names_a_path(one.options) and (one.kind, one.options, one.address) not in known:
            yield (
                f"{what}: the options of {one.name} name a path on the node, so neither they nor"
                f" its address can be changed over the link; {REMEDY}"
            )


def _names_a_path(value: Any, *, is_file: bool = False) -> bool:
    """Say whether options name a path: a relative one leads everywhere, too.

    Args:
        value: the options, or one of them.
        is_file: it is known by its name that it says one.
    """
    match value:
        case str():
            return bool(value) and (is_file or ("/" in value and not _is_network(value)))
        case dict():
            return any(
                _names_a_path(one, is_file=is_file or _says_a_file(name))
                for name, one in value.items()
            )
        case list():
            return any(_names_a_path(one, is_file=is_file) for one in value)
        case _:
            return False


def _says_a_file(name: str) -> bool:
    return name.endswith(FILE_OPTIONS)


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return True
