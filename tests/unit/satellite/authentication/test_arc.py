"""Is a chain of forwarders whole, and does one that we trust vouch?"""

from __future__ import annotations

import re

import pytest

from satellite.authentication.arc import SETS_MAX, arc_outcome, chain_keys
from satellite.authentication.canonical import hashed_bodies
from satellite.authentication.read_message import read_message
from satellite.authentication.results import ArcOutcome, AuthResult
from satellite.authentication.trust import vouching_sealer
from satellite.headers import HeaderBlock
from tests.support.network.given_dns import GivenDns, txt
from tests.support.smtp.signing import key_record, sealed

PLAIN = b"From: a@sender.example\r\nTo: b@acme.example\r\nSubject: Hi\r\n\r\nText.\r\n"
LISTS, RELAY = "lists.example", "relay.example"
DNS = {f"test._domainkey.{each}": txt(key_record()) for each in (LISTS, RELAY)}


@pytest.fixture(scope="module")
def once() -> bytes:
    return sealed(PLAIN, domain=LISTS, results="spf=fail; dmarc=pass (p=reject)")


@pytest.fixture(scope="module")
def twice(once: bytes) -> bytes:
    return sealed(once, domain=RELAY, results="dmarc=fail", chain="pass")


def arc(data: bytes, dns: GivenDns | None = None) -> ArcOutcome:
    message = read_message(HeaderBlock.parse(data))
    if not message.sets:
        return message.chain
    bodies = hashed_bodies([data[message.block.end :]], message.wanted_bodies)
    keys = (dns or GivenDns(DNS)).concluded(chain_keys(message.sets))
    return arc_outcome(message.sets, keys, message.block, bodies)


def test_without_a_set_there_is_no_chain() -> None:
    assert arc(PLAIN).result == "none"


def test_a_whole_chain_passes_and_tells_who_sealed_and_what_the_first_one_saw(
    once: bytes, twice: bytes
) -> None:
    assert arc(once).result == "pass"
    found = arc(twice)
    assert (found.result, found.sealers) == ("pass", (LISTS, RELAY))
    assert "dmarc=pass" in found.first_results


def _without(name: bytes, data: bytes) -> bytes:
    return re.sub(rb"(?im)^" + name + rb":[^\n]*\n(?:[ \t][^\n]*\n)*", b"", data, count=1)


def test_a_chain_that_somebody_touched_fails(twice: bytes) -> None:
    for broken in (
        twice.replace(b"Text.", b"Other."),
        twice.replace(b"Subject: Hi", b"Subject: Ho"),
        twice.replace(b"dmarc=fail", b"dmarc=pass"),
        twice.replace(b"dmarc=pass", b"dmarc=fail"),
        twice.replace(b"cv=pass", b"cv=fail"),
        twice.replace(b"cv=none", b"cv=pass"),
        _without(b"ARC-Seal", twice),
        _without(b"ARC-Message-Signature", twice),
        _without(b"ARC-Authentication-Results", twice),
        twice.replace(b"i=2", b"i=3"),
        twice.replace(b"i=2", b"i=1"),
        twice.replace(b"i=2", b"i=x"),
        twice[: twice.index(PLAIN)] + twice,
    ):
        assert broken != twice
        assert arc(broken).result == "fail"


def test_a_key_that_dns_does_not_tell_leaves_it_open(twice: bytes) -> None:
    silent = GivenDns({**DNS, f"test._domainkey.{LISTS}": None})
    gone = GivenDns({f"test._domainkey.{RELAY}": txt(key_record())})

    assert arc(twice, silent).result == "temperror"
    assert arc(twice, gone).result == "fail"


def test_of_a_chain_that_is_too_long_nothing_is_asked(once: bytes) -> None:
    lines = once[: once.index(PLAIN)]
    many = b"".join(lines.replace(b"i=1", b"i=%d" % n) for n in range(SETS_MAX + 1, 0, -1))
    dns = GivenDns(DNS)

    assert arc(many + PLAIN, dns).result == "fail"
    assert arc(many * 5 + PLAIN, dns).result == "fail"
    assert dns.asked == []


@pytest.mark.parametrize(
    ("outcome", "trusted", "vouches"),
    [
        (
            ArcOutcome(result=AuthResult.PASS, sealers=(LISTS,), first_results="dmarc=pass"),
            {LISTS},
            LISTS,
        ),
        (
            ArcOutcome(result=AuthResult.PASS, sealers=(LISTS,), first_results="a; dmarc = pass x"),
            {LISTS},
            LISTS,
        ),
        (
            ArcOutcome(result=AuthResult.PASS, sealers=(LISTS,), first_results="dmarc=fail"),
            {LISTS},
            "",
        ),
        (
            ArcOutcome(result=AuthResult.PASS, sealers=(LISTS,), first_results="(; dmarc=pass)"),
            {LISTS},
            "",
        ),
        (
            ArcOutcome(result=AuthResult.PASS, sealers=(LISTS,), first_results="x-dmarc=pass"),
            {LISTS},
            "",
        ),
        (
            ArcOutcome(result=AuthResult.FAIL, sealers=(LISTS,), first_results="dmarc=pass"),
            {LISTS},
            "",
        ),
        (
            ArcOutcome(result=AuthResult.PASS, sealers=(LISTS, RELAY), first_results="dmarc=pass"),
            {LISTS},
            "",
        ),
        (
            ArcOutcome(result=AuthResult.PASS, sealers=(LISTS, RELAY), first_results="dmarc=pass"),
            {RELAY},
            "",
        ),
        (ArcOutcome(result=AuthResult.NONE), {LISTS}, ""),
    ],
)
def test_a_chain_says_something_where_all_who_sealed_are_trusted(
    outcome: ArcOutcome, trusted: set[str], vouches: str
) -> None:
    assert vouching_sealer(outcome, trusted) == vouches
