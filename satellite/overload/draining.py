"""How is it remembered that a node is being drained?

Touches one file in the state folder. An operator's word outlives a restart of the node, whoever
restarts it: the mark is durable before anybody is told that it is set.
"""

from __future__ import annotations

from pathlib import Path

from common.durable import sync_folder, write_file

NAME = "draining"


def is_marked(state: Path) -> bool:
    """Say whether the node of a state folder is being emptied."""
    return (state / NAME).exists()


def mark(state: Path) -> None:
    """Let the node take no mail from now on; durable when this returns.

    Raises:
        OSError: the disk refuses.
    """
    write_file(state / NAME, b"")


def unmark(state: Path) -> None:
    """Let the node take mail again; durable when this returns.

    Raises:
        OSError: the disk refuses.
    """
    (state / NAME).unlink(missing_ok=True)
    sync_folder(state)
