"""What may an evaluator ask of DNS, and what can it hear?

Pure. An evaluator is a generator: it yields a question, is sent what was heard, and returns what it
comes to. So it decides without waiting, and whoever performs its questions bounds and shares them.

Source: RFC 1035, RFC 2308 (no such name, no such record).
"""

from __future__ import annotations

from collections.abc import Generator
from enum import StrEnum
from typing import TypeVar

from common.frozen import dataclass
from satellite.names.answer import LookupResult

T = TypeVar("T")

LABEL_LENGTH_MAX = 63
NAME_LENGTH_MAX = 253


class RecordKind(StrEnum):
    """Which records are asked for."""

    A = "A"
    AAAA = "AAAA"
    MX = "MX"
    PTR = "PTR"
    TXT = "TXT"


@dataclass(frozen=True, slots=True)
class DnsQuestion:
    """One question to DNS.

    Args:
        name: absolute, without the final dot.
        kind: of the records.
    """

    name: str
    kind: RecordKind


@dataclass(frozen=True, slots=True)
class Heard:
    """What was heard.

    Args:
        found: how the look-up ended; ``FAILED`` says nothing of the name.
        records: an address or a host's name each; of TXT its strings joined, an octet a character.
            Those of MX by preference.
    """

    found: LookupResult
    records: tuple[str, ...] = ()

    @property
    def has_failed(self) -> bool:
        """Nobody could say."""
        return self.found is LookupResult.FAILED


Asking = Generator[DnsQuestion, Heard, T]

NO_NAME = Heard(LookupResult.NO_NAME)
NOTHING = Heard(LookupResult.NOTHING)
FAILED = Heard(LookupResult.FAILED)


def is_name(text: str) -> bool:
    """Say whether DNS can hold a name: its labels have 1 to 63 octets, and there are two or more.

    Which signs stand in a label is not looked at: DNS takes all, and RFC 7208 has macros that make
    odd ones.
    """
    labels = text.removesuffix(".").split(".")
    return (
        len(text) <= NAME_LENGTH_MAX + 1
        and len(labels) > 1
        and all(0 < len(label) <= LABEL_LENGTH_MAX for label in labels)
        and text.isascii()
        and text.isprintable()
    )


def ask(name: str, kind: RecordKind) -> Asking[Heard]:
    """Ask one question; a name that DNS cannot hold does not exist."""
    if not is_name(name):
        return NO_NAME
    return (yield DnsQuestion(name.lower().removesuffix("."), kind))
