"""How does a spool begin a new life with all that is in it?

Touches the shard's folder. An operator asks for it by a mark in the folder; the next start does it,
before anything else has the file, in one transaction. A crash at any step is taken up by the start
after it: at worst the spool is renewed twice, and names the last life that anybody heard of.
"""

from __future__ import annotations

from pathlib import Path

import apsw
import structlog

from common import durable

log = structlog.get_logger()

MARK = "spool.db.renew"


def ask_for_renewal(folder: Path) -> None:
    """Let the next start of a shard renew its spool.

    Raises:
        OSError: the mark cannot be written.
    """
    (folder / MARK).touch(mode=0o600)
    durable.sync_folder(folder)


def renew_if_asked(folder: Path, writer: apsw.Connection) -> None:
    """Give a spool a new life if an operator has asked for it.

    What the core has not confirmed gets new numbers, from 1, and goes up under the new life. The
    core passes over what it has of it from the former one.

    Raises:
        OSError, apsw.Error: the disk failed; the next start tries again.
    """
    if not (folder / MARK).exists():
        return
    with writer:
        # Without a name of its own, it was renewed or rescued and has not been in use since.
        former = writer.execute(
            "SELECT value FROM meta WHERE name IN ('incarnation', 'former')"
            " ORDER BY name DESC LIMIT 1"
        ).get
        first = writer.execute("SELECT coalesce(min(sequence), 1) FROM outbox").get
        writer.execute("UPDATE outbox SET sequence = sequence - ?", (int(str(first)) - 1,))
        carried = writer.execute("SELECT coalesce(max(sequence), 0) FROM outbox").get
        writer.execute(
            "DELETE FROM meta WHERE name IN ('incarnation', 'acknowledged', 'chain', 'forked')"
        )
        facts = [("former", former or ""), ("carried", carried)]
        writer.executemany("REPLACE INTO meta VALUES (?,?)", facts)
    (folder / MARK).unlink()
    durable.sync_folder(folder)
    log.warning("spool.renewed", folder=folder.name, former=former, records=carried)
