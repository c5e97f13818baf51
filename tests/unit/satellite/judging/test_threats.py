"""What is left of the engines' findings once the operators have said which threats are none?"""

from __future__ import annotations

from common.preferences.bodies import ThreatBody
from common.preferences.threats import NamedThreats
from common.verdict import Outcome, Verdict
from satellite.judging.disposition import Finding, FindingKind
from satellite.judging.findings import findings
from satellite.judging.threats import NOTHING_SPARED, Spared, spared

PHISH = ("*/*Phish*", ThreatBody(action="spam", score=8.0))
MISTAKE = ("clamav/Win.Mistake-1", ThreatBody(action="ignore"))


def infected(by: str, *threats: str, unreadable: tuple[str, ...] = ()) -> Verdict:
    return Verdict(by=by, outcome=Outcome.INFECTED, threats=threats, unreadable=unreadable)


def looked_at(*verdicts: Verdict) -> tuple[Spared, tuple[Finding, ...]]:
    found = spared(verdicts, NamedThreats([PHISH, MISTAKE]), now_us=1)
    return found, findings(verdicts, required={}, spared=found.threats)


def test_a_threat_that_counts_as_spam_adds_points_and_is_no_finding() -> None:
    found, left = looked_at(infected("clamav", "Sane.Phish.7"))

    assert left == ()
    ((test,),) = [verdict.tests for verdict in found.said]
    assert (test.name, test.score) == ("THREAT_SPAM", 8.0)
    assert test.detail == "clamav Sane.Phish.7 by */*Phish*"


def test_a_threat_that_is_ignored_is_seen_in_the_tests_without_points() -> None:
    found, left = looked_at(infected("clamav", "Win.Mistake-1"))

    assert left == ()
    ((test,),) = [verdict.tests for verdict in found.said]
    assert (test.name, test.score) == ("THREAT_IGNORE", 0.0)


def test_what_else_was_found_stands() -> None:
    _, left = looked_at(
        infected("clamav", "Win.Mistake-1", "Eicar", unreadable=("rar",)),
        infected("nod32", "Win.Mistake-1"),
        infected("trend"),  # without a name nothing can be spared
    )

    assert left == (
        Finding(FindingKind.VIRUS, "clamav", "Eicar"),
        Finding(FindingKind.ARCHIVE_UNREADABLE, "clamav", "cannot open: rar"),
        Finding(FindingKind.VIRUS, "nod32", "Win.Mistake-1"),
        Finding(FindingKind.VIRUS, "trend", "infected"),
    )


def test_one_phishing_page_that_three_engines_know_adds_its_points_once() -> None:
    found, left = looked_at(*(infected(by, "X.Phish") for by in ("clamav", "nod32", "trend")))

    assert left == ()
    assert [test.score for verdict in found.said for test in verdict.tests] == [8.0]


def test_the_archive_of_a_spared_threat_is_still_unreadable() -> None:
    _, left = looked_at(infected("clamav", "X.Phish", unreadable=("rar",)))

    assert [finding.kind for finding in left] == [FindingKind.ARCHIVE_UNREADABLE]


def test_only_a_threat_is_spared() -> None:
    macro = Verdict(by="clamav", outcome=Outcome.MACRO, threats=("Win.Mistake-1",))

    assert looked_at(macro)[0] is NOTHING_SPARED
    assert spared([infected("a", "X.Phish")], NamedThreats(), now_us=1) is NOTHING_SPARED
