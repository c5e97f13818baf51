"""What is one message of the corpus, and what must become of it?

Pure. The expectation is that of the default policy on a satellite whose only engine is the built-in
YARA: it names threats and looks into archives, and finds nothing suspicious in the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum


class Expectation(StrEnum):
    """What must become of a message."""

    DELIVER = "deliver"
    MARK = "mark"  # delivered, with a finding in its header
    QUARANTINE = "quarantine"
    REFUSE = "refuse"  # answered 5xx after the final dot


@dataclass(frozen=True, slots=True, kw_only=True)
class Specimen:
    """One message.

    Args:
        name: the file's name without ``.eml``.
        make: returns its octets, the same each time.
        expectation: what must become of it.
        finding: the policy key that answers for it; empty when nothing is found.
        in_file: it is committed; the others are too large, or what a scanner on a developer's
            machine would take away.
    """

    name: str
    make: Callable[[], bytes]
    expectation: Expectation = Expectation.DELIVER
    finding: str = ""
    in_file: bool = True


def specimens(*makers: Callable[[], bytes]) -> tuple[Specimen, ...]:
    """Return a specimen for each function, named after it; all are simply to be delivered."""
    return tuple(Specimen(name=slug(maker), make=maker) for maker in makers)


def slug(maker: Callable[[], bytes]) -> str:
    """Return the name of a function as the name of a file."""
    name: str = getattr(maker, "__name__", "")
    assert name
    return name.strip("_").replace("_", "-")
