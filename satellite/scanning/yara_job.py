"""Which YARA rules match a message or anything inside it, as the helper finds out?

Runs in the helper process: the message is taken apart here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from satellite.scanning.limits import UnfoldingLimits
from satellite.scanning.matching import Matcher, nothing_found
from satellite.scanning.unpack import Unpacking


def prepare(options: Mapping[str, Any]) -> Callable[[bytes], dict[str, Any]]:
    """Return what scans one message.

    Args:
        options: ``sources``: the rules, a list of pairs of a file's name and its text.

    Raises:
        LocalError: a rule does not compile.
    """
    matcher = Matcher(options["sources"])
    limits = UnfoldingLimits()

    def scan(message: bytes) -> dict[str, Any]:
        return _scanned(message, matcher, limits)

    scan(b"")  # what a first scan reserves counts as the process's own
    return scan


def _scanned(message: bytes, matcher: Matcher, limits: UnfoldingLimits) -> dict[str, Any]:
    unpacking = Unpacking(limits)
    found = nothing_found()
    late = False
    for unit in unpacking.units(message):
        try:
            matcher.match(unit.content, found, in_archive=unit.in_archive, member_name=unit.name)
        except TimeoutError:
            late = True
    incomplete = list(unpacking.limits_met)
    if late:
        incomplete.append("the rules took too long")
    return {
        "found": {str(outcome): names for outcome, names in found.items()},
        "incomplete": incomplete,
        "locked": unpacking.encrypted,
    }
