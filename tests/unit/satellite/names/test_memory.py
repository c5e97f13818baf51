"""What DNS said is believed for its time, and what it said last is used while it says nothing."""

from __future__ import annotations

from satellite.names.answer import Lookup, LookupResult
from satellite.names.memory import FAILURE_S, LAST_GOOD_S_MAX, TTL_S_MAX, LookupMemory

HOST = ("mail.acme.example", "A")
FOUND = Lookup(LookupResult.RECORDS, ("192.0.2.1",), is_validated=True)
FAILED: Lookup[str] = Lookup(LookupResult.FAILED)
NO_NAME: Lookup[str] = Lookup(LookupResult.NO_NAME)


def learned(memory: LookupMemory[str], said: Lookup[str], *, now_s: float = 0.0) -> Lookup[str]:
    return memory.learned(*HOST, said, ttl_s=60.0, now_s=now_s)


def test_what_was_found_is_believed_for_its_ttl() -> None:
    memory: LookupMemory[str] = LookupMemory(10)
    learned(memory, FOUND)

    assert memory.known(*HOST, now_s=59.9) == FOUND
    assert memory.known(*HOST, now_s=60.0) is None


def test_a_ttl_of_weeks_is_believed_for_a_day() -> None:
    memory: LookupMemory[str] = LookupMemory(10)
    memory.learned(*HOST, FOUND, ttl_s=1e7, now_s=0.0)

    assert memory.known(*HOST, now_s=TTL_S_MAX) is None


def test_after_a_failure_what_was_found_last_is_used_and_stays_proved() -> None:
    memory: LookupMemory[str] = LookupMemory(10)
    learned(memory, FOUND)

    assert learned(memory, FAILED, now_s=100.0) == FOUND
    assert memory.known(*HOST, now_s=100.0 + FAILURE_S - 1) == FOUND
    assert memory.known(*HOST, now_s=100.0 + FAILURE_S) is None


def test_what_was_found_days_ago_is_used_no_more() -> None:
    memory: LookupMemory[str] = LookupMemory(10)
    learned(memory, FOUND)

    assert learned(memory, FAILED, now_s=60.0 + LAST_GOOD_S_MAX) == FAILED


def test_a_failure_without_anything_before_is_not_asked_for_again_at_once() -> None:
    memory: LookupMemory[str] = LookupMemory(10)

    assert learned(memory, FAILED) == FAILED
    assert memory.known(*HOST, now_s=1.0) == FAILED


def test_a_name_that_is_gone_is_gone_and_asked_for_again() -> None:
    memory: LookupMemory[str] = LookupMemory(10)
    learned(memory, FOUND)

    assert learned(memory, NO_NAME, now_s=70.0) == NO_NAME
    assert memory.known(*HOST, now_s=70.0) is None
    assert learned(memory, FAILED, now_s=71.0) == FAILED


def test_the_question_that_was_used_longest_ago_is_forgotten_first() -> None:
    memory: LookupMemory[str] = LookupMemory(2)
    for name in ("a.example", "b.example"):
        memory.learned(name, "A", FOUND, ttl_s=60.0, now_s=0.0)
    memory.known("a.example", "A", now_s=1.0)
    memory.learned("c.example", "A", FOUND, ttl_s=60.0, now_s=1.0)

    known = [memory.known(f"{name}.example", "A", now_s=2.0) for name in "abc"]
    assert known == [FOUND, None, FOUND]
