"""What stands in a node's units: that of its program, and that of its port 25?

Pure. The program tells the service manager when it is ready and that it lives. The socket is the
service manager's: while the program begins anew, or dies, whoever connects waits and is not
refused.

Source: systemd.service(5), systemd.socket(5); common/supervisor.py.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from enum import StrEnum

from common.settings.values import split_endpoint
from inventory.render.sandbox import Sandbox
from inventory.render.tunnel_units import INSTALLED, TUNNEL_UNIT

SETTINGS_FOLDER = "/etc/borderscout"  # where the node's rendered folder goes
STOP_S = 30  # a satellite ends within 20 s of SIGTERM; the rest is for a busy disk
START_S = 120  # until it first says that it needs longer: a small machine that starts all at once
WATCHDOG_S = 90  # of silence; it speaks every ten seconds, and begins anew within some
BACKLOG = 1024  # connections that may wait; the kernel's net.core.somaxconn bounds it too
SOCKET_UNIT = "borderscout-satellite.socket"


class UnitRole(StrEnum):
    """What a node is."""

    CORE = "core"
    SATELLITE = "satellite"
    SCAN = "scan"  # a scanning server beside a mail server, perhaps on a machine with a node


STATE_FOLDERS = {
    UnitRole.CORE: "/var/lib/borderscout",
    UnitRole.SATELLITE: "/var/lib/borderscout",
    UnitRole.SCAN: "/var/lib/borderscout-scan",
}
_DESCRIPTIONS = {UnitRole.SCAN: "scanning server"}


def unit_name(role: UnitRole) -> str:
    """Return the unit's file name."""
    return f"borderscout-{role}.service"


def unit_text(role: UnitRole, *, folders: Sequence[str] = (), has_socket: bool = False) -> str:
    """Return the unit.

    Args:
        role: what the node is.
        folders: absolute paths beside its own, in which it writes; one that is not there is none.
        has_socket: there is a socket unit for it.
    """
    state = STATE_FOLDERS[role].rpartition("/")[2]
    return f"""\
[Unit]
Description=Border Scout {_DESCRIPTIONS.get(role, role)}
Wants=network-online.target
{_order(role)}\
# For ever: a file that is wrong now may be right in an hour, and nobody may be there to see.
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={INSTALLED} {role} serve --config {SETTINGS_FOLDER}/{role}.yaml
ExecReload=/bin/kill -HUP $MAINPID
{f"Sockets={SOCKET_UNIT}{chr(10)}" if has_socket else ""}\
StateDirectory={state}
StateDirectoryMode=0700
{f"RuntimeDirectory={state}{chr(10)}" if role is UnitRole.SCAN else ""}\
Restart=always
RestartSec=2
TimeoutStartSec={START_S}
TimeoutStopSec={STOP_S}
WatchdogSec={WATCHDOG_S}
LimitNOFILE=65536
# What the memory of a program that reads mail holds belongs on no disk.
LimitCORE=0

{_sandbox(role, folders).lines()}
[Install]
WantedBy=multi-user.target
{f"Also={SOCKET_UNIT}{chr(10)}" if has_socket else ""}"""


def socket_text(listen: Sequence[str]) -> str:
    """Return the unit of a satellite's port 25; empty: it listens on no address that has a number.

    Args:
        listen: the settings' ``smtp.listen``. What is not here, the program binds itself.
    """
    streams = "".join(f"ListenStream={one}\n" for one in listen if _is_number(one))
    if not streams:
        return ""
    return f"""\
[Unit]
Description=Border Scout satellite: its SMTP port

[Socket]
{streams}\
BindIPv6Only=ipv6-only
# An address that no interface has yet is served as soon as one has it.
FreeBind=yes
Backlog={BACKLOG}
FileDescriptorName=smtp
# For ever, as the service.
TriggerLimitIntervalSec=0

[Install]
WantedBy=sockets.target
"""


def _order(role: UnitRole) -> str:
    match role:
        case UnitRole.SCAN:  # it asks nobody but its neighbour, whose mail waits for it
            return "After=network-online.target\nBefore=postfix.service\n"
        case UnitRole.SATELLITE:
            # Mail does not wait for the tunnel, which may look for the core's name for minutes
            # (P4).
            return f"After=network-online.target\nWants={TUNNEL_UNIT}\n"
        case UnitRole.CORE:
            # It binds the tunnel's address, but a console is worth having without the tunnel too.
            return f"After=network-online.target {TUNNEL_UNIT}\nWants={TUNNEL_UNIT}\n"


def _sandbox(role: UnitRole, folders: Sequence[str]) -> Sandbox:
    writes = [_path(folder) for folder in folders]
    if role is not UnitRole.SCAN:
        # A satellite replaces its settings file when the core tells it to; the core keeps the
        # peers of nodes that have joined in its wg0.conf.
        writes.insert(0, f"-{SETTINGS_FOLDER}")
    is_satellite = role is UnitRole.SATELLITE
    return Sandbox(
        # For a port below 1024 that no socket unit has: its own 25 without one, and 443.
        capabilities=["CAP_NET_BIND_SERVICE"] if is_satellite else [],
        # Helpers that read hostile files filter their own calls.
        calls=["seccomp"],
        writes=writes,
        # Before clamd loads definitions it looks up how much memory clamd may have.
        sees_processes=is_satellite,
        makes_code=True,  # YARA-X, which the core has too, to try rules before it hands them out
    )


def _is_number(endpoint: str) -> bool:
    host, _ = split_endpoint(endpoint)
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _path(path: str) -> str:
    """Return a path as a quoted word (systemd.syntax(7)) that may not be there."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"-{escaped}"'
