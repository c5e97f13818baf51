"""What is one thing that the doctor looked at?

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

SKEW_S_MAX = 5.0  # between two clocks


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorCheck:
    """One thing that was looked at."""

    name: str
    ok: bool
    found: str
    remedy: str = ""
    note: bool = False  # no fault, and worth knowing


def judged(name: str, faults: tuple[tuple[bool, str], ...], remedy: str) -> DoctorCheck:
    """Return the check that names the faults which apply."""
    found = [what for applies, what in faults if applies]
    return DoctorCheck(name=name, ok=not found, found="; ".join(found) or "well", remedy=remedy)
