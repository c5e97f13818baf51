"""Which domains look like a customer's own?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.address import parse_domain
from satellite.filtering.look_alike import OwnDomains, skeleton
from tests.support.work import work_s

OWN = OwnDomains(["acmecorp.example", "acme-bank.co.uk", "xn--bcher-kva.example", "ab.example"])


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("paypal", "раураl"),
        ("paypal", "PayPaI"),
        ("paypal", "pаypаl"),
        ("modern", "rnodern"),
        ("modern", "modem"),
        ("google", "g00gle"),
        ("Müller", "Muller"),
        ("scope", "ѕсоре"),
        ("vvindow", "window"),
        ("ｆｕｌｌ", "full"),
        ("a\u200bb", "ab"),
    ],
)
def test_what_looks_alike_has_one_skeleton(one: str, other: str) -> None:
    assert skeleton(one) == skeleton(other)


@pytest.mark.parametrize(
    ("domain", "likeness", "own"),
    [
        ("acmec0rp.example", "confusable", "acmecorp.example"),
        ("асmесоrр.example", "confusable", "acmecorp.example"),
        ("mail.acmec0rp.example", "confusable", "acmecorp.example"),
        ("bucher.example", "confusable", "xn--bcher-kva.example"),
        ("acmecorp.example.evil.test", "embedded", "acmecorp.example"),
        ("x.acmecorp.example.evil.test", "embedded", "acmecorp.example"),
        ("acmecorps.example", "cousin", "acmecorp.example"),
        ("acmcorp.example", "cousin", "acmecorp.example"),
        ("acnecorp.example", "cousin", "acmecorp.example"),
        ("amcecorp.example", "cousin", "acmecorp.example"),
        ("mail.acmcorp.example", "cousin", "acmecorp.example"),
        ("acmecorp.test", "cousin", "acmecorp.example"),
        ("acmecorp-invoices.test", "cousin", "acmecorp.example"),
        ("secure-acmecorp.test", "cousin", "acmecorp.example"),
        ("pay.acme-bank-login.co.uk", "cousin", "acme-bank.co.uk"),
        ("acme-bank.test", "cousin", "acme-bank.co.uk"),
    ],
)
def test_a_domain_that_looks_like_an_own_one_is_found(domain: str, likeness: str, own: str) -> None:
    found = OWN.resemblance(parse_domain(domain))

    assert found is not None
    assert (found.likeness, found.own) == (likeness, own)


@pytest.mark.parametrize(
    "domain",
    [
        "acmecorp.example",
        "mail.acmecorp.example",
        "acme-bank.co.uk",
        "other.example",
        "ac.example",  # as near to "ab.example" as many others
        "corp.example",
        "acmecorp.sharepoint.test",  # a service that gives each customer its name
        "strangers.co.uk",
        "acmeco.example",  # two letters less
        "",
        "x" * 300,
    ],
)
def test_own_domains_and_strangers_look_like_nobody(domain: str) -> None:
    assert OWN.resemblance(domain) is None


def test_a_domain_is_own_with_all_below_it() -> None:
    assert OWN.has("acmecorp.example")
    assert OWN.has("a.b.acmecorp.example")
    assert not OWN.has("notacmecorp.example")


@given(st.text(alphabet="acmeorp0l1.-x", max_size=40))
def test_no_domain_breaks_the_search(domain: str) -> None:
    OWN.resemblance(domain)


def test_labels_that_are_no_a_labels_stay_as_they_are() -> None:
    assert OWN.resemblance("xn--a.xn--zzzzzz-99999.example") is None


def test_a_thousand_domains_cost_as_much_as_one() -> None:
    """Each look is a handful of look-ups in dicts, whatever the number of domains is."""
    many = OwnDomains([f"customer-number-{n}.example" for n in range(2_000)])

    def look() -> None:
        for number in range(100):
            many.resemblance(f"stranger-{number}.somewhere.example")

    assert work_s(look) < 1.0  # some ten milliseconds; a scan takes seconds
