"""Honest mail through all engines, a real clamd among them; and what only one of them opens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.settings.satellite import EngineSettings
from common.verdict import Outcome, Verdict
from satellite.judging.findings import findings
from satellite.scanning.engine import EngineContext, build_engines
from satellite.scanning.helper import Helper
from satellite.scanning.run import Scanner
from tests.support.scanning.clamd import Clamd, clamd_binary
from tests.support.scanning.foreign_archives import rar5
from tests.support.scanning.honest_files import HONEST
from tests.support.scanning.messages import sample_of, with_attachment
from tests.support.scanning.real_files import ARCHIVES
from tests.support.smtp import corpus

pytestmark = [pytest.mark.skipif(clamd_binary() is None, reason="clamd is not installed")]


@pytest.fixture(scope="module")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clamd]:
    with Clamd(tmp_path_factory.mktemp("clamd")) as running:
        yield running


@pytest.fixture
async def scanner(clamd: Clamd) -> AsyncIterator[Scanner]:
    clock = SystemClock()
    helper = Helper(clock=clock)
    settings = [
        EngineSettings(name="yara", kind="yara"),
        EngineSettings(name="clamav", kind="clamd", address=clamd.address),
    ]
    engines = build_engines(settings, EngineContext(clock=clock, helper=helper))
    scanner = Scanner(engines, clock, registry=CollectorRegistry())
    yield scanner
    await scanner.close()
    await helper.close()


async def scanned(scanner: Scanner, content: bytes) -> tuple[Verdict, ...]:
    return await scanner.scan(sample_of(with_attachment(content)))


async def test_honest_mail_gives_nothing_to_weigh(scanner: Scanner) -> None:
    weighed = {
        name: findings(await scanned(scanner, content), required={"yara": True, "clamav": True})
        for name, content in HONEST.items()
    }

    assert {name: found for name, found in weighed.items() if found} == {}


async def test_the_mail_of_the_world_gives_nothing_to_weigh(scanner: Scanner) -> None:
    weighed = {}
    for name in corpus.names(corpus.Expectation.DELIVER):
        verdicts = await scanner.scan(sample_of(corpus.message(name)))
        weighed[name] = findings(verdicts, required={"yara": True, "clamav": True})

    assert len(weighed) > 50
    assert {name: found for name, found in weighed.items() if found} == {}


@pytest.mark.parametrize("name", ["plain.7z", "Deflate64.zip"])
async def test_what_clamd_opens_is_opened(scanner: Scanner, name: str) -> None:
    yara, clamav = await scanned(scanner, ARCHIVES[name])

    assert (yara.outcome, clamav.outcome) == (Outcome.CLEAN, Outcome.CLEAN)
    assert "opened by clamav" in yara.detail


async def test_what_lies_in_an_archive_that_clamd_opens_is_found(scanner: Scanner) -> None:
    _, clamav = await scanned(scanner, ARCHIVES["eicar.7z"])

    assert clamav.outcome is Outcome.INFECTED


async def test_what_clamd_calls_clean_without_opening_it_is_unreadable(scanner: Scanner) -> None:
    yara, clamav = await scanned(scanner, ARCHIVES["PPMd.zip"])

    assert (yara.outcome, clamav.outcome) == (Outcome.UNREADABLE, Outcome.CLEAN)


async def test_a_rar_archive_is_never_clean_by_silence(scanner: Scanner) -> None:
    yara, clamav = await scanned(scanner, rar5(b"a.txt", b"harmless"))

    opened = "rar: opened by clamav" in yara.detail  # where this clamd has its library
    assert yara.outcome is (Outcome.CLEAN if opened else Outcome.UNREADABLE)
    assert clamav.outcome is Outcome.CLEAN


async def test_a_locked_archive_is_locked_for_both(scanner: Scanner) -> None:
    yara, clamav = await scanned(scanner, ARCHIVES["hidden.7z"])

    assert (yara.outcome, clamav.outcome) == (Outcome.ENCRYPTED, Outcome.ENCRYPTED)
