"""An address is bound once, and a socket that was passed is taken as it is."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest
import structlog

from common.errors import EnvironmentFailure
from satellite.node.sockets import inherited, listening_sockets
from tests.support.network.ports import free_port

PASSED = """
import json, os
from satellite.node.sockets import listening_sockets
os.environ["LISTEN_PID"] = os.environ["LISTEN_PID"] or str(os.getpid())
found = listening_sockets(["192.0.2.1:25"])
print(json.dumps([[one.getsockname()[1], one.getblocking()] for one in found]))
"""


@contextmanager
def listening(*endpoints: str) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        yield [stack.enter_context(one) for one in listening_sockets(list(endpoints))]


def test_ipv4_and_ipv6_share_a_port_without_taking_each_others_place() -> None:
    port = free_port()

    with listening(f"127.0.0.1:{port}", f"[::1]:{port}", f"[::]:{free_port()}") as (v4, v6, any6):
        assert v4.family is socket.AF_INET
        assert v6.family is socket.AF_INET6
        # Else [::] would take the IPv4 connections too, under addresses like ::ffff:192.0.2.7.
        assert any6.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
        for one in (v4, v6, any6):
            assert one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
            assert not one.getblocking()


def test_all_of_both_families_can_listen_on_one_port() -> None:
    port = free_port("0.0.0.0")

    with listening(f"[::]:{port}", f"0.0.0.0:{port}") as found:
        assert [one.getsockname()[1] for one in found] == [port, port]


def test_an_address_in_use_is_named_with_a_hint_and_nothing_stays_bound() -> None:
    free = free_port()
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = other.getsockname()[1]

        with pytest.raises(EnvironmentFailure) as failure:
            listening_sockets([f"127.0.0.1:{free}", f"127.0.0.1:{taken}"])

    assert failure.value.what == f"cannot listen on 127.0.0.1:{taken}: Address already in use"
    assert "another program has the port" in failure.value.hint
    with listening(f"127.0.0.1:{free}"):
        pass


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::7"])
def test_an_address_that_no_interface_has_yet_is_waited_for(host: str) -> None:
    endpoint = f"[{host}]:2525" if ":" in host else f"{host}:2525"

    with structlog.testing.capture_logs() as logs, listening(endpoint) as [one]:
        assert one.getsockname()[:2] == (host, 2525)
        assert one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1

    [line] = logs
    assert (line["event"], line["address"]) == ("smtp.address_not_here", host)
    assert "a tunnel that is not up?" in line["hint"]


def test_what_the_service_manager_passes_is_taken_instead_of_the_addresses() -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as two,
    ):
        ports = [one.getsockname()[1], two.getsockname()[1]]

        assert _said_with(one, two, listen_pid="") == [[ports[0], False], [ports[1], False]]


def test_sockets_passed_to_somebody_else_are_left_alone() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        done = _run_with(one, listen_pid="1")

    assert json.loads(done.stdout.splitlines()[-1]) == [[25, False]], "the address's own socket"


@pytest.mark.parametrize("count", ["", "many", "-1", "²"])
def test_a_count_of_sockets_that_is_none_is_named(
    monkeypatch: pytest.MonkeyPatch, count: str
) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", count)

    with pytest.raises(EnvironmentFailure, match="LISTEN_FDS"):
        listening_sockets(["192.0.2.1:25"])


def test_a_worker_has_the_very_socket_of_its_parent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        (again,) = inherited([os.dup(one.fileno())])
        with again, socket.create_connection(one.getsockname()):
            connection, _ = again.accept()
            connection.close()


def _said_with(*sockets: socket.socket, listen_pid: str) -> object:
    done = _run_with(*sockets, listen_pid=listen_pid)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def _run_with(*sockets: socket.socket, listen_pid: str) -> subprocess.CompletedProcess[str]:
    """Run ``PASSED`` with the sockets as descriptors 3 and on, as a service manager does."""
    numbers = [one.fileno() for one in sockets]
    moves = "; ".join(f"exec {3 + place}<&{10 + place}" for place in range(len(numbers)))
    aside = "; ".join(f"exec {10 + place}<&{number}" for place, number in enumerate(numbers))
    return subprocess.run(
        ["bash", "-c", f'{aside}; {moves}; exec "$0" "$@"', sys.executable, "-c", PASSED],
        pass_fds=numbers,
        env={**os.environ, "LISTEN_PID": listen_pid, "LISTEN_FDS": str(len(numbers))},
        capture_output=True,
        text=True,
        check=False,
    )
