"""``borderscout doctor --tunnel``: each cause of a tunnel that does not come up is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from cli import tunnel_look
from tests.support.network.hosts import Namespaces
from tests.support.network.namespaces import laboratory
from tests.support.network.tunnel import Cluster, Site, TypedThere, tunnel_between, wait_for

__all__ = ["laboratory"]


@pytest.fixture
def cluster(laboratory: Namespaces, tmp_path: Path) -> Cluster:
    return tunnel_between(laboratory, tmp_path)


def looked(site: Site) -> TypedThere:
    done = site.type("doctor", "--tunnel", str(site.file))
    assert "Traceback" not in done.err
    return done


def faults(site: Site) -> str:
    """Return what the doctor finds wrong of the tunnel; each fault says what to type."""
    done = looked(site)
    lines = [line for line in done.out.splitlines() if line.startswith("✘ tunnel")]
    assert done.status == (1 if lines else 0), done
    assert all("; " in line for line in lines)
    assert site.key not in done.out
    return "\n".join(lines)


def drop(site: Site, rule: str) -> None:
    chain = f"chain in {{ type filter hook input priority 0; {rule} drop; }}"
    site.host.run("nft", "-f", "-", given=f"table inet hole {{ {chain}; }}")


def test_an_interface_that_is_not_there(cluster: Cluster) -> None:
    found = faults(cluster.satellite)

    assert "there is no interface wg0; systemctl status borderscout-wireguard" in found
    assert "borderscout wireguard apply" in found


def test_a_tunnel_that_is_well(cluster: Cluster) -> None:
    for site in (cluster.core, cluster.satellite):
        site.wireguard("apply")
    wait_for("a handshake", cluster.satellite.handshake_s)

    assert faults(cluster.satellite) == ""
    assert "✔ tunnel: wg0: 1 of 1 peer is well" in looked(cluster.core).out
    cluster.satellite.host.run("ip", "route", "delete", "10.77.0.1/32", "dev", "wg0")
    assert "for one: set route 10.77.0.1/32; type: borderscout wireguard apply" in faults(
        cluster.satellite
    )


def test_a_name_that_does_not_resolve(laboratory: Namespaces, tmp_path: Path) -> None:
    satellite = tunnel_between(laboratory, tmp_path, endpoint="core.example:51820").satellite
    satellite.wireguard("apply")

    found = faults(satellite)

    assert "tunnel to core: never shook hands: core.example has no address" in found
    assert "getent hosts core.example" in found


@pytest.mark.long
def test_a_key_that_differs_is_told_from_a_port_that_is_closed(cluster: Cluster) -> None:
    """From outside the two look alike: the other end sees which it is."""
    core, satellite = cluster.core, cluster.satellite
    strange = "A" * 42 + "0="
    satellite.wireguard("apply")
    closed = faults(satellite)
    assert "nothing listens at 192.0.2.1:51820, as the machine there says" in closed

    # The core has another key for the satellite than the satellite has.
    right = core.file.read_text()
    core.file.write_text(right.replace(satellite.public, strange))
    core.wireguard("apply")
    there = faults(core)
    assert "it knocks, from 192.0.2.2, and its key is not the one in our file" in there
    here = faults(satellite)
    assert "octets went to 192.0.2.1:51820 and nothing came back: UDP is dropped" in here
    assert "on the other machine, as root: borderscout doctor --tunnel" in here

    # The satellite has another key for the core than the core has.
    core.file.write_text(right)
    core.wireguard("apply")
    satellite.file.write_text(satellite.file.read_text().replace(core.public, strange))
    satellite.wireguard("apply")
    assert "its file has another public key for us than ours" in faults(core)


@pytest.mark.long
def test_a_port_that_a_firewall_drops(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel_look, "LISTEN_S", 0.5)  # nobody comes, however long one waits
    core, satellite = cluster.core, cluster.satellite
    drop(core, "udp dport 51820")
    drop(satellite, "udp dport 51820")
    for site in (core, satellite):
        site.wireguard("apply")

    assert "UDP is dropped on the way, or the keys differ" in faults(satellite)
    found = faults(core)
    assert "never shook hands: nothing comes in at our UDP port 51820" in found
    assert "open UDP port 51820 there and 51820 here" in found


@pytest.mark.long
def test_a_path_that_swallows_what_is_large(cluster: Cluster) -> None:
    for site in (cluster.core, cluster.satellite):
        site.wireguard("apply")
    wait_for("a handshake", cluster.satellite.handshake_s)
    drop(cluster.core, "iifname eth0 meta length > 1300")

    found = faults(cluster.satellite)

    assert "swallows those of up to 1420" in found
    assert "borderscout wireguard mtu --apply" in found
    cluster.satellite.wireguard("mtu", "--apply")
    assert faults(cluster.satellite) == ""
