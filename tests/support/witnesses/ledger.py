"""What did we send, and what was answered?

Touches one file. An append-only list of JSON lines; each is on the disk before ``send`` or
``answer`` returns, so that the ledger survives whatever ends the sender. It is the one witness that
does not belong to the product.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from common.clock import Clock
from tests.support.smtp.anatomy import digest, take_apart

HEADER_CHARACTERS_MAX = 300_000  # of a message's header that a line repeats


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """One try to hand over one message; the line before it."""

    gid: str
    attempt: int  # from 1
    target: str
    sender: str  # empty: the null reverse-path
    recipients: tuple[str, ...]
    sha256: str  # of the octets between DATA and the final dot, unstuffed
    below_sha256: str  # of what is below their header
    bytes: int
    header: tuple[str, ...]  # fields as Latin-1
    time_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came of it; the line after it."""

    gid: str
    attempt: int
    reply: str | None  # to the final dot, or to what ended the try before; None: there was none
    dot_sent: bool  # the final dot may have left us
    recipients: tuple[str, ...]  # those that were answered 250
    refused: tuple[tuple[str, str], ...]  # the others that were answered, with the reply
    time_us: int

    @property
    def is_accepted(self) -> bool:
        """The receiver took the message: from here on it must not be lost."""
        return self.dot_sent and self.reply is not None and self.reply.startswith("2")

    @property
    def is_uncertain(self) -> bool:
        """The dot left and nothing came back: the receiver may have it, or not."""
        return self.dot_sent and self.reply is None


class Ledger:
    """The file, open for appending; a context manager."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        self._clock = clock
        self._descriptor = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)

    def send(
        self,
        *,
        gid: str,
        attempt: int,
        target: str,
        sender: str,
        recipients: Iterable[str],
        data: bytes,
    ) -> None:
        """Write down, durably, that ``data`` is about to be sent."""
        anatomy = take_apart(data)
        header = [field.decode("latin-1") for field in anatomy.fields]
        if sum(map(len, header)) > HEADER_CHARACTERS_MAX:
            header = []
        self._append(
            {
                "kind": "send",
                "gid": gid,
                "attempt": attempt,
                "target": target,
                "sender": sender,
                "recipients": list(recipients),
                "sha256": digest(data),
                "below_sha256": digest(anatomy.below),
                "bytes": len(data),
                "header": header,
            }
        )

    def answer(
        self,
        *,
        gid: str,
        attempt: int,
        reply: str | None,
        dot_sent: bool,
        recipients: Iterable[str] = (),
        refused: Mapping[str, str] | None = None,
    ) -> None:
        """Write down, durably, what was answered; ``reply`` None stands for no answer."""
        self._append(
            {
                "kind": "reply",
                "gid": gid,
                "attempt": attempt,
                "reply": reply,
                "dot_sent": dot_sent,
                "recipients": list(recipients),
                "refused": dict(refused or {}),
            }
        )

    def close(self) -> None:
        """Close the file; harmless when done twice."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _append(self, line: dict[str, Any]) -> None:
        line["time_us"] = self._clock.now_us()
        encoded = (json.dumps(line, separators=(",", ":")) + "\n").encode()
        written = os.write(self._descriptor, encoded)
        assert written == len(encoded), "the disk took only part of a line of the ledger"
        os.fsync(self._descriptor)


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Return the objects in a file of JSON lines.

    A last line without its end was being written when its writer died; it vouches for nothing and
    is left out.

    Raises:
        ValueError: any other line is damaged.
    """
    content = path.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    return [json.loads(line) for line in whole.splitlines()]


def parse(lines: Iterable[Mapping[str, Any]]) -> tuple[list[Sending], list[Answer]]:
    """Return what the lines of a ledger say."""
    sendings: list[Sending] = []
    answers: list[Answer] = []
    for line in lines:
        if line["kind"] == "send":
            sendings.append(
                Sending(
                    gid=line["gid"],
                    attempt=line["attempt"],
                    target=line["target"],
                    sender=line["sender"],
                    recipients=tuple(line["recipients"]),
                    sha256=line["sha256"],
                    below_sha256=line["below_sha256"],
                    bytes=line["bytes"],
                    header=tuple(line["header"]),
                    time_us=line["time_us"],
                )
            )
        else:
            answers.append(
                Answer(
                    gid=line["gid"],
                    attempt=line["attempt"],
                    reply=line["reply"],
                    dot_sent=line["dot_sent"],
                    recipients=tuple(line["recipients"]),
                    refused=tuple(line["refused"].items()),
                    time_us=line["time_us"],
                )
            )
    return sendings, answers
