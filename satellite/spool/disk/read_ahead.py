"""How is a spool's file at hand when all of it is looked at, though the disk alone has it?

Touches the file, reading, in a thread. After a power cut nothing of it is in the kernel's memory,
its tables lie between each other, and whoever checks them waits for one page after the other: 14 s
for a gigabyte that the disk reads in order in 2.5 s.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path

PIECE_BYTES = 1 << 20
READ_BYTES_MAX = 2 << 30  # of a larger file the kernel may not have kept the first when it is asked


class ReadAhead:
    """One reading of a file from its beginning; nothing happens where it cannot be read.

    Args:
        path: the database.
    """

    def __init__(self, path: Path) -> None:
        self._is_over = threading.Event()
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:  # whoever needs it meets it too, and says so
            self._descriptor = -1
        self._thread = threading.Thread(target=self._read, name="read ahead", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Read no more: all was looked at."""
        self._is_over.set()

    def close(self) -> None:
        """Let go of the file. Not before every connection to the database is closed.

        A process that closes any descriptor of a file loses all its locks on it, those of SQLite
        too. Source: fcntl(2), "Advisory record locking"; SQLite, "How To Corrupt", section 2.2.
        """
        self.stop()
        self._thread.join()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _read(self) -> None:
        piece, offset = bytearray(PIECE_BYTES), 0
        while self._descriptor >= 0 and offset < READ_BYTES_MAX and not self._is_over.is_set():
            try:
                length = os.preadv(self._descriptor, [piece], offset)
            except OSError:  # likewise
                return
            if not length:
                return
            offset += length
