"""How does a test run the scanning server, and a mail server beside it, as its page says?

Touches processes. The settings and the lines of Postfix are those that stand in
``docs/scan-server.md``: what is read there is what runs here, with other ports.
"""

from __future__ import annotations

import asyncio
import json
import re
import smtplib
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import yaml

from tests.support.network.ports import free_ports
from tests.support.node.processes import Process
from tests.support.our_files import ROOT
from tests.support.smtp.postfix import Postfix, running_postfix
from tests.support.smtp.sink import Arrival, Sink
from tests.support.waiting import until

PAGE = ROOT / "docs" / "scan-server.md"
COMMAND = Path(sys.executable).with_name("borderscout")
YARA = {"name": "yara", "kind": "yara"}
AWAY = {"name": "clamav", "kind": "clamd", "address": "unix:/nowhere/clamd"}
CONTENT_FILTER = "After the queue: `content_filter`"
LMTP = "After the queue, by LMTP"
PROXY = "Before the queue: `smtpd_proxy_filter`"
MILTER = "Milter"
WAYS = {
    "content filter": CONTENT_FILTER,
    "lmtp": LMTP,
    "before the queue": PROXY,
    "milter": MILTER,
}

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
HEAD = b"From: <a@sender.example>\r\nSubject: hello\r\n"
FORGED = b"X-BorderScout-Virus: clean; forged=clean\r\n"
CLEAN = HEAD + FORGED + b"\r\nwords\r\n.a dot\r\n"
INFECTED = HEAD + b"\r\n" + EICAR + b"\r\n"
PRIZE = {"field": "subject", "pattern": "prize", "score": 6}
RULE = {"kind": "rule", "key": "PRIZE", "body": PRIZE}
TAG = {"kind": "policy", "key": "cluster", "body": {"subject_tag": "[SPAM]"}}
FAST_RETRY = (
    "minimal_backoff_time = 1s",
    "maximal_backoff_time = 1s",
    "queue_run_delay = 1s",
    "transport_retry_time = 1s",
)
FLUSH_S = 5.0
DEADLINE_S = 240.0  # never reached when all is well, be the machine ever so busy
_BLOCK = re.compile(r"(?ms)^```(\S+)\n(.*?)^```$")


def blocks(heading: str) -> dict[str, str]:
    """Return the blocks of one section of the page, by what they are: yaml, main.cf, master.cf."""
    text = PAGE.read_text(encoding="utf-8")
    sections = re.split(r"(?m)^## ", text)
    (section,) = [one for one in sections if one.startswith(heading + "\n")]
    return dict(_BLOCK.findall(section))


@dataclass
class Ports:
    """The ports of the page, and those that are free."""

    ours: int
    second: int
    milter: int
    metrics: int

    @classmethod
    def free(cls) -> Ports:
        return cls(*free_ports(4))

    def put_in(self, text: str) -> str:
        """Return text of the page with the free ports in the place of its own."""
        ports = {10025: self.ours, 10026: self.second, 10027: self.milter, 9180: self.metrics}
        for there, here in ports.items():
            text = re.sub(rf"(?<=:){there}\b", str(here), text)
        return text


@dataclass
class Scanning:
    """A running scanning server."""

    process: Process
    ports: Ports
    folder: Path
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def kept(self) -> list[dict[str, Any]]:
        """What is said of each message that is kept."""
        folder = self.folder / "state" / "kept"
        return [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]

    def page(self, path: str) -> str:
        """Return one of its pages."""
        with urlopen(f"http://127.0.0.1:{self.ports.metrics}{path}", timeout=DEADLINE_S) as found:
            return str(found.read().decode())

    async def passed(self, count: int) -> list[dict[str, Any]]:
        """Return the log's lines of messages that were examined, once there are so many."""
        async with asyncio.timeout(DEADLINE_S):
            while len(found := self._passed()) < count:
                await self.process.says(len(self.process.lines) + 1)
        return found

    def _passed(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.process.lines if line.startswith("{")]
        return [line for line in lines if line["event"] == "scan.passed"]


@asynccontextmanager
async def scan_server(
    folder: Path,
    ports: Ports,
    heading: str,
    *,
    engines: Sequence[dict[str, Any]] = (YARA,),
    documents: Sequence[dict[str, Any]] = (),
    **settings: Any,
) -> AsyncIterator[Scanning]:
    """Run it with the settings of the page.

    Args:
        folder: for its files.
        ports: where it listens.
        heading: of the section of the page that says what is otherwise.
        engines: instead of the page's.
        documents: preferences.
        settings: what stands there otherwise; None takes a key away.
    """
    said = yaml.safe_load(ports.put_in(blocks("Its settings")["yaml"]))
    said |= yaml.safe_load(ports.put_in(blocks(heading).get("yaml", "{}")))
    said |= {"state": "state", "engines": list(engines), **settings}
    if documents:
        (folder / "preferences.json").write_text(json.dumps({"documents": list(documents)}))
        said["preferences"] = "preferences.json"
    said = {key: value for key, value in said.items() if value is not None}
    (folder / "scan.yaml").write_text(yaml.safe_dump(said))
    command: list[str | Path] = [COMMAND, "scan", "serve", "--config", folder / "scan.yaml"]
    async with Process(command) as process:
        await process.wait_for_line("scan.listening", deadline_s=DEADLINE_S)
        yield Scanning(process, ports, folder, said)


@asynccontextmanager
async def beside_postfix(
    ports: Ports, heading: str, sink: Sink, *main: str
) -> AsyncIterator[Postfix]:
    """Run Postfix with the lines of one section of the page; give it.

    Args:
        ports: of the scanning server.
        heading: of the section.
        sink: where Postfix delivers.
        main: further lines of ``main.cf``.
    """
    found = blocks(heading)
    lines = ports.put_in(found.get("main.cf", "")).splitlines()
    async with running_postfix(
        f"relayhost = [{sink.host}]:{sink.port}",
        *FAST_RETRY,
        *lines,
        *main,
        master=ports.put_in(found.get("master.cf", "")),
    ) as running:
        flushing = asyncio.create_task(_flush_again_and_again(running))
        try:
            yield running
        finally:
            flushing.cancel()
            await asyncio.wait([flushing])


async def _flush_again_and_again(running: Postfix) -> None:
    """Bring back what Postfix's queue manager forgets when it tries as often as a test wants.

    It moves a message to ``incoming`` before it sees that a delivery agent has it still ("skipped,
    still being delivered"), and looks there again only when other mail comes, or at a flush.
    """
    while True:
        await asyncio.sleep(FLUSH_S)
        await running.flush()


@dataclass
class House:
    """A mail server with a scanning server beside it, and the mailboxes behind it."""

    postfix: Postfix
    scanning: Scanning
    sink: Sink
    heading: str

    async def send(self, content: bytes, **said: Any) -> tuple[int, bytes]:
        """Send a message as a client of Postfix; return the answer to it."""
        return await asyncio.to_thread(hand_over, self.postfix.port, content, **said)

    async def arrived(self, mark: bytes) -> Arrival:
        """Return the one message with this in it, once it has arrived."""

        async def look() -> Arrival | None:
            return next((one for one in self.sink.arrivals if mark in one.data), None)

        return await until(look, f"a message with {mark!r} at the mailbox")


def hand_over(
    port: int,
    content: bytes,
    *,
    sender: str = "a@sender.example",
    recipients: Sequence[str] = ("x@acme.example",),
    mail: Sequence[str] = (),
    rcpt: Sequence[str] = (),
    source: str = "127.0.0.1",
) -> tuple[int, bytes]:
    """Give a mail server a message, and return its answer to the first command that it refuses."""
    client = smtplib.SMTP(timeout=DEADLINE_S, source_address=(source, 0))
    client.command_encoding = "utf-8"
    client.connect("127.0.0.1", port)
    with client:
        client.ehlo("client.example")
        answer = client.mail(sender, list(mail))
        for recipient in recipients:
            if answer[0] == 250:
                answer = client.rcpt(recipient, list(rcpt))
        try:
            return client.data(content) if answer[0] == 250 else answer
        except smtplib.SMTPDataError as refused:
            assert isinstance(refused.smtp_error, bytes)
            return refused.smtp_code, refused.smtp_error


@asynccontextmanager
async def house(
    folder: Path, heading: str, *main: str, ports: Ports | None = None, **settings: Any
) -> AsyncIterator[House]:
    """Run all three as one section of the page says."""
    ports = ports or Ports.free()
    async with (
        Sink() as sink,
        beside_postfix(ports, heading, sink, *main) as running,
        scan_server(folder, ports, heading, **settings) as scanning,
    ):
        yield House(running, scanning, sink, heading)


def header_of(arrival: Arrival) -> str:
    """Return the header section of a message, its folds by a tab undone."""
    return arrival.data.partition(b"\r\n\r\n")[0].decode().replace("\r\n\t", " ")


def is_rejected(answer: tuple[int, bytes]) -> bool:
    """Say whether an answer is ours to what was found."""
    return answer[0] == 550 and answer[1].startswith(b"5.7.1 ")
