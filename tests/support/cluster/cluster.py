"""How does a test have a whole cluster of its own?

Touches processes, loopback and a folder. An inventory is rendered and its core and satellites are
started with the commands that an operator types; nothing of the product runs inside the test. All
of it is ended by its id and reaped, also when the test fails.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import sqlite3
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import yaml
from yaml.cyaml import CSafeDumper

from common.errors import EnvironmentFailure
from common.settings.yaml_tree import parse_yaml
from inventory.addressing import wanted_ports
from inventory.load import load_inventory
from inventory.ports import PORTS_FILE, known_ports
from satellite.console.control_socket import ask as ask_node
from satellite.node.health import StatusQuestion
from tests.support.cluster.commands import COMMAND, Said, run
from tests.support.network.ports import free_port
from tests.support.node import family
from tests.support.node.processes import Process
from tests.support.waiting import SETTLE_S, until

CORE = "core"

READY_S = 60.0  # for a process to be ready; a loaded machine imports slowly
TRACKS_MAX = 1000  # of one query; a run must stay below it


class Cluster:
    """A core and its satellites; ``cluster`` makes one.

    Args:
        folder: everything is below it.
        tree: the inventory.
        settings: by name, what the settings file of the core or a node says beyond the rendered
            one; ``*`` is every node. Tests cannot wait as long as operators do.
    """

    def __init__(
        self,
        folder: Path,
        tree: Mapping[str, Any],
        *,
        settings: Mapping[str, Mapping[str, Any]] | None = None,
    ) -> None:
        self.folder = folder
        self.out = folder / "cluster"
        self.tree = tree
        self.endpoints: dict[str, Any] = {}
        self.processes: dict[str, Process] = {}
        self._settings = settings or {}
        self._ended: list[Process] = []
        self._http: httpx.AsyncClient | None = None

    # Making it, and being rid of it.

    async def render(self) -> None:
        """Write the inventory, render it, and put in the settings that tests need."""
        file = self.folder / "inventory.yaml"
        with file.open("w", encoding="utf-8") as out:
            yaml.dump(dict(self.tree), out, Dumper=CSafeDumper)
        self._reserve_ports(file)
        said = await run("inventory", "render", file, "--out", self.out, "--loopback")
        assert said.status == 0, said
        self.endpoints = json.loads((self.out / "endpoints.json").read_text(encoding="utf-8"))
        for node in self.nodes:
            for changes in (self._settings.get("*"), self._settings.get(node)):
                if changes:
                    self.change_settings(node, changes)
        if CORE in self._settings:
            self.change_settings(CORE, self._settings[CORE])
        self._http = httpx.AsyncClient(
            base_url=self.url, headers={"Authorization": f"Bearer {self.token}"}, timeout=30
        )

    def _reserve_ports(self, file: Path) -> None:
        """Choose the ports that a rendering keeps: those that no other test gets until we end.

        Those that a rendering chooses are free only when it looks.
        """
        self.out.mkdir(exist_ok=True)
        path = self.out / PORTS_FILE
        ports = {
            name: {what: free_port() for what in wanted}
            for name, wanted in wanted_ports(load_inventory(file)).items()
        }
        known = known_ports(path)
        path.write_text(json.dumps(ports | known), encoding="utf-8")

    def change_settings(self, name: str, changes: Mapping[str, Any]) -> None:
        """Put values into the settings of the core or a node; they count from its next start on."""
        path = self.config(name)
        tree = _tree(path)
        _merge(tree, changes)
        with path.open("w", encoding="utf-8") as out:
            yaml.dump(tree, out, Dumper=CSafeDumper)

    async def start(self) -> None:
        """Start everything, and return once all of it is ready."""
        for name in (CORE, *self.nodes):
            await self.launch(name)
        await asyncio.gather(*(self.ready(name) for name in (CORE, *self.nodes)))

    async def close(self) -> None:
        """End everything at once."""
        if self._http is not None:
            await self._http.aclose()
        everything = [*self.processes.values(), *self._ended]
        await asyncio.gather(*(process.close() for process in everything))

    # What is where.

    @property
    def nodes(self) -> list[str]:
        """The satellites' names, in the inventory's order."""
        return list(self.endpoints["satellites"])

    @property
    def url(self) -> str:
        return str(self.endpoints["core"]["url"])

    @property
    def token(self) -> str:
        path = self.out / str(self.endpoints["core"]["token_file"])
        token: str = path.read_text(encoding="ascii")
        return token.strip()

    def config(self, name: str) -> Path:
        """Return the settings file of the core or of a node."""
        if name == CORE:
            return self.out / str(self.endpoints["core"]["config"])
        return self.out / str(self.endpoints["satellites"][name]["config"])

    def smtp(self, node: str) -> tuple[str, int]:
        """Return where a node takes mail."""
        host, _, port = str(self.endpoints["satellites"][node]["smtp"]).rpartition(":")
        return host, int(port)

    def state(self, name: str) -> Path:
        """Return the state folder of the core or of a node."""
        return self.config(name).parent / str(_tree(self.config(name)).get("state", "state"))

    def web(self, name: str) -> str:
        """Return where the core or a node answers for its health, without a slash at the end."""
        if name == CORE:
            return self.url
        return str(self.endpoints["satellites"][name]["metrics"]).removesuffix("/metrics")

    # Its processes.

    async def launch(self, name: str) -> Process:
        """Start the core or a node, and do not wait for it."""
        if name in self.processes:
            self._ended.append(self.processes.pop(name))
        process = self.process_of(name)
        await process.start()
        self.processes[name] = process
        return process

    def replace(self, name: str, process: Process) -> None:
        """Let a process that runs already be the core's or a node's from now on."""
        self._ended.append(self.processes.pop(name))
        self.processes[name] = process

    def process_of(self, name: str) -> Process:
        """Return a process of the core or a node that is not started yet."""
        what = "core" if name == CORE else "satellite"
        return Process([COMMAND, what, "serve", "--config", self.config(name)])

    async def ready(self, name: str, *, deadline_s: float = READY_S) -> None:
        """Return once the core or a node says that it is ready.

        Raises:
            AssertionError: it does not, or it has ended.
        """

        async def look() -> bool:
            assert self.processes[name].returncode is None, self.story(name)
            return (await self.get(name, "/readyz"))[0] == 200

        try:
            await until(look, f"{name} is ready", deadline_s=deadline_s)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.story(name)}") from None

    async def get(self, name: str, path: str) -> tuple[int, str]:
        """Return status and text of a page of the core or a node; 0 when it does not answer."""
        async with httpx.AsyncClient(timeout=10) as client:
            try:
                answer = await client.get(f"{self.web(name)}{path}")
            except httpx.HTTPError:
                return 0, ""
            return answer.status_code, answer.text

    async def restart(self, name: str) -> None:
        """Start the core or a node again, and wait until it is ready."""
        await self.launch(name)
        await self.ready(name)

    async def stop(self, name: str) -> int:
        """End the core or a node in order, and return its exit status."""
        return await self.processes[name].stop(deadline_s=25)

    async def kill(self, name: str) -> None:
        """End the core, or a node's parent, as ``kill -9`` does; its workers die by themselves."""
        below = family.descendants(self.processes[name].pid)
        await self.processes[name].kill()

        async def look() -> bool:
            return not any(family.is_alive(one.pid) for one in below)

        await until(look, f"what {name} started is gone too", deadline_s=10)

    def shards(self, node: str) -> dict[int, int]:
        """Return the process id of each shard's worker at a node."""
        return family.workers(self.processes[node].pid)

    def fork_server(self, node: str) -> int | None:
        """Return the process id of a node's fork server."""
        return family.fork_server(self.processes[node].pid)

    def helper(self, node: str) -> int | None:
        """Return the process id of a helper of one of a node's workers."""
        return next(iter(family.helpers(self.processes[node].pid)), None)

    def story(self, name: str) -> str:
        """Return the last lines that a process said."""
        return "\n".join(list(self.processes[name].lines)[-40:])

    # What it is asked.

    async def run(self, *arguments: str | Path) -> Said:
        """Run a command that talks to the core."""
        env = {"BORDERSCOUT_URL": self.url, "BORDERSCOUT_TOKEN": self.token}
        return await run(*arguments, env=env)

    async def ask(self, method: str, path: str, *, body: Any = None, **query: Any) -> Any:
        """Return the core's answer to a request that must succeed."""
        assert self._http is not None
        answer = await self._http.request(method, f"/api/v1{path}", params=query, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def track(self, query: str) -> list[dict[str, Any]]:
        """Return what the core knows of messages."""
        found = await self.ask("GET", "/messages", query=query, limit=TRACKS_MAX)
        messages: list[dict[str, Any]] = found["messages"]
        return messages

    async def ended(self, query: str, *, count: int = 1) -> list[dict[str, Any]]:
        """Return messages once there are ``count`` of them and all their recipients have ended."""

        async def look() -> list[dict[str, Any]] | None:
            found = await self.track(query)
            is_done = len(found) >= count and all(
                any(event["event"] == "ended" for event in message["events"])
                and all(recipient["state"] in ENDS for recipient in message["recipients"])
                for message in found
            )
            return found if is_done else None

        return await until(look, f"{count} messages have ended: {query}")

    async def applied(self, revision: int) -> None:
        """Return once every node has applied a revision."""

        async def look() -> bool:
            nodes = (await self.ask("GET", "/status"))["nodes"]
            return all(node["applied"] == revision and node["lag"] == 0 for node in nodes)

        await until(look, f"revision {revision} is applied everywhere")

    async def held(self, message_id: str) -> dict[str, Any]:
        """Return a quarantine case once the core holds its body."""

        async def look() -> dict[str, Any] | None:
            found = (await self.ask("GET", "/quarantine", limit=1000))["cases"]
            held = [one for one in found if one["message_id"] == message_id]
            return held[0] if held and held[0]["state"] != "arriving" else None

        return await until(look, f"the core holds {message_id}")

    async def at_rest(self, *, deadline_s: float = SETTLE_S) -> None:
        """Return once nothing is under way at any node, and the core has all that they had."""

        async def look() -> bool:
            for node in self.nodes:
                try:
                    shards = await ask_node(self.state(node), StatusQuestion())
                except EnvironmentFailure:
                    return False  # it begins anew, and has not opened its console yet
                for shard in shards.values():
                    if shard is None or any(shard.states.values()):
                        return False
                    if shard.outbox_records or shard.outbox_quarantine:
                        return False
            return True

        await until(look, "nothing is under way", deadline_s=deadline_s)

    # What the checker reads.

    async def export(self, *domains: str) -> dict[str, list[dict[str, Any]]]:
        """Return the core's side of a run: ``messages``, ``records`` and ``quarantine``.

        Args:
            domains: of recipients; together they must cover the run.
        """
        messages: dict[str, dict[str, Any]] = {}
        for domain in domains:
            found = await self.track(domain)
            assert len(found) < TRACKS_MAX, f"{domain} has too many messages for one answer"
            messages.update({message["id"]: message for message in found})
        return {
            "messages": list(messages.values()),
            "records": await asyncio.to_thread(self.records),
            "quarantine": await self.quarantine(),
        }

    def records(self) -> list[dict[str, Any]]:
        """Return every record that the core has, read from its database beside it."""
        path = self.state(CORE) / "core.db"
        with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            rows = database.execute(
                "SELECT node, shard, incarnation, sequence, event, fields, flaw FROM log_record"
            ).fetchall()
        assert not [row for row in rows if row[6]], "the core could not read a satellite's record"
        names = ("node", "shard", "incarnation", "sequence", "event")
        return [
            dict(zip(names, row, strict=False)) | {"fields": json.loads(row[5])} for row in rows
        ]

    async def quarantine(self) -> list[dict[str, Any]]:
        """Return every case that is held; the SHA-256 is of the octets that the core gives out."""
        assert self._http is not None
        cases = (await self.ask("GET", "/quarantine", limit=1000))["cases"]
        assert len(cases) < 1000
        found = []
        for case in cases:
            body = await self._http.get(f"/api/v1/quarantine/{case['message_id']}/body")
            if body.status_code == 200:
                sha256 = hashlib.sha256(body.content).hexdigest()
                kept = {name: case[name] for name in ("message_id", "recipients")}
                found.append(kept | {"sha256": sha256})
        return found


ENDS = frozenset({"delivered", "quarantined", "dropped", "rejected", "bounced", "expired"})


@contextlib.asynccontextmanager
async def cluster(
    folder: Path,
    tree: Mapping[str, Any],
    *,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
) -> AsyncIterator[Cluster]:
    """Run a cluster for the length of a block."""
    one = Cluster(folder, tree, settings=settings)
    try:
        await one.render()
        await one.start()
        yield one
    finally:
        await one.close()


def kill(pid: int) -> None:
    """End a process that the cluster started, as ``kill -9`` does."""
    os.kill(pid, signal.SIGKILL)


def _tree(file: Path) -> dict[str, Any]:
    tree: dict[str, Any] = parse_yaml(file.read_text(encoding="utf-8")).value
    return tree


def _merge(tree: dict[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, Mapping):
            _merge(tree.setdefault(key, {}), value)
        else:
            tree[key] = value
