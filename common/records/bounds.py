"""Which text and which numbers can a row hold?

Pure. PostgreSQL takes no NUL and neither database a lone surrogate; what strangers sent is cut and
mended here, since a record must never be refused for what it contains.
"""

from __future__ import annotations

LABEL_LENGTH_MAX = 64  # characters: names of events, states, reasons' classes
NAME_LENGTH_MAX = 320  # characters: an address with room for what is none
LINE_LENGTH_MAX = 2_000  # characters: subjects, replies, reasons

DIGESTS_MAX = 8  # of one message's risky parts
VERDICTS_MAX = 64  # of one message; more engines and filters than any node runs
TESTS_MAX = 2_000  # of one verdict: one for each recipient of the largest message, and some
SCOPED_MAX = 192  # matches in one verdict: three outcomes of each document of rules

NUMBER_MAX = (1 << 63) - 1  # what a column of both databases holds
TIME_US_MAX = 253_402_300_799_999_999  # the last microsecond of the year 9999


def storable(text: str, *, length_max: int = LINE_LENGTH_MAX) -> str:
    """Return text of at most ``length_max`` characters that every database takes."""
    if len(text) <= length_max and text.isprintable():
        return text  # nearly all are: neither a NUL nor half a character counts as printable
    cut = text[:length_max].replace("\0", "\N{REPLACEMENT CHARACTER}")
    return cut.encode("utf-8", "replace").decode("utf-8")


def whole_number(value: object, *, highest: int = NUMBER_MAX) -> int:
    """Return a number from 0 up to ``highest``; anything else is 0 or the nearer end."""
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return min(max(value, 0), highest)
