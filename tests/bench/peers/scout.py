"""How fast is a Border Scout node?

Touches processes and a folder. A real cluster of one node with two workers: the inventory is
written here, and rendered by the command that operators use. The core runs beside it, so that the
records stream as they do in operation; its processor time and memory are counted apart, since in
operation it is another machine.
"""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.bench.parts import PeerFailed
from tests.bench.peers import clamd, name_server
from tests.bench.peers.peer import SINK, Peer

COMMAND = Path(sys.executable).with_name("borderscout")
NODE = "node1"
RENDER_S = 60.0
SETTLE_S = 180.0  # for the core to take the records of one load
POLL_S = 0.1
PASSED = ("SPF_PASS", "DKIM_PASS", "DMARC_PASS")
MISSED = "SELECT count(*) FROM log_record WHERE event = 'scanned' AND NOT (" + (
    " AND ".join("instr(fields, CAST(? AS BLOB))" for _ in PASSED) + ")"
)

INVENTORY = """
cluster: {{name: bench, mail_domain: mx.bench.example, vpn: 10.77.0.0/16}}
core: {{name: core, public: core.bench.example, vpn_address: 10.77.0.1}}
sites:
  - name: here
    location: [51.5072, -0.1276]
    capacity: 2000
    nodes:
      - {{name: {node}, public: 192.0.2.10, vpn_address: 10.77.1.1}}
customers:
  - name: bench
    domains:
      - {{name: bench.test, deliver_to: ["{sink}"]}}
workers: {workers}
{more}engines:
  - {{name: yara, kind: yara}}
  - {{name: clamav, kind: clamd, address: "unix:{scanner}"}}
"""


class Scout(Peer):
    """A node with two workers, and its core beside it at normal priority."""

    name = "scout"
    title = "Border Scout, core beside it"
    apart = frozenset({"core"})
    is_core_humble = False
    has_goals = True  # those of docs/benchmarks.md
    workers = 2

    endpoints: dict[str, Any]
    node_env: Mapping[str, str] = {}  # beside our own

    def start(self) -> None:
        self.render()
        self.start_core()
        self.start_node()

    def render(self) -> None:
        """Start the scanner, and write what the core and the node need."""
        scanner = clamd.start(self.parts)
        file = self.folder / "inventory.yaml"
        file.write_text(
            INVENTORY.format(
                node=NODE, sink=SINK, workers=self.workers, scanner=scanner, more=self.more()
            )
        )
        command = [
            str(COMMAND),
            "inventory",
            "render",
            str(file),
            "--out",
            str(self.rendered),
            "--loopback",
        ]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=RENDER_S
        )
        if done.returncode:
            raise PeerFailed(f"inventory render: {done.stderr}")
        self.endpoints = json.loads((self.rendered / "endpoints.json").read_text())

    def more(self) -> str:
        """Return what stands in the inventory beside what is there."""
        return ""

    def start_core(self) -> None:
        """Start the core, and return once it is ready."""
        config = self.rendered / str(self.endpoints["core"]["config"])
        command = [str(COMMAND), "core", "serve", "--config", str(config)]
        self.parts.spawn("core", command, is_humble=self.is_core_humble)
        self.parts.wait_for(lambda: is_ready(self.core_url), "the core is ready")

    def start_node(self) -> subprocess.Popen[bytes]:
        """Start the node, and return once it is ready."""
        process = self.launch_node()
        self.parts.wait_for(lambda: is_ready(self.node_url), "the node is ready")
        return process

    def launch_node(self) -> subprocess.Popen[bytes]:
        """Start the node, and do not wait for it."""
        return self.parts.spawn(
            "node",
            [str(COMMAND), "satellite", "serve", "--config", str(self.config)],
            env=self.node_env,
        )

    @property
    def rendered(self) -> Path:
        return self.folder / "cluster"

    @property
    def config(self) -> Path:
        """The node's settings file."""
        return self.rendered / str(self.endpoints["satellites"][NODE]["config"])

    @property
    def target(self) -> str:
        return str(self.endpoints["satellites"][NODE]["smtp"])

    @property
    def core_url(self) -> str:
        return str(self.endpoints["core"]["url"])

    @property
    def node_url(self) -> str:
        return str(self.endpoints["satellites"][NODE]["metrics"]).removesuffix("/metrics")

    def backlog(self) -> int | None:
        """Return how much the core does not have yet, records and quarantined mail; None: no word.

        Who does not answer has not said that nothing is left.
        """
        return waiting_in(page(f"{self.node_url}/metrics"), shards=self.workers)

    def settle(self, *, deadline_s: float = SETTLE_S) -> dict[str, Any]:
        begun = time.monotonic()
        left = now = self.backlog()
        while now != 0 and time.monotonic() - begun < deadline_s:
            time.sleep(POLL_S)  # a page tells only who asks
            now = self.backlog()
            left = now if left is None else left
        if now is None:
            raise PeerFailed(f"the node does not say what is left\n{self.parts.story()}")
        return {"backlog": left, "backlog_s": round(time.monotonic() - begun, 2)}


class QuietCoreScout(Scout):
    """The same with a core that gets the processor only when nobody else wants it."""

    name = "scout-quiet-core"
    title = "Border Scout, core at nice 19"
    is_core_humble = True


class AuthenticatingScout(Scout):
    """The same with SPF, DKIM and DMARC on, asking a name server of its own."""

    name = "scout-authenticating"
    title = "Border Scout, with SPF, DKIM and DMARC"
    apart = Scout.apart | {name_server.GROUP}
    has_goals = False

    def more(self) -> str:
        resolver = name_server.start(self.parts, self.work)
        filters = "filters: [{name: authentication, kind: authentication}]"
        return f'resolver: "{resolver}"\n{filters}\n'

    def settle(self, *, deadline_s: float = SETTLE_S) -> dict[str, Any]:
        settled = super().settle(deadline_s=deadline_s)
        with contextlib.closing(sqlite3.connect(self.rendered / "core/state/core.db")) as core:
            (missed,) = core.execute(MISSED, PASSED).fetchone()
        if missed:
            raise PeerFailed(f"{missed} messages have not passed SPF, DKIM and DMARC")
        return settled


def page(url: str) -> str:
    """Return a page, empty when there is none."""
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            text: str = answer.read().decode()
            return text
    except (urllib.error.URLError, OSError):
        return ""


def is_ready(url: str) -> bool:
    """Return whether a core or a node says that it is ready."""
    return bool(page(f"{url}/readyz"))


def waiting_in(metrics: str, *, shards: int) -> int | None:
    """Return what the outboxes of all shards hold, from a node's metrics.

    None when a shard has not answered: the node leaves its metrics out.
    """
    total = 0.0
    for name in ("borderscout_outbox_records", "borderscout_outbox_quarantine"):
        found = re.findall(rf"(?m)^{name}(?:{{[^}}]*}})? ([0-9.e+]+)$", metrics)
        if len(found) < shards:
            return None
        total += sum(map(float, found))
    return int(total)
