"""The scripted File Security, as the vendor's own client finds it.

The client (PyPI: visionone-filesecurity) demands older versions of gRPC and protobuf than ours, so
that it cannot be among what the tests need; it runs with ours all the same. To run this:
``pip install --no-deps visionone-filesecurity``.
"""

from __future__ import annotations

import asyncio
import json
import sys
from importlib.util import find_spec

import pytest

from tests.support.scanning.clamd import EICAR
from tests.support.scanning.messages import plain
from tests.support.scanning.scripted_file_security import ScriptedFileSecurity, verbose

pytestmark = pytest.mark.skipif(
    find_spec("amaas") is None, reason="the vendor's client is not installed"
)

CLIENT = """
import sys, amaas.grpc
handle = amaas.grpc.init(sys.argv[1])
for _ in range(2):
    content = sys.stdin.buffer.read(int(sys.stdin.buffer.readline()))
    print(amaas.grpc.scan_buffer(handle, content, "message", verbose=True, digest=False))
amaas.grpc.quit(handle)
"""


async def test_the_vendors_client_takes_our_script_for_the_service() -> None:
    seen: list[bytes] = []

    def script(content: bytes) -> str:
        seen.append(content)
        return verbose("Eicar_test_file") if EICAR in content else verbose()

    messages = [plain(EICAR), plain(b"x" * 200_000)]
    said = b"".join(b"%d\n%b" % (len(message), message) for message in messages)
    async with ScriptedFileSecurity(script) as peer:
        client = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", CLIENT, peer.address),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(60):
            output, _ = await client.communicate(said)

    results = [json.loads(line)["result"]["atse"] for line in output.splitlines()]
    assert seen == messages
    assert [result["malwareCount"] for result in results] == [1, 0]
    first = peer.firsts[0]
    assert (first.bulk, first.verbose, first.file_bytes) == (True, True, len(messages[0]))
    assert peer.metadata[0]["tm-app-name"] == "V1FS"
