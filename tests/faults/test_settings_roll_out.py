"""Settings are rolled out over two sites of two nodes, and one gets wrong ones while mail flows."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.settings.yaml_tree import parse_yaml
from tests.support.cluster.cluster import Cluster, cluster
from tests.support.cluster.commands import COMMAND, Said
from tests.support.cluster.inventories import customer, inventory, site
from tests.support.smtp import corpus
from tests.support.smtp.sink import Sink
from tests.support.witnesses.checker import check
from tests.support.witnesses.counting import CountingLedger
from tests.support.witnesses.ledger import read_lines
from tests.support.witnesses.load import Pace, letters, send_all

pytestmark = [pytest.mark.long, pytest.mark.timeout(600)]

DOMAIN = "fjord.example"
LONDON, PARIS = ("lon1", "lon2"), ("par1", "par2")
QUICK = {"delivery": {"first_wait_s": 0.5, "longest_wait_s": 1.0}, "waiting_retry_s": 0.5}
WRONG = {"disk_reserve_bytes": 1 << 50, "trial_s": 3}  # it loads, and no disk is as large
PACE = Pace(
    concurrency=4,
    letters_per_connection=3,
    attempts_max=900,
    retry_wait_s=0.1,
    interval_s=2.0,  # the core gives no more than a thousand messages in one answer
)
APPLY_S = 400.0


def tree_of(sink: Sink, settings: dict[str, Any], *, wrong: str = "") -> dict[str, Any]:
    """Return the inventory, in which one node may have settings with which it is never ready."""
    server = f"127.0.0.1:{sink.port}"
    tree = inventory(
        sites=[site("london", *LONDON, number=1), site("paris", *PARIS, number=2)],
        customers=[customer("fjord", [server], DOMAIN)],
        smarthost=server,
        settings=QUICK | settings,
    )
    for node in (node for place in tree["sites"] for node in place["nodes"]):
        if node["name"] == wrong:
            node["settings"] = WRONG
    return tree


async def applied(running: Cluster, tree: dict[str, Any]) -> Said:
    """Type ``inventory apply``."""
    file = running.folder / "changed.yaml"
    file.write_text(yaml.safe_dump(tree), encoding="utf-8")
    access = ("--url", running.url, "--token-file", str(running.out / "core" / "token"))
    words = ("inventory", "apply", str(file), "--rendered", str(running.out), "--yes", "--json")
    process = await asyncio.create_subprocess_exec(
        COMMAND, *words, *access, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(APPLY_S):
        out, err = await process.communicate()
    return Said(process.returncode or 0, out.decode(), err.decode())


def unjudged_max(running: Cluster, node: str) -> int | None:
    """Return what a node's settings file says of the limit that the test changes."""
    found: dict[str, Any] = parse_yaml(running.config(node).read_text(encoding="utf-8")).value
    limit: int | None = found.get("limits", {}).get("unjudged_max")
    return limit


async def test_a_roll_out_stops_at_the_node_that_goes_back_and_mail_flows_on(
    tmp_path: Path,
) -> None:
    async with (
        Sink() as sink,
        cluster(tmp_path, tree_of(sink, {})) as running,
    ):
        with CountingLedger(tmp_path / "ledger.jsonl") as ledger:
            ending = asyncio.Event()
            names = itertools.cycle(("plain-text", "html-only", "pdf-attached"))
            pile = letters(map(corpus.message, names), run="roll", recipients=[f"a@{DOMAIN}"])
            targets = [running.smtp(node) for node in (*LONDON, *PARIS)]
            sending = asyncio.create_task(
                send_all(pile, targets=targets, ledger=ledger, pace=PACE, stop=ending)
            )
            await ledger.reaches(3)
            others = {"limits": {"unjudged_max": 5_000}}

            said = await applied(running, tree_of(sink, others, wrong="lon2"))

            assert said.status == 1, said
            settings = json.loads(said.out)["settings"]
            assert settings["taken"] == ["lon1"]
            assert settings["left"] == ["par1", "par2"]
            assert settings["failed"]["lon2"].startswith("rolled back: not ready within 3 s")
            assert "lon2 did not take its settings" in said.err
            assert [unjudged_max(running, node) for node in (*LONDON, *PARIS)] == [
                5_000,
                None,
                None,
                None,
            ]

            again = await applied(running, tree_of(sink, others))

            assert again.status == 0, again
            assert json.loads(again.out)["settings"]["taken"] == ["lon2", "par1", "par2"]
            assert {unjudged_max(running, node) for node in (*LONDON, *PARIS)} == {5_000}
            await ledger.reaches(ledger.answers + 8)
            ending.set()
            tally = await sending
            assert (tally.refused, tally.given_up) == (0, 0)

        await running.at_rest()
        export = await running.export(DOMAIN)
        lines = read_lines(tmp_path / "ledger.jsonl")
        replies = [str(line.get("reply") or "") for line in lines]
        assert not any(reply.startswith("5") for reply in replies)
        assert check(ledger=lines, arrived=sink.lines, **export) == []
