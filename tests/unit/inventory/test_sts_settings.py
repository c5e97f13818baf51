"""Is the MTA-STS policy of the inventory the one that its nodes serve and that DNS tells of?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from common.sts_text import sts_policy_text
from inventory.addressing import node_places, wanted_ports
from inventory.load import load_inventory
from inventory.mx.records import policy_of
from inventory.render.node import satellite_settings

Change = Callable[..., Path]
STS = "mta_sts: {certificates: /c, mode: enforce, smtp_certificate: /s.crt, smtp_key: /s.key}"


def test_a_node_serves_the_policy_that_dns_tells_of(changed: Change) -> None:
    inventory = load_inventory(changed(("vpn: 10.77.0.0/16}", f"vpn: 10.77.0.0/16, {STS}}}")))
    site, node = inventory.nodes()[1]
    settings = satellite_settings(
        inventory,
        site,
        node,
        places=node_places(node, None),
        links=["10.77.0.1:7443"],
        loopback=False,
    )

    served = settings.mta_sts
    assert served is not None
    text = sts_policy_text(mode=served.mode, max_age_s=served.max_age_s, hosts=served.hosts)
    assert text == policy_of(inventory.cluster)
    assert served.listen == ["0.0.0.0:443", "[::]:443"]
    assert (settings.smtp.certificate, settings.smtp.rsa_certificate) == ("/s.crt", "")


def test_a_port_for_policies_is_chosen_only_where_they_are_served(changed: Change) -> None:
    without = wanted_ports(load_inventory(changed()))
    with_it = wanted_ports(
        load_inventory(changed(("vpn: 10.77.0.0/16}", f"vpn: 10.77.0.0/16, {STS}}}")))
    )

    assert without["lon1"] == ("smtp", "metrics")
    assert with_it["lon1"] == ("smtp", "metrics", "policies")
