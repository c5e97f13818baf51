"""Which YARA rules match a message or anything inside it, as the helper finds out?

Runs in the helper process, in its first thread: the message is taken apart here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from common.errors import LocalError
from common.verdict import Outcome
from common.yara_compiling import compiled
from satellite.scanning.cpu_alarm import ended_with
from satellite.scanning.cpu_budget import CpuBudget
from satellite.scanning.limits import LimitExceeded, UnfoldingLimits
from satellite.scanning.matching import Matcher, ScopedNames, nothing_found
from satellite.scanning.unpack import Unpacking


def prepare(options: Mapping[str, Any]) -> Callable[[bytes], dict[str, Any]]:
    """Return what scans one message.

    Args:
        options: ``sources``: the rules, a list of pairs of a file's name and its text; ``pushed``:
            further ones, each with its scope behind, of which those that do not compile are left
            out and named.

    Raises:
        LocalError: a rule does not compile.
    """
    matcher, refused = _matcher(options["sources"], options.get("pushed", ()))
    limits = UnfoldingLimits()

    def scan(message: bytes) -> dict[str, Any]:
        return _scanned(message, matcher, limits) | {"refused": refused}

    # What a first scan reserves counts as the process's own.
    scan(b"")
    matcher.marks_in(b"")
    return scan


def _matcher(
    sources: Sequence[Sequence[str]], pushed: Sequence[Sequence[str]]
) -> tuple[Matcher, list[str]]:
    """Return what matches all rules that compile, and the names of the pushed ones that do not."""
    try:
        return Matcher([*sources, *pushed]), []
    except LocalError:
        refused = [name for name, text, *_ in pushed if not _compiles(name, text)]
        return Matcher([*sources, *(one for one in pushed if one[0] not in refused)]), refused


def _compiles(name: str, text: str) -> bool:
    try:
        compiled([(name, text)])
    except LocalError:
        return False
    return True


def _scanned(message: bytes, matcher: Matcher, limits: UnfoldingLimits) -> dict[str, Any]:
    budget = CpuBudget(limits.cpu_s, cpu_s=time.process_time)
    unpacking = Unpacking(limits, budget, matcher.marks_in)
    found = nothing_found()
    scoped: ScopedNames = {}
    late: list[str] = []
    try:
        with ended_with(budget):
            for unit in unpacking.units(message):
                budget.check()
                matcher.match(
                    unit.content,
                    found,
                    scoped=scoped,
                    budget=budget,
                    in_archive=unit.in_archive,
                    member_name=unit.name,
                )
    except LimitExceeded as error:
        late.append(error.what)
    except TimeoutError:
        late.append("the rules took too long")
    incomplete = [*unpacking.limits_met, *late]
    found[Outcome.MACRO] += [name for name in unpacking.macros if name not in found[Outcome.MACRO]]
    return {
        "found": {str(outcome): names for outcome, names in found.items()},
        "incomplete": incomplete,
        "locked": unpacking.encrypted,
        "unreadable": unpacking.unreadable,
        "scoped": [
            {"rules": rules, "scope": scope, "outcome": str(outcome), "threats": threats}
            for (rules, scope, outcome), threats in scoped.items()
        ],
    }
