"""With how little does a lab's core start?

Touches the lab's folder. With what is rendered for a core that has no node and no customer: its
keys, its issuer, its settings, for each machine that can be it. Documents, members and their
tunnels come to it while it runs, as to any core, and nothing of a node is made here.
"""

from __future__ import annotations

import base64
import secrets
import shutil
from pathlib import Path

from common.durable import write_file
from inventory.certificates import AUTHORITY_CERTIFICATE, cluster_of, read_certificate
from inventory.lab.topology import CLUSTER
from inventory.load import Progress
from inventory.model import Inventory
from inventory.render.folder import render_folder
from inventory.render.node import PREFERENCES_FILE, WIREGUARD_FILE

RENDERED = "rendered"  # of the lab's folder: what is kept from one lab to the next
UPDATE_KEY_FILE = "dns.key"  # in the core's folders: with it the core's machine changes our zone
UPDATE_KEY = "lab"
_SECRET_BYTES = 32
_WHILE_IT_RUNS = (WIREGUARD_FILE,)  # the core puts its members' peers in


def put_core(
    inventory: Inventory, folder: Path, *, is_new: bool, now_us: int, progress: Progress
) -> None:
    """Bring the files of the core to their place.

    Args:
        folder: the lab's.
        is_new: nothing of a core or a node before stays.
        now_us: decides which certificates are due, microseconds since the epoch.

    Raises:
        BorderScoutError: they cannot be rendered; says why.
    """
    nobody = {"sites": (), "customers": (), "filters": (), "scan_servers": ()}
    alone = inventory.model_copy(update=nobody)
    rendered = folder / RENDERED
    if is_new:
        _forget_other(rendered / AUTHORITY_CERTIFICATE, inventory.cluster.name)
    render_folder(alone, rendered, loopback=False, now_us=now_us, progress=progress)
    if is_new:
        shutil.rmtree(folder / CLUSTER, ignore_errors=True)
    places = {name: folder / CLUSTER / name for name in inventory.core.machines()}
    for name, place in places.items():
        _put_machine(rendered / name, place)
    files = [place / UPDATE_KEY_FILE for place in places.values()]
    known = next((file.read_bytes() for file in files if file.exists()), _new_key().encode())
    for file in files:
        write_file(file, known, mode=0o600)


def _forget_other(file: Path, cluster: str) -> None:
    """Take the certificate of another cluster's authority away: nobody is left who knows it."""
    known = read_certificate(file)
    if known is not None and cluster_of(known) != cluster:
        file.unlink()


def machines_put(folder: Path) -> set[str]:
    """Return the machines of the core whose files are in their places.

    Args:
        folder: the lab's.
    """
    return {file.parent.name for file in (folder / CLUSTER).glob("*/core.yaml")}


def _put_machine(rendered: Path, place: Path) -> None:
    for source in sorted(rendered.rglob("*")):
        to = place / source.relative_to(rendered)
        if source.is_dir() or source.name == PREFERENCES_FILE:
            continue
        if source.name in _WHILE_IT_RUNS and to.exists():
            continue
        to.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_file(to, source.read_bytes(), mode=source.stat().st_mode & 0o777)


def _new_key() -> str:
    """Return a key for updates of our zone, as ``tsig-keygen`` prints one."""
    secret = base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()
    return f'key "{UPDATE_KEY}" {{\n\talgorithm hmac-sha256;\n\tsecret "{secret}";\n}};\n'
