"""A worker does not outlive its parent, whatever killed it."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys

import pytest

from common.die_with_parent import die_with_parent
from tests.support.node.family import is_alive
from tests.support.node.processes import Process
from tests.support.waiting import until

CHILD = """
import os, signal, sys
from common.die_with_parent import die_with_parent
die_with_parent(int(sys.argv[1]))
print("tied", os.getpid(), flush=True)
signal.pause()
"""
PARENT = f"""
import os, signal, subprocess, sys
subprocess.Popen([sys.executable, "-c", {CHILD!r}, str(os.getpid())], start_new_session=True)
signal.pause()
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV])
async def test_a_child_dies_when_its_parent_does(number: signal.Signals) -> None:
    async with Process([sys.executable, "-c", PARENT]) as parent:
        child = int((await parent.wait_for_line(r"tied (\d+)"))[1])
        assert is_alive(child)

        parent.send(number)

        await parent.wait()

        async def gone() -> bool:
            return not is_alive(child)

        await until(gone, "the child is gone")


def test_a_child_that_comes_too_late_ends_at_once() -> None:
    someone_else = os.getpid() + 1

    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(someone_else)], capture_output=True, check=False
    )

    assert done.returncode == 1
    assert done.stdout == b""


def test_a_kernel_that_refuses_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        def __init__(self, *_: object, **__: object) -> None:
            pass

        def prctl(self, *_: object) -> int:
            return -1

    monkeypatch.setattr(ctypes, "CDLL", Refusing)

    with pytest.raises(OSError, match="prctl failed"):
        die_with_parent(os.getppid())


def test_privileges_that_were_given_up_are_so_in_what_comes_after() -> None:
    child = "from common.die_with_parent import gain_no_privileges as g; g(); "
    child += (
        "import subprocess; print(subprocess.check_output(['cat', '/proc/self/status']).decode())"
    )

    status = subprocess.run(
        [sys.executable, "-c", child], capture_output=True, text=True, check=True
    ).stdout

    assert "NoNewPrivs:\t1" in status
