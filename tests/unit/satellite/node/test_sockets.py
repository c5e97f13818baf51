"""An address is bound once, and a socket that was passed is taken as it is."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import pytest
import structlog

from common.errors import EnvironmentFailure
from satellite.node.kept_sockets import KeptSockets
from satellite.node.sockets import inherited, listening_sockets
from tests.support.network.ports import free_port

PASSED = """
import json, os, sys
from common.errors import EnvironmentFailure
from satellite.node.kept_sockets import KeptSockets
from satellite.node.sockets import listening_sockets
os.environ["LISTEN_PID"] = os.environ["LISTEN_PID"] or str(os.getpid())
try:
    kept = KeptSockets.taken_over()
    found = listening_sockets(sys.argv[1:], kept)
except EnvironmentFailure as error:
    sys.exit(str(error))
print(json.dumps([
    [one.fileno(), one.getsockname()[1], one.getblocking(), os.get_inheritable(one.fileno())]
    for one in found
]))
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


def test_what_the_service_manager_passes_is_used_for_its_address_and_the_others_are_bound() -> None:
    free = free_port()
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("::1", 0), family=socket.AF_INET6) as two,
    ):
        ports = [one.getsockname()[1], two.getsockname()[1]]

        said = _said_with(
            f"127.0.0.1:{free}", f"[0::1]:{ports[1]}", f"127.0.0.1:{ports[0]}", passed=[one, two]
        )

    assert said[0][1:] == [free, False, False]
    assert said[1:] == [[4, ports[1], False, False], [3, ports[0], False, False]]


def test_a_passed_socket_that_no_setting_names_is_served_and_complained_about() -> None:
    free = free_port()
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
        done = _run_with(f"127.0.0.1:{free}", passed=[one])

    assert [item[1] for item in json.loads(done.stdout.splitlines()[-1])] == [free, port]
    assert f"endpoint=127.0.0.1:{port}" in done.stdout


@pytest.mark.parametrize(("host", "everywhere"), [("127.0.0.1", "0.0.0.0"), ("[::1]", "::")])
def test_an_address_of_a_passed_socket_for_all_of_them_is_not_bound_again(
    host: str, everywhere: str
) -> None:
    family = socket.AF_INET6 if ":" in everywhere else socket.AF_INET
    with socket.create_server((everywhere, 0), family=family) as one:
        port = one.getsockname()[1]
        done = _run_with(f"{host}:{port}", passed=[one])

    assert done.returncode == 0, done.stderr
    assert [item[:2] for item in json.loads(done.stdout.splitlines()[-1])] == [[3, port]]
    assert "smtp.passed_beside_settings" in done.stdout


def test_sockets_passed_to_somebody_else_are_left_alone() -> None:
    free = free_port()
    with socket.create_server(("127.0.0.1", 0)) as one:
        said = _said_with(f"127.0.0.1:{free}", passed=[one], listen_pid="1")

    assert [item[1] for item in said] == [free], "the address's own socket"


@pytest.mark.parametrize("count", ["", "many", "-1", "²", "65"])
def test_a_count_of_sockets_that_is_none_is_named(
    monkeypatch: pytest.MonkeyPatch, count: str
) -> None:
    monkeypatch.setenv("LISTEN_PID", str(os.getpid()))
    monkeypatch.setenv("LISTEN_FDS", count)

    with pytest.raises(EnvironmentFailure, match="LISTEN_FDS"):
        KeptSockets.taken_over()


@pytest.mark.parametrize(
    ("names", "refused"),
    [("smtp", ""), ("unknown", ""), ("borderscout-satellite.socket", ""), ("console", "'console'")],
)
def test_only_a_socket_for_smtp_is_taken(names: str, refused: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        done = _run_with(f"127.0.0.1:{one.getsockname()[1]}", passed=[one], names=names)

    assert (done.returncode != 0, refused in done.stderr) == (bool(refused), True), done.stderr


def test_what_was_passed_and_is_no_tcp_socket_is_named() -> None:
    with socket.socket(socket.AF_UNIX) as one:
        assert "takes no TCP" in _run_with("127.0.0.1:1", passed=[one]).stderr


def test_a_worker_has_the_very_socket_of_its_parent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as one:
        (again,) = inherited([os.dup(one.fileno())])
        with again, socket.create_connection(one.getsockname()):
            connection, _ = again.accept()
            connection.close()


def _said_with(
    *endpoints: str, passed: Sequence[socket.socket], listen_pid: str = ""
) -> list[list[object]]:
    done = _run_with(*endpoints, passed=passed, listen_pid=listen_pid)
    assert done.returncode == 0, done.stderr
    found: list[list[object]] = json.loads(done.stdout)
    return found


def _run_with(
    *endpoints: str, passed: Sequence[socket.socket], listen_pid: str = "", names: str = "smtp:smtp"
) -> subprocess.CompletedProcess[str]:
    """Run ``PASSED`` with the sockets as descriptors 3 and on, as a service manager does."""
    numbers = [one.fileno() for one in passed]
    moves = "; ".join(f"exec {3 + place}<&{10 + place}" for place in range(len(numbers)))
    aside = "; ".join(f"exec {10 + place}<&{number}" for place, number in enumerate(numbers))
    told = {"LISTEN_PID": listen_pid, "LISTEN_FDS": str(len(numbers)), "LISTEN_FDNAMES": names}
    command = [sys.executable, "-c", PASSED, *endpoints]
    return subprocess.run(
        ["bash", "-c", f'{aside}; {moves}; exec "$0" "$@"', *command],
        pass_fds=numbers,
        env={**os.environ, **told},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
