"""Jobs that misbehave, for the tests of the helper process."""

from __future__ import annotations

import errno
import os
import socket
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from common.errors import LocalError


def crashing(options: Mapping[str, Any]) -> Callable[[bytes], dict[str, Any]]:
    """Do as the message says."""

    def work(message: bytes) -> dict[str, Any]:
        match message.split()[0]:
            case b"die":
                os.abort()
            case b"raise":
                raise KeyError("unforeseen")
            case b"hang":
                time.sleep(600)
            case b"spin":
                until_s = time.process_time() + float(message.split()[1])
                while time.process_time() < until_s:
                    pass
            case b"swell":
                return {"size": len(bytearray(int(message.split()[1])))}
            case b"write":
                with tempfile.TemporaryFile(dir=os.fsdecode(message.split()[1])) as file:
                    file.write(b"x" * 100_000)
            case b"environment":
                return {"names": sorted(os.environ)}
            case b"descriptors":
                return {"targets": _open()}
            case b"forbidden":
                return {name: _refusal(call) for name, call in _FORBIDDEN.items()}
            case b"privileges":
                return {"status": Path("/proc/self/status").read_text()}
            case b"open":
                return {"files": len([os.open("/", os.O_RDONLY) for _ in range(100)])}
        return {"size": len(message), "pid": os.getpid(), **options}

    return work


def refusing(_: Mapping[str, Any]) -> Callable[[bytes], dict[str, Any]]:
    raise LocalError("rule 7 is wrong", hint="correct it")


_FORBIDDEN: dict[str, Callable[[], object]] = {
    "socket": socket.socket,
    "socket pair": socket.socketpair,
    "fork": os.fork,
    "program": lambda: os.execv("/bin/true", ["true"]),
    "signal": lambda: os.kill(os.getppid(), 0),
    "new file": lambda: os.open("/tmp/of-a-helper", os.O_WRONLY | os.O_CREAT),
    "removed file": lambda: Path("/tmp/of-a-helper").unlink(),
    "renamed file": lambda: Path("/tmp/of-a-helper").rename("/tmp/other"),
    "shortened file": lambda: os.truncate("/tmp/of-a-helper", 0),
}


def _refusal(call: Callable[[], object]) -> str:
    """Return what the kernel says of a call."""
    try:
        call()
    except OSError as error:
        return errno.errorcode[error.errno or 0]
    return "allowed"


def _open() -> dict[str, str]:
    """Return what is open, by its number; what listed them is no more."""
    found = {}
    for descriptor in list(Path("/proc/self/fd").iterdir()):
        with suppress(FileNotFoundError):
            found[descriptor.name] = str(descriptor.readlink())
    return found
