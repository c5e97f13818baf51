"""What stands in a node's service unit?

Pure. Source: systemd.exec(5), systemd.service(5).
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from inventory.render.tunnel_units import INSTALLED, TUNNEL_UNIT

SETTINGS_FOLDER = "/etc/borderscout"  # where the node's rendered folder goes
STOP_S = 30  # a satellite ends within 20 s of SIGTERM; the rest is for a busy disk


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


def unit_text(role: UnitRole, *, folders: Sequence[str] = ()) -> str:
    """Return the unit.

    Args:
        role: what the node is.
        folders: absolute paths beside its own, in which it writes; one that is not there is none.
    """
    writes = "".join(f"ReadWritePaths={_path(folder)}\n" for folder in folders)
    # Only the satellite's SMTP port lies below 1024.
    capabilities = "CAP_NET_BIND_SERVICE" if role is UnitRole.SATELLITE else ""
    state = STATE_FOLDERS[role].rpartition("/")[2]
    if role is UnitRole.SCAN:  # it asks nobody but its neighbour, whose mail waits for it
        order = "After=network-online.target\nBefore=postfix.service\n"
        writes += f"RuntimeDirectory={state}\n"  # for the milter's socket
    elif role is UnitRole.SATELLITE:
        # It replaces its settings file when the core tells it to.
        writes = f"ReadWritePaths=-{SETTINGS_FOLDER}\n{writes}"
        # Mail does not wait for the tunnel, which may look for the core's name for minutes (P4).
        order = f"After=network-online.target\nWants={TUNNEL_UNIT}\n"
    else:
        # It keeps the peers of nodes that have joined in its wg0.conf.
        writes = f"ReadWritePaths=-{SETTINGS_FOLDER}\n{writes}"
        # It binds the tunnel's address, but a console is worth having without the tunnel too.
        order = f"After=network-online.target {TUNNEL_UNIT}\nWants={TUNNEL_UNIT}\n"
    return f"""\
[Unit]
Description=Border Scout {_DESCRIPTIONS.get(role, role)}
Wants=network-online.target
{order}\
# For ever: a file that is wrong now may be right in an hour, and nobody may be there to see.
StartLimitIntervalSec=0

[Service]
ExecStart={INSTALLED} {role} serve --config {SETTINGS_FOLDER}/{role}.yaml
ExecReload=/bin/kill -HUP $MAINPID
User=borderscout
Group=borderscout
StateDirectory={state}
StateDirectoryMode=0700
UMask=0077
Restart=always
RestartSec=2
TimeoutStopSec={STOP_S}
LimitNOFILE=65536
AmbientCapabilities={capabilities}
CapabilityBoundingSet={capabilities}
NoNewPrivileges=yes
PrivateDevices=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
ProtectSystem=strict
{writes}\
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""


def _path(path: str) -> str:
    """Return a path as a quoted word (systemd.syntax(7)) that may not be there."""
    escaped = path.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"-{escaped}"'
