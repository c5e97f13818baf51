"""How does a test have a core and a satellite with a real tunnel between them?

Touches network namespaces and processes. Commands are typed in a host by a child of this process:
that is there at once, and a new interpreter takes seconds on a busy machine.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cli.main import run
from common.wireguard_text import WireGuardPeer, wireguard_text
from inventory.keys import public_key
from tests.support.network.hosts import HELD, OWN, Namespace, Namespaces
from tests.support.network.namespaces import need_programs, need_wireguard

_NEWNET, _NEWNS = 0x40000000, 0x00020000
_MS_BIND, _MS_REC, _MS_SLAVE = 4096, 16384, 1 << 19
_GIVEN = Path("/etc/netns")
DEADLINE_S = 20.0
CORE, SATELLITE = "192.0.2.1", "192.0.2.2"


@dataclass(frozen=True)
class TypedThere:
    """What a command said in a host, and its exit code."""

    status: int
    out: str
    err: str

    @property
    def tree(self) -> Any:
        """What --json printed."""
        return json.loads(self.out)


def _enter(host: Namespace) -> None:
    """Go into a host, as ``ip netns exec`` does."""
    libc = ctypes.CDLL(None, use_errno=True)

    def mount(source: str, target: str, flags: int) -> None:
        if libc.mount(source.encode(), target.encode(), None, flags, None) != 0:
            raise OSError(ctypes.get_errno(), f"mount {target}")

    with (HELD / host.full_name).open() as network:
        if libc.setns(network.fileno(), _NEWNET) != 0 or libc.unshare(_NEWNS) != 0:
            raise OSError(ctypes.get_errno(), host.full_name)
    mount("none", "/", _MS_REC | _MS_SLAVE)
    if libc.mount(b"sys", b"/sys", b"sysfs", 0, None) != 0:
        raise OSError(ctypes.get_errno(), "mount /sys")
    mount(str(OWN / host.full_name / "wireguard"), "/run/wireguard", _MS_BIND)
    for file in ("hosts", "resolv.conf"):
        mount(str(_GIVEN / host.full_name / file), f"/etc/{file}", _MS_BIND)


def _fork(host: Namespace, arguments: tuple[str, ...], out: Path, err: Path) -> int:
    child = os.fork()
    if child:
        return child
    status = 99
    try:
        for descriptor, path in ((1, out), (2, err)):
            os.dup2(os.open(path, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), descriptor)
        sys.stdout = os.fdopen(1, "w", encoding="utf-8")
        sys.stderr = os.fdopen(2, "w", encoding="utf-8")
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        _enter(host)
        status = run(arguments)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


@dataclass
class Site:
    """A host with its file."""

    host: Namespace
    folder: Path
    key: str
    vpn: tuple[str, ...]
    peers: list[WireGuardPeer] = field(default_factory=list)

    @property
    def public(self) -> str:
        return public_key(self.key)

    @property
    def file(self) -> Path:
        return self.folder / "wg0.conf"

    @property
    def state(self) -> Path:
        return self.folder / "wireguard.json"

    def render(self) -> None:
        """Write the file, as it is rendered."""
        text = wireguard_text(
            private_key=self.key, vpn_addresses=self.vpn, port=51820, peers=self.peers
        )
        self.file.write_text(text, encoding="utf-8")

    def type(self, *arguments: str) -> TypedThere:
        """Type a command here."""
        out, err = self.folder / "out", self.folder / "err"
        child = _fork(self.host, arguments, out, err)
        _, status = os.waitpid(child, 0)
        return TypedThere(os.waitstatus_to_exitcode(status), out.read_text(), err.read_text())

    def wireguard(self, command: str, *arguments: str) -> TypedThere:
        """Type ``borderscout wireguard COMMAND`` for this host's file."""
        config = () if command == "status" else ("--config", str(self.file))
        return self.type("wireguard", command, *config, "--state", str(self.state), *arguments)

    @contextmanager
    def watched(self, every_s: float = 0.1) -> Iterator[Path]:
        """Run ``wireguard watch`` here meanwhile; yields the file of what it says."""
        out, err = self.folder / "watch.out", self.folder / "watch.err"
        arguments = ("--config", str(self.file), "--state", str(self.state))
        out.touch()
        command = ("wireguard", "watch", *arguments, "--every", f"{every_s}")
        child = _fork(self.host, command, out, err)
        try:
            yield out
        finally:
            os.kill(child, signal.SIGTERM)
            os.waitpid(child, 0)

    def told(self) -> dict[str, Any]:
        """Return what the state file tells; empty before it is there."""
        try:
            tree: dict[str, Any] = json.loads(self.state.read_text())
        except FileNotFoundError:
            return {}
        return tree

    def wg(self, what: str) -> str:
        """Return what ``wg show wg0 WHAT`` prints."""
        return self.host.run("wg", "show", "wg0", what).strip()

    def handshake_s(self) -> int:
        """Return when its first peer shook hands; 0: never."""
        lines = self.wg("latest-handshakes").splitlines()
        return int(lines[0].split()[1]) if lines else 0

    def call(self) -> None:
        """Send a packet to each peer, so that a handshake begins."""
        import socket

        for peer in self.peers:
            family = socket.AF_INET6 if ":" in peer.allowed[0] else socket.AF_INET
            code = (
                "import socket, sys; socket.socket(int(sys.argv[1]), 2)"
                ".sendto(b'x', (sys.argv[2], 9))"
            )
            address = peer.allowed[0].partition("/")[0]
            self.host.run(sys.executable, "-c", code, str(int(family)), address)


@dataclass
class Cluster:
    """A core and one satellite."""

    core: Site
    satellite: Site
    hosts: Namespaces


def tunnel_between(hosts: Namespaces, folder: Path, *, endpoint: str = f"{CORE}:51820") -> Cluster:
    """Return a core and a satellite on one cable, each with its file, and no interface yet.

    Args:
        endpoint: of the core, as the satellite's file has it.
    """
    need_wireguard()
    need_programs({"nft": "nftables"})
    core = _site(hosts, folder, "core", ("10.77.0.1", "fd77::1"))
    satellite = _site(hosts, folder, "lon1", ("10.77.1.1", "fd77:1::1"))
    hosts.cable(core.host, "eth0", satellite.host, "eth0")
    core.host.set_address("eth0", f"{CORE}/24", "2001:db8::1/64")
    satellite.host.set_address("eth0", f"{SATELLITE}/24", "2001:db8::2/64")
    core.peers.append(peer_of(satellite, "lon1", f"{SATELLITE}:51820", keepalive_s=0))
    satellite.peers.append(peer_of(core, "core", endpoint, keepalive_s=25))
    core.render()
    satellite.render()
    return Cluster(core, satellite, hosts)


def _site(hosts: Namespaces, folder: Path, name: str, vpn: tuple[str, ...]) -> Site:
    made = folder / name
    made.mkdir()
    key = subprocess.run(["wg", "genkey"], capture_output=True, text=True, check=True).stdout
    return Site(hosts.create(name), made, key.strip(), vpn)


def peer_of(site: Site, name: str, endpoint: str, *, keepalive_s: int) -> WireGuardPeer:
    """Return a site as its peer writes it down."""
    allowed = tuple(f"{one}/{128 if ':' in one else 32}" for one in site.vpn)
    return WireGuardPeer(
        name=name,
        public_key=site.public,
        allowed=allowed,
        endpoint=endpoint,
        keepalive_s=keepalive_s,
    )


def wait_for(what: str, is_so: Any) -> None:
    """Wait until something is so, with a deadline."""
    deadline = time.monotonic() + DEADLINE_S
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)
