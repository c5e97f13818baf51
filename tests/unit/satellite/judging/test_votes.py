"""Which threats are outvoted, and is it a threat whenever there is doubt?"""

from __future__ import annotations

import pytest

from common.preferences.virus_rule import ANY, MAJORITY, VirusRule
from common.verdict import Outcome, Verdict
from satellite.judging.disposition import FindingKind
from satellite.judging.findings import findings
from satellite.judging.votes import counted

NAMED = VirusRule("engines:clamav,nod32")
LETTERS = {
    "i": Outcome.INFECTED,
    "c": Outcome.CLEAN,
    "m": Outcome.MACRO,
    "l": Outcome.LIMITS,
    "e": Outcome.ENCRYPTED,
    "u": Outcome.UNAVAILABLE,
    "t": Outcome.TIMEOUT,
    "s": Outcome.SKIPPED,
}


def is_threat(rule: VirusRule, said: str) -> bool:
    """Say whether a rule finds a threat in what clamav, nod32, trend and yara said."""
    engines = ("clamav", "nod32", "trend", "yara")
    verdicts = [
        Verdict(by=by, outcome=LETTERS[one]) for by, one in zip(engines, said, strict=False)
    ]
    required = dict.fromkeys(engines[: len(said)], True)
    kinds = [
        finding.kind
        for finding in counted(findings(verdicts, required=required), rule=rule, verdicts=verdicts)
    ]
    assert (FindingKind.VIRUS in kinds) != (FindingKind.VIRUS_OUTVOTED in kinds)
    return FindingKind.VIRUS in kinds


@pytest.mark.parametrize("said", ["iccc", "ccci", "iuts", "i"])
def test_by_the_rule_any_a_single_engine_suffices(said: str) -> None:
    assert is_threat(ANY, said)


@pytest.mark.parametrize(
    ("said", "threat"),
    [
        ("icc", False),
        ("icm", False),
        ("iic", True),
        ("ic", True),  # a tie
        ("iicc", True),
        ("iccc", False),
        ("icu", True),  # who is silent has no vote
        ("ile", True),  # nor who could not look
        ("iuu", True),
        ("i", True),
    ],
)
def test_by_majority_half_of_those_that_read_the_mail_suffices(said: str, threat: bool) -> None:
    assert is_threat(MAJORITY, said) is threat


@pytest.mark.parametrize(
    ("said", "threat"),
    [
        ("ccii", False),
        ("icci", True),
        ("cicc", True),
        ("uuic", True),  # none of those that decide could read it: anybody does
        ("clic", False),  # one of them did
        ("lsic", True),
    ],
)
def test_named_engines_decide_as_long_as_one_of_them_read_the_mail(said: str, threat: bool) -> None:
    assert is_threat(NAMED, said) is threat


def test_engines_that_a_node_does_not_have_decide_nothing() -> None:
    assert is_threat(VirusRule("engines:elsewhere"), "icc")


def test_what_is_no_threat_is_not_counted() -> None:
    verdicts = [Verdict(by="yara", outcome=Outcome.MACRO), Verdict(by="a", outcome=Outcome.CLEAN)]
    found = findings(verdicts, required={})

    assert counted(found, rule=MAJORITY, verdicts=verdicts) is found
