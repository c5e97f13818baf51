"""The chain is known where records are, whatever was sent and confirmed."""

from __future__ import annotations

from common.chain import CHAIN_START, ChainPoint, extended
from common.records import LogRecord
from satellite.link.record_chain import READ_AT_ONCE, RecordChain
from tests.support.network.link import MemorySpool

COUNT = 2 * READ_AT_ONCE + 10


def filled() -> tuple[MemorySpool, list[LogRecord]]:
    spool = MemorySpool()
    for _ in range(COUNT):
        spool.record("accepting")
    return spool, list(spool.log)


def digest_at(records: list[LogRecord], number: int) -> bytes:
    return extended(CHAIN_START, records[:number])


async def test_it_is_made_from_what_was_deleted_on() -> None:
    spool, records = filled()
    await spool.acknowledge_records(3, digest_at(records, 3))
    chain = RecordChain(spool)

    assert await chain.at(COUNT) == ChainPoint(COUNT, digest_at(records, COUNT))
    assert await chain.at(3) == ChainPoint(3, digest_at(records, 3))
    assert await chain.at(2) == ChainPoint(2, b"")  # deleted
    assert await chain.at(COUNT + 1) == ChainPoint(COUNT + 1, b"")  # never given


async def test_batches_go_on_from_where_the_core_is_and_what_it_confirms_is_known() -> None:
    spool, records = filled()
    chain = RecordChain(spool)

    assert await chain.resume(ChainPoint(5, digest_at(records, 5))) is None
    assert chain.sent(records[5:9]).digest == digest_at(records, 9)
    assert chain.sent(records[9:12]) == ChainPoint(12, digest_at(records, 12))

    assert await chain.confirmed(9) == digest_at(records, 9)
    assert await chain.confirmed(11) == digest_at(records, 11)  # in the middle of a batch
    assert await chain.confirmed(12) == digest_at(records, 12)


async def test_another_chain_at_the_cores_number_is_told() -> None:
    spool, records = filled()
    chain = RecordChain(spool)

    assert await chain.resume(ChainPoint(5, bytes(16))) == ChainPoint(5, digest_at(records, 5))


async def test_where_a_gap_stands_the_cores_word_counts() -> None:
    spool, records = filled()
    spool.log = spool.log[9:]  # a gap record has the place of the first ten
    chain = RecordChain(spool)
    known = ChainPoint(4, bytes(range(16)))

    assert (await chain.at(4)).digest == b""
    assert await chain.resume(known) is None
    assert chain.sent(records[9:11]).digest == extended(known.digest, records[9:11])


async def test_after_a_core_that_lost_its_end_the_chain_goes_on_from_what_was_deleted() -> None:
    spool, records = filled()
    await spool.acknowledge_records(7, digest_at(records, 7))
    chain = RecordChain(spool)

    assert await chain.resume(ChainPoint(2, b"")) is None
    assert chain.sent(records[7:9]).digest == digest_at(records, 9)
