"""What is to be done when a node was stolen?

Touches the rendered folder: it enters in ``certificates.json`` what is good no more, before
anything is made anew, so that a torn revocation is completed by the next rendering.

Source: wg(8), syncconf.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from common.durable import write_file
from common.errors import EnvironmentFailure, LocalError
from inventory.keys import KEY_FILE, kept_wireguard_key, public_key
from inventory.let_in import BOOK_FILE, certificate_book, shown_serial
from inventory.model import CORE_FOLDER
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


def _own_first(settings: Path) -> tuple[bool, str]:
    folder = settings.parent.name
    return folder != CORE_FOLDER, folder


def _of_core(settings: Path) -> list[FileToCopy]:
    """Return what a machine of the core needs, by where its settings are."""
    folder, machine = settings.parent, settings.parent.name
    return [
        FileToCopy(file=str(settings), machine=machine, to=f"{SETTINGS_FOLDER}/core.yaml"),
        FileToCopy(file=str(folder / "wg0.conf"), machine=machine, to=_WIREGUARD, then=_SYNC),
    ]


def copies_after(out: Path, node: str) -> Sequence[FileToCopy]:
    """Return what to copy after a revocation, what shuts the thief out first."""
    ours = out / node
    cores = sorted(out.glob("*/core.yaml"), key=_own_first)
    return [
        *(copy for file in cores for copy in _of_core(file)),
        FileToCopy(file=str(ours / TLS), machine=node, to=f"{SETTINGS_FOLDER}/{TLS}"),
        FileToCopy(file=str(ours / KEY_FILE), machine=node, to=f"{SETTINGS_FOLDER}/{KEY_FILE}"),
        FileToCopy(file=str(ours / "wg0.conf"), machine=node, to=_WIREGUARD, then=_SYNC),
    ]
