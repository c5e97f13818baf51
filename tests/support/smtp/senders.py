"""How do other people's programs hand mail to a gateway?

Touches processes. swaks and Postfix's smtp-source speak SMTP as their authors read the standards,
not as we do. A test that misses one of them is skipped with that reason.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.node.processes import Process

DEADLINE_S = 60.0
_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"  # where Debian puts Postfix's programs
_REPLY = re.compile(r"^<[-~* ]{2} *(\d{3}[ -].*)$")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """How a program ended, and what it heard."""

    returncode: int
    replies: tuple[str, ...]  # of the server, in order, each line by itself
    output: tuple[str, ...]

    @property
    def final_reply(self) -> str:
        """The answer to the final dot, or to what the program stopped at; QUIT's is left out."""
        replies = [reply for reply in self.replies if not reply.startswith("221")]
        return replies[-1] if replies else ""


def program(name: str) -> str:
    """Return the path of a program, or skip the test that needs it."""
    found = shutil.which(name) or shutil.which(name, path=_FOLDERS)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


async def swaks(
    target: tuple[str, int],
    *,
    sender: str,
    recipients: Sequence[str],
    data: Path | None = None,
    options: Sequence[str] = (),
) -> Sent:
    """Send one message with swaks.

    Args:
        target: host and port.
        sender: empty for the null reverse-path.
        data: a file with the whole message; without it swaks writes one of its own.
        options: further ones, such as ``--tls``.
    """
    host, port = target
    command = [program("swaks"), "--server", host, "--port", str(port), "--timeout", "30"]
    command += ["--from", sender or "<>", "--to", ",".join(recipients), "--helo", "swaks.example"]
    if data is not None:
        command += ["--data", f"@{data}"]
    returncode, output = await _run([*command, *options])
    replies = tuple(match[1] for line in output if (match := _REPLY.match(line)))
    return Sent(returncode=returncode, replies=replies, output=output)


async def smtp_source(
    target: tuple[str, int],
    *,
    sender: str,
    recipient: str,
    messages: int = 1,
    sessions: int = 1,
    message_bytes: int = 1000,
    subject: str = "smtp-source",
    content: Path | None = None,
) -> Sent:
    """Send messages with Postfix's load generator.

    It counts recipients from 1 when there are several, and says only what went wrong: a return
    code of 0 means that each message was answered 250.

    Args:
        sessions: connections at a time.
        message_bytes: of the body of each message that it makes up.
        content: a message to send instead, its lines ending as on this system, in LF.
    """
    host, port = target
    command = [program("smtp-source"), "-f", sender, "-t", recipient, "-m", str(messages)]
    what = ["-F", str(content)] if content else ["-l", str(message_bytes), "-S", subject]
    command += ["-s", str(sessions), *what, f"inet:{host}:{port}"]
    returncode, output = await _run(command)
    return Sent(returncode=returncode, replies=(), output=output)


async def _run(command: Sequence[str]) -> tuple[int, tuple[str, ...]]:
    async with Process(command) as process:
        returncode = await process.wait(deadline_s=DEADLINE_S)
    return returncode, tuple(process.lines)
