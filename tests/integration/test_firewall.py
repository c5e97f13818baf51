"""What gets through the tunnel's rules, and what does not? With nftables, between three hosts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from common.errors import EnvironmentFailure
from common.wireguard.tunnel_rules import firewall_text
from inventory.render.firewall import CORE_OPEN_PORTS
from tests.support.network.hosts import Namespace, Namespaces
from tests.support.network.namespaces import laboratory

__all__ = ["laboratory"]

VPN = "10.77.0.1"
HEAR = (
    "import socket, sys\n"
    "ports = [socket.create_server(('', int(port))) for port in sys.argv[1:]]\n"
    "print(flush=True)\n"
    "sys.stdin.read()\n"
)
CALL = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=0.5)"


@contextmanager
def listening(host: Namespace, *ports: int) -> Iterator[None]:
    process = host.start(
        sys.executable, "-c", HEAR, *map(str, ports), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.communicate(timeout=5)


def reaches(host: Namespace, address: str, port: int) -> bool:
    try:
        host.run(sys.executable, "-c", CALL, address, str(port))
    except EnvironmentFailure:
        return False
    return True


@pytest.fixture
def three(laboratory: Namespaces) -> tuple[Namespace, Namespace, Namespace]:
    """A core with a cable that stands for its tunnel, a satellite at that, and a stranger."""
    core, satellite, stranger = (laboratory.create(name) for name in ("core", "sat", "world"))
    laboratory.cable(core, "wg0", satellite, "wg0")
    laboratory.cable(core, "eth0", stranger, "eth0")
    core.set_address("wg0", f"{VPN}/24")
    satellite.set_address("wg0", "10.77.0.9/24")
    core.set_address("eth0", "192.0.2.1/24")
    stranger.set_address("eth0", "192.0.2.9/24")
    stranger.run("ip", "route", "add", f"{VPN}/32", "via", "192.0.2.1")
    return core, satellite, stranger


def test_satellites_reach_what_is_theirs_and_the_world_no_address_of_the_vpn(
    three: tuple[Namespace, Namespace, Namespace], tmp_path: Path
) -> None:
    core, satellite, stranger = three
    rules = tmp_path / "firewall.nft"
    rules.write_text(firewall_text([VPN, "2001:db8:77::1"], ports=CORE_OPEN_PORTS))
    link = CORE_OPEN_PORTS[0]
    with listening(core, link, 8080, 22):
        assert reaches(stranger, VPN, 8080)  # without rules
        assert reaches(satellite, VPN, 8080)
        for _ in range(2):  # loaded again, they are the same
            core.run("nft", "-f", str(rules))

        assert reaches(satellite, VPN, link)
        assert not reaches(satellite, VPN, 8080)
        assert not reaches(stranger, VPN, link)
        assert reaches(stranger, "192.0.2.1", 22)  # nobody locks himself out
        assert core.run("nft", "list", "tables").split("\n")[0] == "table inet borderscout"


def test_no_satellite_reaches_another_machine_through_the_core(
    three: tuple[Namespace, Namespace, Namespace], tmp_path: Path
) -> None:
    core, satellite, stranger = three
    core.run("sysctl", "-qw", "net.ipv4.ip_forward=1")
    satellite.run("ip", "route", "add", "default", "via", VPN)
    stranger.run("ip", "route", "add", "10.77.0.0/24", "via", "192.0.2.1")
    rules = tmp_path / "firewall.nft"
    rules.write_text(firewall_text([VPN], ports=CORE_OPEN_PORTS))
    with listening(stranger, 25):
        assert reaches(satellite, "192.0.2.9", 25)

        core.run("nft", "-f", str(rules))

        assert not reaches(satellite, "192.0.2.9", 25)
