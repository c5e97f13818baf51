"""The example engine: installed by pip, found at the start, works beside ours, passes the suite.

The package is reached as a node reaches it: by the entry point that pip wrote.
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import ClassVar

import pytest
from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.errors import SettingsError
from common.settings.satellite import EngineSettings
from common.settings.yaml_tree import parse_yaml
from common.verdict import Outcome
from satellite.scanning.conformance import (
    CHECKS,
    INDISPENSABLE,
    Arranged,
    Condition,
    ConformanceCheck,
    Nonconformity,
    NotApplicable,
)
from satellite.scanning.engine import EngineContext, Fitted, build_engines
from satellite.scanning.helper import Helper
from satellite.scanning.run import Scanner
from satellite.scanning.sample import Sample
from tests.support.scanning.clamd import EICAR
from tests.support.scanning.messages import numbered_sample, plain, sample_of
from tests.support.scanning.scripted_clamd import ScriptedClamd

ROOT = Path(__file__).parents[3]

SAYS: dict[Condition, bytes] = {
    Condition.CLEAN: b"GOOD\n",
    Condition.INFECTED: b"BAD Eicar\n",
    Condition.GARBAGE: b"GOOD GOOD\n",
    Condition.EMPTY: b"\n",
    Condition.ERROR: b"I am not well\n",
    Condition.SPLIT: b"BAD Eicar\n",
    Condition.NAME_EIGHT_BIT: b"BAD W\xfcrm\n",
    Condition.NAME_LONG: b"BAD " + b"N" * 10_000 + b"\n",
    Condition.NAME_CONTROL: b"BAD Evil\r\x1b[2J\x07\n",
}


pytestmark = pytest.mark.usefixtures("installed")

Script = Callable[[bytes], Awaitable[bytes | None]]


@asynccontextmanager
async def peer(script: Script, *, piece_bytes: int = 0) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Speak as the example's server; a script that gives None closes without an answer."""
    received = asyncio.Event()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        try:
            with suppress(asyncio.IncompleteReadError, OSError, asyncio.CancelledError):
                size = int(await reader.readuntil(b"\n"))
                received.set()
                said = await script(await reader.readexactly(size)) or b""
                for offset in range(0, len(said), piece_bytes or max(len(said), 1)):
                    writer.write(said[offset : offset + (piece_bytes or len(said))])
                    await writer.drain()
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"127.0.0.1:{port}", received
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def fitted(*settings: EngineSettings) -> tuple[Fitted, ...]:
    clock = SystemClock()
    return build_engines(settings, EngineContext(clock=clock, helper=Helper(clock=clock)))


class ExampleBench:
    impossible: ClassVar[dict[Condition, str]] = {
        Condition.ENCRYPTED: "its server does not say such things",
        Condition.MACRO: "its server does not say such things",
        Condition.LIMITS: "its server does not say such things",
        Condition.TOO_LARGE: "its server knows no such limit",
    }

    @asynccontextmanager
    async def arrange(self, condition: Condition) -> AsyncIterator[Arranged]:
        async def script(content: bytes) -> bytes | None:
            if condition is Condition.SILENT:
                await asyncio.Event().wait()
            if condition is Condition.BY_CONTENT:
                return b"BAD Eicar\n" if EICAR in content else b"GOOD\n"
            return SAYS.get(condition)

        piece_bytes = 1 if condition is Condition.SPLIT else 0
        async with peer(script, piece_bytes=piece_bytes) as (address, received):

            async def reached() -> None:
                await received.wait()

            place = "127.0.0.1:1" if condition is Condition.REFUSED else address
            (item,) = fitted(EngineSettings(name="mine", kind="example", address=place))
            sample = sample_of(plain(b"hello"))
            yield Arranged(engine=item.engine, sample=sample, reached=reached)

    def sample(self, number: int, *, infected: bool) -> Sample:
        return numbered_sample(number, infected=infected)


def test_what_its_readme_says_for_the_inventory_finds_it() -> None:
    text = (ROOT / "examples" / "engine" / "README.md").read_text(encoding="utf-8")
    yaml = text.partition("```yaml\n")[2].partition("```")[0]
    (mine,) = [item for item in parse_yaml(yaml).value["engines"] if item["kind"] == "example"]

    (item,) = fitted(EngineSettings(**mine))

    assert type(item.engine).__module__ == "example_engine"
    assert item.engine.name == "mine"


def test_its_settings_need_an_address() -> None:
    with pytest.raises(SettingsError) as raised:
        fitted(EngineSettings(name="mine", kind="example"))

    assert raised.value.complaints == [
        "engines.mine: an address is missing; write address: HOST:PORT"
    ]


@pytest.mark.parametrize("check", CHECKS, ids=str)
async def test_an_engine_of_somebody_else_passes(check: ConformanceCheck) -> None:
    try:
        await check.run(ExampleBench())
    except NotApplicable as reason:
        pytest.skip(str(reason))


async def test_it_works_at_the_same_time_as_ours(tmp_path: Path) -> None:
    both = asyncio.Barrier(2)

    async def outside(_: bytes) -> bytes:
        await both.wait()  # returns only once the other engine has the message too
        return b"GOOD\n"

    async def clamd(_: bytes) -> bytes:
        await both.wait()
        return b"stream: Eicar FOUND"

    async with ScriptedClamd(tmp_path / "c", clamd) as ours, peer(outside) as (address, _):
        engines = fitted(
            EngineSettings(name="clamav", kind="clamd", address=ours.address, timeout_s=20),
            EngineSettings(name="mine", kind="example", address=address, timeout_s=20),
        )
        scanner = Scanner(engines, SystemClock(), registry=CollectorRegistry())
        verdicts = await scanner.scan(sample_of(plain(b"hello")))
        await scanner.close()

    assert [(v.by, v.outcome) for v in verdicts] == [
        ("clamav", Outcome.INFECTED),
        ("mine", Outcome.CLEAN),
    ]


async def test_the_suite_catches_an_engine_that_reads_silence_as_clean(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    example = importlib.import_module("example_engine")

    def careless(line: bytes) -> tuple[Outcome, tuple[str, ...], str]:
        if b"BAD" in line:
            return Outcome.INFECTED, (line.decode("latin-1"),), ""
        return Outcome.CLEAN, (), ""

    monkeypatch.setattr(example, "understood", careless)
    failed = set()
    for check in CHECKS:
        try:
            await check.run(ExampleBench())
        except Nonconformity:
            failed.add(check.name)
        except NotApplicable:
            pass

    assert failed == {
        f"a peer that {condition} is understood"
        for condition in (
            Condition.ERROR,
            Condition.GARBAGE,
            Condition.EMPTY,
            Condition.INFECTED,
            Condition.SPLIT,
            Condition.NAME_EIGHT_BIT,
            Condition.NAME_LONG,
            Condition.NAME_CONTROL,
        )
    }


def test_the_documentation_knows_each_condition_and_what_cannot_be_left_out() -> None:
    text = (ROOT / "docs" / "engines.md").read_text(encoding="utf-8")

    assert all(f"`{condition.name}`" in text for condition in Condition)
    last = text[text.index("cannot be left out") :]
    assert {name for name in Condition.__members__ if f"`{name}`" in last} == {
        condition.name for condition in INDISPENSABLE
    }
