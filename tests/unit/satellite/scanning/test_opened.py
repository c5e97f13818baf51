"""An archive is unreadable when no engine opened it, and only then."""

from __future__ import annotations

import pytest

from common.verdict import Outcome, Verdict
from satellite.scanning.clamd.opens import LOCKED_RAR, opens
from satellite.scanning.meaning import Meaning
from satellite.scanning.opened import with_opened
from tests.support.scanning.foreign_archives import rar4

CLEAN = Meaning(Outcome.CLEAN)
LOCKED = Meaning(Outcome.ENCRYPTED, ("Heuristics.Encrypted.RAR",))
SAW_RAR = Verdict(
    by="yara", outcome=Outcome.UNREADABLE, detail="cannot open: rar", unreadable=("rar",)
)


def said(outcome: Outcome) -> Verdict:
    return Verdict(by="clamav", outcome=outcome)


def test_what_another_engine_opened_and_called_clean_is_clean() -> None:
    yara, _ = with_opened([SAW_RAR, said(Outcome.CLEAN)], {"clamav": frozenset({"rar"})})

    assert (yara.outcome, yara.unreadable) == (Outcome.CLEAN, ())
    assert yara.detail == "cannot open: rar; rar: opened by clamav"


@pytest.mark.parametrize(
    "outcome",
    [Outcome.UNAVAILABLE, Outcome.TIMEOUT, Outcome.ERROR, Outcome.LIMITS, Outcome.SKIPPED],
)
def test_an_engine_without_an_answer_opened_nothing(outcome: Outcome) -> None:
    verdicts = (SAW_RAR, said(outcome))

    assert with_opened(verdicts, {"clamav": frozenset({"rar"})}) == verdicts


@pytest.mark.parametrize("kinds", [frozenset[str](), frozenset({"7z"})])
def test_an_engine_that_does_not_open_the_kind_opened_nothing(kinds: frozenset[str]) -> None:
    verdicts = (SAW_RAR, said(Outcome.CLEAN))

    assert with_opened(verdicts, {"clamav": kinds}) == verdicts


def test_what_was_found_beside_stays_found() -> None:
    macro = Verdict(by="yara", outcome=Outcome.MACRO, threats=("M",), unreadable=("rar", "ace"))

    yara, _ = with_opened([macro, said(Outcome.CLEAN)], {"clamav": frozenset({"rar"})})

    assert (yara.outcome, yara.unreadable) == (Outcome.MACRO, ("ace",))


def test_a_clamd_opens_rar_only_when_it_has_shown_so() -> None:
    assert "rar" not in opens("1.4.6/27807", CLEAN)
    assert "rar" in opens("1.4.6/27807", LOCKED)


@pytest.mark.parametrize(
    ("version", "kind", "is_opened"),
    [
        ("1.4.6/27807", "7z", True),
        ("1.4.6/27807", "lha", True),
        ("1.0.7", "lha", False),
        ("0.103.2", "7z", True),
        ("0.102.4", "7z", False),
        ("", "7z", False),
        ("1.4.6", "ace", False),
        ("1.4.6", "zip PPMd", False),
    ],
)
def test_a_clamd_opens_what_its_version_knows(version: str, kind: str, is_opened: bool) -> None:
    assert (kind in opens(version, CLEAN)) is is_opened


def test_what_is_shown_to_clamd_is_a_locked_rar_archive() -> None:
    assert rar4(b"a.txt", b"hello", locked=True) == LOCKED_RAR
