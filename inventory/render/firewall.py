"""What loads the rules of a machine's tunnel, and which ports do they open?

Pure. The rules lie where the users of our programs write nothing: who reads mail could else have
the machine open to whoever it likes.

Source: nft(8); docs/inventory.md, *Firewall*.
"""

from __future__ import annotations

from common.wireguard.tunnel_bounds import MACHINE_FOLDER
from common.wireguard.tunnel_rules import FIREWALL_FILE
from inventory.addressing import DEFINITIONS_PORT, GRPC_PORT, METRICS_PORT
from inventory.render.sandbox import Sandbox

CORE_OPEN_PORTS = (GRPC_PORT, DEFINITIONS_PORT)  # what satellites ask the core for
NODE_OPEN_PORTS = (METRICS_PORT,)  # what the core's end may ask a satellite for


def firewall_unit() -> tuple[str, str]:
    """Return the file name and the text of the unit that loads the rules."""
    return (
        "borderscout-firewall.service",
        f"""\
[Unit]
Description=Border Scout rules for the tunnel
# Before the tunnel is there: nothing comes through it that is not looked at.
Before=borderscout-wireguard.service network-pre.target
Wants=network-pre.target
After=nftables.service
DefaultDependencies=no
Conflicts=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/sbin/nft -f {MACHINE_FOLDER}/{FIREWALL_FILE}
ExecReload=/usr/sbin/nft -f {MACHINE_FOLDER}/{FIREWALL_FILE}
ExecStop=/usr/sbin/nft delete table inet borderscout

{Sandbox(capabilities=["CAP_NET_ADMIN"], families=["AF_NETLINK"]).lines()}
[Install]
WantedBy=multi-user.target
""",
    )
