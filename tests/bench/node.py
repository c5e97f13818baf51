"""What does a node under a long load look like from outside?

Touches its metrics, its folder and the core's.
"""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

from tests.bench.parts import PeerFailed
from tests.bench.peers.scout import COMMAND, Scout, is_ready, page

ASK_S = 300.0  # a report over millions of rows takes its time
POLL_S = 0.01
START_S = 120.0


def metric(text: str, name: str) -> float:
    """Return the sum of a metric over all shards, from the text of ``/metrics``."""
    found = re.findall(rf"(?m)^{name}(?:{{[^}}]*}})? ([0-9.e+-]+)$", text)
    return sum(float(value) for value in found)


def states(scout: Scout) -> dict[str, int]:
    """Return how many recipients are in each state at the node; ended ones are gone."""
    found = re.findall(
        r'(?m)^borderscout_spool_recipients{[^}]*state="([a-z]+)"[^}]*} ([0-9.e+]+)$',
        page(f"{scout.node_url}/metrics"),
    )
    counts: dict[str, int] = {}
    for state, value in found:
        counts[state] = counts.get(state, 0) + int(float(value))
    return {state: count for state, count in counts.items() if count}


def spool_bytes(scout: Scout) -> dict[str, int]:
    """Return the size of every database file of node and core, by its path below the cluster."""
    files = [*scout.rendered.rglob("*.db"), *scout.rendered.rglob("*.db-wal")]
    return {str(file.relative_to(scout.rendered)): _size(file) for file in sorted(files)}


def free_bytes(path: Path) -> int:
    """Return how much may still be written to a disk."""
    disk = os.statvfs(path)
    return disk.f_bavail * disk.f_frsize


def totals(scout: Scout) -> dict[str, int]:
    """Return the core's counts of all mail, as ``borderscout report summary --json`` has them."""
    token_file = str(scout.endpoints["core"]["token_file"])
    command = [str(COMMAND), "report", "summary", "--json", "--url", scout.core_url]
    done = subprocess.run(
        [*command, "--token-file", token_file],
        capture_output=True,
        text=True,
        check=False,
        timeout=ASK_S,
    )
    if done.returncode:
        raise PeerFailed(f"report summary: {done.stderr}")
    found: dict[str, int] = json.loads(done.stdout)["totals"]
    return found


def time_to_ready(scout: Scout) -> dict[str, Any]:
    """Start the node, and return it with the seconds until it says ready, and until its banner.

    Raises:
        PeerFailed: it does not within two minutes.
    """
    begun = time.monotonic()
    process = scout.launch_node()
    times: dict[str, Any] = {"process": process}
    while len(times) < 3:
        passed_s = time.monotonic() - begun
        if "banner_s" not in times and _greets(scout.target):
            times["banner_s"] = round(time.monotonic() - begun, 2)
        if "ready_s" not in times and is_ready(scout.node_url):
            times["ready_s"] = round(time.monotonic() - begun, 2)
        if passed_s > START_S or process.poll() is not None:
            raise PeerFailed(f"the node is not ready\n{scout.parts.story()}")
        time.sleep(POLL_S)  # so exactly is the start measured
    return times


def _greets(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host, int(port)), 1) as connection:
            connection.settimeout(1)
            return connection.recv(3) == b"220"
    except OSError:
        return False


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
