"""Do the filters that are measured do their work, on messages that are what they are called?"""

from __future__ import annotations

import pytest

from common.clock import SystemClock
from satellite.authentication.authenticator import Authenticator
from satellite.authentication.dns_questions import DnsQuestions
from satellite.authentication.results import NOT_AUTHENTICATED
from satellite.filtering.catalogue import BUILT_IN
from satellite.filtering.inside import MailContent
from satellite.judging.inside import LooksInside
from tests.bench.filter_cases import (
    DEFAULT,
    DOCUMENTS,
    KINDS,
    LOCAL,
    PAGE,
    RECORDS,
    ROUND,
    filter_cases,
    samples,
)
from tests.bench.filters import Bench, NotFiltered
from tests.support.judging.looks import GivenLooks, given_looks
from tests.support.network.given_dns import GivenDns


def test_each_filter_that_is_always_there_is_in_use_when_it_is_measured() -> None:
    assert set(DOCUMENTS) == set(BUILT_IN)
    assert all(DOCUMENTS.values())


def test_by_default_there_is_no_document_and_local_filters_ask_no_dns() -> None:
    cases = filter_cases()

    assert tuple(cases[DEFAULT].kinds) == BUILT_IN
    assert not cases[DEFAULT].preferences.rules()
    assert not {"dnsbl", "authentication"} & set(cases[LOCAL].kinds)
    assert cases[ROUND].preferences.filters("dnsbl")
    assert all(tuple(cases[kind].kinds) == (kind,) for kind in BUILT_IN)


def test_messages_are_of_four_kibibytes_and_each_is_another() -> None:
    made = samples(2)

    assert tuple(made) == KINDS
    for kind, sent in made.items():
        assert len({sample.sha256 for sample in sent}) == 2
        for sample in sent:
            assert (sample.data or b"").startswith(b"DKIM-Signature:"), kind
            assert 4096 <= sample.size <= 5000, kind
    assert b"text/html" in (made[PAGE][0].data or b"")


async def test_the_round_finds_its_messages_signed_and_no_filter_is_left_out() -> None:
    clock = SystemClock()
    looks = LooksInside(
        reader=GivenLooks(MailContent(), NOT_AUTHENTICATED),
        authenticator=Authenticator(DnsQuestions(GivenDns(RECORDS), clock), clock),
    )
    bench = Bench(ROUND, filter_cases()[ROUND], looks)
    sent = samples(1)[PAGE]

    await bench.check(sent)
    (mail,) = bench.mails(sent)
    said = await bench.examine(mail)
    await bench.close()

    assert {"lists", "rules", "attached", "zen", "flood", "bulk", "authentication"} <= {
        verdict.by for verdict in said
    }


async def test_a_round_in_which_nobody_answers_for_the_sender_measures_nothing() -> None:
    bench = Bench(ROUND, filter_cases()[ROUND], given_looks())

    with pytest.raises(NotFiltered, match="does not pass"):
        await bench.check(samples(1)[PAGE])
    await bench.close()
