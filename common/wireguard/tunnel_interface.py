"""How is a WireGuard interface asked and changed?

Touches the network's interfaces through ``ip``, ``wg`` and ``wireguard-go``, which takes root; host
names are looked up. Programs get arrays, never a shell; secrets go in as their input.

Source: wg(8), ip(8), wg-quick(8), https://www.wireguard.com/xplatform/.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from common.errors import EnvironmentFailure, LocalError
from common.wireguard.tunnel_bounds import must_lie_within, parse_networks
from common.wireguard.tunnel_changes import InterfaceNow, TunnelChange, parse_interface
from common.wireguard.tunnel_file import FILE_BYTES_MAX, TunnelFile, parse_tunnel_file
from common.wireguard.tunnel_state import TunnelNow, parse_dump

COMMAND_S = 20.0
RESOLVE_S = 8.0
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_IP_MTU, _IPV6_MTU = 14, 24  # linux/in.h, linux/in6.h
OVERHEAD = 80  # octets that WireGuard adds to a packet over IPv6; 60 over IPv4


def read_tunnel_file(path: Path, *, within: Path | None = None) -> TunnelFile:
    """Return what a ``wg0.conf`` says.

    Args:
        within: the file of networks that it must keep to; where there is none, to nothing.

    Raises:
        SettingsError: it is wrong, or leads elsewhere; every complaint.
        LocalError: it is no text, or far too long.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(FILE_BYTES_MAX + 1)
    if len(content) > FILE_BYTES_MAX:
        raise LocalError(
            f"{path}: is longer than {FILE_BYTES_MAX >> 20} MiB", hint="render it anew"
        )
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise LocalError(f"{path}: is no UTF-8", hint="render it anew") from None
    found = parse_tunnel_file(text, file=str(path))
    with contextlib.suppress(FileNotFoundError):
        if within is not None:
            allowed = parse_networks(within.read_text(encoding="utf-8"), file=str(within))
            must_lie_within(found, allowed, file=str(path))
    return found


@dataclass(frozen=True, slots=True)
class TunnelInterface:
    """One interface of this machine, there or not."""

    name: str

    def is_there(self) -> bool:
        """Say whether there is an interface of this name."""
        return Path(f"/sys/class/net/{self.name}").exists() or self._shown()

    def _shown(self) -> bool:
        # /sys may be that of another network namespace.
        done = _execute(("ip", "link", "show", "dev", self.name))
        return done.returncode == 0

    def bring_in(self) -> str:
        """Make the interface, and return who does the work: the kernel or wireguard-go.

        Raises:
            EnvironmentFailure: neither can.
        """
        done = _execute(("ip", "link", "add", "dev", self.name, "type", "wireguard"))
        if done.returncode == 0:
            return "the kernel"
        if shutil.which("wireguard-go", path=PATH) is None:
            raise EnvironmentFailure(
                f"no interface {self.name}: {_said(done)}",
                hint="load the module: modprobe wireguard; or: apt-get install wireguard-go",
            )
        # It goes into the background by itself, and lives until the interface is deleted.
        _must(("wireguard-go", self.name))
        return "wireguard-go"

    def now(self) -> tuple[TunnelNow, InterfaceNow]:
        """Return how it is.

        Raises:
            EnvironmentFailure: it is no WireGuard interface, or nobody may ask.
        """
        dump = _must(("wg", "show", self.name, "dump"))
        there = parse_interface(
            addresses=_must(("ip", "-j", "address", "show", "dev", self.name)),
            routes=_must(("ip", "-4", "-j", "route", "show", "dev", self.name)),
            routes_v6=_must(("ip", "-6", "-j", "route", "show", "dev", self.name)),
        )
        return parse_dump(dump), there

    def public_key(self) -> str:
        """Return the key that others have of it, base64."""
        return _must(("wg", "show", self.name, "public-key")).strip()

    def carry_out(self, changes: Iterable[TunnelChange]) -> None:
        """Do it, in this order.

        Raises:
            EnvironmentFailure: one failed; those after it were not tried.
        """
        for change in changes:
            _must(change.argv, given=change.given)


def resolved(names: Sequence[str], *, within_s: float = RESOLVE_S) -> dict[str, tuple[str, ...]]:
    """Return the addresses of host names; one that has none by then is left out.

    The library's own look-up knows no deadline: it took wg-quick 170 s to give up at a boot without
    network. A thread that still waits afterwards is of no harm, and ends by itself.
    """
    found: dict[str, tuple[str, ...]] = {}

    def look_up(name: str) -> None:
        try:
            rows = socket.getaddrinfo(name, None, type=socket.SOCK_DGRAM)
        except (OSError, UnicodeError):
            return
        addresses = dict.fromkeys(str(row[4][0]) for row in rows if "%" not in str(row[4][0]))
        # Those that no route leads to come last: a name may have both families.
        found[name] = tuple(sorted(addresses, key=lambda one: not _has_route(one)))

    threads = [threading.Thread(target=look_up, args=(name,), daemon=True) for name in names]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + within_s
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return dict(found)


def underlay_mtu(addresses: Iterable[str]) -> int:
    """Return the largest packet that the machine's own interfaces send there; 0: not known."""
    found = [size for one in addresses if (size := _local_mtu(one))]
    return min(found, default=0)


def _local_mtu(address: str) -> int:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    level, option = (
        (socket.IPPROTO_IPV6, _IPV6_MTU) if ":" in address else (socket.IPPROTO_IP, _IP_MTU)
    )
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))  # nothing is sent
            return int(probe.getsockopt(level, option))
        except OSError:
            return 0


def _has_route(address: str) -> bool:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((address, 9))  # nothing is sent
        except OSError:
            return False
    return True


def _environment() -> dict[str, str]:
    # Nothing of ours changes what these programs do, such as WG_HIDE_KEYS or LOG_LEVEL.
    return {"PATH": PATH, "LC_ALL": "C", "WG_ENDPOINT_RESOLUTION_RETRIES": "0"}


def _execute(argv: Sequence[str], *, given: str = "") -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - an array, no shell
            argv,
            input=given,
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=COMMAND_S,
            check=False,
        )
    except FileNotFoundError:
        package = {"wg": "wireguard-tools", "ip": "iproute2"}.get(argv[0], argv[0])
        raise EnvironmentFailure(
            f"{argv[0]} is not here", hint=f"apt-get install {package}"
        ) from None
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentFailure(f"{argv[0]}: {type(error).__name__}") from None


def _must(argv: Sequence[str], *, given: str = "") -> str:
    done = _execute(argv, given=given)
    if done.returncode != 0:
        raise EnvironmentFailure(
            f"{' '.join(argv[:6])}: {_said(done)}",
            hint="run it as root" if os.geteuid() != 0 else "",
        )
    return done.stdout


def _said(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.strip().splitlines()
    return lines[-1][:200] if lines else f"ended with {done.returncode}"
