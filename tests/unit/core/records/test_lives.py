"""Does what a spool says go on from what is known of it? (U1, U3)"""

from __future__ import annotations

import json

import pytest

from common.chain import CHAIN_START, ChainPoint, extended
from common.errors import PeerError
from common.records import Event, LogRecord
from core.records.lives import (
    FORKS_KEPT,
    ForkedSpool,
    ForkMark,
    LifeStanding,
    chain_after,
    check_run,
    read_forks,
    why_not_at_hello,
    written_forks,
)
from tests.support.core.rooms import identity, made_id, record

LON = identity()
STREAM = [record(number, "accepting") for number in range(1, 9)]


def at(number: int, stream: list[LogRecord] = STREAM) -> ChainPoint:
    return ChainPoint(number, extended(CHAIN_START, stream[:number]))


def test_records_that_go_on_from_what_is_known_make_the_chain_longer() -> None:
    assert chain_after(LON, STREAM[3:], known=at(3), told=at(8)) == at(8).digest


def test_other_records_under_the_same_numbers_are_a_fork() -> None:
    other = [*STREAM[:2], record(3, "stopped"), *STREAM[3:]]

    with pytest.raises(ForkedSpool, match="not the one that the core has"):
        chain_after(LON, other[3:], known=at(3), told=at(8, other))


def test_what_cannot_be_compared_is_taken_at_its_word() -> None:
    unknown = ChainPoint(3, b"")
    fields = json.dumps({"from": 2, "to": 6, "reason": "full"}).encode()
    gap = LogRecord(6, 1, Event.GAP, "", fields)

    assert chain_after(LON, STREAM[3:], known=at(3), told=None) == b""
    assert chain_after(LON, STREAM[3:], known=at(3), told=ChainPoint(8, b"")) == b""
    assert chain_after(LON, STREAM[3:], known=unknown, told=at(8)) == at(8).digest
    assert chain_after(LON, [gap, *STREAM[6:]], known=at(1), told=at(8)) == at(8).digest


def test_a_chain_of_another_place_is_nonsense() -> None:
    with pytest.raises(PeerError, match="beside record 8"):
        chain_after(LON, STREAM[3:], known=at(3), told=at(7))


def test_a_spool_that_gave_fewer_than_the_core_has_was_put_back() -> None:
    assert "put back" in why_not_at_hello(at(5), deleted=at(2), last_sequence=4)
    assert why_not_at_hello(at(5), deleted=at(2), last_sequence=5) == ""
    assert why_not_at_hello(at(5), deleted=None, last_sequence=0) == ""  # a version before


def test_a_spool_that_deleted_other_records_than_the_core_has_is_a_copy() -> None:
    other = ChainPoint(5, bytes(16))

    assert "copy" in why_not_at_hello(at(5), deleted=other, last_sequence=9)
    assert why_not_at_hello(at(5), deleted=at(5), last_sequence=9) == ""
    assert why_not_at_hello(ChainPoint(5, b""), deleted=other, last_sequence=9) == ""
    assert why_not_at_hello(at(3), deleted=other, last_sequence=9) == ""  # the core lost its end


def test_only_the_process_that_was_found_out_is_fenced() -> None:
    one = identity()
    marked = type(one)(one.node, one.shard, one.incarnation, run=made_id(9))
    marks = tuple(ForkMark(run=made_id(n), found_us=n, why=f"it is {n}") for n in range(12))
    standing = LifeStanding(number=1, forks=read_forks(written_forks(marks)))

    check_run(one, standing)
    with pytest.raises(ForkedSpool, match="it is 9"):
        check_run(marked, standing)
    assert [mark.found_us for mark in standing.forks] == list(range(12 - FORKS_KEPT, 12))
    assert read_forks("[]") == ()
