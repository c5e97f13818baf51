"""What stands in a node's service unit?

Pure. Source: systemd.exec(5), systemd.service(5).
"""

from __future__ import annotations

from enum import StrEnum

INSTALLED = "/usr/bin/borderscout"
SETTINGS_FOLDER = "/etc/borderscout"  # where the node's rendered folder goes
STATE_FOLDER = "/var/lib/borderscout"
STOP_S = 30  # a satellite ends within 20 s of SIGTERM; the rest is for a busy disk


class UnitRole(StrEnum):
    """What a node is."""

    CORE = "core"
    SATELLITE = "satellite"


def unit_name(role: UnitRole) -> str:
    """Return the unit's file name."""
    return f"borderscout-{role}.service"


def unit_text(role: UnitRole) -> str:
    """Return the unit; it is the same on every node of a role."""
    # Only the satellite's SMTP port lies below 1024.
    capabilities = "CAP_NET_BIND_SERVICE" if role is UnitRole.SATELLITE else ""
    return f"""\
[Unit]
Description=Border Scout {role}
Wants=network-online.target
After=network-online.target wg-quick@wg0.service
Requires=wg-quick@wg0.service

[Service]
ExecStart={INSTALLED} {role} serve --config {SETTINGS_FOLDER}/{role}.yaml
ExecReload=/bin/kill -HUP $MAINPID
User=borderscout
Group=borderscout
StateDirectory=borderscout
StateDirectoryMode=0700
UMask=0077
Restart=always
RestartSec=1
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
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
"""
