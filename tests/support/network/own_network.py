"""How does a test reach the whole Internet, and nobody in it?

Touches a network namespace of the running thread, which takes root; without it the test is skipped.
What the test starts afterwards lives in it too. Each address of ``ANYWHERE`` is this machine's, so
one listener on all addresses stands in for as many hosts as a storm has; one of ``NOWHERE`` loses
every packet, as a host that is off does.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ANYWHERE = "11.{}.{}.{}"  # public addresses: those of strangers' MX hosts have to be
NOWHERE = "12.{}.{}.{}"
_CLONE_NEWNET = 0x40000000
_SETUP = (
    "ip link set lo up",
    "ip route add local 11.0.0.0/8 dev lo",
    # Not local: what goes out there comes in for nobody, and is lost without a word.
    "ip route add 12.0.0.0/8 dev lo",
)


@pytest.fixture
def own_network() -> Iterator[None]:
    """Put this thread, and what it starts, into a network of its own for one test."""
    if os.geteuid() != 0:
        pytest.skip("a network of its own takes root")
    libc = ctypes.CDLL(None, use_errno=True)
    with Path("/proc/thread-self/ns/net").open() as before:
        if libc.unshare(_CLONE_NEWNET) != 0:
            pytest.skip(f"no network namespace: {os.strerror(ctypes.get_errno())}")
        try:
            for command in _SETUP:
                subprocess.run(command.split(), check=True, capture_output=True)
            yield
        finally:
            assert libc.setns(before.fileno(), _CLONE_NEWNET) == 0


def anywhere(number: int) -> str:
    """Return the address of host ``number`` (from 1) of those that are this machine."""
    return ANYWHERE.format(*number.to_bytes(3, "big"))


def nowhere(number: int) -> str:
    """Return the address of host ``number`` (from 2) of those that are off."""
    return NOWHERE.format(*number.to_bytes(3, "big"))
