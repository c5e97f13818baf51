"""Every command of ``docs/tasks.md`` is typed, in order, and says what the page says.

The page's blocks are its script. A ``console`` block has commands behind ``$ ``, each followed by
all that it prints; a block with a file's name behind its language is that file. ``as_all_see_it``
is the rule of what may differ, and ``…`` stands for lines left out: the page says the same to its
readers.
"""

from __future__ import annotations

import asyncio
import re
import shlex
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from common.reports import EngineReport, HoldReport
from core.preferences.ledger import read_documents
from tests.support.cli.shell import Shell
from tests.support.core.face import Face
from tests.support.core.rooms import accepted, identity, made_id, record

PAGE = Path(__file__).parents[3] / "docs" / "tasks.md"
TASKS = 14
INVENTORY = """\
cluster: {name: example, mail_domain: mx.scout.example, vpn: 10.77.0.0/16}
core: {name: core, public: core.scout.example, vpn_address: 10.77.0.1}
sites:
  - name: london
    location: [51.5072, -0.1276]
    nodes: [{name: lon1, public: 192.0.2.10, vpn_address: 10.77.1.1}]
  - name: paris
    location: [48.8566, 2.3522]
    nodes: [{name: par1, public: 198.51.100.10, vpn_address: 10.77.2.1}]
customers: [customers.csv]
"""
CUSTOMERS = """\
customer,domain,deliver_to
acme,acme.example,mail.acme.example:25
globex,globex.example,mail.globex.example:25
"""
HOUR_US = 3_600_000_000
ENGINES = (EngineReport(name="yara", answering=True, version="1.10", detail=""),)
MAIL, KEPT = made_id(1), made_id(2)


@dataclass(frozen=True)
class Block:
    """What stands between two fences."""

    language: str
    file: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Typed:
    """A command of the page, and what it prints there."""

    command: str
    printed: tuple[str, ...]


def blocks(page: str) -> Iterator[Block]:
    for found in re.finditer(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", page, re.M | re.S):
        yield Block(found[1], found[2] or "", tuple(found[3].splitlines()))


def typed(block: Block) -> Iterator[Typed]:
    command, printed = "", list[str]()
    for line in block.lines:
        if line.startswith("$ "):
            if command:
                yield Typed(command, tuple(printed))
            command, printed = line.removeprefix("$ "), []
        else:
            printed.append(line)
    assert command, block
    yield Typed(command, tuple(printed))


def as_all_see_it(lines: tuple[str, ...] | list[str]) -> list[str]:
    """Return lines without what is another one each time: ids, times, spans, revisions, blanks."""
    found = []
    for line in lines:
        text = re.sub(r"\b[0-9A-HJKMNP-TV-Z]{26}\b", "ID", line)
        text = re.sub(r"\b\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d)?\b", "TIME", text)
        text = re.sub(r"\b\d+(\.\d+)? (d|h|min|s|ms)\b", "SPAN", text)
        text = re.sub(r"\brevision \d+", "revision N", text)
        found.append(" ".join(text.split()))
    return [line for line in found if line]


def shows(page: tuple[str, ...] | list[str], printed: list[str]) -> bool:
    """Say whether the page shows what was printed; a line ``…`` stands for lines left out."""
    wanted = "".join(
        r"(?:.*\n)*" if line == "…" else re.escape(line) + r"\n" for line in as_all_see_it(page)
    )
    return re.fullmatch(wanted, "".join(f"{line}\n" for line in as_all_see_it(printed))) is not None


@pytest.fixture
async def desk(
    core: Face, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Path]:
    """An admin's folder, in a cluster of two sites that apply what is published."""
    folder = tmp_path / "desk"
    folder.mkdir()
    monkeypatch.chdir(folder)
    Path("inventory.yaml").write_text(INVENTORY)
    Path("customers.csv").write_text(CUSTOMERS)
    assert (await shell("inventory", "render", "inventory.yaml", "--out", "cluster")).status == 0
    first = read_documents(Path("cluster/core/preferences.json").read_bytes())
    await core.database.preferences.adopt_first(first)
    await fill(core)
    following = asyncio.create_task(follow(core))
    yield folder
    following.cancel()
    with suppress(asyncio.CancelledError):
        await following


async def fill(core: Face) -> None:
    """Let a message have been delivered, and another one be kept."""
    verdicts = [
        {"by": "zen", "outcome": "scored", "version": "", "ms": 2, "detail": "",
         "tests": [{"name": "DNSBL_ZEN", "score": 6.0, "detail": "127.0.0.2"}]},
    ]  # fmt: skip
    judged = {
        "address": "joe@acme.example",
        "disposition": "deliver",
        "reason": "score: 6.0 by DNSBL_ZEN:6.0; policy score.mark=5.0 (default)",
    }
    done = {
        "address": "joe@acme.example",
        "outcome": "delivered",
        "reason": judged["reason"],
        "reply": "250 2.0.0 queued",
        "attempts": 1,
    }
    reply = {"address": "joe@acme.example", "reply": "250 2.0.0 queued"}
    await core.database.records.take(
        identity(),
        [
            accepted(1, MAIL, ("joe@acme.example",), sender="ann@partner.example"),
            record(2, "scanned", MAIL, revision=1, score=6.0, subject="Our offer",
                   message_id="<1@partner.example>", verdicts=verdicts),
            record(3, "judged", MAIL, recipients=[judged], quarantine_reason=""),
            record(4, "attempted", MAIL, destination="acme.example", host="192.0.2.99",
                   recipients=[reply]),
            record(5, "ended", MAIL, recipients=[done]),
            record(6, "refused", client="192.0.2.8", helo="mail.partner.example",
                   senders=["bob@partner.example"], recipients=["jo@acme.example"], command="RCPT",
                   reason="unknown_recipient", reply="550 5.1.1 No such mailbox here",
                   refusals=1, since_us=0),
        ],
    )  # fmt: skip
    await core.hold(
        KEPT,
        b"Subject: The contract\r\n\r\nbody\r\n",
        subject="The contract",
        sender="ann@partner.example",
        recipients=("joe@acme.example",),
        reason="unscannable",
        detail="archive: it is damaged",
    )


async def follow(core: Face) -> None:
    """Let both sites apply every revision at once."""
    with core.database.preferences.subscribe() as published:
        while True:
            published.clear()
            revision = core.database.preferences.position.revision
            core.hear("lon1", revision=revision, engines=ENGINES, holds=(away(),))
            core.hear("par1", revision=revision, engines=ENGINES, holds=(), spool={})
            await published.wait()


def away() -> HoldReport:
    """Return the hold of a customer whose server is away since two hours, by the wall clock."""
    now_us = int(time.time() * 1e6)
    return HoldReport(
        customer="acme",
        destination="acme.example",
        since_us=now_us - 2 * HOUR_US - HOUR_US // 2,
        messages=3,
        bytes=1234,
        oldest_us=now_us - 2 * HOUR_US - HOUR_US // 2,
        expires_us=now_us + 166 * HOUR_US,
        reason="connection refused",
    )


async def run(shell: Shell, command: str) -> list[str]:
    """Type a command and return what a terminal shows of it."""
    words, _, target = command.partition(" > ")
    program, *arguments = shlex.split(words)
    assert program == "borderscout", command
    said = await shell(*arguments)
    assert said.status == 0, (command, said)
    if target:
        Path(target).write_text(said.out)
        return said.err.splitlines()
    return [*said.err.splitlines(), *said.out.splitlines()]


async def test_the_page_of_tasks_does_what_it_says(core: Face, shell: Shell, desk: Path) -> None:
    for block in blocks(PAGE.read_text()):
        if block.language != "console":
            (desk / Path(block.file).name).write_text("\n".join(block.lines) + "\n")
            continue
        for one in typed(block):
            printed = await run(shell, one.command)

            assert shows(one.printed, printed), (one.command, printed)


def test_there_are_fourteen_tasks_and_each_has_commands() -> None:
    _, *tasks = re.split(r"^## ", PAGE.read_text(), flags=re.M)

    assert len(tasks) == TASKS
    assert all("\n$ borderscout " in task for task in tasks)


@pytest.mark.parametrize(
    ("one", "other", "are_same"),
    [
        ("revision 3: acme", "revision 12: acme", True),
        (f"{made_id(1)} held", f"{made_id(2)} held", True),
        ("until 2026-01-01 00:00:00 UTC", "until 2027-02-03 04:05:06 UTC", True),
        ("3 h   ago", "12 min ago", True),
        ("score.mark 4", "score.mark 5", False),
        ("3 messages", "4 messages", False),
        ("acme.example", "acme.net", False),
    ],
)
def test_only_ids_times_spans_and_revisions_may_differ(
    one: str, other: str, are_same: bool
) -> None:
    assert shows([one], [other]) is are_same


@pytest.mark.parametrize(
    ("page", "printed", "are_same"),
    [
        (["a", "…", "d"], ["a", "b", "c", "d"], True),
        (["a", "…", "d"], ["a", "d"], True),
        (["a", "…", "d"], ["a", "b", "c"], False),
        (["a", "b"], ["a", "b", "c"], False),
        ([], ["a"], False),
        (["a.c"], ["abc"], False),
    ],
)
def test_lines_are_left_out_only_where_the_page_says_so(
    page: list[str], printed: list[str], are_same: bool
) -> None:
    assert shows(page, printed) is are_same
