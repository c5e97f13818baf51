"""A node takes settings that the core tells it, goes back by itself, and mail does not notice."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from common.preferences.node_settings import settings_digest
from common.settings.yaml_tree import parse_yaml
from tests.support.cluster.cluster import Cluster
from tests.support.node.one_node import NODE, OneNode, one_node
from tests.support.waiting import until

pytestmark = pytest.mark.long

LETTERS = 40
PROBE_S = 0.02


def in_place(cluster: Cluster) -> dict[str, Any]:
    """Return what the node's settings file says."""
    tree: dict[str, Any] = parse_yaml(cluster.config(NODE).read_text(encoding="utf-8")).value
    return tree


def recorded(cluster: Cluster) -> dict[str, Any]:
    """Return what the node recorded of its trial."""
    path = cluster.config(NODE)
    try:
        found: dict[str, Any] = json.loads(path.with_name(f"{path.name}.trial").read_text())
    except FileNotFoundError:
        return {}
    return found


async def publish(cluster: Cluster, changes: Mapping[str, Any]) -> str:
    """Publish settings for the node, and return their digest once it has them."""
    tree = {**in_place(cluster), **changes}
    digest = settings_digest(tree)
    body = {"site": "one", "settings": tree, "digest": digest}
    document = {"kind": "node", "key": NODE, "body": body}
    made = await cluster.ask("POST", "/documents", body={"documents": [document]})
    await cluster.applied(made["revision"])
    return digest


async def take(cluster: Cluster, digest: str) -> None:
    found = await cluster.ask("POST", f"/nodes/{NODE}/settings", body={"digest": digest})
    assert found["told"] is True


async def standing(cluster: Cluster, told: str, state: str, in_force: str) -> dict[str, Any]:
    """Return how the node stands with settings that it was told, once it is heard to stand so."""

    async def look() -> dict[str, Any] | None:
        node = await cluster.ask("GET", f"/nodes/{NODE}")
        found: dict[str, Any] = node["settings"]
        is_so = (found["told"], found["state"], found["in_force"]) == (told, state, in_force)
        return found if is_so and node["state"] == "live" else None

    try:
        return await until(look, f"the node is {state}")
    except AssertionError as error:
        raise AssertionError(f"{error}\n{cluster.story(NODE)}") from None


@contextlib.asynccontextmanager
async def nobody_is_refused(node: OneNode) -> AsyncIterator[None]:
    """Connect all the time, for the length of a block."""
    refused: list[OSError] = []

    async def connect() -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection(*node.cluster.smtp(NODE))
                writer.close()
            except OSError as error:
                refused.append(error)
            await asyncio.sleep(PROBE_S)

    connecting = asyncio.create_task(connect())
    try:
        yield
    finally:
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
    assert refused == []


async def test_a_node_takes_settings_and_goes_back_and_nobody_notices(tmp_path: Path) -> None:
    async with one_node(tmp_path) as node:
        cluster = node.cluster
        parent, former = cluster.processes[NODE].pid, in_place(cluster)
        good = await publish(cluster, {"workers": 2, "limits": {"unjudged_max": 5000}})
        await standing(cluster, "", "steady", settings_digest(former))

        with socket.create_server(("127.0.0.1", 0)) as other:
            taken = f"127.0.0.1:{other.getsockname()[1]}"
            async with nobody_is_refused(node):
                sending = node.send(LETTERS)
                await node.answers(3)
                await take(cluster, good)
                await standing(cluster, good, "steady", good)

                # These load, and nobody can look at the node.
                told = await publish(cluster, {"metrics": taken, "trial_s": 1})
                await take(cluster, told)
                found = await standing(cluster, told, "rolled_back", good)
                assert "nobody is served metrics and health" in found["problem"]
                tally = await sending
            assert tally.accepted == LETTERS
            assert cluster.processes[NODE].pid == parent

            # It is killed while it tries.
            told = await publish(cluster, {"metrics": taken, "trial_s": 600})
            await take(cluster, told)

            async def is_tried() -> bool:
                return recorded(cluster).get("starts") == 1

            await until(is_tried, "it tries them")
            await cluster.kill(NODE)
            assert in_place(cluster)["metrics"] == taken
            await cluster.restart(NODE)
            found = await standing(cluster, told, "rolled_back", good)
            assert found["problem"] == "the node ended while it tried them"

        assert settings_digest(in_place(cluster)) == good
        assert len(cluster.shards(NODE)) == 2
        [shown] = (await cluster.ask("GET", "/status"))["nodes"]
        assert any("were tried and taken back" in problem for problem in shown["problems"])
        assert not any(str(line.get("reply") or "").startswith("5") for line in node.lines())
        await node.check()
