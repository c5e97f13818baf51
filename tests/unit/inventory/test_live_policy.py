"""How long does a host that gives no policy, or one octet after the other, have others wait?"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest

from common.issuing import KeyKind, key_pem, new_authority, new_key, pem_of
from inventory.mx import live_policy
from inventory.mx.live_policy import policy_problem


async def test_a_host_that_trickles_its_policy_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_policy, "ANSWER_S", 0.5)

    async def trickle(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n")
            while True:
                writer.write(b"x")
                await writer.drain()
                await asyncio.sleep(0.05)

    serving = tls(tmp_path)
    server = await asyncio.start_server(trickle, "127.0.0.1", 0, ssl=serving)
    trusting = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    async with server, asyncio.timeout(30):
        port = server.sockets[0].getsockname()[1]
        found = await policy_problem("acme.example", "127.0.0.1", port, wanted="", context=trusting)

    assert found == "mta-sts.acme.example gives no policy within 0.5 s"


def tls(folder: Path) -> ssl.SSLContext:
    key = new_key(KeyKind.ECDSA)
    shown = new_authority("a host", key, now=datetime.now(UTC), days=1)
    (folder / "both.pem").write_bytes(pem_of(shown) + key_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context
