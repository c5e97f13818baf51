"""What the shipped rules find, and how an operator's own are added."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.errors import LocalError
from common.settings.satellite import EngineSettings
from common.verdict import Outcome
from common.yara_compiling import compiled
from satellite.scanning.engine import Engine, EngineAnswersAtOnce, EngineContext, Fitted
from satellite.scanning.engines import yara
from satellite.scanning.helper import Helper
from satellite.scanning.run import Scanner
from satellite.scanning.sample import Sample
from satellite.scanning.spawned import Answer, HelperUnavailable
from tests.support.scanning.clamd import EICAR
from tests.support.scanning.messages import (
    MACRO_DOCUMENT,
    WINDOWS_PROGRAM,
    file_sample,
    locked,
    plain,
    sample_of,
    with_attachment,
    zipped,
)


@pytest.fixture
async def helper() -> AsyncIterator[Helper]:
    helper = Helper(clock=SystemClock())
    yield helper
    await helper.close()


def build(helper: Helper, **options: object) -> Engine:
    settings = EngineSettings.model_validate({"name": "yara", "kind": "yara", "options": options})
    return yara.build(settings, EngineContext(clock=SystemClock(), helper=helper))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shipped() -> AsyncIterator[Engine]:
    """The engine with the shipped rules alone; its helper has compiled them once."""
    helper = Helper(clock=SystemClock())
    yield build(helper)
    await helper.close()


PROGRAM = "BorderScout.Archive.WindowsExecutable"
FOUND = [
    (plain(b"hello"), Outcome.CLEAN, ()),
    (plain(EICAR), Outcome.INFECTED, ("Eicar-Test-Signature",)),
    (with_attachment(EICAR), Outcome.INFECTED, ("Eicar-Test-Signature",)),
    (with_attachment(zipped(("a.txt", EICAR))), Outcome.INFECTED, ("Eicar-Test-Signature",)),
    (
        with_attachment(zipped(("a.zip", zipped(("b.txt", EICAR))))),
        Outcome.INFECTED,
        ("Eicar-Test-Signature",),
    ),
    (with_attachment(zipped(("picture.jpg", WINDOWS_PROGRAM))), Outcome.INFECTED, (PROGRAM,)),
    (
        with_attachment(zipped(("a.zip", zipped(("b", WINDOWS_PROGRAM))))),
        Outcome.INFECTED,
        (PROGRAM,),
    ),
    (
        with_attachment(zipped(("setup.com", b"MZ" + bytes(100)))),
        Outcome.INFECTED,
        ("BorderScout.Archive.DosExecutable",),
    ),
    (
        with_attachment(zipped(("x", b"\x7fELF" + bytes(100)))),
        Outcome.INFECTED,
        ("BorderScout.Archive.ElfExecutable",),
    ),
    (
        with_attachment(zipped(("x", bytes.fromhex("CAFEBABE00000002") + bytes(100)))),
        Outcome.INFECTED,
        ("BorderScout.Archive.MachExecutable",),
    ),
    (
        with_attachment(zipped(("Invoice.pdf.LNK", b"anything"))),
        Outcome.INFECTED,
        ("BorderScout.Archive.WindowsScript",),
    ),
    (with_attachment(MACRO_DOCUMENT), Outcome.MACRO, ("BorderScout.Macro.Vba",)),
    (
        with_attachment(zipped(("word/vbaProject.bin", b"x"), ("word/document.xml", b"<x/>"))),
        Outcome.MACRO,
        ("BorderScout.Macro.Vba",),
    ),
    (with_attachment(locked(zipped(("a", b"b")))), Outcome.ENCRYPTED, ()),
]
NOT_FOUND = {
    "a program that is not in an archive": with_attachment(WINDOWS_PROGRAM),
    "a Java class in an archive": zipped(("A.class", bytes.fromhex("CAFEBABE00000034"))),
    "text that begins with MZ": zipped(("notes.txt", b"MZ is how it begins" * 10)),
    "a script for a web page": zipped(("site/app.js", b"alert(1)")),
    "a document without macros": zipped(("word/document.xml", b"<x/>")),
}


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(("message", "outcome", "threats"), FOUND)
async def test_the_shipped_rules_find(
    shipped: Engine, message: bytes, outcome: Outcome, threats: tuple[str, ...]
) -> None:
    verdict = await shipped.scan(sample_of(message), deadline_s=30)

    assert (verdict.outcome, verdict.threats) == (outcome, threats)
    assert verdict.version.startswith("1.")


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", NOT_FOUND)
async def test_the_shipped_rules_leave_alone(shipped: Engine, name: str) -> None:
    verdict = await shipped.scan(sample_of(with_attachment(NOT_FOUND[name])), deadline_s=30)

    assert verdict.outcome is Outcome.CLEAN


async def test_a_large_body_is_scanned_from_its_file(helper: Helper, tmp_path: Path) -> None:
    sample = file_sample(tmp_path / "body", plain(b"x" * 1_000_000 + EICAR))

    assert (await build(helper).scan(sample, deadline_s=30)).outcome is Outcome.INFECTED


async def test_the_beginning_of_a_body_is_not_the_body(helper: Helper, tmp_path: Path) -> None:
    sample = file_sample(tmp_path / "body", plain(b"x" * 1000 + EICAR))
    (tmp_path / "body").write_bytes(plain(b"x"))

    assert (await build(helper).scan(sample, deadline_s=30)).outcome is Outcome.LIMITS


async def test_a_body_that_is_gone_is_not_clean(helper: Helper, tmp_path: Path) -> None:
    sample = file_sample(tmp_path / "body", plain(b"x"))
    (tmp_path / "body").unlink()

    verdict = await build(helper).scan(sample, deadline_s=30)

    assert verdict.outcome is Outcome.LIMITS
    assert verdict.detail.startswith("unscannable: ")


@pytest.mark.parametrize(
    ("meta", "outcome", "threat"),
    [
        ('outcome = "macro" threat = "Own.Macro"', Outcome.MACRO, "Own.Macro"),
        ('outcome = "encrypted"', Outcome.ENCRYPTED, "own"),
        ('outcome = "clean"', Outcome.INFECTED, "own"),  # no rule can call anything clean
        ('author = "me"', Outcome.INFECTED, "own"),
        ('threat = "Bad\\r\\nName"', Outcome.INFECTED, "Bad??Name"),
    ],
)
async def test_an_operators_rule_says_what_it_means(
    helper: Helper, tmp_path: Path, meta: str, outcome: Outcome, threat: str
) -> None:
    rules = tmp_path / "own.yar"
    rules.write_text(
        f'rule own {{ meta: {meta} strings: $a = "needle" condition: $a }}', encoding="utf-8"
    )

    verdict = await build(helper, rules=[str(rules)]).scan(
        sample_of(plain(b"a needle here")), deadline_s=30
    )

    assert (verdict.outcome, verdict.threats) == (outcome, (threat,))


async def test_rules_that_do_not_compile_make_the_engine_unavailable(
    helper: Helper, tmp_path: Path
) -> None:
    rules = tmp_path / "own.yar"
    rules.write_text("rule broken { condition: nothing_known }", encoding="utf-8")
    engine = build(helper, rules=[str(rules)])

    verdict = await engine.scan(sample_of(plain(b"x")), deadline_s=30)
    health = await engine.probe()

    assert verdict.outcome is Outcome.UNAVAILABLE
    assert "own.yar" in verdict.detail
    assert not health.answering


def test_other_rules_are_other_definitions(tmp_path: Path) -> None:
    rules = tmp_path / "own.yar"
    versions = []
    for needle in ("one", "two"):
        rules.write_text(f'rule own {{ strings: $a = "{needle}" condition: $a }}')
        engine = build(Helper(clock=SystemClock()), rules=[str(rules)])
        assert isinstance(engine, yara.Yara)
        versions.append(engine._definitions)

    assert versions[0] != versions[1]


def test_a_rule_cannot_read_other_files(tmp_path: Path) -> None:
    with pytest.raises(LocalError, match="include"):
        compiled([("own.yar", 'include "/etc/passwd"')])


@pytest.mark.parametrize("body", [b"hello", EICAR])
async def test_plain_mail_gets_at_once_what_the_helper_would_say(
    helper: Helper, body: bytes
) -> None:
    engine = build(helper)
    sample = sample_of(plain(body))
    assert isinstance(engine, EngineAnswersAtOnce)

    at_once = engine.scan_at_once(sample)
    asked = await engine.scan(sample, deadline_s=30)

    assert at_once is not None
    assert at_once == replace(asked, ms=0)


def test_mail_that_has_to_be_taken_apart_is_not_answered_at_once(helper: Helper) -> None:
    engine = build(helper)
    assert isinstance(engine, EngineAnswersAtOnce)

    assert engine.scan_at_once(sample_of(with_attachment(b"x"))) is None


async def test_a_message_for_the_helper_is_asked_about_without_a_task_to_watch_it(
    monkeypatch: pytest.MonkeyPatch, helper: Helper
) -> None:
    tasks: list[asyncio.Task[object] | None] = []

    async def ask(job: str, sample: Sample, *, deadline_s: float) -> Answer:
        tasks.append(asyncio.current_task())
        raise HelperUnavailable("busy")

    monkeypatch.setattr(helper, "ask", ask)
    settings = EngineSettings(name="yara", kind="yara")
    fitted = Fitted(engine=build(helper), settings=settings)
    scanner = Scanner([fitted], SystemClock(), registry=CollectorRegistry())

    (verdict,) = await scanner.scan(sample_of(with_attachment(b"x")))

    assert verdict.outcome is Outcome.UNAVAILABLE
    assert tasks == [asyncio.current_task()]


async def test_it_ends_with_its_deadline_whatever_the_helper_does() -> None:
    hung = Helper(clock=SystemClock(), command=("sleep", "60"))
    engine = build(hung)

    verdict = await engine.scan(sample_of(with_attachment(b"x")), deadline_s=0.05)

    assert verdict.outcome is Outcome.UNAVAILABLE
    await hung.close()


def test_an_operators_rules_never_run_in_the_event_loop(helper: Helper, tmp_path: Path) -> None:
    rules = tmp_path / "own.yar"
    rules.write_text('rule own { strings: $a = "hello" condition: $a }')
    engine = build(helper, rules=[str(rules)])
    assert isinstance(engine, EngineAnswersAtOnce)

    assert engine.scan_at_once(sample_of(plain(b"hello"))) is None
