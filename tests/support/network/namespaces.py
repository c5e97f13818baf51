"""How does a test get hosts of its own on this machine?

Touches network namespaces, which takes root; without it the test is skipped. What a killed test run
left is swept away first.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.network.hosts import Namespaces, own_ident, sweep, why_not


@pytest.fixture
def laboratory() -> Iterator[Namespaces]:
    """Hand out hosts that are gone after the test, with what runs in them."""
    if reason := why_not():
        pytest.skip(reason)
    sweep()
    with Namespaces(own_ident()) as hosts:
        yield hosts


def need_wireguard() -> None:
    """Skip the test where there is no WireGuard that needs no kernel module."""
    if not Path("/dev/net/tun").exists():
        pytest.skip("/dev/net/tun is not here")
    need_programs({"wireguard-go": "wireguard-go", "wg": "wireguard-tools"})


def need_programs(packages: dict[str, str]) -> None:
    """Skip the test where one of these programs (program → package) is not installed."""
    for program, package in packages.items():
        if shutil.which(program, path="/usr/bin:/bin:/usr/sbin:/sbin") is None:
            pytest.skip(f"{program} is not installed: apt-get install {package}")
