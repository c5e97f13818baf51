"""Which messages lie in an mbox, a Maildir, a folder or a file?

Touches the files. One message is in memory at a time.
"""

from __future__ import annotations

import mailbox
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path

from cli.output import complain


def messages_in(places: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    """Yield each message of files and folders with a name for it; what cannot be read is told."""
    for place in places:
        try:
            yield from _messages_of(place)
        except OSError as error:
            complain(f"{place}: {error.strerror or error}")


def _messages_of(place: Path) -> Iterator[tuple[str, bytes]]:
    if place.is_dir() and (place / "cur").is_dir():
        box = mailbox.Maildir(place, create=False)
        for key in sorted(box.keys()):
            yield f"{place}:{key}", box.get_bytes(key)
    elif place.is_dir():
        for file in sorted(place.iterdir()):
            if file.is_file():
                yield str(file), file.read_bytes()
    elif _is_mbox(place):
        with closing(mailbox.mbox(place, create=False)) as many:
            for number, key in enumerate(many.keys(), start=1):
                yield f"{place}:{number}", many.get_bytes(key)
    else:
        yield str(place), place.read_bytes()


def _is_mbox(file: Path) -> bool:
    with file.open("rb") as opened:
        return opened.read(5) == b"From "
