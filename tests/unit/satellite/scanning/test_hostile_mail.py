"""Mail that is made to stall or swell a parser: answered within limits, and never as clean."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from common.clock import SystemClock
from common.collector import uncollected
from common.settings.satellite import EngineSettings
from common.verdict import Outcome
from satellite.scanning.engine import Engine, EngineContext
from satellite.scanning.engines import yara
from satellite.scanning.helper import TRY_S, Helper
from tests.support.scanning.clamd import EICAR
from tests.support.scanning.messages import plain, sample_of, with_attachment, zipped

MIXED = b"Content-Type: multipart/mixed; boundary=x\r\n\r\n"


def nested(depth: int) -> bytes:
    return b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level)
        for level in range(depth)
    )


def nested_zip(depth: int) -> bytes:
    content = EICAR
    for level in range(depth):
        content = zipped((f"level{level}.zip", content))
    return content


HOSTILE = {
    "a thousand nested parts": nested(1000) + b"text",
    "two hundred thousand parts": MIXED + b"--x\r\n\r\nhi\r\n" * 200_000 + b"--x--\r\n",
    "five thousand messages in messages": b"Content-Type: message/rfc822\r\n\r\n" * 5000,
    "twenty million lines": plain(b"\r\n" * 20_000_000),
    "a million empty lines in nineteen multiparts": nested(19) + b"\r\n" * 1_000_000,
    "a megabyte of header": b"X-A: b\r\n" * 300_000 + b"\r\nx",
    "thousands of parameters": b"Content-Type: text/plain"
    + b"".join(b"; a*%d=x" % n for n in range(2000))
    + b"\r\n\r\nx",
    "a parameter of semicolons": b'Content-Type: multipart/mixed; a="'
    + b";" * 200_000
    + b"\r\n\r\n",
    "a part of a hundred megabytes of zeros": with_attachment(zipped(("z", bytes(101 << 20)))),
    "ten thousand and one files": with_attachment(zipped(*((f"{n}", b"") for n in range(10_001)))),
    "seventeen archives in each other": with_attachment(nested_zip(17)),
    "half an archive": with_attachment(zipped(("a.txt", b"text" * 1000))[:-40]),
}

HARMLESS = {
    "forty thousand quotes": b"From: " + b'"' * 40_000 + b"\r\n\r\nx",
    "nothing": b"",
    "no header": b"\xff\xfe\0\r\n\r\n\0" * 100,
    "a line of a megabyte": plain(b"x" * 1_000_000),
    "boundaries that never come": MIXED + b"--y\r\n" * 1000,
    "deep and long, within the limits": nested(19) + b"a\r\n\r\n" * 120_000,
    "a number in each of many lines": nested(19) + b"4711\r\n" * 900_000,
    "many bad parts": MIXED
    + b"--x\r\nContent-Transfer-Encoding: base64\r\n\r\n!!A\r\n" * 900
    + b"--x--",
}


@pytest.fixture
async def engine() -> AsyncIterator[Engine]:
    clock = SystemClock()
    helper = Helper(clock=clock)
    settings = EngineSettings(name="yara", kind="yara")
    yield yara.build(settings, EngineContext(clock=clock, helper=helper))
    await helper.close()


async def scanned(engine: Engine, message: bytes) -> tuple[Outcome, str, float]:
    """Return outcome, detail, and the longest that the loop was busy at once.

    The loop's own work is counted, not the time that passed: a busy machine is no fault of ours,
    nor what the other tests of this process left to the collector.
    """
    scan = asyncio.create_task(engine.scan(sample_of(message), deadline_s=3 * TRY_S))
    longest_s = 0.0
    with uncollected():
        last_s = time.thread_time()
        while not scan.done():
            await asyncio.sleep(0.002)
            now_s = time.thread_time()
            longest_s, last_s = max(longest_s, now_s - last_s), now_s
    verdict = await scan
    return verdict.outcome, verdict.detail, longest_s


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_mail_exceeds_a_limit_and_says_which(engine: Engine, name: str) -> None:
    outcome, detail, longest_s = await scanned(engine, HOSTILE[name])

    assert outcome is Outcome.LIMITS
    assert detail
    assert "unscannable" not in detail, "it was stopped by a limit, not by its helper's death"
    assert longest_s < 2.0


@pytest.mark.parametrize("name", HARMLESS)
async def test_odd_mail_within_the_limits_is_read_in_time(engine: Engine, name: str) -> None:
    outcome, detail, longest_s = await scanned(engine, HARMLESS[name])

    assert (outcome, detail) == (Outcome.CLEAN, "")
    assert longest_s < 2.0


async def test_a_threat_before_the_limit_is_named(engine: Engine) -> None:
    message = with_attachment(zipped(("a", EICAR), ("z", bytes(70 << 20))))

    verdict = await engine.scan(sample_of(message), deadline_s=30)

    assert verdict.outcome is Outcome.INFECTED
    assert "unfolds too far" in verdict.detail
