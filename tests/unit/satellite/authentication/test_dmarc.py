"""Does somebody answer for the author's domain, and what does its owner ask for?"""

from __future__ import annotations

import pytest

from satellite.authentication.author import Author
from satellite.authentication.dmarc import dmarc_outcome, owners_word
from satellite.authentication.results import AuthResult, DkimOutcome, DmarcOutcome, SpfOutcome
from tests.support.network.given_dns import GivenDns, Records, txt

REJECT = {"_dmarc.sender.example": txt("v=DMARC1; p=reject; sp=quarantine; np=none")}
STRICT = {"_dmarc.sender.example": txt("v=DMARC1; p=reject; aspf=s; adkim=s")}


def dmarc(
    records: Records,
    *,
    author: str = "sender.example",
    spf: str = "",
    dkim: tuple[str, ...] = (),
    spf_result: AuthResult = AuthResult.PASS,
    dkim_result: AuthResult = AuthResult.PASS,
) -> DmarcOutcome:
    dns = GivenDns(records)
    said = Author(author, "" if author else "there is no From")
    word = dns.concluded(owners_word(said))
    return dns.concluded(
        dmarc_outcome(
            said,
            word,
            spf=SpfOutcome(result=spf_result if spf else AuthResult.NONE, domain=spf),
            dkim=[DkimOutcome(result=dkim_result, domain=each) for each in dkim],
        )
    )


@pytest.mark.parametrize(
    ("records", "author", "spf", "dkim", "result"),
    [
        (REJECT, "sender.example", "sender.example", (), "pass"),
        (REJECT, "sender.example", "", ("sender.example",), "pass"),
        (REJECT, "sender.example", "bounce.sender.example", (), "pass"),
        (REJECT, "news.sender.example", "sender.example", (), "pass"),
        (REJECT, "a.sender.example", "b.sender.example", (), "pass"),
        (REJECT, "sender.example", "", ("other.example", "m.sender.example"), "pass"),
        (REJECT, "sender.example", "other.example", ("third.example",), "fail"),
        (REJECT, "sender.example", "notsender.example", (), "fail"),
        (REJECT, "sender.example", "example", (), "fail"),
        (REJECT, "sender.example", "", (), "fail"),
        (STRICT, "sender.example", "sender.example", (), "pass"),
        (STRICT, "sender.example", "bounce.sender.example", ("m.sender.example",), "fail"),
        ({}, "sender.example", "sender.example", (), "none"),
    ],
)
def test_who_passes_must_be_of_the_same_organization(
    records: Records, author: str, spf: str, dkim: tuple[str, ...], result: str
) -> None:
    assert dmarc(records, author=author, spf=spf, dkim=dkim).result == result


def test_only_a_pass_proves_anything() -> None:
    found = dmarc(
        REJECT,
        spf="sender.example",
        dkim=("sender.example",),
        spf_result=AuthResult.SOFTFAIL,
        dkim_result=AuthResult.POLICY,
    )

    assert found.result == "fail"


@pytest.mark.parametrize(
    ("author", "exists", "policy"),
    [
        ("sender.example", True, "reject"),
        ("news.sender.example", True, "quarantine"),
        ("news.sender.example", False, "none"),
    ],
)
def test_the_policy_is_that_of_the_domain_of_those_below_or_of_missing_ones(
    author: str, exists: bool, policy: str
) -> None:
    hosts: Records = {author: {"A": ["192.0.2.1"]}} if exists else {}

    found = dmarc({**REJECT, **hosts}, author=author)

    assert (found.result, found.policy, found.policy_domain) == ("fail", policy, "sender.example")


def test_the_domains_own_record_stands_above_its_organizations() -> None:
    records = {**REJECT, "_dmarc.news.sender.example": txt("v=DMARC1; p=none; t=y")}

    found = dmarc(records, author="news.sender.example", spf="sender.example")

    assert (found.result, found.policy_domain) == ("pass", "news.sender.example")
    assert found.is_testing


def test_a_domain_that_says_it_is_one_by_itself_has_no_relatives() -> None:
    records = {**REJECT, "_dmarc.a.sender.example": txt("v=DMARC1; p=reject; psd=n")}

    assert dmarc(records, author="a.sender.example", spf="b.a.sender.example").result == "pass"
    assert dmarc(records, author="a.sender.example", spf="sender.example").result == "fail"
    assert dmarc(records, author="sender.example", spf="a.sender.example").result == "fail"


def test_below_a_public_suffix_neighbours_are_strangers() -> None:
    records: Records = {
        "_dmarc.gov.example": txt("v=DMARC1; p=quarantine; np=reject; psd=y"),
        "a.gov.example": {"A": ["192.0.2.1"]},
    }

    stranger = dmarc(records, author="a.gov.example", spf="b.gov.example")
    own = dmarc(records, author="a.gov.example", spf="m.a.gov.example")
    missing = dmarc(records, author="x.gov.example")

    assert (stranger.result, stranger.policy) == ("fail", "quarantine")
    assert stranger.policy_domain == "gov.example"
    assert own.result == "pass"
    assert missing.policy == "reject"


def test_a_long_name_is_walked_up_in_eight_questions() -> None:
    dns = GivenDns()
    name = "a.b.c.d.e.f.g.h.i.j.mail.example.com"

    dns.concluded(owners_word(Author(name)))

    asked = [each for each, _ in dns.asked]
    assert len(asked) == 8
    assert asked[:2] == [f"_dmarc.{name}", "_dmarc.g.h.i.j.mail.example.com"]
    assert asked[-1] == "_dmarc.com"


@pytest.mark.parametrize("silent", ["_dmarc.news.sender.example", "_dmarc.sender.example"])
def test_a_silence_is_unknown_and_never_a_failure(silent: str) -> None:
    found = dmarc({**REJECT, silent: None}, author="news.sender.example", spf="other.example")

    assert found.result == "temperror"


def test_a_forger_whose_own_name_servers_are_silent_fails_all_the_same() -> None:
    by_spf = dmarc(REJECT, spf="forger.example", spf_result=AuthResult.TEMPERROR)
    by_dkim = dmarc(REJECT, dkim=("forger.example",), dkim_result=AuthResult.TEMPERROR)
    strict = dmarc(STRICT, dkim=("m.sender.example",), dkim_result=AuthResult.TEMPERROR)

    assert (by_spf.result, by_dkim.result, strict.result) == ("fail", "fail", "fail")
    assert by_spf.policy == "reject"


def test_a_silence_about_what_might_have_proved_it_is_unknown() -> None:
    by_spf = dmarc(REJECT, spf="sender.example", spf_result=AuthResult.TEMPERROR)
    by_dkim = dmarc(REJECT, dkim=("m.sender.example",), dkim_result=AuthResult.TEMPERROR)
    by_walk = dmarc({**REJECT, "_dmarc.m.sender.example": None}, spf="m.sender.example")
    by_np = dmarc({**REJECT, "news.sender.example": None}, author="news.sender.example")

    for found in (by_spf, by_dkim, by_walk, by_np):
        assert found.result == "temperror"
        assert found.reason


def test_without_an_author_nothing_is_asked() -> None:
    found = dmarc({}, author="")

    assert (found.result, found.domain, found.reason) == ("permerror", "", "there is no From")
