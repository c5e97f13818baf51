"""How is an object made that nobody may change, as quickly as one that anybody may?

Pure. ``dataclass(frozen=True)`` sets each field through ``object.__setattr__``, which takes three
times as long: a message goes through sixty such objects, and that was 7 % of what it cost. The type
checker sees every line that would change one, and to it this is the decorator of the library; at
run time nothing stands guard. For objects that are made for each message; elsewhere the library's.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool = False, eq: bool = True, **how: Any) -> Any:
        """Return what makes a dataclass; a frozen one has its hash, and no guard."""
        return dataclasses.dataclass(eq=eq, unsafe_hash=frozen and eq, **how)
