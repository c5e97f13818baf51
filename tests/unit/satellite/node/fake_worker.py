"""How does a worker behave that a test has written on one line?

Touches its channel and signals. Run by the parent in a worker's place, with a worker's arguments;
the settings file holds one JSON object: ``exit`` ends at once with that status, ``exit_when_asked``
at the first question, ``says`` is the line that answers any question, ``ignores_sigterm`` is deaf.
Without ``says`` it answers with what it was started with.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    config, shard, channel, *listening = arguments
    behaviour = json.loads(Path(config).read_text())
    if "exit" in behaviour:
        return int(behaviour["exit"])
    if behaviour.get("ignores_sigterm"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    else:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    known = {
        "shard": int(shard),
        "pid": os.getpid(),
        "listens": [socket.socket(fileno=int(one)).getsockname()[1] for one in listening],
    }
    with socket.socket(fileno=int(channel)) as end, end.makefile("rwb", buffering=0) as lines:
        while question := lines.readline():
            if "exit_when_asked" in behaviour:
                return int(behaviour["exit_when_asked"])
            answer = json.dumps({**known, "serial": json.loads(question)["serial"]})
            lines.write(behaviour.get("says", answer).encode() + b"\n")
    return 1  # the parent is gone


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
