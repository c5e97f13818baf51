"""The node serves a policy at the hosts that it has certificates for, and nothing else."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
import structlog

from common.clock import SystemClock
from common.settings.satellite import MtaStsSettings
from satellite.delivery.published.mta_sts import parse_sts_policy
from satellite.node import policy_host
from satellite.node.policy_host import PolicyCertificates, PolicyHost
from tests.support.clock import FakeClock
from tests.support.network.authority import Authority
from tests.support.network.ports import free_port

HOST = "mta-sts.acme.example"
PATH = "/.well-known/mta-sts.txt"


class Served:
    """A policy host at work, and a sender that asks it."""

    def __init__(self, folder: Path, authority: Authority, port: int) -> None:
        self.folder = folder
        self.port = port
        self.authority = authority

    def put(self, host: str) -> None:
        """Write a host's files, as who renews them does."""
        content = self.authority.issue(host).read_bytes()
        for kind in ("crt", "key"):
            beside = self.folder / "beside"
            beside.write_bytes(content)
            beside.rename(self.folder / f"{host}.{kind}")

    async def ask(
        self, path: str = PATH, *, sni: str = HOST, host: str = HOST, method: str = "GET"
    ) -> httpx.Response:
        context = ssl.create_default_context(cafile=self.authority.path)
        async with httpx.AsyncClient(verify=context, trust_env=False) as client:
            return await client.request(
                method,
                f"https://127.0.0.1:{self.port}{path}",
                headers={"Host": host},
                extensions={"sni_hostname": sni},
            )


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    folder, port = tmp_path / "certificates", free_port()
    folder.mkdir()
    made = Served(folder, Authority(tmp_path), port)
    made.put(HOST)
    settings = MtaStsSettings(
        listen=[f"127.0.0.1:{port}"], certificates=str(folder), hosts=["*.mx.scout.example"]
    )
    running = asyncio.create_task(PolicyHost(settings, SystemClock()).run())
    try:
        async with asyncio.timeout(10):
            while True:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_a_sender_gets_a_policy_that_it_can_read(served: Served) -> None:
    answer = await served.ask()

    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    policy = parse_sts_policy(answer.content)
    assert (policy.mode, policy.max_age_s) == ("testing", 604_800)
    assert policy.names("p1-x.mx.scout.example")


async def test_head_has_no_body(served: Served) -> None:
    answer = await served.ask(method="HEAD")

    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize(
    ("path", "host", "method", "status"),
    [
        ("/", HOST, "GET", 404),
        ("/../etc/passwd", HOST, "GET", 404),
        (PATH, HOST, "POST", 405),
        (PATH, "acme.example", "GET", 421),
        (PATH, "mta-sts.globex.example", "GET", 421),
        (PATH, "../" + HOST, "GET", 421),
        (PATH, "x" * 300, "GET", 421),
    ],
)
async def test_nothing_else_is_there(
    served: Served, path: str, host: str, method: str, status: int
) -> None:
    assert (await served.ask(path, host=host, method=method)).status_code == status


@pytest.mark.parametrize("sni", ["mta-sts.globex.example", "acme.example", "beside"])
async def test_a_host_without_a_certificate_sees_none(served: Served, sni: str) -> None:
    with pytest.raises(httpx.ConnectError):
        await served.ask(sni=sni)


async def test_a_certificate_that_comes_is_served_without_a_restart(served: Served) -> None:
    other = "mta-sts.globex.example"
    with pytest.raises(httpx.ConnectError):
        await served.ask(sni=other, host=other)
    served.put(other)

    assert (await served.ask(sni=other, host=other)).status_code == 200


async def test_a_certificate_that_is_renewed_after_the_handshake_keeps_nobody_from_the_policy(
    served: Served,
) -> None:
    context = ssl.create_default_context(cafile=served.authority.path)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", served.port, ssl=context, server_hostname=HOST
    )
    served.put(HOST)
    writer.write(f"GET {PATH} HTTP/1.1\r\nHost: {HOST.upper()}\r\n\r\n".encode())
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_head_that_does_not_end_is_refused(served: Served) -> None:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", served.port, ssl=context, server_hostname=HOST
    )
    writer.write(b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()

    assert answer.startswith(b"HTTP/1.1 4")


async def test_who_says_nothing_is_left(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policy_host, "CONNECTION_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    async with asyncio.timeout(10):
        with suppress(OSError):
            assert await reader.read() == b""
    writer.close()


async def test_who_has_said_nothing_for_longest_gives_way_to_who_asks(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_host, "CONNECTIONS_MAX", 2)
    silent = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(2)]

    assert (await served.ask()).status_code == 200
    async with asyncio.timeout(5):  # before the time of a connection is over
        with suppress(ConnectionResetError):
            assert await silent[0][0].read(1) == b""
    for _, writer in silent:
        writer.close()


async def test_one_network_leaves_places_for_others(served: Served) -> None:
    silent = [await asyncio.open_connection("127.0.0.1", served.port) for _ in range(25)]

    async with asyncio.timeout(5):  # before the time of a connection is over
        for reader, _ in silent[:5]:
            with suppress(ConnectionResetError):
                assert await reader.read(1) == b""
    neighbour = await asyncio.open_connection(
        "127.0.0.1", served.port, local_addr=("127.1.0.1", 0), ssl=None
    )

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(neighbour[0].read(1), 0.1)
    for _, writer in [*silent, neighbour]:
        writer.close()


def test_files_that_cannot_be_used_leave_the_ones_before_and_are_told_once(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    content = authority.issue(HOST).read_bytes()
    for kind in ("crt", "key"):
        (tmp_path / f"{HOST}.{kind}").write_bytes(content)
    certificates = PolicyCertificates(tmp_path)
    before = certificates.of(HOST)
    (tmp_path / f"{HOST}.crt").write_text("torn")
    os.utime(tmp_path / f"{HOST}.crt", ns=(1, 1))
    with structlog.testing.capture_logs() as logs:
        after = [certificates.of(HOST), certificates.of(HOST)]

    assert before is not None
    assert after == [before, before]
    assert [entry["event"] for entry in logs] == ["mta_sts.unusable"]


async def test_an_address_that_cannot_be_had_is_waited_for(tmp_path: Path) -> None:
    clock = FakeClock()
    settings = MtaStsSettings(
        listen=["192.0.2.1:443"], certificates=str(tmp_path), hosts=["*.mx.scout.example"]
    )
    with structlog.testing.capture_logs() as logs:
        running = asyncio.create_task(PolicyHost(settings, clock).run())
        async with asyncio.timeout(10):
            while not logs:
                await asyncio.sleep(0)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    assert logs[0]["event"] == "mta_sts.not_served"
