"""A clamd that goes away under load: nothing goes unscanned, and mail flows after its return."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.cluster.inventories import YARA
from tests.support.node.one_node import NODE, OneNode, one_node
from tests.support.scanning.clamd import Clamd, clamd_binary
from tests.support.scanning.messages import plain
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(clamd_binary() is None, reason="clamd is not installed")

FLOWS_S = 10.0  # from clamd's return until mail is delivered again
ALONE = b"This is known to clamd and to nobody else."
BAD_EACH = 4  # of so many letters one bears it
USUAL = {"waiting_retry_s": 15.0}  # as by default: tests else try again much sooner


def knowing(folder: Path) -> Clamd:
    """Return a clamd that knows what no other engine does."""
    database = folder / "database"
    database.mkdir(parents=True)
    (database / "alone.ndb").write_text(f"Known-To-Clamd-Alone:0:*:{ALONE.hex()}\n")
    return Clamd(folder)


def messages(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield plain(ALONE if number % BAD_EACH == 1 else b"hello") + b"%d\r\n" % number


async def left_alone(node: OneNode) -> None:
    """Wait until the node has noticed that its engine is away."""

    async def look() -> bool:
        _, page = await node.cluster.get(NODE, "/metrics")
        return any(
            line.startswith('borderscout_engine_breaker_open{engine="clamav"')
            and line.endswith(" 1.0")
            for line in page.splitlines()
        )

    await until(look, "clamd is left alone")


def arrived_us(node: OneNode, run: str) -> list[int]:
    return [line["time_us"] for line in node.sink.lines if str(line["gid"]).startswith(run)]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("away", "returns"),
    [(Clamd.kill, Clamd.start), (Clamd.freeze, Clamd.thaw)],
    ids=["killed", "frozen"],
)
async def test_away_under_load_nothing_goes_unscanned_and_mail_flows_after_its_return(
    tmp_path: Path,
    thorough: bool,
    away: Callable[[Clamd], None],
    returns: Callable[[Clamd], object],
) -> None:
    count = 400 if thorough else 120
    with knowing(tmp_path / "clamd") as clamd:
        engine = {"name": "clamav", "kind": "clamd", "address": clamd.address, "timeout_s": 3.0}
        settings = {**USUAL, "engines": [YARA, engine]}
        async with one_node(tmp_path, settings=settings) as node:
            sending = node.send_these(messages(count), run="load")
            await node.answers(count // 4)
            away(clamd)
            away_us = time.time_ns() // 1000
            await sending
            await left_alone(node)
            if thorough:  # an outage in which each wait has grown beyond what may pass afterwards
                await asyncio.sleep(60)
            before = len(node.sink.lines)
            returns(clamd)
            returned_us = time.time_ns() // 1000
            assert len(node.sink.lines) == before, "mail was delivered while nobody scanned it"

            await node.send_these(messages(count), run="later")
            known = await node.check()

    check_scanned(known, node)
    waited_s = [(at - returned_us) / 1e6 for at in arrived_us(node, "load") if at > returned_us]
    fresh_s = [(at - returned_us) / 1e6 for at in arrived_us(node, "later")]
    print(
        f"clamd was away for {(returned_us - away_us) / 1e6:.1f} s, {len(waited_s)} mails waited;"
        f" after its return the first was delivered within {min(waited_s + fresh_s):.1f} s,"
        f" the last of those that waited within {max(waited_s):.1f} s"
    )
    assert waited_s, "nobody waited: it was not under load"
    assert min(waited_s + fresh_s) < FLOWS_S
    assert max(waited_s) < FLOWS_S


def check_scanned(known: list[dict[str, Any]], node: OneNode) -> None:
    """Hold that what was delivered is what clamd called clean, and nothing else."""
    by_state: dict[str, set[str]] = {}
    for message in known:
        said = {one["by"]: one["outcome"] for one in message["verdicts"]}
        for recipient in message["recipients"]:
            by_state.setdefault(recipient["state"], set()).add(said["clamav"])
    assert by_state == {"delivered": {"clean"}, "quarantined": {"infected"}}
    bad = [line for line in node.sink.lines if int(str(line["gid"]).split("-")[1]) % BAD_EACH == 1]
    assert bad == []
