"""How does a worker behave that a test has written on one line?

Touches its channel and signals. Run by the parent in a worker's place, with a worker's arguments;
``behaviour.json`` in the state folder holds one object: ``exit`` ends at once with that status,
``exit_when_asked`` at the first question, ``says`` is the line that answers any question,
``ignores_sigterm`` is deaf, ``exits_as`` ends at once where the hostname is this one. Without
``says`` it answers with what it was started with.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    shard, given, channel, *listening = arguments
    settings = json.loads(os.pread(int(given), 1 << 20, 0))
    behaviour = json.loads((Path(settings["state"]) / "behaviour.json").read_text())
    if "exit" in behaviour or behaviour.get("exits_as") == settings["hostname"]:
        return int(behaviour.get("exit", 1))
    for number in (signal.SIGTERM, signal.SIGUSR1):
        if behaviour.get("ignores_sigterm"):
            signal.signal(number, signal.SIG_IGN)
        else:
            signal.signal(number, lambda *_: sys.exit(0))
    known = {
        "shard": int(shard),
        "pid": os.getpid(),
        "hostname": settings["hostname"],
        "listens": [socket.socket(fileno=int(one)).getsockname()[1] for one in listening],
    }
    with socket.socket(fileno=int(channel)) as end, end.makefile("rwb", buffering=0) as lines:
        while question := lines.readline():
            if "exit_when_asked" in behaviour:
                return int(behaviour["exit_when_asked"])
            asked = json.loads(question)
            facts = {"listening": True} if asked["ask"] == "listening" else known
            answer = json.dumps({**facts, "serial": asked["serial"]})
            lines.write(behaviour.get("says", answer).encode() + b"\n")
    return 1  # the parent is gone


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
