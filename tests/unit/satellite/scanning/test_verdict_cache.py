"""The cache: what an engine said of these very octets holds, for a while, in one version."""

from __future__ import annotations

from dataclasses import replace

import pytest

from common.ids import MessageId
from common.verdict import Outcome, ScopedMatch, Verdict
from satellite.scanning.sample import Sample
from satellite.scanning.verdict_cache import (
    AGE_S_MAX,
    TOLD_MAX,
    TOLD_S,
    Told,
    VerdictCache,
    told_by,
)
from tests.support.scanning.messages import sample_of

OLD, NEW = ("1.4.3", "100", 5), ("1.4.3", "101", 6)
SAMPLE = sample_of(b"Subject: x\r\n\r\nhello\r\n")


def said(outcome: Outcome = Outcome.CLEAN, told: Told = OLD) -> Verdict:
    version, definitions, made_us = told
    return Verdict(
        by="av",
        outcome=outcome,
        version=version,
        definitions=definitions,
        definitions_us=made_us,
        ms=7,
    )


BAD = replace(said(Outcome.INFECTED), threats=("X",))


def cache_of(*, is_shared: bool = True, entries_max: int = 100) -> VerdictCache:
    cache = VerdictCache(is_shared=is_shared, entries_max=entries_max)
    cache.learnt(OLD, now_s=0.0)
    return cache


def other(content: bytes) -> Sample:
    return replace(sample_of(content), id=MessageId("other"))


@pytest.mark.parametrize("outcome", Outcome)
def test_only_clean_and_infected_hold_for_other_messages(outcome: Outcome) -> None:
    cache = cache_of()

    cache.heard(SAMPLE, said(outcome), asked_s=1.0, now_s=2.0)

    found = cache.found(other(b"Subject: x\r\n\r\nhello\r\n"), now_s=11.0)
    if outcome in {Outcome.CLEAN, Outcome.INFECTED}:
        assert found is not None
        assert (found.outcome, told_by(found), found.ms) == (outcome, OLD, 0)
        assert found.detail == "from the cache, 10 s old"
    else:
        assert found is None


@pytest.mark.parametrize(
    "content",
    [
        b"Subject: y\r\n\r\nhello\r\n",
        b"Received: by z\r\nSubject: x\r\n\r\nhello\r\n",
        b"Subject: x\r\n\r\nhello\r\n ",
    ],
)
def test_no_octet_may_differ_be_it_of_the_header(content: bytes) -> None:
    cache = cache_of()

    cache.heard(SAMPLE, said(), asked_s=1.0, now_s=2.0)

    assert cache.found(other(content), now_s=2.0) is None


def test_a_verdict_of_a_message_with_an_archive_unopened_is_not_shared() -> None:
    cache = cache_of()

    cache.heard(SAMPLE, replace(BAD, unreadable=("rar",)), asked_s=1.0, now_s=2.0)

    assert cache.found(SAMPLE, now_s=2.0) is None


def test_threats_stand_and_the_detail_tells_of_the_cache_first() -> None:
    cache = cache_of()

    cache.heard(SAMPLE, replace(BAD, detail="d" * 1024), asked_s=1.0, now_s=2.0)
    found = cache.found(SAMPLE, now_s=2.0)

    assert found is not None
    assert (found.threats, len(found.detail)) == (("X",), 1024)
    assert found.detail.startswith("from the cache, 1 s old; ddd")


def test_a_verdict_has_an_end() -> None:
    cache = cache_of()

    cache.heard(SAMPLE, said(), asked_s=1.0, now_s=50.0)

    assert cache.found(SAMPLE, now_s=AGE_S_MAX + 0.9) is not None
    assert cache.found(SAMPLE, now_s=AGE_S_MAX + 1.0) is None


@pytest.mark.parametrize("by", ["a probe", "an answer", "who brought it"])
def test_another_version_empties_it(by: str) -> None:
    cache = cache_of()
    cache.heard(SAMPLE, said(), asked_s=1.0, now_s=2.0)
    cache.keep(SAMPLE, said(Outcome.MACRO), asked_s=1.0)

    if by == "a probe":
        cache.learnt(NEW, now_s=3.0)
    elif by == "who brought it":
        cache.empty(now_s=3.0)
    else:
        cache.heard(other(b"y"), said(told=NEW), asked_s=2.5, now_s=3.0)

    assert len(cache) == 0


def test_what_was_asked_before_the_version_was_told_is_not_taken_up() -> None:
    """An answer names the version that is known at its end; it began with the one before."""
    cache = cache_of()
    cache.learnt(NEW, now_s=5.0)

    cache.heard(SAMPLE, said(told=NEW), asked_s=4.0, now_s=6.0)
    assert cache.found(SAMPLE, now_s=6.0) is None

    cache.heard(SAMPLE, said(told=NEW), asked_s=5.5, now_s=6.0)
    assert cache.found(SAMPLE, now_s=6.0) is not None


@pytest.mark.parametrize(
    "told", [("1.4.4", "100", 5), ("1.4.3", "101", 5), ("1.4.3", "100", 6)], ids=str
)
def test_each_part_of_a_version_counts(told: Told) -> None:
    cache = cache_of()
    cache.heard(SAMPLE, said(), asked_s=1.0, now_s=2.0)

    cache.learnt(told, now_s=3.0)

    assert len(cache) == 0


def test_an_engine_without_a_version_of_its_definitions_has_no_cache() -> None:
    cache = VerdictCache(is_shared=True)

    cache.heard(SAMPLE, said(told=("1.4.3", "", 0)), asked_s=1.0, now_s=2.0)
    cache.keep(SAMPLE, said(told=("1.4.3", "", 0)), asked_s=1.0)

    assert len(cache) == 0


def test_a_sample_without_its_whole_digest_is_not_remembered() -> None:
    cache, short = cache_of(), replace(SAMPLE, sha256=b"")

    cache.heard(short, said(), asked_s=1.0, now_s=2.0)
    cache.keep(short, said(), asked_s=1.0)

    assert len(cache) == 0


def test_the_oldest_go() -> None:
    cache = cache_of(entries_max=3)

    for number in range(5):
        sample = replace(sample_of(b"%d" % number), id=MessageId(f"m{number}"))
        cache.heard(sample, said(), asked_s=1.0, now_s=2.0)
        cache.keep(sample, said(), asked_s=1.0)

    assert len(cache) == 6
    assert cache.found(sample_of(b"1"), now_s=2.0) is None
    assert cache.found(sample_of(b"2"), now_s=2.0) is not None


@pytest.mark.parametrize("outcome", Outcome)
def test_a_message_that_waits_has_what_was_said_of_it_and_no_other_has(outcome: Outcome) -> None:
    cache = cache_of(is_shared=False)
    cache.heard(SAMPLE, said(outcome), asked_s=1.0, now_s=2.0)
    cache.keep(SAMPLE, said(outcome), asked_s=1.0)

    kept = cache.kept(SAMPLE, now_s=16.0)
    is_word = outcome.value in ["clean", "infected", "encrypted", "macro", "limits", "unreadable"]

    assert (kept is not None) is is_word
    assert kept is None or kept.detail == "kept from a try 15 s ago"
    assert cache.found(SAMPLE, now_s=2.0) is None
    same_octets = other(b"Subject: x\r\n\r\nhello\r\n")
    assert cache.kept(same_octets, now_s=2.0) is None
    assert cache.kept(replace(sample_of(b"changed"), id=SAMPLE.id), now_s=2.0) is None
    assert cache.kept(SAMPLE, now_s=AGE_S_MAX + 1.0) is None


def test_two_servers_with_two_versions_do_not_empty_it_in_turn() -> None:
    cache = cache_of()
    cache.learnt(NEW, now_s=1.0)
    cache.heard(SAMPLE, said(told=OLD), asked_s=2.0, now_s=3.0)
    cache.heard(other(b"y"), said(told=NEW), asked_s=4.0, now_s=5.0)

    assert cache.found(SAMPLE, now_s=6.0) is not None
    assert cache.found(other(b"y"), now_s=6.0) is not None


def test_a_version_that_no_server_tells_any_more_is_gone() -> None:
    cache = cache_of()
    cache.learnt(NEW, now_s=1.0)
    cache.heard(SAMPLE, said(told=OLD), asked_s=2.0, now_s=3.0)

    cache.learnt(NEW, now_s=2.9 + TOLD_S)
    assert cache.found(SAMPLE, now_s=3.0 + TOLD_S) is not None
    cache.learnt(NEW, now_s=3.0 + TOLD_S)
    assert cache.found(SAMPLE, now_s=3.0 + TOLD_S) is None


def test_no_number_of_versions_makes_it_remember_more_of_them() -> None:
    cache = cache_of()

    for number in range(TOLD_MAX):
        cache.learnt(("", str(number), 0), now_s=1.0)

    assert cache.learnt(OLD, now_s=1.0)


def test_what_rules_of_a_scope_found_is_remembered_with_the_verdict() -> None:
    """For whom it holds is told by the preferences, message by message."""
    match = ScopedMatch(rules="own", scope="customer/acme", outcome=Outcome.INFECTED)
    cache = cache_of()

    cache.heard(SAMPLE, said(), asked_s=1.0, now_s=2.0)
    cache.heard(SAMPLE, replace(said(), scoped=(match,)), asked_s=3.0, now_s=4.0)

    found = cache.found(SAMPLE, now_s=5.0)
    assert found is not None
    assert found.scoped == (match,)


def test_not_even_for_some_is_anything_but_infected_remembered_for_other_messages() -> None:
    match = ScopedMatch(rules="own", scope="customer/acme", outcome=Outcome.MACRO)
    cache = cache_of()

    cache.heard(SAMPLE, replace(said(), scoped=(match,)), asked_s=1.0, now_s=2.0)

    assert cache.found(SAMPLE, now_s=3.0) is None
