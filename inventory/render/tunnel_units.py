"""What keeps the tunnel of a machine, as units of systemd?

Pure. One program has rights over the network, and does nothing but that. It is no root: it runs as
the user whose file with the key it reads, which is of mode 0600, and which a user of its own could
read only with the right to read every file of the machine. What reads mail has the same user and
none of its rights; the kernel lets no process trace one that has more rights than itself, and
``NoNewPrivileges=`` gives neither more. When it ends, the tunnel stays, also where wireguard-go
makes it. It sees by itself that its file was changed; the two smaller units have that taken over
also while it does not run.

Source: systemd.service(5), systemd.path(5), systemd.exec(5); ptrace(2), *Ptrace access mode
checking*; sd_notify(3).
"""

from __future__ import annotations

from common.wireguard.tunnel_bounds import NETWORKS_PLACE
from inventory.render.sandbox import Sandbox

INSTALLED = "/usr/bin/borderscout"
CONFIG = "/etc/borderscout/wg0.conf"  # written by programs of ours too, and bounded by root
TUNNEL_UNIT = "borderscout-wireguard.service"
WATCHDOG_S = 180  # a path that swallows packets is measured for up to a minute

_SANDBOX = Sandbox(
    # Interfaces, peers and routes; echo requests, by which a path is measured.
    capabilities=["CAP_NET_ADMIN", "CAP_NET_RAW"],
    families=["AF_INET", "AF_INET6", "AF_NETLINK", "AF_UNIX"],
    devices=["/dev/net/tun rw"],  # for wireguard-go
)
_SERVICE = f"""\
# Its folder tells how the tunnel fares; the other one has the sockets of wireguard-go.
RuntimeDirectory=borderscout wireguard
RuntimeDirectoryMode=0755
RuntimeDirectoryPreserve=yes
# wireguard-go, where the kernel has no WireGuard, outlives what started it: so does the tunnel.
KillMode=process
LimitCORE=0

{_SANDBOX.lines()}"""


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
ExecStart={INSTALLED} wireguard watch --config {CONFIG} --within {NETWORKS_PLACE}
Restart=always
RestartSec=5
WatchdogSec={WATCHDOG_S}
{_SERVICE}
[Install]
WantedBy=multi-user.target
Also=borderscout-wireguard-apply.path
""",
        "borderscout-wireguard-apply.path": f"""\
[Unit]
Description=Border Scout tunnel: its file was changed

[Path]
PathChanged={CONFIG}
PathChanged={NETWORKS_PLACE}
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
ExecStart={INSTALLED} wireguard apply --config {CONFIG} --within {NETWORKS_PLACE}
{_SERVICE}""",
    }
