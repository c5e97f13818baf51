"""What keeps the tunnel of a machine, as units of systemd?

Pure. One program runs as root, and does nothing but that: it holds the two rights that it needs.
When it ends, the tunnel stays, also where wireguard-go makes it. The two smaller units have a file
that was changed taken over at once; without them it takes ten seconds.

Source: systemd.service(5), systemd.path(5), systemd.exec(5); sd_notify(3).
"""

from __future__ import annotations

INSTALLED = "/usr/bin/borderscout"
CONFIG = "/etc/wireguard/wg0.conf"
WRITTEN = "/etc/borderscout/wg0.conf"  # what it leads to, where the program itself writes it
TUNNEL_UNIT = "borderscout-wireguard.service"
WATCHDOG_S = 180  # a path that swallows packets is measured for up to a minute

_RIGHTS = "CAP_NET_ADMIN CAP_NET_RAW CAP_DAC_READ_SEARCH"
_SANDBOX = f"""\
# Its folder tells how the tunnel fares; the other one has the sockets of wireguard-go.
RuntimeDirectory=borderscout wireguard
RuntimeDirectoryMode=0755
RuntimeDirectoryPreserve=yes
# wireguard-go, where the kernel has no WireGuard, outlives what started it: so does the tunnel.
KillMode=process
UMask=0077
CapabilityBoundingSet={_RIGHTS}
DeviceAllow=/dev/net/tun rw
DevicePolicy=closed
LockPersonality=yes
NoNewPrivileges=yes
PrivateTmp=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHome=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelTunables=yes
ProtectProc=invisible
ProtectSystem=strict
RestrictAddressFamilies=AF_INET AF_INET6 AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
"""


def tunnel_units() -> dict[str, str]:
    """Return the units by file name."""
    return {
        TUNNEL_UNIT: f"""\
[Unit]
Description=Border Scout tunnel
Wants=network-online.target
After=network-online.target
# An interface that wg-quick made is taken over. No Conflicts=: that would have it taken down.
# For ever: a name without an address now may have one in an hour.
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={INSTALLED} wireguard watch --config {CONFIG}
Restart=always
RestartSec=5
WatchdogSec={WATCHDOG_S}
{_SANDBOX}
[Install]
WantedBy=multi-user.target
Also=borderscout-wireguard-apply.path
""",
        "borderscout-wireguard-apply.path": f"""\
[Unit]
Description=Border Scout tunnel: its file was changed

[Path]
PathChanged={CONFIG}
PathChanged={WRITTEN}
TriggerLimitIntervalSec=10

[Install]
WantedBy=multi-user.target
""",
        "borderscout-wireguard-apply.service": f"""\
[Unit]
Description=Border Scout tunnel: take a changed file over
After={TUNNEL_UNIT}

[Service]
Type=oneshot
ExecStart={INSTALLED} wireguard apply --config {CONFIG}
{_SANDBOX}""",
    }
