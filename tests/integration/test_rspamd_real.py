"""The rspamd filter against a real rspamd."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from common.verdict import Outcome, Verdict
from satellite.filtering.conformance import Scene, check_filter
from satellite.filtering.filter import AsksServers, Filter
from tests.support.scanning.real_scorers import missing_rspamd, running_rspamd
from tests.support.scanning.scorers import letter, scorer, weighed

pytestmark = pytest.mark.skipif(missing_rspamd() != "", reason="rspamd is not installed")

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*" + b"GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
LOTTERY = b"Subject: the lottery\r\nFrom: b@c.example\r\n\r\n99 bottles of beer\r\n"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_rspamd(tmp_path_factory.mktemp("rspamd")) as address:
        yield address


async def verdict_on(made: Filter, data: bytes) -> Verdict:
    recipients = ("x@acme.example", "y@acme.example")
    (verdict,) = await made.examine(letter(weighed("rspamd"), data, recipients=recipients))
    return verdict


async def test_its_symbols_and_scores_are_ours(address: str) -> None:
    made = scorer("rspamd", address, user="gateway")

    verdicts = [await verdict_on(made, LOTTERY) for _ in range(3)]  # in one connection
    await made.close()

    for verdict in verdicts:
        assert verdict.outcome is Outcome.SCORED, verdict.detail
        found = {test.name: test for test in verdict.tests}
        assert found["RSPAMD_LOTTERY"].score == 2.5
        assert found["RSPAMD_ENVELOPE"].score == -1.2
        assert set(found["RSPAMD_ENVELOPE"].detail.split("; ")) == {
            "192.0.2.7",
            "mail",
            "gateway",
            "a@sender.example",
            "x@acme.example",
        }
        assert verdict.detail == "1.3 of 15.0; no action"


async def test_what_it_would_reject_has_points_and_nothing_else(address: str) -> None:
    made = scorer("rspamd", address)

    verdict = await verdict_on(made, b"Subject: x\r\n\r\n" + GTUBE + b"\r\n")
    await made.close()

    assert verdict.detail == "15.0 of 15.0; reject"
    assert sum(test.score for test in verdict.tests) == pytest.approx(15)


async def test_it_conforms(address: str) -> None:
    mail = letter(weighed("rspamd"), LOTTERY)
    scene = Scene(mail=mail, outcomes=(Outcome.SCORED,), tests=frozenset({"RSPAMD_LOTTERY"}))

    await check_filter(lambda: scorer("rspamd", address), scene)


async def test_it_says_how_it_is(address: str) -> None:
    made = scorer("rspamd", address)
    assert isinstance(made, AsksServers)

    (health,) = await made.probe()

    assert (health.address, health.is_answering) == (address, True)
    await made.close()
