"""What does the filter make of who answers for a message?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from common.preferences import Kind, Preferences
from common.verdict import Effect, Outcome, Test, Verdict
from satellite.authentication.authenticator import UNREADABLE
from satellite.authentication.results import (
    NOT_AUTHENTICATED,
    ArcOutcome,
    Authenticity,
    AuthResult,
    DkimOutcome,
    DmarcOutcome,
    SpfOutcome,
)
from satellite.filtering.conformance import Scene, check_filter
from satellite.filtering.filters.authentication import SenderAuthentication
from satellite.filtering.inside import GivenInside, NoInside
from tests.support.core.preferences import document, preferences
from tests.support.scanning.filtering import mail

ON = preferences(document(Kind.FILTER, "authentication", kind="authentication"))
TRUSTING = preferences(
    document(
        Kind.FILTER,
        "authentication",
        kind="authentication",
        options={"trusted_sealers": "Lists.example, relay.example"},
    )
)
PASSED = Authenticity(
    spf=SpfOutcome(result=AuthResult.PASS, domain="sender.example"),
    dkim=(
        DkimOutcome(result=AuthResult.FAIL, domain="x.example"),
        DkimOutcome(result=AuthResult.PASS, domain="sender.example"),
    ),
    dmarc=DmarcOutcome(
        result=AuthResult.PASS,
        domain="sender.example",
        policy_domain="sender.example",
        policy="reject",
    ),
    arc=ArcOutcome(result=AuthResult.NONE),
)
FORGED = replace(
    PASSED,
    spf=SpfOutcome(result=AuthResult.FAIL, domain="sender.example"),
    dkim=(),
    dmarc=replace(PASSED.dmarc, result=AuthResult.FAIL, reason="nobody answers"),
)
VOUCHED = replace(
    FORGED,
    arc=ArcOutcome(result=AuthResult.PASS, sealers=("lists.example",), first_results="dmarc=pass"),
)


async def verdict(found: Authenticity, by: Preferences = ON) -> Verdict:
    inside = GivenInside(data=b"", authenticated=found)
    (said,) = await SenderAuthentication().examine(mail(by, inside=inside))
    return said


async def named_tests(found: Authenticity, by: Preferences = ON) -> dict[str, Test]:
    return {test.name: test for test in (await verdict(found, by)).tests}


async def test_it_asks_nothing_until_a_document_switches_it_on() -> None:
    each = SenderAuthentication()

    assert each.examine_at_once(mail(preferences())) == ()
    assert await each.examine(mail(preferences())) == ()
    assert each.examine_at_once(mail(ON)) is None


@pytest.mark.parametrize("client", ["10.1.2.3", "127.0.0.1", "fd00::1", ""])
async def test_a_client_that_nobody_publishes_is_not_looked_at_unless_a_document_says_so(
    client: str,
) -> None:
    """A customer's own relay has no SPF, and what it hands on must not be rejected for that."""
    all_clients = preferences(
        document(Kind.FILTER, "a", kind="authentication", options={"private_clients": True})
    )
    each = SenderAuthentication()

    (said,) = await each.examine(mail(ON, client=client))
    assert (said.outcome, said.tests) == (Outcome.SKIPPED, ())
    assert each.examine_at_once(mail(all_clients, client=client)) is None


@pytest.mark.parametrize(
    "options", [{"trusted_sealers": "a b"}, {"sealers": "x.example"}, {"private_clients": "maybe"}]
)
async def test_wrong_options_are_an_error_that_is_seen(options: dict[str, str | bool]) -> None:
    wrong = preferences(document(Kind.FILTER, "a", kind="authentication", options=options))

    (said,) = await SenderAuthentication().examine(mail(wrong))

    assert said.outcome is Outcome.ERROR
    assert said.detail.startswith("a: ")


async def test_a_wrong_document_does_not_stand_in_the_way_of_one_that_is_right() -> None:
    wrong = document(Kind.FILTER, "a", kind="authentication", options={"sealers": "x.example"})
    both = preferences(wrong, document(Kind.FILTER, "b", kind="authentication"))

    assert SenderAuthentication().examine_at_once(mail(both, client="192.88.99.1")) is None


async def test_each_method_has_a_test() -> None:
    found = await named_tests(PASSED)

    assert list(found) == ["SPF_PASS", "DKIM_PASS", "DMARC_PASS"]
    assert found["DKIM_PASS"].detail == "sender.example"
    assert sum(test.score for test in found.values()) < 0


@pytest.mark.parametrize(
    ("policy", "is_testing", "name", "effect"),
    [
        ("none", False, "DMARC_FAIL", Effect.SCORE),
        ("quarantine", False, "DMARC_FAIL_QUARANTINE", Effect.ASK_QUARANTINE),
        ("reject", False, "DMARC_FAIL_REJECT", Effect.ASK_REJECT),
        ("reject", True, "DMARC_FAIL_QUARANTINE", Effect.ASK_QUARANTINE),
        ("quarantine", True, "DMARC_FAIL", Effect.SCORE),
    ],
)
async def test_a_failure_asks_for_what_the_owner_wants(
    policy: str, is_testing: bool, name: str, effect: Effect
) -> None:
    dmarc = replace(FORGED.dmarc, policy=policy, is_testing=is_testing)

    found = await named_tests(replace(FORGED, dmarc=dmarc))

    assert list(found) == ["SPF_FAIL", "DKIM_NONE", name]
    assert found[name].effect is effect
    assert found[name].score > 0


async def test_a_chain_of_trusted_forwarders_takes_back_what_the_owner_asks_for() -> None:
    trusting, other = await named_tests(VOUCHED, TRUSTING), await named_tests(VOUCHED)

    assert trusting["ARC_TRUSTED"].detail == "lists.example: saw it pass"
    assert (trusting["DMARC_FAIL"].effect, trusting["DMARC_FAIL"].score) == (Effect.SCORE, 0.0)
    assert other["ARC_PASS"].score == 0.0
    assert other["DMARC_FAIL_REJECT"].effect is Effect.ASK_REJECT


async def test_a_chain_changes_nothing_where_dmarc_does_not_fail() -> None:
    found = await named_tests(replace(PASSED, arc=VOUCHED.arc), TRUSTING)

    assert "ARC_TRUSTED" not in found
    assert "DMARC_PASS" in found


@pytest.mark.parametrize(
    ("results", "name"),
    [
        (["temperror", "fail"], "DKIM_TEMPERROR"),
        (["fail", "policy"], "DKIM_POLICY"),
        (["permerror", "fail"], "DKIM_FAIL"),
        (["neutral", "permerror"], "DKIM_NEUTRAL"),
        ([], "DKIM_NONE"),
    ],
)
async def test_the_best_signature_counts(results: list[str], name: str) -> None:
    dkim = tuple(DkimOutcome(result=AuthResult(one), domain="a.example") for one in results)

    assert name in await named_tests(replace(PASSED, dkim=dkim))


async def test_mail_without_an_author_has_a_test_of_its_own() -> None:
    dmarc = DmarcOutcome(result=AuthResult.PERMERROR, reason="there are several From")

    found = await named_tests(replace(PASSED, dmarc=dmarc))

    assert found["DMARC_NO_AUTHOR"].detail == "there are several From"


SILENT = AuthResult.TEMPERROR


@pytest.mark.parametrize(
    ("found", "outcome", "names"),
    [
        (  # DNS is down or slow
            UNREADABLE,
            Outcome.UNAVAILABLE,
            {"SPF_TEMPERROR", "DKIM_NONE", "DMARC_TEMPERROR", "ARC_TEMPERROR"},
        ),
        (  # one zone is down
            replace(PASSED, spf=SpfOutcome(result=SILENT)),
            Outcome.SCORED,
            {"SPF_TEMPERROR", "DKIM_PASS", "DMARC_PASS"},
        ),
        (  # the owner's word cannot be had
            replace(FORGED, dmarc=DmarcOutcome(result=SILENT, domain="sender.example")),
            Outcome.SCORED,
            {"SPF_FAIL", "DKIM_NONE", "DMARC_TEMPERROR"},
        ),
        (  # garbage in SPF's record
            replace(PASSED, spf=SpfOutcome(result=AuthResult.PERMERROR)),
            Outcome.SCORED,
            {"SPF_PERMERROR", "DKIM_PASS", "DMARC_PASS"},
        ),
        (  # nothing there
            NOT_AUTHENTICATED,
            Outcome.SCORED,
            {"SPF_NONE", "DKIM_NONE", "DMARC_NONE"},
        ),
    ],
)
async def test_what_dns_fails_to_say_is_named_and_counts_nothing(
    found: Authenticity, outcome: Outcome, names: set[str]
) -> None:
    said = await verdict(found)

    assert said.outcome is outcome
    assert {test.name for test in said.tests} == names
    for test in said.tests:
        assert test.effect is Effect.SCORE
        assert "TEMPERROR" not in test.name or test.score == 0.0


async def test_when_there_is_no_time_for_it_it_says_so() -> None:
    class NoTime(GivenInside):
        async def authentication(self) -> Authenticity:
            raise NoInside("there was no time for it")

    (said,) = await SenderAuthentication().examine(mail(ON, inside=NoTime(data=b"")))

    assert (said.outcome, said.tests) == (Outcome.UNAVAILABLE, ())


@pytest.mark.parametrize("found", [PASSED, FORGED, VOUCHED, UNREADABLE, NOT_AUTHENTICATED])
async def test_it_conforms(found: Authenticity) -> None:
    inside = GivenInside(data=b"", authenticated=found)

    await check_filter(SenderAuthentication, Scene(mail=mail(TRUSTING, inside=inside)))
