"""The Pyzor filter against a real pyzord, and our digests against Pyzor's own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from common.clock import SystemClock
from common.verdict import Outcome, Verdict
from satellite.filtering.conformance import Scene, check_filter
from satellite.filtering.filter import AsksServers, Filter
from satellite.filtering.servers.pyzor_digest import pyzor_digest
from tests.support.scanning.real_scorers import (
    PYZOR_KEY,
    PYZOR_PYTHON,
    missing_pyzord,
    running_pyzord,
)
from tests.support.scanning.scorers import letter, scorer, weighed
from tests.support.smtp.corpus import message, names

pytestmark = pytest.mark.skipif(missing_pyzord() != "", reason=f"{missing_pyzord()} is missing")

TRAP = "trap@acme.example"
LETTER = b"Subject: hello\r\n\r\n" + b"You have won in the lottery\r\n" * 9
OTHER = b"Subject: hello\r\n\r\n" + b"You have lost in the lottery\r\n" * 9
NOTHING = "da39a3ee5e6b4b0d3255bfef95601890afd80709"  # the digest of no lines
# We go down to forty levels.
READ_OTHERWISE = {"too-deeply-nested"}

DIGEST_ALL = """
import email, json, sys
import pyzor.digest
found = {}
for name, octets in json.load(sys.stdin).items():
    read = email.message_from_bytes(octets.encode("latin-1"))
    found[name] = pyzor.digest.DataDigester(read).value
json.dump(found, sys.stdout)
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_pyzord(tmp_path_factory.mktemp("pyzord")) as address:
        yield address


def made_at(address: str, **options: Any) -> Filter:
    return scorer("pyzor", address, clock=SystemClock(), report=True, **options)


async def verdict_on(made: Filter, data: bytes, recipient: str) -> Verdict:
    prefs = weighed("pyzor", traps=TRAP, steps="1=1,2=2")
    (verdict,) = await made.examine(letter(prefs, data, recipients=(recipient,)))
    return verdict


async def test_what_a_trap_got_counts_for_everybody(address: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(PYZOR_KEY)
    anonymous = made_at(address)
    scout = made_at(address, user="scout", key_file=str(key))

    before = await verdict_on(anonymous, LETTER, "x@acme.example")
    first = await verdict_on(scout, LETTER, TRAP)
    second = await verdict_on(anonymous, LETTER, TRAP)
    after = await verdict_on(anonymous, LETTER, "x@acme.example")

    assert (before.outcome, before.tests) == (Outcome.SCORED, ()), before.detail
    assert first.detail.endswith("0 reports, 0 of no spam; reported")
    assert second.tests[0].score == 1.0
    assert [(test.name, test.score) for test in after.tests] == [("PYZOR", 2.0)]


async def test_a_wrong_key_is_an_error_and_no_points(address: str, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("00,1234")

    verdict = await verdict_on(
        made_at(address, user="scout", key_file=str(key)), LETTER, "x@acme.example"
    )

    assert verdict.outcome is Outcome.ERROR
    assert "401" in verdict.detail
    assert sum(test.score for test in verdict.tests) == 0


async def test_it_conforms(address: str) -> None:
    scene = Scene(mail=letter(weighed("pyzor"), OTHER), outcomes=(Outcome.SCORED,))

    await check_filter(lambda: made_at(address), scene)


async def test_it_says_how_it_is(address: str) -> None:
    made = made_at(address)
    assert isinstance(made, AsksServers)

    assert [health.is_answering for health in await made.probe()] == [True]


def test_our_digest_of_every_message_is_pyzors() -> None:
    messages = {name: message(name) for name in names()}
    small = {name: octets for name, octets in messages.items() if len(octets) < 262_144}

    told = json.dumps({name: octets.decode("latin-1") for name, octets in small.items()})
    done = subprocess.run(
        [PYZOR_PYTHON, "-W", "ignore", "-c", DIGEST_ALL],
        input=told.encode(),
        capture_output=True,
        check=True,
    )
    theirs = json.loads(done.stdout)

    assert len(theirs) > 50
    assert {
        name: digest
        for name, digest in theirs.items()
        if (pyzor_digest(small[name]) or NOTHING) != digest and name not in READ_OTHERWISE
    } == {}
