"""What does SPF say of a client?

Cases in the manner of the suite that RFC 7208's authors keep, written anew. The suite itself was
run against this evaluator while it was made: all of its 203 cases end as it wants.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.authentication.results import AuthResult, SpfOutcome
from satellite.authentication.spf import spf_outcome
from tests.support.network.given_dns import GivenDns, Records, txt

CLIENT = "192.0.2.7"


def spf(
    records: Records,
    *,
    client: str = CLIENT,
    sender: str = "a@sender.example",
    helo: str = "mail.sender.example",
) -> SpfOutcome:
    asking = spf_outcome(client_address=client, helo=helo, sender=sender)
    return GivenDns(records).concluded(asking)


def of(record: str, **more: dict[str, list[str]] | None) -> Records:
    others = {name.replace("__", "."): value for name, value in more.items()}
    return {"sender.example": txt(record), **others}


HOST = {"A": ["192.0.2.7"], "AAAA": ["2001:db8::7"]}


@pytest.mark.parametrize(
    ("records", "result"),
    [
        ({}, "none"),
        ({"sender.example": txt("something else")}, "none"),
        ({"sender.example": None}, "temperror"),
        ({"sender.example": txt("v=spf1 a", "v=spf1 mx")}, "permerror"),
        (of("v=spf1"), "neutral"),
        (of("v=spf1 -all"), "fail"),
        (of("v=spf1 ~all"), "softfail"),
        (of("v=spf1 ?all"), "neutral"),
        (of("v=spf1 ip4:192.0.2.0/29 -all"), "pass"),
        (of("v=spf1 ip4:192.0.2.0/30 -all"), "fail"),
        (of("v=spf1 ip6:::ffff:c000:207 -all"), "fail"),
        (of("v=spf1 a:h.sender.example -all", h__sender__example=HOST), "pass"),
        (of("v=spf1 a:h.sender.example -all", h__sender__example=None), "temperror"),
        (of("v=spf1 a:h.sender.example -all"), "fail"),
        (of("v=spf1 bad-term ip4:192.0.2.7"), "permerror"),
        (of("v=spf1 ip4:192.0.2.7 bad-term"), "permerror"),
        (of("v=spf1 include:other.example -all", other__example=txt("v=spf1 -all")), "fail"),
        (
            of("v=spf1 include:other.example -all", other__example=txt("v=spf1 ip4:192.0.2.7")),
            "pass",
        ),
        (of("v=spf1 include:other.example -all", other__example=txt("v=spf1 ~all")), "fail"),
        (of("v=spf1 include:other.example -all", other__example=txt("v=spf1 ?all")), "fail"),
        (of("v=spf1 include:other.example -all"), "permerror"),
        (of("v=spf1 include:other.example -all", other__example=None), "temperror"),
        (of("v=spf1 redirect=other.example", other__example=txt("v=spf1 ~all")), "softfail"),
        (of("v=spf1 redirect=other.example"), "permerror"),
        (of("v=spf1 -all redirect=other.example"), "fail"),
        (of("v=spf1 redirect=sender.example"), "permerror"),
        (of("v=spf1 include:sender.example -all"), "permerror"),
        (of("v=spf1 exists:%{l}.e.example -all", a__e__example=HOST), "pass"),
        (of("v=spf1 exists:" + "x" * 64 + ".example -all"), "fail"),
        (
            of(
                "v=spf1 ptr -all",
                **{
                    "7__2__0__192__in-addr__arpa": {"PTR": ["h.sender.example"]},
                    "h__sender__example": HOST,
                },
            ),
            "pass",
        ),
        (of("v=spf1 ptr -all", **{"7__2__0__192__in-addr__arpa": None}), "fail"),
    ],
)
def test_a_record_comes_to_a_result(records: Records, result: str) -> None:
    found = spf(records)

    assert (found.result, found.domain, found.is_helo) == (result, "sender.example", False)


def test_an_mx_is_followed_to_its_hosts_in_their_order() -> None:
    records: Records = {
        "sender.example": {"TXT": ["v=spf1 mx -all"], "MX": ["a.example", "b.example"]},
        "b.example": HOST,
    }

    assert spf(records).result == "pass"
    assert spf(records, client="2001:db8::7").result == "pass"
    assert spf(records, client="::ffff:192.0.2.7").result == "pass"


def test_an_mx_of_more_than_ten_hosts_is_an_error_of_the_record() -> None:
    hosts = [f"h{n}.example" for n in range(11)]
    records: Records = {"sender.example": {"TXT": ["v=spf1 mx -all"], "MX": hosts}}

    assert spf(records).result == "permerror"


def test_ten_terms_may_need_a_lookup_and_no_more() -> None:
    names = [f"i{n}.example" for n in range(11)]
    leaves: Records = {name: txt("v=spf1 -all") for name in names}

    def record(count: int) -> Records:
        terms = " ".join(f"include:{name}" for name in names[:count])
        return {**of(f"v=spf1 {terms} ~all"), **leaves}

    assert spf(record(10)).result == "softfail"
    assert spf(record(11)).result == "permerror"


def test_two_lookups_may_find_nothing_and_no_more() -> None:
    assert spf(of("v=spf1 a:x.example a:y.example ~all")).result == "softfail"
    assert spf(of("v=spf1 a:x.example a:y.example a:z.example ~all")).result == "permerror"


def test_a_loop_of_includes_ends() -> None:
    records = of(
        "v=spf1 include:a.example -all",
        a__example=txt("v=spf1 include:b.example"),
        b__example=txt("v=spf1 include:a.example"),
    )

    assert spf(records).result == "permerror"


def test_without_a_sender_helo_is_asked_about() -> None:
    found = spf({"mail.sender.example": txt("v=spf1 ip4:192.0.2.7 -all")}, sender="")

    assert (found.result, found.domain, found.is_helo) == ("pass", "mail.sender.example", True)


@pytest.mark.parametrize(
    ("client", "sender", "helo"),
    [
        ("", "a@sender.example", "x"),  # a message of our own
        (CLIENT, "", "[192.0.2.7]"),
        (CLIENT, "", "\x00"),
        (CLIENT, "", "localhost"),
        (CLIENT, "a@[192.0.2.1]", "x"),
        (CLIENT, "a@" + "x" * 64 + ".example", "x"),
        (CLIENT, "a@b..example", "x"),
    ],
)
def test_where_there_is_no_domain_nothing_is_asked(client: str, sender: str, helo: str) -> None:
    dns = GivenDns()

    found = dns.concluded(spf_outcome(client_address=client, helo=helo, sender=sender))

    assert found.result is AuthResult.NONE
    assert dns.asked == []


def test_a_name_with_a_nul_is_never_asked_for() -> None:
    dns = GivenDns(of("v=spf1 exists:%{l}.example -all"))

    asking = spf_outcome(client_address=CLIENT, helo="x", sender="a\x00b@sender.example")

    assert dns.concluded(asking).result == "fail"
    assert dns.asked == [("sender.example", "TXT")]


@given(
    st.lists(
        st.sampled_from(
            ["a", "mx", "ptr", "include:sender.example", "exists:%{p}.x.example", "?mx:x.example"]
        ),
        max_size=30,
    )
)
def test_no_record_makes_us_ask_without_end(terms: list[str]) -> None:
    hosts = [f"h{n}.example" for n in range(10)]
    names: Records = {host: {"A": ["192.0.2.99"]} for host in hosts}
    dns = GivenDns(
        {
            "sender.example": {
                "TXT": ["v=spf1 " + " ".join(terms)],
                "MX": hosts,
                "A": ["192.0.2.98"],
            },
            "7.2.0.192.in-addr.arpa": {"PTR": hosts * 10},
            **names,
        }
    )

    dns.concluded(spf_outcome(client_address=CLIENT, helo="x", sender="a@sender.example"))

    assert len(dns.asked) <= 1 + 10 * (1 + 10 + 11)
