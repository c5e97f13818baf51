"""To whom does a policy, list entry or rule apply?

Pure.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Self

from common.address import AddressError, parse_address, parse_domain
from common.frozen import dataclass


class ScopeLevel(IntEnum):
    """How near a scope is to one recipient; the nearer one wins."""

    CLUSTER = 0
    CUSTOMER = 1
    DOMAIN = 2
    RECIPIENT = 3


_WORDS = tuple(level.name.lower() for level in ScopeLevel)  # asked for with every recipient


@dataclass(frozen=True, slots=True, order=True)
class Scope:
    """To whom a policy, list entry or rule applies."""

    level: ScopeLevel
    name: str = ""

    def __str__(self) -> str:
        return f"{_WORDS[self.level]}/{self.name}" if self.name else "cluster"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the scope that a text such as ``customer/acme`` names.

        Raises:
            AddressError: it is none of these.
        """
        if text == "cluster":
            return cls(ScopeLevel.CLUSTER)
        word, _, name = text.partition("/")
        match word:
            case "customer" if name and name.isprintable() and "/" not in name:
                return cls(ScopeLevel.CUSTOMER, name)
            case "domain" if name:
                return cls(ScopeLevel.DOMAIN, parse_domain(name))
            case "recipient" if name:
                return cls(ScopeLevel.RECIPIENT, parse_address(name).folded)
        raise AddressError(
            f"{text[:80]!r} is no scope; "
            "write cluster, customer/NAME, domain/NAME or recipient/ADDRESS"
        )
