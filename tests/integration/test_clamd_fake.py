"""The scripted clamd answers as the real one does: without this, its tests would prove nothing."""

from __future__ import annotations

import asyncio
import re
import struct
from pathlib import Path

import pytest

from tests.support.scanning.clamd import EICAR, Clamd, clamd_binary
from tests.support.scanning.scripted_clamd import ScriptedClamd

pytestmark = [
    pytest.mark.skipif(clamd_binary() is None, reason="clamd is not installed"),
]

END = b"zEND\0"
CHUNK = struct.Struct("!I")


def instream(*chunks: bytes) -> bytes:
    sent = b"".join(CHUNK.pack(len(chunk)) + chunk for chunk in chunks)
    return b"zINSTREAM\0" + sent + CHUNK.pack(0)


DIALOGUES = {
    "ping": b"zPING\0",
    "ping in lines": b"nPING\n",
    "one scan": instream(b"hello"),
    "one infected": instream(EICAR),
    "session": b"zIDSESSION\0" + instream(b"hello") + b"zPING\0" + instream(EICAR, b"more") + END,
    "version in a session": b"zIDSESSION\0zVERSION\0" + instream(b"x") + END,
    "too long": b"zIDSESSION\0zINSTREAM\0" + CHUNK.pack(3_000_000) + b"x" * 1000,
}


async def dialogue(path: Path, said: bytes) -> list[bytes]:
    """Return the answers, without what differs between versions and signatures."""
    reader, writer = await asyncio.open_unix_connection(str(path))
    try:
        writer.write(said)
        async with asyncio.timeout(30):
            answer = await reader.read()
    finally:
        writer.transport.abort()
    answer = re.sub(rb"ClamAV [^\0]+", b"ClamAV VERSION", answer)
    return sorted(answer.replace(b".UNOFFICIAL", b"").split(b"\0"))


@pytest.mark.parametrize("name", DIALOGUES)
async def test_both_say_the_same(tmp_path: Path, name: str) -> None:
    def script(content: bytes) -> bytes:
        found = EICAR in content
        return b"stream: Eicar-Test-Signature FOUND" if found else b"stream: OK"

    fake = ScriptedClamd(tmp_path / "fake", script, read_bytes_max=1024 * 1024)
    with Clamd(tmp_path, "StreamMaxLength 1M") as real:
        said_by_real = await dialogue(real.socket, DIALOGUES[name])
        async with fake:
            said_by_fake = await dialogue(fake.path, DIALOGUES[name])

    assert said_by_fake == said_by_real
