"""Jobs that misbehave, for the tests of the helper process."""

from __future__ import annotations

import os
import socket
import tempfile
import time
from collections.abc import Callable, Mapping
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
            case b"swell":
                return {"size": len(bytearray(int(message.split()[1])))}
            case b"write":
                with tempfile.TemporaryFile(dir=os.fsdecode(message.split()[1])) as file:
                    file.write(b"x" * 100_000)
            case b"environment":
                return {"names": sorted(os.environ)}
            case b"open":
                return {"sockets": len([socket.socket() for _ in range(100)])}
        return {"size": len(message), "pid": os.getpid(), **options}

    return work


def refusing(_: Mapping[str, Any]) -> Callable[[bytes], dict[str, Any]]:
    raise LocalError("rule 7 is wrong", hint="correct it")
