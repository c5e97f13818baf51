"""Is an answer of clamd clean only when it is the one that says so?

Pure.
"""

from __future__ import annotations

from common.verdict import DETAIL_LENGTH_MAX, Outcome
from satellite.scanning.clamd import replies

WORDS = (b"stream: OK", b" FOUND", b" ERROR", b"stream: ", b"1: ", b"\0", b"ClamAV 1.4.3/27807/x")
NAMED = {Outcome.INFECTED, Outcome.ENCRYPTED, Outcome.MACRO, Outcome.LIMITS}


def target(data: bytes) -> None:
    """Read an answer, with and without its number."""
    number, rest = replies.numbered(data)
    assert number is None or number >= 0
    for reply in (data, rest):
        meaning = replies.meaning(reply)
        assert (meaning.outcome is Outcome.CLEAN) is (reply == b"stream: OK")
        assert not meaning.threats or meaning.outcome in NAMED
        version = replies.version(reply)
        assert version.definitions_us >= 0
        said = (meaning.detail, version.version, version.definitions)
        for text in (*meaning.threats, *said):
            assert text.isascii()
            assert text.isprintable()
            assert len(text) <= DETAIL_LENGTH_MAX + len("clamd said: ")
