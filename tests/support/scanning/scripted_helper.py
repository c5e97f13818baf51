"""A helper process that does what a test tells it to: ``python scripted_helper.py MODE FD PARENT``.

It speaks the helper's frames and depends on nothing of the product but these.
"""

from __future__ import annotations

import json
import socket
import struct
import sys
import time

from satellite.scanning.frames import head_of, receive

_OTHERS = ("incomplete", "locked", "unreadable")
NAMES = {
    "eight-bit": "W\xfcrm.\xe9",
    "long": "N" * 10_000,
    "control": "Evil\r\nX-Injected: yes\x1b[2J\x07",
    "split": "Eicar-Test-Signature",
}


def answer(mode: str, number: int) -> bytes:
    if mode in NAMES:
        found = {"infected": [NAMES[mode]], "macro": [], "encrypted": []}
        return head_of(
            {"id": number, "answer": {"found": found, **{key: [] for key in _OTHERS}}}, 0
        )
    if mode == "garbage":
        return head_of({"id": number, "answer": {"found": "nothing", "extra": 1}}, 0)
    if mode == "other-number":
        return head_of({"id": number + 1, "answer": {}}, 0)
    if mode == "too-long":
        return struct.pack("!IQ", 1 << 31, 0)
    if mode == "no-json":
        return struct.pack("!IQ", 4, 0) + b"\xff\xfe\0{"
    if mode == "list":
        encoded = json.dumps([1]).encode()
        return struct.pack("!IQ", len(encoded), 0) + encoded
    raise AssertionError(mode)


def main(mode: str, descriptor: int) -> None:
    with socket.socket(fileno=descriptor) as connection:
        if mode == "no-start":
            return
        if receive(connection) is None:
            return
        if mode == "failed":
            connection.sendall(head_of({"failed": "no rules\r\nhere"}, 0))
            return
        connection.sendall(head_of({"ready": 1}, 0))
        while (request := receive(connection)) is not None:
            if mode in ("dies", "empty"):
                return
            if mode == "silent":
                time.sleep(600)
            if mode in ("half", "slow"):
                said = answer("split", request[0]["id"])
                connection.sendall(said[:-5])
                if mode == "half":
                    return
                time.sleep(600)
            said = answer(mode, request[0]["id"])
            step = 1 if mode == "split" else len(said)
            for offset in range(0, len(said), step):
                connection.sendall(said[offset : offset + step])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
