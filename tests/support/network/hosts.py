"""How does a machine hold many hosts, each with a network of its own, and be rid of them again?

Touches network namespaces, the folders ``/etc/netns`` and ``/run/borderscout-lab``, and what runs
in those namespaces; takes root. The root namespace gets no interface, route or rule.

Everything carries the name ``bs-ID-NAME``, so that whoever comes later finds what a killed process
left, and removes it: ``Namespaces(ID).remove()``, or ``sweep()`` for what no process owns any more.

``wg`` and ``wireguard-go`` meet at a socket below ``/run/wireguard``, which is a place of the whole
machine and no part of a network: two hosts with a ``wg0`` would be one. So what runs in a namespace
sees a folder of its own there, and all of its namespace see the same.

Source: ip-netns(8), mount_namespaces(7).
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from common.errors import EnvironmentFailure, LocalError

HELD = Path("/run/netns")  # where ip(8) keeps the names of namespaces
GIVEN = Path("/etc/netns")  # files below it stand in /etc for what runs in the namespace
OWN = Path("/run/borderscout-lab")  # folders of one namespace
SOCKETS = Path("/run/wireguard")
END_S = 5.0  # a killed process is gone within it
RUN_S = 30.0

_ID = re.compile(r"[a-z0-9]{1,24}")
_HOST = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_FULL = re.compile(r"bs-([a-z0-9]{1,24})-[a-z0-9][a-z0-9-]{0,62}")
_OF_A_PROCESS = re.compile(r"p(\d{1,10})t(\d{1,20})")
_SBIN = ":/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True)
class Namespace:
    """One host: a network of its own, and what runs in it."""

    full_name: str

    @property
    def name(self) -> str:
        """Return the host's name, without what is before it."""
        return self.full_name.split("-", 2)[2]

    def argv(self, *command: str) -> list[str]:
        """Return what to execute so that ``command`` runs here, under the same process id."""
        enter = 'mount --bind "$0" /run/wireguard && exec "$@"'
        own = str(OWN / self.full_name / "wireguard")
        return ["ip", "netns", "exec", self.full_name, "sh", "-c", enter, own, *command]

    def start(self, *command: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start a program here; whoever calls waits for it.

        Args:
            options: of ``subprocess.Popen``.
        """
        options.setdefault("stdin", subprocess.DEVNULL)
        options["env"] = _environment(options.get("env", os.environ))
        return subprocess.Popen(self.argv(*command), **options)

    def run(self, *command: str, given: str = "", timeout_s: float = RUN_S) -> str:
        """Run a program here to its end, and return what it printed.

        Args:
            given: what it reads.

        Raises:
            EnvironmentFailure: it failed; the error holds its last line.
        """
        return _run(self.argv(*command), given=given, timeout_s=timeout_s)

    def set_address(self, interface: str, *addresses: str) -> None:
        """Give an interface addresses, each with its prefix length, and bring it up."""
        for address in addresses:
            # Without the search for others that have it: an IPv6 address is good at once.
            at_once = ["nodad"] if ":" in address else []
            _ip("-n", self.full_name, "address", "replace", address, "dev", interface, *at_once)
        _ip("-n", self.full_name, "link", "set", interface, "up")

    def set_names(self, hosts: Mapping[str, str], *, nameservers: Iterable[str] = ()) -> None:
        """Say what names mean here, for what is started from now on.

        Args:
            hosts: name → address, as in hosts(5).
            nameservers: addresses; none: no DNS.
        """
        given = GIVEN / self.full_name
        given.mkdir(mode=0o755, parents=True, exist_ok=True)
        lines = ["127.0.0.1 localhost", "::1 localhost"]
        lines += [f"{address} {name}" for name, address in hosts.items()]
        # In place: a file that programs have over theirs already stays the same file.
        (given / "hosts").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        # Without a line the library asks 127.0.0.1; a second without answer is enough there.
        lines = [f"nameserver {one}" for one in nameservers]
        lines.append("options timeout:1 attempts:1")
        (given / "resolv.conf").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

    def processes(self) -> list[int]:
        """Return the ids of what runs here."""
        if not (HELD / self.full_name).exists():
            return []
        return [int(line) for line in _ip("netns", "pids", self.full_name).split()]

    def remove(self) -> None:
        """End what runs here and take everything of this host away; harmless when it is gone."""
        deadline = time.monotonic() + END_S
        while (found := self.processes()) and time.monotonic() < deadline:
            for process in found:
                _kill(process)
            time.sleep(0.01)  # nothing tells when a stranger's child has ended
        if (HELD / self.full_name).exists():
            _ip("netns", "delete", self.full_name)
        for folder in (GIVEN / self.full_name, OWN / self.full_name):
            shutil.rmtree(folder, ignore_errors=True)


class Namespaces:
    """All hosts of one laboratory.

    Used with ``with``, they are removed at its end; else by ``remove``, perhaps of another process.

    Args:
        ident: 1 to 24 of a-z and 0-9; that of a process that removes them itself: ``own_ident()``.
    """

    def __init__(self, ident: str) -> None:
        if not _ID.fullmatch(ident):
            raise LocalError(
                f"{ident[:40]!r} is no name of a laboratory", hint="use 1 to 24 of a-z and 0-9"
            )
        self.ident = ident

    def __enter__(self) -> Namespaces:
        """Return itself."""
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Remove all."""
        self.remove()

    def host(self, name: str) -> Namespace:
        """Return a host, made by now or not."""
        if not _HOST.fullmatch(name):
            raise LocalError(f"{name[:80]!r} is no name of a host", hint="use a-z, 0-9 and -")
        return Namespace(f"bs-{self.ident}-{name}")

    def create(self, name: str) -> Namespace:
        """Make a host with a loopback interface alone, that knows no names but localhost."""
        made = self.host(name)
        # The folders first: what is found by name is removed, however far this came.
        SOCKETS.mkdir(mode=0o700, exist_ok=True)
        (OWN / made.full_name / "wireguard").mkdir(mode=0o700, parents=True, exist_ok=True)
        made.set_names({})
        _ip("netns", "add", made.full_name)
        _ip("-n", made.full_name, "link", "set", "lo", "up")
        return made

    def cable(self, one: Namespace, interface: str, other: Namespace, there: str) -> None:
        """Lay a cable between two hosts; its ends are interfaces there, of 1 to 15 letters."""
        _ip(
            *("link", "add", interface, "netns", one.full_name, "type", "veth"),
            *("peer", "name", there, "netns", other.full_name),
        )
        for host, end in ((one, interface), (other, there)):
            _ip("-n", host.full_name, "link", "set", end, "up")

    def bridge(self, host: Namespace, name: str, ports: Sequence[str]) -> None:
        """Make a switch in a host, of interfaces that it has."""
        _ip("-n", host.full_name, "link", "add", name, "type", "bridge")
        for port in ports:
            _ip("-n", host.full_name, "link", "set", port, "master", name)
        _ip("-n", host.full_name, "link", "set", name, "up")

    def present(self) -> list[Namespace]:
        """Return the hosts that are there, also those that were made in part."""
        return [one for one in _all() if _FULL.fullmatch(one.full_name)[1] == self.ident]  # type: ignore[index]

    def remove(self) -> None:
        """Take all hosts away, with what runs in them."""
        for one in self.present():
            one.remove()


def own_ident() -> str:
    """Return a name for the laboratory of this process, which ends with it."""
    return f"p{os.getpid()}t{_began(os.getpid())}"


def sweep() -> list[str]:
    """Take away the hosts of processes that ended without doing so, and return their names."""
    dead = []
    for one in _all():
        match = _OF_A_PROCESS.fullmatch(one.full_name.split("-", 2)[1])
        if match and _began(int(match[1])) != match[2]:
            one.remove()
            dead.append(one.full_name)
    return dead


def why_not() -> str:
    """Return why no host can be made on this machine; empty when it can."""
    if os.geteuid() != 0:
        return "network namespaces take root"
    if shutil.which("ip", path=_environment(os.environ)["PATH"]) is None:
        return "ip is not here: apt-get install iproute2"
    return ""


def _all() -> list[Namespace]:
    names = {
        path.name
        for folder in (HELD, GIVEN, OWN)
        if folder.is_dir()
        for path in folder.iterdir()
        if _FULL.fullmatch(path.name)
    }
    return [Namespace(name) for name in sorted(names)]


def _began(process: int) -> str:
    """Return when a process began, in ticks since the machine did: its id may come again."""
    try:
        text = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return text.rpartition(")")[2].split()[19]  # field 22; the name before it may hold spaces


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return


def _environment(given: Mapping[str, str]) -> dict[str, str]:
    return {**given, "PATH": given.get("PATH", "/usr/bin:/bin") + _SBIN}


def _ip(*arguments: str) -> str:
    return _run(["ip", *arguments])


def _run(command: Sequence[str], *, given: str = "", timeout_s: float = RUN_S) -> str:
    try:
        done = subprocess.run(
            command,
            input=given,
            env=_environment(os.environ),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentFailure(f"{command[0]}: {error}") from None
    if done.returncode != 0:
        said = (done.stderr.strip() or done.stdout.strip() or "said nothing").splitlines()[-1]
        raise EnvironmentFailure(f"{' '.join(command[:8])}: {said}")
    return done.stdout
