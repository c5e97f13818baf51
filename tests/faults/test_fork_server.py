"""A node whose fork server is killed begins anew by itself, and has lost nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cluster.cluster import kill
from tests.support.node.one_node import NODE, one_node
from tests.support.waiting import until

LETTERS = 40


@pytest.mark.scenario(
    row=21, checks="its fork server is ended: the node begins anew in the same process"
)
async def test_a_node_without_its_fork_server_begins_anew(tmp_path: Path) -> None:
    async with one_node(tmp_path) as node:
        parent = node.cluster.processes[NODE].pid
        before = node.cluster.fork_server(NODE)
        assert before is not None
        sending = node.send(LETTERS)
        await node.answers(3)

        kill(before)

        async def look() -> bool:
            return node.cluster.fork_server(NODE) not in (None, before)

        await until(look, "there is another one")
        tally = await sending
        assert tally.accepted == LETTERS
        await node.cluster.ready(NODE)
        assert node.cluster.processes[NODE].pid == parent
        assert len(node.cluster.shards(NODE)) == 1
        await node.check()
