"""What is one thing that is wrong in an inventory?

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from inventory.raw import Raw


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, where, and what to do."""

    at: Raw
    what: str
    remedy: str
    is_warning: bool = False
