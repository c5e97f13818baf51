"""The doctor finds what keeps a scanning server from its work, be it at work or not."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli import scan_server_checks
from satellite.node.health_pages import HealthPages
from tests.support.cli.shell import Shell
from tests.support.network.ports import free_port
from tests.support.smtp.passing import HOSTNAME, passing
from tests.support.smtp.sink import Sink

UP = b'# TYPE borderscout_engine_up gauge\nborderscout_engine_up{engine="yara"} 1.0\n'


def settings(folder: Path, port: int, **said: Any) -> Path:
    """Return the settings file of a scanning server; None takes a key away."""
    found = {
        "hostname": HOSTNAME,
        "smtp": {"listen": [f"127.0.0.1:{port}"]},
        "next_hop": "127.0.0.1:1",
        "engines": [{"name": "clamav", "kind": "clamd", "address": "unix:/nowhere/clamd"}],
    } | said
    file = folder / "scan.yaml"
    file.write_text(yaml.safe_dump({key: one for key, one in found.items() if one is not None}))
    return file


async def found(shell: Shell, config: Path) -> dict[str, dict[str, Any]]:
    """Return what the doctor says, by the name of each check; of two the later."""
    said = await shell("doctor", "--config", config, "--json")
    assert said.err == ""
    return {line["name"]: line for line in said.lines}


def faults(checks: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {
        name: f"{one['found']}; {one['remedy']}" for name, one in checks.items() if not one["ok"]
    }


@contextmanager
def pages(*, metrics: bytes = UP, why_not_ready: tuple[str, ...] = ()) -> Iterator[str]:
    """Serve the pages of a server; give where."""
    where = f"127.0.0.1:{free_port()}"
    served = HealthPages(where, metrics=lambda: metrics, why_not_ready=lambda: why_not_ready)
    served.start()
    try:
        yield where
    finally:
        served.stop()


@asynccontextmanager
async def answering(line: bytes) -> AsyncIterator[int]:
    """Serve a program that says one line to whoever comes, once; give its port."""

    answers: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):  # whoever has heard enough may leave as he likes
            writer.write(line)
            await reader.read()
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()

    def begun(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers.add(asyncio.create_task(answer(reader, writer)))

    server = await asyncio.start_server(begun, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        while not answers:  # who came and left at once is answered all the same
            await asyncio.sleep(0)
    await asyncio.gather(*answers)


async def test_one_that_runs_as_it_should_has_nothing_to_mend(shell: Shell, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir()
    async with Sink() as sink:
        next_hop = f"{sink.host}:{sink.port}"
        async with passing(state, next_hop) as running:
            with pages() as metrics:
                config = settings(tmp_path, running.port, next_hop=next_hop, metrics=metrics)
                checks = await found(shell, config)

    assert faults(checks) == {}
    assert checks[f"next hop {next_hop}"]["found"] == "answers"
    assert checks[f"scan server at 127.0.0.1:{running.port}"]["found"] == "answers"
    assert checks["engine yara"]["found"] == "well"
    assert sink.arrivals == [], "nobody was sent anything"


async def test_one_that_does_not_run_is_worth_a_note_and_its_next_hop_a_fault(
    shell: Shell, tmp_path: Path
) -> None:
    port = free_port()

    checks = await found(shell, settings(tmp_path, port, metrics="127.0.0.1:1"))

    assert list(faults(checks)) == ["next hop 127.0.0.1:1"]
    assert "second port" in faults(checks)["next hop 127.0.0.1:1"]
    door = checks[f"scan server at 127.0.0.1:{port}"]
    assert door["note"]
    assert door["found"].startswith("does not run: ")
    assert "metrics" not in checks, "they are nobody's fault then"


async def test_another_program_at_its_port_is_found(shell: Shell, tmp_path: Path) -> None:
    async with answering(b"220 mail.example ESMTP Postfix\r\n") as port:
        checks = await found(shell, settings(tmp_path, port))

    said = faults(checks)[f"scan server at 127.0.0.1:{port}"]
    assert said.startswith("another program answers: 220 mail.example ESMTP Postfix; ")


async def test_one_that_hangs_is_found(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scan_server_checks, "ANSWER_S", 0.05)
    async with answering(b"") as port:
        checks = await found(shell, settings(tmp_path, port))

    assert "systemctl restart" in faults(checks)[f"scan server at 127.0.0.1:{port}"]


async def test_a_milter_says_nothing_before_it_is_asked(shell: Shell, tmp_path: Path) -> None:
    async with answering(b"") as port:
        config = settings(
            tmp_path, 0, smtp=None, next_hop=None, milter={"listen": [f"127.0.0.1:{port}"]}
        )
        checks = await found(shell, config)

    assert faults(checks) == {}
    assert checks[f"scan server at 127.0.0.1:{port}"]["found"] == "answers"


async def test_what_it_says_of_itself_is_told(shell: Shell, tmp_path: Path) -> None:
    down = UP + b'borderscout_engine_up{engine="clamav"} 0.0\n'
    async with answering(f"220 {HOSTNAME} ESMTP\r\n".encode()) as port:
        with pages(metrics=down, why_not_ready=("the next hop does not answer",)) as metrics:
            checks = await found(shell, settings(tmp_path, port, metrics=metrics))

    assert faults(checks)["engine clamav"].startswith("does not answer; start it")
    assert faults(checks)["scan server"].startswith("the next hop does not answer; ")
    assert checks["engine yara"]["ok"]


async def test_one_that_runs_and_serves_no_pages_is_found(shell: Shell, tmp_path: Path) -> None:
    async with answering(f"220 {HOSTNAME} ESMTP\r\n".encode()) as port:
        checks = await found(shell, settings(tmp_path, port, metrics="127.0.0.1:1"))

    assert "systemctl restart" in faults(checks)["metrics"]


@pytest.mark.parametrize(("octets", "is_full"), [(10, False), (950_000, True)])
async def test_kept_mail_is_counted_and_told_before_it_fills_its_folder(
    shell: Shell, tmp_path: Path, octets: int, is_full: bool
) -> None:
    kept = tmp_path / "state" / "kept"
    kept.mkdir(parents=True)
    (kept / "1.eml").write_bytes(b"x" * octets)
    (kept / "1.json").write_bytes(b"{}")

    said = await shell(
        "doctor",
        "--config",
        settings(tmp_path, free_port(), kept_bytes_max=1 << 20),
        "--json",
    )

    checks = [line for line in said.lines if line["name"] == "kept mail"]
    assert [check["ok"] for check in checks] == [not is_full, True]
    assert ("452" in checks[0]["found"]) is is_full
    assert checks[1]["note"]
    assert checks[1]["found"].startswith("1 message, ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("[", "Expecting value"),
        (json.dumps([{"kind": "policy", "key": "cluster", "body": {"virus": "drip"}}]), "virus"),
        (None, "No such file"),
    ],
    ids=["no JSON", "no policy", "no file"],
)
async def test_preferences_that_it_could_not_go_by_are_found(
    shell: Shell, tmp_path: Path, text: str | None, why: str
) -> None:
    if text is not None:
        (tmp_path / "p.json").write_text(text)

    checks = await found(shell, settings(tmp_path, free_port(), preferences="p.json"))

    assert why in faults(checks)["preferences"]


async def test_settings_that_are_wrong_are_told_with_their_place(
    shell: Shell, tmp_path: Path
) -> None:
    checks = await found(shell, settings(tmp_path, free_port(), queue="beside"))

    assert list(faults(checks)) == ["settings"]
    assert "queue" in faults(checks)["settings"]
