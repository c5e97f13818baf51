"""Which types of content may do harm that no engine knows yet, and which does a policy mean?

Pure. What a program, a script or an archive does is known once somebody has met it; until then all
engines call it clean. The types are the policy key ``zero_hour.types``; what belongs to each is
told by ``satellite.scanning.risky``.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class RiskyType(StrEnum):
    """A type of content that acts when it is opened, or holds what does."""

    PROGRAM = "program"
    SCRIPT = "script"
    ARCHIVE = "archive"
    MACRO = "macro"  # documents that have macros, or may start something else
    PAGE = "page"  # that is attached, and runs in a browser without the sender's server
    SHORTCUT = "shortcut"
    DISK = "disk"  # an image of one, which opens as a folder


_ALL = "all"


class RiskyTypes(str):
    """``all`` or ``TYPE,TYPE``: a text that was read and is canonical."""

    __slots__ = ()

    @property
    def types(self) -> frozenset[RiskyType]:
        """The types that are meant."""
        return frozenset(RiskyType) if self == _ALL else frozenset(map(RiskyType, self.split(",")))


ALL_TYPES = RiskyTypes(_ALL)


@dataclass(frozen=True, slots=True)
class RiskyTypesForm:
    """What the policy key ``zero_hour.types`` may hold; see ``forms.Form``."""

    def parse(self, name: str, value: object) -> RiskyTypes:
        if value == _ALL:
            return ALL_TYPES
        words = set(value.split(",")) if isinstance(value, str) else set()
        if words and words <= set(RiskyType):
            return RiskyTypes(",".join(one for one in RiskyType if one in words))
        some = ",".join(RiskyType)
        raise ValueError(f"{name} is all, or some of {some}, not {str(value)[:80]!r}")

    def read(self, name: str, text: str) -> str:
        return str(self.parse(name, text))

    @property
    def described(self) -> str:
        return f"`all`, or some of `{','.join(RiskyType)}`"
