"""What do the units do on a machine? Run inside the container, by systemd; a JSON object a line.

On a node's machine there is one program of ours. Here core and node share one, so that the node has
a core: it has folders of its own, by a drop-in.
"""

from __future__ import annotations

import json
import os
import signal
import smtplib
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

UNITS = (
    "borderscout-firewall.service",
    "borderscout-core.service",
    "borderscout-satellite.socket",
    "borderscout-satellite.service",
    "borderscout-wireguard.service",
)
DEADLINE_S = 120.0
EICAR = r"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    return (done.stdout + done.stderr).strip()


def say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


def shown(unit: str, what: str) -> str:
    return run("systemctl", "show", "-p", what, "--value", unit)


def pid() -> int:
    return int(shown("borderscout-satellite.service", "MainPID"))


def page(url: str) -> str:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return str(answer.read().decode())
    except urllib.error.HTTPError as error:
        return str(error.read().decode())
    except OSError as error:
        return str(error)


def until(holds: Callable[[], bool]) -> bool:
    ends = time.monotonic() + DEADLINE_S
    while not holds():
        if time.monotonic() > ends:
            return False
        time.sleep(0.2)
    return True


def is_ready() -> bool:
    return page("http://10.77.1.1:9100/readyz") == "ready\n"


def greeting() -> str:
    with socket.create_connection(("127.0.0.1", 25), timeout=DEADLINE_S) as connection:
        return connection.recv(3).decode()


def main() -> None:
    for unit in UNITS:
        run("systemctl", "start", unit)
    ready = until(is_ready)
    # Told every ten seconds, or three times within the watchdog's.
    until(lambda: shown(UNITS[3], "StatusText").startswith("2 of 2"))
    for unit in UNITS:
        say(
            unit=unit,
            state=shown(unit, "ActiveState"),
            restarts=shown(unit, "NRestarts"),
            status=shown(unit, "StatusText"),
        )
    say(what="node", ready=ready, core=page("http://10.77.0.1:8080/readyz"), greeting=greeting())
    with smtplib.SMTP("127.0.0.1", 25, timeout=DEADLINE_S) as client:
        text = f"From: a@b.example\r\nTo: a@acme.example\r\n\r\n{EICAR}\r\n"
        client.sendmail("a@b.example", ["a@acme.example"], text)
    found = 'result="infected"'
    until(lambda: found in page("http://10.77.1.1:9100/metrics"))
    lines = page("http://10.77.1.1:9100/metrics").splitlines()
    say(
        what="engine", lines=[line for line in lines if line.startswith("borderscout_scan_results")]
    )
    status = dict(
        line.split(":\t", 1)
        for line in Path(f"/proc/{pid()}/status").read_text("ascii").splitlines()
        if ":\t" in line
    )
    say(what="satellite", uid=status["Uid"].split()[0], effective=status["CapEff"])
    keeper = int(shown("borderscout-wireguard.service", "MainPID"))
    say(
        what="tunnel",
        there=until(lambda: "wg0" in run("ip", "-o", "link", "show", "dev", "wg0").split(": ")),
        told=until(lambda: Path("/run/borderscout/wireguard.json").exists()),
        peers=run("wg", "show", "wg0", "peers"),
        uid=Path(f"/proc/{keeper}").stat().st_uid,
    )
    # One more, whatever the program was doing: nobody is refused while it is away.
    os.kill(pid(), signal.SIGKILL)
    say(what="killed", greeting=greeting())
    until(is_ready)
    os.kill(pid(), signal.SIGSTOP)
    before = int(shown(UNITS[3], "NRestarts"))
    hung = until(lambda: int(shown(UNITS[3], "NRestarts")) > before and is_ready())
    say(what="hung", again=hung)
    run("systemctl", "stop", "borderscout-satellite.socket", *UNITS[1:])
    say(what="stopped", results=[shown(unit, "Result") for unit in UNITS[1:]])
    say(what="left", tunnel="wg0" in run("ip", "-o", "link", "show", "dev", "wg0").split(": "))


if __name__ == "__main__":
    main()
