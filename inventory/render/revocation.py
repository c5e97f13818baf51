"""What is to be done when a node was stolen?

Touches the rendered folder: it enters in ``certificates.json`` what is good no more, before
anything is made anew, so that a torn revocation is completed by the next rendering.

Source: wg(8), syncconf.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.durable import write_file
from common.errors import EnvironmentFailure, LocalError
from inventory.keys import KEY_FILE, kept_wireguard_key, public_key
from inventory.let_in import BOOK_FILE, certificate_book, shown_serial
from inventory.render.node import TLS
from inventory.render.systemd import SETTINGS_FOLDER
from inventory.smtp_keys import SMTP_KEYS, next_name

_WIREGUARD = f"{SETTINGS_FOLDER}/wg0.conf"
_SYNC = f"borderscout wireguard apply --config {_WIREGUARD}"


@dataclass(frozen=True, slots=True, kw_only=True)
class FileToCopy:
    """A file, or a folder, that a machine needs.

    Attributes:
        file: where it is now.
        machine: the core's or the node's name in the rendered folder.
        to: where it goes there.
        then: what to run there; empty: nothing.
    """

    file: str
    machine: str
    to: str
    then: str = ""


def revoke_node(out: Path, node: str) -> None:
    """Enter that nothing of what a node has by now is good; the next rendering makes it anew.

    Raises:
        LocalError: the folder has nothing of the node, or a kept file is damaged.
        EnvironmentFailure: the folder cannot be read or written.
    """
    try:
        book = certificate_book(out)
        shown = [shown_serial(file) for file in sorted((out / node / TLS).glob("*.crt"))]
        key = kept_wireguard_key(out / node)
        if not any(shown) and not key:
            raise LocalError(f"{out / node}: has no certificate and no key", hint="render it first")
        for name in SMTP_KEYS:  # the thief has them; a new one may be made at any time
            (out / node / TLS / f"{next_name(name)}.key").unlink(missing_ok=True)
        book.revoke(node, serials=shown, keys=[public_key(key)] if key else [])
        write_file(out / BOOK_FILE, (json.dumps(book.as_json(), indent=2) + "\n").encode())
    except OSError as error:
        raise EnvironmentFailure(
            f"{error.filename or out}: {error.strerror}", hint="name another folder or make room"
        ) from None


def _of_core(folder: Path) -> list[FileToCopy]:
    """Return what a machine of the core needs."""
    machine = folder.name
    return [
        FileToCopy(
            file=str(folder / "core.yaml"), machine=machine, to=f"{SETTINGS_FOLDER}/core.yaml"
        ),
        FileToCopy(file=str(folder / "wg0.conf"), machine=machine, to=_WIREGUARD, then=_SYNC),
    ]


def copies_after(out: Path, node: str, *, cores: Iterable[str]) -> Sequence[FileToCopy]:
    """Return what to copy after a revocation, what shuts the thief out first.

    Args:
        out: the rendered folder.
        node: whose keys were made anew.
        cores: the core's machines by their folders, that on which it runs first. Folders of former
            ones lie there too, as they were before the revocation.
    """
    ours = out / node
    return [
        *(copy for core in cores for copy in _of_core(out / core)),
        FileToCopy(file=str(ours / TLS), machine=node, to=f"{SETTINGS_FOLDER}/{TLS}"),
        FileToCopy(file=str(ours / KEY_FILE), machine=node, to=f"{SETTINGS_FOLDER}/{KEY_FILE}"),
        FileToCopy(file=str(ours / "wg0.conf"), machine=node, to=_WIREGUARD, then=_SYNC),
    ]
