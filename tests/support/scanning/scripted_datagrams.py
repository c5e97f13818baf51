"""A Pyzor server on loopback that says what a test tells it to; the real one is asked elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Self


class ScriptedDatagrams(asyncio.DatagramProtocol):
    """Answers each datagram with those that ``answer`` returns for it.

    Args:
        answer: gives the datagrams, none for silence.
    """

    def __init__(self, answer: Callable[[bytes], Sequence[bytes]]) -> None:
        self.questions: list[bytes] = []
        self.address = ""
        self.answer = answer
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        host, port = self._transport.get_extra_info("sockname")
        self.address = f"{host}:{port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._transport is not None
        self._transport.abort()

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self.questions.append(data)
        assert self._transport is not None
        for said in self.answer(data):
            self._transport.sendto(said, addr)


def fields_of(question: bytes) -> dict[str, str]:
    """Return the fields of a question."""
    lines = question.decode("ascii").strip().split("\n")
    return dict(line.split(": ", 1) for line in lines)


def pyzor_reply(
    question: bytes, *, count: object = 0, welcomes: object = 0, code: str = "200", **more: str
) -> bytes:
    """Return what pyzord 1.0 says, with these counts."""
    fields = {
        "Code": code,
        "Diag": "OK",
        "PV": "2.1",
        "Thread": fields_of(question)["Thread"],
        "Count": str(count),
        "WL-Count": str(welcomes),
    } | more
    return "".join(f"{name}: {value}\n" for name, value in fields.items()).encode() + b"\n"
