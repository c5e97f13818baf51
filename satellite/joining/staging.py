"""How do new keys and certificates come into a node's folder, all of them or none?

Touches the node's folder. They are gathered in ``incoming`` first, each durable. Once all are there
a mark says so, and they are moved to their places one by one; whoever finds the mark later, after a
kill or a power cut, goes on. Until then nothing of what the node works with has changed.

Root, who may have been asked to join, does all of that as the folder's owner: that is who reads
strangers' mail, and a link that it puts there would have root delete, write or give away whatever
the link leads to. The real user stays root, so that the owner may neither trace nor end this.

Source: seteuid(2), capabilities(7), *Effect of user ID changes on capabilities*.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from common.durable import sync_folder, write_file
from common.errors import EnvironmentFailure

FOLDER = "incoming"
READY = "ready"
FOR = "for"  # what the keys in here were made for
SECRET, PUBLIC = 0o600, 0o644

LINK, SMTP, SMTP_RSA = "tls/node", "tls/smtp", "tls/smtp-rsa"
AUTHORITY = "tls/authority.crt"
WIREGUARD_KEY, WIREGUARD_FILE = "wireguard.key", "wg0.conf"
JOINED, SETTINGS = "joined.json", "satellite.yaml"
CORE_GENERATION = "core.generation"  # the latest of a core that answered at a join door

# In the order in which they come to their places. A certificate comes right after its key, and the
# settings last: without them nothing starts.
FILES = {
    f"{LINK}.key": SECRET,
    f"{LINK}.crt": PUBLIC,
    f"{SMTP}.key": SECRET,
    f"{SMTP}.crt": PUBLIC,
    f"{SMTP_RSA}.key": SECRET,
    f"{SMTP_RSA}.crt": PUBLIC,
    AUTHORITY: PUBLIC,
    WIREGUARD_KEY: SECRET,
    WIREGUARD_FILE: SECRET,
    CORE_GENERATION: PUBLIC,
    JOINED: PUBLIC,
    SETTINGS: PUBLIC,
}


class Staging:
    """What is on its way into a node's folder.

    Args:
        folder: the node's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._incoming = folder / FOLDER

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Be the only one who changes this folder.

        Raises:
            EnvironmentFailure: another process is at it.
        """
        with self._told():
            descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise EnvironmentFailure(
                f"{self.folder}: another process joins or renews here", hint="wait for it"
            ) from None
        try:
            yield
        finally:
            os.close(descriptor)

    def purpose(self) -> str:
        """Return what the keys that are gathered here were made for; empty: there are none."""
        with self._told():
            return self._text(FOR)

    def begin(self, purpose: str) -> None:
        """Gather anew; what was gathered for something else is gone."""
        with self._told():
            self._discard()
            self._incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_folder(self.folder)
            self._write(FOR, purpose.encode(), SECRET)

    def put(self, name: str, content: bytes) -> None:
        """Gather a file, by the name of its place."""
        with self._told():
            self._write(_flat(name), content, FILES[name])

    def get(self, name: str) -> bytes | None:
        """Return a gathered file; None: it is not here yet."""
        with self._told():
            path = self._incoming / _flat(name)
            return path.read_bytes() if path.exists() else None

    def ready(self) -> None:
        """Say that all is here: from now on it goes to its places, whatever happens."""
        with self._told():
            self._write(READY, b"", SECRET)

    def install(self) -> bool:
        """Move all to its places if all is here; say whether it was."""
        with self._told():
            if not (self._incoming / READY).exists():
                return False
            (self.folder / "tls").mkdir(mode=0o700, exist_ok=True)
            for name in FILES:
                source, place = self._incoming / _flat(name), self.folder / name
                if source.exists():
                    self._move(source, place)
            self._discard()
            return True

    def replace(self, name: str, content: bytes) -> None:
        """Put one file, by the name of its place, there at once; nothing goes with it."""
        with self._told():
            write_file(self.folder / name, content, mode=FILES[name])

    def discard(self) -> None:
        """Forget what was gathered."""
        with self._told():
            self._discard()

    def _discard(self) -> None:
        if not self._incoming.exists():
            return
        # The mark goes first: without the rest it would mean that all is in its place.
        names = sorted(self._incoming.iterdir(), key=lambda path: path.name != READY)
        for path in names:
            path.unlink(missing_ok=True)
        self._incoming.rmdir()
        sync_folder(self.folder)

    def _move(self, source: Path, place: Path) -> None:
        source.replace(place)
        sync_folder(place.parent)

    def _write(self, name: str, content: bytes, mode: int) -> None:
        write_file(self._incoming / name, content, mode=mode)

    def _text(self, name: str) -> str:
        path = self._incoming / name
        return path.read_text(encoding="utf-8") if path.exists() else ""

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            with _as_owner(self.folder):
                yield
        except OSError as error:
            raise EnvironmentFailure(
                f"{error.filename or self.folder}: {error.strerror}",
                hint="run this as the owner of the node's folder, or as root",
            ) from None


@contextmanager
def _as_owner(folder: Path) -> Iterator[None]:
    """Have no more rights than a folder's owner for a while; of all threads of this process."""
    status = folder.stat() if os.geteuid() == 0 and folder.exists() else None
    if status is None or status.st_uid == 0:
        yield
        return
    group, groups = os.getegid(), os.getgroups()
    os.setgroups([status.st_gid])
    os.setegid(status.st_gid)
    os.seteuid(status.st_uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(group)
        os.setgroups(groups)


def _flat(name: str) -> str:
    return name.replace("/", "_")
