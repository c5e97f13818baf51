"""What may a policy key hold, and how is that read?

Pure. A form reads a value of JSON or what somebody typed, refuses what is none of its own, and says
for the documentation what would be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

NEVER = ("never", "none")  # how the command line writes that an optional number is none

PolicyValue = StrEnum | float | str | None  # what a key holds once it was read


class Form(Protocol):
    """What a policy key may hold."""

    def parse(self, name: str, value: object) -> PolicyValue:
        """Return a value of JSON as the policy holds it.

        Raises:
            ValueError: it is not one of this form; says what would be.
        """
        ...

    def read(self, name: str, text: str) -> float | str | None:
        """Return what somebody typed as a value of JSON.

        Raises:
            ValueError: it is not one of this form; says what would be.
        """
        ...

    @property
    def described(self) -> str:
        """What may stand there, for the documentation."""
        ...


@dataclass(frozen=True, slots=True)
class KeyChoice:
    """One word of several."""

    choices: tuple[StrEnum, ...]
    is_optional: bool = False  # it may be none, which means what another key says

    def parse(self, name: str, value: object) -> StrEnum | None:
        if value is None and self.is_optional:
            return None
        for choice in self.choices:
            if choice == value:
                return choice
        words = ", ".join([*self.choices, *["none"] * self.is_optional])
        raise ValueError(f"{name} is one of {words}, not {value!r}")

    def read(self, name: str, text: str) -> str | None:
        if self.is_optional and text in NEVER:
            return None
        return str(self.parse(name, text))

    @property
    def described(self) -> str:
        words = ", ".join(f"`{choice}`" for choice in self.choices)
        return f"{words}{', or `none`' * self.is_optional}"


@dataclass(frozen=True, slots=True)
class Number:
    """A number with its bounds and its unit."""

    low: float
    high: float
    unit: str
    is_optional: bool = False  # it may be none, which means never, or no limit

    def parse(self, name: str, value: object) -> float | None:
        if value is None:
            if self.is_optional:
                return None
            raise ValueError(f"{name} needs a number")
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if is_number and self.low <= value <= self.high:  # type: ignore[operator]
            return float(value)  # type: ignore[arg-type]
        raise ValueError(f"{name} is a number from {self.low:g} to {self.high:g}, not {value!r}")

    def read(self, name: str, text: str) -> float | None:
        if self.is_optional and text in NEVER:
            return None
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        return self.parse(name, number if math.isfinite(number) else text)

    @property
    def described(self) -> str:
        return f"{self.low:g} to {self.high:g} {self.unit}{', or `none`' * self.is_optional}"


@dataclass(frozen=True, slots=True)
class Text:
    """Printable ASCII on one line."""

    length_max: int

    def parse(self, name: str, value: object) -> str:
        if not isinstance(value, str) or len(value) > self.length_max:
            raise ValueError(f"{name} is text of at most {self.length_max} characters")
        if not value.isprintable() or not value.isascii():
            raise ValueError(f"{name} holds printable ASCII only")
        return value

    def read(self, name: str, text: str) -> str:
        return self.parse(name, text)

    @property
    def described(self) -> str:
        return f"printable ASCII, at most {self.length_max} characters"
