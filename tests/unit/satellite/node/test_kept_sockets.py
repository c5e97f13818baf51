"""Sockets stay open over execve(2), for the same process and no other."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from common.errors import EnvironmentFailure
from satellite.node.kept_sockets import VARIABLE, KeptSockets
from satellite.node.sockets import listening_sockets
from tests.support.network.ports import free_port

# Listens, becomes another program in the same process, and says what that one has.
FIRST = """
import os, sys
from satellite.node.kept_sockets import KeptSockets
from satellite.node.sockets import listening_sockets
kept = KeptSockets()
listening_sockets(sys.argv[1:2], kept)
os.execve(sys.executable, [sys.executable, "-c", sys.argv[2], *sys.argv[1:]],
          {**os.environ, **kept.environment()})
"""
THEN = """
import json, os, socket, sys
from satellite.node.kept_sockets import VARIABLE, KeptSockets
from satellite.node.sockets import listening_sockets
kept = KeptSockets.taken_over()
with socket.create_connection(kept.all()[0].getsockname()):
    pass  # it has listened all the time
[one] = listening_sockets(sys.argv[1:2], kept)
print(json.dumps([one is kept.all()[0], os.get_inheritable(one.fileno()), VARIABLE in os.environ]))
"""


@pytest.fixture
def kept() -> Iterator[KeptSockets]:
    made = KeptSockets()
    yield made
    made.keep_only({})


def test_the_next_program_of_the_same_process_has_the_very_socket() -> None:
    said = subprocess.run(
        [sys.executable, "-c", FIRST, f"127.0.0.1:{free_port()}", THEN],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert json.loads(said.stdout or "null") == [True, False, False], said.stderr


PASSED_FIRST = """
import json, os, sys
from satellite.node.kept_sockets import KeptSockets
from satellite.node.sockets import listening_sockets
os.environ["LISTEN_PID"] = str(os.getpid())
turn, passed, own = int(sys.argv[1]), sys.argv[2], sys.argv[3]
kept = KeptSockets.taken_over()
found = listening_sockets([own] if turn == 1 else [passed, own], kept)
if turn < 2:
    os.execve(sys.executable, [sys.executable, "-c", sys.argv[4], str(turn + 1), *sys.argv[2:]],
              {**os.environ, **kept.environment()})
print(json.dumps([one.getsockname()[1] for one in found] + [len(kept.all())]))
"""


def test_a_passed_socket_outlives_settings_that_do_not_name_it() -> None:
    own = f"127.0.0.1:{free_port()}"
    with socket.create_server(("127.0.0.1", 0)) as one:
        passed = f"127.0.0.1:{one.getsockname()[1]}"
        script = 'exec 3<&"$1"; shift; exec "$@"'
        command = [sys.executable, "-c", PASSED_FIRST, "0", passed, own, PASSED_FIRST]
        said = subprocess.run(
            ["bash", "-c", script, "bash", str(one.fileno()), *command],
            pass_fds=[one.fileno()],
            env={**os.environ, "LISTEN_FDS": "1", "LISTEN_FDNAMES": "smtp"},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    ports = [int(each.rpartition(":")[2]) for each in (passed, own)]
    assert json.loads((said.stdout or "null").splitlines()[-1]) == [*ports, 2], said.stderr


def test_another_process_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f'{os.getpid() + 1} {{"127.0.0.1:25": 0}}')

    assert KeptSockets.taken_over().all() == []
    assert VARIABLE not in os.environ


def test_what_listens_no_more_is_closed_once_all_else_listens(kept: KeptSockets) -> None:
    first, second = (f"127.0.0.1:{free_port()}" for _ in range(2))
    [one] = listening_sockets([first], kept)

    assert listening_sockets([first, second], kept)[0] is one
    listening_sockets([second], kept)

    assert one.fileno() == -1
    with socket.socket() as other:
        other.bind(("127.0.0.1", int(first.rpartition(":")[2])))


def test_what_listened_goes_on_when_another_address_cannot_be_had(kept: KeptSockets) -> None:
    first = f"127.0.0.1:{free_port()}"
    [one] = listening_sockets([first], kept)
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = f"127.0.0.1:{other.getsockname()[1]}"

        with pytest.raises(EnvironmentFailure):
            listening_sockets([taken], kept)

    assert kept.get(first) is one
    assert one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1
