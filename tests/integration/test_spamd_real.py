"""The SpamAssassin filter against a real spamd."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.verdict import Outcome, Verdict
from satellite.filtering.conformance import Scene, check_filter
from satellite.filtering.filter import AsksServers
from tests.support.scanning.real_scorers import missing_spamd, running_spamd
from tests.support.scanning.scorers import letter, scorer, weighed

pytestmark = pytest.mark.skipif(missing_spamd() != "", reason="spamd is not installed")

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*" + b"GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
LOTTERY = b"Subject: the lottery\r\nFrom: b@c.example\r\n\r\n99 bottles of beer\r\n"


@pytest.fixture(scope="module")
def addresses() -> Iterator[tuple[str, str]]:
    with tempfile.TemporaryDirectory(prefix="spamd-") as made:
        path = Path(made) / "socket"
        with running_spamd(Path(made), path=path) as address:
            yield address, f"unix:{path}"


async def verdict_on(address: str, data: bytes, **options: Any) -> Verdict:
    made = scorer("spamassassin", address, **options)
    (verdict,) = await made.examine(letter(weighed("spamassassin"), data))
    await made.close()
    return verdict


@pytest.mark.parametrize("way", [0, 1], ids=["TCP", "Unix socket"])
async def test_its_tests_and_points_are_ours(addresses: tuple[str, str], way: int) -> None:
    verdict = await verdict_on(addresses[way], LOTTERY)

    assert verdict.outcome is Outcome.SCORED, verdict.detail
    assert {test.name: test.score for test in verdict.tests} == {
        "SPAMASSASSIN_LOTTERY": 2.5,
        "SPAMASSASSIN_FROM_THERE": -1.2,  # it was told client and HELO name
        "SPAMASSASSIN_ENV": 0.3,  # and the envelope's sender
    }
    assert verdict.detail == "1.6 of 5.0"


@pytest.mark.parametrize("name", ["X-Envelope-From", "Return-Path", "Envelope-Sender"])
async def test_nobody_forges_the_sender_that_it_is_told(
    addresses: tuple[str, str], name: str
) -> None:
    forged = f"{name}: <a@sender.example>\r\n".encode() + LOTTERY
    made = scorer("spamassassin", addresses[0])

    (verdict,) = await made.examine(
        letter(weighed("spamassassin"), forged, sender="x@other.example")
    )

    assert "SPAMASSASSIN_LOTTERY" in {test.name for test in verdict.tests}
    assert "SPAMASSASSIN_ENV" not in {test.name for test in verdict.tests}


@pytest.mark.parametrize("command", ["symbols", "check"])
async def test_the_sum_alone_counts_as_well(addresses: tuple[str, str], command: str) -> None:
    verdict = await verdict_on(addresses[0], LOTTERY, command=command)

    assert {test.name: test.score for test in verdict.tests} == {"SPAMASSASSIN_OTHER": 1.6}
    assert ("LOTTERY" in verdict.detail) is (command == "symbols")


async def test_a_thousand_points_are_capped(addresses: tuple[str, str]) -> None:
    verdict = await verdict_on(addresses[0], b"Subject: x\r\n\r\n" + GTUBE + b"\r\n")

    assert sum(test.score for test in verdict.tests) == pytest.approx(15)


async def test_it_conforms(addresses: tuple[str, str]) -> None:
    mail = letter(weighed("spamassassin"), LOTTERY)
    scene = Scene(mail=mail, outcomes=(Outcome.SCORED,), tests=frozenset({"SPAMASSASSIN_LOTTERY"}))

    await check_filter(lambda: scorer("spamassassin", addresses[0]), scene)


async def test_it_says_how_it_is(addresses: tuple[str, str]) -> None:
    made = scorer("spamassassin", addresses[0], addresses=[addresses[1]])
    assert isinstance(made, AsksServers)

    assert [health.is_answering for health in await made.probe()] == [True, True]
