"""Of which risky types is a message, or anything inside it, as the helper finds out?

Runs in the helper process, in its first thread: the message is taken apart here, as it is for the
rules. What cannot be taken apart whole is said to be so: nobody knows what is in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from common.preferences.risky_types import RiskyType
from satellite.scanning import union
from satellite.scanning.content_kind import kinds_of
from satellite.scanning.cpu_alarm import ended_with
from satellite.scanning.cpu_budget import CpuBudget
from satellite.scanning.limits import LimitExceeded, UnfoldingLimits
from satellite.scanning.risky import type_of_name, types_of_content
from satellite.scanning.told_names import told_names
from satellite.scanning.unpack import Unit, Unpacking


def prepare(_options: Mapping[str, Any]) -> Callable[[bytes], dict[str, Any]]:
    """Return what looks into one message."""
    limits = UnfoldingLimits()
    return lambda message: found_in(message, limits)


def found_in(message: bytes, limits: UnfoldingLimits) -> dict[str, Any]:
    """Return the types that were found, and whether there may be others.

    Args:
        message: the octets of DATA.
        limits: beyond which nobody looks.
    """
    budget = CpuBudget(limits.cpu_s, cpu_s=time.process_time)
    unpacking = Unpacking(limits, budget)
    found: set[RiskyType] = set()
    is_whole = True
    try:
        with ended_with(budget):
            for unit in unpacking.units(message):
                budget.check()
                found.update(_types_of(unit, is_message=unit.content is message))
                if len(found) == len(RiskyType):
                    break
    except LimitExceeded:
        is_whole = False
    is_whole = is_whole and not unpacking.limits_met
    return {"types": sorted(found), "is_whole": is_whole}


def _types_of(unit: Unit, *, is_message: bool) -> Iterator[RiskyType]:
    if is_message or union.looks_like_mail(unit.content):
        for name in told_names(unit.content):
            if (told := type_of_name(name)) is not None:
                yield told
    if not is_message:  # which is text around what is in it
        yield from types_of_content(unit.content, kinds_of(unit.content))
    if unit.name and (named := type_of_name(unit.name)) is not None:
        yield named
