"""Which answers are remembered, and for how long?"""

from __future__ import annotations

from satellite.authentication.asking import FAILED, NO_NAME, DnsQuestion, Heard, RecordKind
from satellite.authentication.dns_memory import FAILURE_S, TTL_S_MAX, TTL_S_MIN, DnsMemory
from satellite.names.answer import LookupResult

ONE = DnsQuestion("a.example", RecordKind.TXT)
TWO = DnsQuestion("b.example", RecordKind.TXT)
FOUND = Heard(LookupResult.RECORDS, ("x",))


def test_an_answer_is_believed_for_its_time_within_our_bounds() -> None:
    for ttl_s, lasts_s in ((60.0, 60.0), (0.0, TTL_S_MIN), (1e9, TTL_S_MAX)):
        memory = DnsMemory()

        memory.keep(ONE, FOUND, ttl_s=ttl_s, now_s=100.0)

        assert memory.known(ONE, now_s=100.0 + lasts_s - 0.1) == FOUND
        assert memory.known(ONE, now_s=100.0 + lasts_s) is None
        assert len(memory) == 0


def test_no_is_remembered_like_what_was_found_and_a_failure_for_some_seconds() -> None:
    memory = DnsMemory()

    memory.keep(ONE, NO_NAME, ttl_s=300.0, now_s=0.0)
    memory.keep(TWO, FAILED, ttl_s=300.0, now_s=0.0)

    assert memory.known(ONE, now_s=FAILURE_S) == NO_NAME
    assert memory.known(TWO, now_s=FAILURE_S - 1) == FAILED
    assert memory.known(TWO, now_s=FAILURE_S) is None


def test_the_oldest_gives_way() -> None:
    memory = DnsMemory(questions_max=1)

    memory.keep(ONE, FOUND, ttl_s=300.0, now_s=0.0)
    memory.keep(TWO, FOUND, ttl_s=300.0, now_s=0.0)

    assert memory.known(ONE, now_s=1.0) is None
    assert memory.known(TWO, now_s=1.0) == FOUND


def test_long_answers_give_way_sooner_than_short_ones() -> None:
    memory = DnsMemory(length_max=100)
    long = Heard(LookupResult.RECORDS, ("x" * 40, "y" * 20))

    memory.keep(ONE, long, ttl_s=300.0, now_s=0.0)
    memory.keep(ONE, long, ttl_s=300.0, now_s=0.0)
    assert memory.known(ONE, now_s=1.0) == long
    memory.keep(TWO, long, ttl_s=300.0, now_s=2.0)

    assert memory.known(ONE, now_s=3.0) is None
    assert memory.known(TWO, now_s=3.0) == long
