"""How does a test have a machine of its own, with a service manager and a network?

Touches a container of systemd-nspawn in a network namespace; takes root. The machine begins as its
base system is, what it writes is in memory, and all of it is gone when its block ends.

Source: systemd-nspawn(1), nsenter(1).
"""

from __future__ import annotations

import contextlib
import os
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.support.cluster.commands import Said
from tests.support.network.hosts import Namespace

STARTED_S = 120.0
RUN_S = 300.0
HOME = "/root"
TUN_DEVICE = 10, 200  # linux/Documentation/admin-guide/devices.txt
_ENVIRONMENT = ("PATH=/usr/sbin:/usr/bin:/sbin:/bin", f"HOME={HOME}", "LANG=C.UTF-8", "COLUMNS=160")


@dataclass(frozen=True)
class BootedMachine:
    """One running machine.

    Attributes:
        init: the process id, out here, of its first process.
    """

    name: str
    init: int

    def path(self, inside: str) -> Path:
        """Return where a file of it is, seen from here."""
        return Path(f"/proc/{self.init}/root{inside}")

    def write(self, inside: str, content: str | bytes) -> None:
        """Put a file there."""
        data = content.encode() if isinstance(content, str) else content
        path = self.path(inside)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    def type(self, line: str, *, given: str = "", env: Mapping[str, str] | None = None) -> Said:
        """Run a line as root's shell in root's home folder does."""
        names = [f"{name}={value}" for name, value in (env or {}).items()]
        done = subprocess.run(
            [
                *("nsenter", "--target", str(self.init), "--all", f"--wdns={HOME}"),
                *("env", "-i", *_ENVIRONMENT, *names, "sh", "-c", line),
            ],
            input=given,
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def done(self, line: str, *, given: str = "") -> str:
        """Run a line that must do what it says, and return what it printed."""
        said = self.type(line, given=given)
        assert said.status == 0, (self.name, line, said)
        return said.out


@contextlib.contextmanager
def booted(base: Path, network: Namespace) -> Iterator[BootedMachine]:
    """Run a machine for the length of a block.

    Args:
        base: its files at the beginning.
        network: a namespace that is there; its name is the machine's.
    """
    with contextlib.ExitStack() as stack:
        tun = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "tun"
        os.mknod(tun, stat.S_IFCHR, os.makedev(*TUN_DEVICE))
        tun.chmod(0o666)  # as udev makes it on a machine; out here there may be none
        yield stack.enter_context(_booted(base, network, tun))


@contextlib.contextmanager
def _booted(base: Path, network: Namespace, tun: Path) -> Iterator[BootedMachine]:
    process = subprocess.Popen(
        [
            *("systemd-nspawn", "--quiet", "--read-only", "--volatile=overlay", "--boot"),
            *("--directory", str(base), "--machine", network.full_name, "--hostname", network.name),
            *("--network-namespace-path", f"/run/netns/{network.full_name}"),
            *("--register=no", "--keep-unit", "--link-journal=no", "--resolv-conf=off"),
            *(
                f"--bind={tun}:/dev/net/tun",
                "--capability=CAP_NET_ADMIN,CAP_NET_RAW",
                "--console=pipe",
            ),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    init = 0
    try:
        init = _first_process(process)
        machine = BootedMachine(network.name, init)
        _wait_until_started(machine)
        yield machine
    finally:
        if init:  # with the first process, the kernel ends all of them
            with contextlib.suppress(ProcessLookupError):
                os.kill(init, signal.SIGKILL)
        process.terminate()
        process.communicate(timeout=30)


def _first_process(process: subprocess.Popen[bytes]) -> int:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    ends = time.monotonic() + STARTED_S
    while time.monotonic() < ends:
        if process.poll() is not None:
            assert process.stderr is not None
            raise AssertionError(process.stderr.read().decode("utf-8", "replace"))
        for child in children.read_text(encoding="ascii").split():
            with contextlib.suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text(encoding="utf-8") == "systemd\n":
                    return int(child)
        time.sleep(0.05)  # nothing tells
    raise AssertionError("no machine came up")


def _wait_until_started(machine: BootedMachine) -> None:
    ends = time.monotonic() + STARTED_S
    while time.monotonic() < ends:
        if machine.path("/run/systemd/private").exists():
            state = machine.type("systemctl is-system-running --wait").out.strip()
            assert state == "running", machine.type("systemctl --failed").out
            return
        time.sleep(0.05)
    raise AssertionError("the service manager does not answer")
