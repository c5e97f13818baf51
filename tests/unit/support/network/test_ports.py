"""Are the ports that tests get free, low enough and given once?"""

from __future__ import annotations

import socket
import subprocess
import sys

from tests.support.network.ports import HIGHEST, LOWEST, free_port, free_ports


def test_ports_are_different_and_below_the_ephemeral_range() -> None:
    ports = free_ports(50)

    assert len(set(ports)) == 50
    assert all(LOWEST <= port <= HIGHEST < 32_768 for port in ports)


def test_a_port_that_is_in_use_is_passed_over() -> None:
    taken = free_port()
    with socket.create_server(("127.0.0.1", taken + 1)) if _is_free(taken + 1) else _nothing():
        assert free_port() != taken + 1


def test_a_port_can_be_bound() -> None:
    with socket.create_server(("127.0.0.1", free_port())) as server:
        assert server.getsockname()[1] > 0


def test_a_port_that_another_process_got_is_passed_over() -> None:
    mine = free_port()
    script = (
        "import os, sys; from tests.support.network import ports;"
        "os.getpid = lambda: int(sys.argv[1]); print(ports.free_port())"
    )
    asked = subprocess.run(
        [sys.executable, "-c", script, str(_process_that_begins_at(mine))],
        capture_output=True,
        text=True,
        check=True,
    )

    assert int(asked.stdout) != mine


def _process_that_begins_at(port: int) -> int:
    """Return a process id with which the search for a port begins there."""
    span = HIGHEST - LOWEST + 1
    return (port - LOWEST) * pow(101, -1, span) % span


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


def _nothing() -> socket.socket:
    return socket.socket()
