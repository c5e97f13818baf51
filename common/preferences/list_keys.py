"""How is the key of a list entry written: whose it is, and what it matches?

Pure. A pattern is an address, a domain, ``.domain`` for it and all below it, a network, or
``header:NAME:EXPRESSION`` for a field of the header, in RE2's syntax.
"""

from __future__ import annotations

import ipaddress
import re
from enum import StrEnum

from common.address import AddressError, parse_address, parse_domain
from common.preferences.patterns import compile_pattern
from common.preferences.scopes import Scope

HEADER_TAG = "header:"
EXPRESSION_LENGTH_MAX = 200  # characters of a header pattern's expression
_FIELD_NAME = re.compile(r"[!-9;-~]{1,76}")


class ListColour(StrEnum):
    BLACK = "black"
    WHITE = "white"


def list_key(colour: ListColour, scope: Scope, pattern: str) -> str:
    """Return the key of a list entry, with its pattern in canonical form.

    Raises:
        AddressError: the pattern is none.
    """
    return f"{colour}/{scope}/{canonical_pattern(pattern)}"


def split_list_key(key: str) -> tuple[ListColour, Scope, str]:
    """Return colour, scope and pattern of a list entry's key.

    Raises:
        AddressError, ValueError: it is no such key.
    """
    colour, scope, pattern = cut_list_key(key)
    return ListColour(colour), Scope.parse(scope), pattern


def cut_list_key(key: str) -> tuple[str, str, str]:
    """Return colour, scope and pattern of a list entry's key as they are written there.

    Raises:
        ValueError: it has no such parts.
    """
    colour, _, rest = key.partition("/")
    if rest.startswith("cluster/"):
        return colour, "cluster", rest.removeprefix("cluster/")
    level, _, rest = rest.partition("/")
    cut = rest.find("/", _local_part_end(rest) if level == "recipient" else 0)
    if cut < 0:
        raise ValueError("a list entry's key is COLOUR/SCOPE/PATTERN")
    return colour, f"{level}/{rest[:cut]}", rest[cut + 1 :]


def _local_part_end(rest: str) -> int:
    """Return where a recipient's local part ends: it may hold a slash, and in quotes an @."""
    if rest.startswith('"'):
        return rest.find('"@', 1) + 1
    return rest.find("@")


def canonical_pattern(pattern: str) -> str:
    """Return a list pattern in canonical form.

    Raises:
        AddressError: it is none.
    """
    if pattern[: len(HEADER_TAG)].lower() == HEADER_TAG:
        name, expression = split_header_pattern(pattern)
        return f"{HEADER_TAG}{name}:{expression}"
    if "@" in pattern:
        return parse_address(pattern).folded
    network = _network(pattern)
    if network:
        return network
    if pattern.startswith("."):
        return "." + parse_domain(pattern[1:])
    return parse_domain(pattern)


def _network(pattern: str) -> str:
    """Return a network in canonical form; empty: the pattern is none."""
    if not pattern[:1].isalnum() and pattern[:1] != ":":
        return ""  # most patterns are none, and to find that out by an exception is dear
    try:
        return str(ipaddress.ip_network(pattern, strict=False))
    except ValueError:
        return ""


def is_header_pattern(pattern: str) -> bool:
    """Say whether a pattern in canonical form is about a field of the header."""
    return pattern.startswith(HEADER_TAG)


def is_network_pattern(pattern: str) -> bool:
    """Say whether a pattern in canonical form names a network."""
    return "/" in pattern and "@" not in pattern and not is_header_pattern(pattern)


def split_header_pattern(pattern: str) -> tuple[str, str]:
    """Return the field's name in lower case and the expression of a header pattern.

    Raises:
        AddressError: the name is none, or the expression is not one in RE2's syntax.
    """
    name, _, expression = pattern[len(HEADER_TAG) :].partition(":")
    if not _FIELD_NAME.fullmatch(name) or not expression:
        raise AddressError(f"{pattern[:80]!r} is no pattern; write header:NAME:EXPRESSION")
    if len(expression) > EXPRESSION_LENGTH_MAX or not expression.isprintable():
        raise AddressError(
            f"an expression has at most {EXPRESSION_LENGTH_MAX} characters, all printable"
        )
    try:
        compile_pattern(expression)
    except ValueError as error:
        raise AddressError(str(error)) from None
    return name.lower(), expression
