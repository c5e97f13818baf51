"""A core starts from its settings, says what is missing in one line, and stops when it is told."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import stat
import sys
from pathlib import Path

import httpx
import pytest

from common.exit_status import WRONG_SETTINGS
from common.supervisor import ALIVE, READY, STOPPING
from tests.support.network.link import Certificates
from tests.support.network.ports import free_port
from tests.support.node.processes import Process
from tests.support.node.supervisor import telling_socket

DOCUMENTS = [
    {
        "kind": "route",
        "key": "acme.example",
        "body": {"customer": "acme", "deliver_to": ["mail.acme.example:25"]},
    }
]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A core's folder as the inventory renders it."""
    tls = Certificates(tmp_path / "authority").issue("core", "core")
    folder = tmp_path / "core"
    folder.mkdir()
    (folder / "preferences.json").write_text(json.dumps(DOCUMENTS))
    file = folder / "core.yaml"
    file.write_text(
        json.dumps(
            {
                "cluster": "example",
                "name": "core",
                "http": f"127.0.0.1:{free_port()}",
                "grpc": f"127.0.0.1:{free_port()}",
                "tls": {
                    "certificate": str(tls.certificate),
                    "key": str(tls.key),
                    "authority": str(tls.authority),
                },
                "nodes": [{"name": "lon1", "site": "london"}],
            }
        )
    )
    return file


def address(config: Path) -> str:
    return str(json.loads(config.read_text())["http"])


def serving(config: Path, **env: str) -> Process:
    return Process([sys.executable, "-m", "cli", "core", "serve", "--config", config], env=env)


async def documents(config: Path) -> int:
    token = (config.parent / "token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(headers=headers) as client:
        answer = await client.get(f"http://{address(config)}/api/v1/documents")
    assert answer.status_code == 200
    return len(answer.json()["documents"])


async def test_a_core_takes_in_its_first_revision_once_and_stops_when_told(config: Path) -> None:
    async with serving(config) as core:
        await core.wait_for_line('"core.started"')
        assert await documents(config) == 1
        assert await core.stop() == 0
        await core.wait_for_line('"core.stopped"')
    for made in ("token", "state"):
        assert not stat.S_IMODE((config.parent / made).stat().st_mode) & 0o077, made

    (config.parent / "preferences.json").write_text("[]")
    async with serving(config) as core:
        await core.wait_for_line('"core.started"')
        assert await documents(config) == 1
        assert await core.stop() == 0


async def test_a_core_that_is_told_to_stop_closes_its_database(config: Path) -> None:
    async with serving(config) as core:
        await core.wait_for_line('"core.started"')
        assert await core.stop() == 0

    left = {path.name for path in (config.parent / "state").iterdir()}
    assert "core.db" in left
    assert not left & {"core.db-wal", "core.db-shm"}  # the last connection takes them away


async def test_the_service_manager_hears_of_its_start_its_life_and_its_end(
    config: Path, tmp_path: Path
) -> None:
    with telling_socket(tmp_path) as heard:
        told = {"NOTIFY_SOCKET": str(heard.path), "WATCHDOG_USEC": "300000"}
        async with serving(config, **told) as core:
            until_ready = await asyncio.to_thread(heard.until, READY)
            assert "EXTEND_TIMEOUT_USEC=60000000" in until_ready[0]
            assert await documents(config) == 1
            assert ALIVE in await asyncio.to_thread(heard.next)
            core.send(signal.SIGTERM)
            assert (await asyncio.to_thread(heard.until, STOPPING))[-1] == [STOPPING]
            assert await core.stop() == 0


async def test_a_hang_up_reads_the_certificate_anew_and_ends_nothing(config: Path) -> None:
    settings = json.loads(config.read_text())
    key = Path(settings["tls"]["key"])
    whole = key.read_bytes()

    async with serving(config) as core:
        await core.wait_for_line('"core.started"')
        key.write_bytes(b"half writ")
        core.send(signal.SIGHUP)
        await core.wait_for_line('"link.certificate_unusable"')
        await core.wait_for_line('"core.reloaded"')
        key.write_bytes(whole)
        config.write_text(json.dumps({**settings, "bookmark_s": 1.0}))
        core.send(signal.SIGHUP)
        await core.wait_for_line(r'"restart_needed": \["bookmark_s"\]')
        config.write_text("colour: red")
        core.send(signal.SIGHUP)
        await core.wait_for_line("unknown key 'colour'")
        config.write_text(json.dumps(settings))

        assert await documents(config) == 1
        assert await core.stop() == 0


async def test_a_running_core_takes_over_the_nodes_of_its_settings_file(config: Path) -> None:
    settings = json.loads(config.read_text())

    async with serving(config) as core:
        await core.wait_for_line('"core.started"')
        settings["nodes"] = [{"name": "par1", "site": "paris", "certificates": ["1f"]}]
        config.write_text(json.dumps(settings))
        await core.wait_for_line(r'"nodes_added": \["par1"\], "nodes_removed": \["lon1"\]')
        assert await core.stop() == 0


async def test_metrics_tell_when_the_certificate_ends(config: Path) -> None:
    async with serving(config) as core:
        await core.wait_for_line('"core.started"')
        async with httpx.AsyncClient() as client:
            text = (await client.get(f"http://{address(config)}/metrics")).text
        assert await core.stop() == 0

    assert 'borderscout_cert_not_after_timestamp_seconds{role="link"}' in text
    assert 'borderscout_cert_renewal_unusable{role="link"} 0.0' in text


async def test_a_port_in_use_is_told_in_one_line_before_anything_is_written(config: Path) -> None:
    host, _, port = address(config).rpartition(":")
    with socket.create_server((host, int(port))):
        async with serving(config) as core:
            assert await core.wait() == 1

    told = [line for line in core.lines if line.startswith("borderscout: ")]
    assert told == [
        f"borderscout: cannot listen on {host}:{port}: Address already in use; another program"
        " has the port"
    ]
    assert not (config.parent / "state").exists()


@pytest.mark.parametrize("content", ["{", "{}", '[{"kind": "colour", "key": "x", "body": {}}]'])
async def test_a_first_revision_that_is_wrong_stops_the_start_in_one_line(
    config: Path, content: str
) -> None:
    file = config.parent / "preferences.json"
    file.write_text(content)

    async with serving(config) as core:
        assert await core.wait() == 1

    assert not [line for line in core.lines if "Traceback" in line]
    (told,) = [line for line in core.lines if line.startswith("borderscout: ")]
    assert told.startswith(f"borderscout: {file}: ")
    assert told.endswith("; see docs/documents.md for what there is")


async def test_a_certificate_that_cannot_be_used_is_told_at_its_key(config: Path) -> None:
    key = Path(json.loads(config.read_text())["tls"]["key"])
    key.unlink()

    async with serving(config) as core:
        assert await core.wait() == WRONG_SETTINGS

    (told,) = core.lines
    assert told.startswith(f"{config}:1:")
    assert f": tls.key: {key}: No such file or directory; " in told
    assert not (config.parent / "state").exists()


async def test_a_token_that_others_can_read_is_refused(config: Path) -> None:
    token = config.parent / "token"
    token.write_text("x" * 40)
    token.chmod(0o644)

    async with serving(config) as core:
        assert await core.wait() == 1

    (told,) = [line for line in core.lines if line.startswith("borderscout: ")]
    assert "chmod 600" in told


async def test_a_port_for_definitions_that_is_taken_is_one_line(config: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = json.loads(config.read_text())
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        settings["definitions"] = {"listen": where}
        config.write_text(json.dumps(settings))
        async with serving(config) as core:
            line = await core.wait_for_line("cannot listen on")
            assert await core.wait() == 1

    assert f"cannot listen on {where} for definitions: " in line.string


async def test_a_core_stops_in_the_middle_of_a_trial(config: Path, tmp_path: Path) -> None:
    clamd = tmp_path / "clamd"
    clamd.write_text("#!/bin/sh\nexec sleep 1000\n")  # it loads for ever
    clamd.chmod(0o755)
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    (mirror / "a.ndb").write_text("X:0:*:4141\n")
    settings = json.loads(config.read_text())
    settings["definitions"] = {"mirror": str(mirror), "clamd": str(clamd)}
    config.write_text(json.dumps(settings))

    async with serving(config) as core:
        await core.wait_for_line('"definitions.trying"')
        assert await core.stop() == 0
