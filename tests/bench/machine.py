"""On what, and with which versions of everybody, was it measured?

Touches processes and ``/proc``.
"""

from __future__ import annotations

import json
import os
import platform
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
ASK_S = 20.0

VERSIONS = {
    "Postfix": ("postconf", "-h", "mail_version"),
    "ClamAV": ("clamd", "--version"),
    "clamav-milter": ("clamav-milter", "--version"),
    "rspamd": ("rspamd", "--version"),
    "amavisd-new": ("amavisd", "-V"),
    "Node.js": ("node", "--version"),
}


def machine(work: Path) -> dict[str, str]:
    """Return what a reader must know to weigh figures, by title.

    Args:
        work: where spools and queues are.
    """
    facts = {
        "processors": f"{os.cpu_count()} × {_processor()}",
        "memory": f"{int(_found('/proc/meminfo', 'MemTotal').split()[0]) / 2**20:.0f} GiB",
        "kernel": platform.release(),
        "file system of spools and queues": _said("findmnt", "-no", "FSTYPE", "-T", str(work)),
        "Python": platform.python_version(),
        "Border Scout": _said("git", "-C", str(ROOT), "describe", "--always", "--dirty"),
    }
    facts |= {title: _version(_said(*command)) for title, command in VERSIONS.items()}
    haraka = work / "haraka" / "node_modules" / "haraka" / "package.json"
    if haraka.exists():
        facts["Haraka"] = str(json.loads(haraka.read_text(encoding="utf-8"))["version"])
    return {title: fact for title, fact in facts.items() if fact}


def _processor() -> str:
    """Return the processor's name, and its cache, which tells kinds of one name apart."""
    name, cache = _found("/proc/cpuinfo", "model name"), _found("/proc/cpuinfo", "cache size")
    mib = int(cache.split()[0]) / 1024
    return f"{name} ({mib:g} MiB cache)" if mib else name


def _version(said: str) -> str:
    found = re.search(r"\d+(?:\.\d+)+", said)
    return found[0] if found is not None else ""


def _said(*command: str) -> str:
    """Return the first line that a command says; empty when it is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=ASK_S)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout.splitlines() or [""])[0].strip()


def _found(path: str, name: str) -> str:
    found = re.search(rf"(?m)^{name}\s*:\s*(.*)$", Path(path).read_text(encoding="utf-8"))
    return found[1] if found is not None else "0"
