"""The digest of a life's records."""

from __future__ import annotations

from common.chain import CHAIN_BYTES, CHAIN_START, extended
from common.records import LogRecord

ONE = LogRecord(1, 5, "accepting", "", b"{}")
TWO = LogRecord(2, 6, "started", "01KDVDNA000000000000000001", b'{"version":"1"}')


def test_a_chain_may_be_cut_anywhere() -> None:
    whole = extended(CHAIN_START, [ONE, TWO])

    assert extended(extended(CHAIN_START, [ONE]), [TWO]) == whole
    assert extended(whole, []) == whole
    assert len(whole) == CHAIN_BYTES


def test_whatever_differs_in_a_record_shows_at_all_later_ones() -> None:
    whole = extended(CHAIN_START, [ONE, TWO])
    others = [
        LogRecord(1, 6, "accepting", "", b"{}"),
        LogRecord(1, 5, "started", "", b"{}"),
        LogRecord(1, 5, "accepting", "x", b"{}"),
        LogRecord(1, 5, "accepting", "", b"{ }"),
        LogRecord(1, -5, "accepting", "", b"{}"),
    ]

    assert all(extended(CHAIN_START, [other, TWO]) != whole for other in others)
    assert extended(bytes([1]) * CHAIN_BYTES, [ONE, TWO]) != whole
