"""Programs that stand in for scanners: a few lines of shell, which say what a test tells them to.

They depend on nothing of the product. What they print may be any octets; ``$1`` and so on are what
the scanner is called with.
"""

from __future__ import annotations

import asyncio
import shlex
from pathlib import Path

DEADLINE_S = 30.0
POLL_S = 0.005


def program(path: Path, *lines: str) -> Path:
    """Write an executable script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + "\n".join(lines) + "\n")
    path.chmod(0o755)
    return path


def saying(octets: bytes, *, code: int = 0, folder: Path) -> tuple[str, ...]:
    """Return the lines that print some octets exactly, and end with an exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    number = len(list(folder.glob("said-*")))
    words = folder / f"said-{number}"
    words.write_bytes(octets)
    return (f"cat {shlex.quote(str(words))}", f"exit {code}")


async def appears(path: Path) -> None:
    """Wait until a program has made a file."""
    async with asyncio.timeout(DEADLINE_S):
        while not path.exists():
            await asyncio.sleep(POLL_S)


async def all_vanish(folder: Path, pattern: str) -> None:
    """Wait until nothing in a folder is called like that any more."""
    async with asyncio.timeout(DEADLINE_S):
        while any(folder.glob(pattern)):
            await asyncio.sleep(POLL_S)
