"""``borderscout wireguard apply``: an interface becomes as its file says, and nothing goes down."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.wireguard_text import WireGuardPeer
from tests.support.network.hosts import Namespaces
from tests.support.network.namespaces import laboratory
from tests.support.network.tunnel import Cluster, tunnel_between, wait_for

__all__ = ["laboratory"]


@pytest.fixture
def cluster(laboratory: Namespaces, tmp_path: Path) -> Cluster:
    return tunnel_between(laboratory, tmp_path)


def _up(cluster: Cluster) -> None:
    for site in (cluster.core, cluster.satellite):
        done = site.wireguard("apply")
        assert (done.status, done.err) == (0, ""), done
    wait_for("a handshake", cluster.satellite.handshake_s)


def test_the_interface_is_made_and_the_second_time_there_is_nothing_to_do(cluster: Cluster) -> None:
    core = cluster.core
    planned = core.wireguard("apply", "--dry-run", "--json").tree["changed"]
    assert core.host.run("ip", "-br", "link").count("wg0") == 0

    done = core.wireguard("apply", "--json").tree
    again = core.wireguard("apply")

    assert planned[0] == "make interface wg0"
    assert [line for line in planned[1:] if "MTU" not in line] == [
        line for line in done["changed"][1:] if "MTU" not in line
    ]
    assert again.out == "wg0: nothing to do\n"
    assert core.wireguard("apply", "--json").tree["changed"] == []
    assert (core.key not in str(done)) and (core.key not in str(planned))


def test_peers_shake_hands_and_both_families_pass(cluster: Cluster) -> None:
    _up(cluster)

    assert "10.77.0.1 dev wg0" in cluster.satellite.host.run("ip", "-4", "route")
    assert "fd77::1 dev wg0" in cluster.satellite.host.run("ip", "-6", "route")
    measured = cluster.satellite.wireguard("mtu", "--json")
    assert measured.tree == {"peer": "core", "mtu": 1420}


def test_a_change_of_peers_leaves_the_others_alone(cluster: Cluster) -> None:
    """Handshakes and counters survive; a new peer gets its route, a removed one loses it."""
    _up(cluster)
    core = cluster.core
    core.wireguard("status")
    before = core.wg("dump").splitlines()[1].split("\t")
    stranger = WireGuardPeer(
        name="par1",
        public_key="AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQ0=",
        allowed=("10.77.2.1/32", "fd77:2::1/128"),
        endpoint="192.0.2.3:51820",
        keepalive_s=0,
    )
    core.peers.append(stranger)
    core.render()

    done = core.wireguard("apply", "--json").tree["changed"]

    assert done == [
        "add peer par1",
        "reach par1 at 192.0.2.3:51820",
        "set route 10.77.2.1/32",
        "set route fd77:2::1/128",
    ]
    rows = {row.split("\t")[0]: row.split("\t") for row in core.wg("dump").splitlines()[1:]}
    after = rows[before[0]]
    assert after[2:5] == before[2:5]  # endpoint, allowed, handshake
    assert int(after[5]) >= int(before[5]) > 0
    assert int(after[6]) >= int(before[6]) > 0
    core.peers.remove(stranger)
    core.render()
    done = core.wireguard("apply", "--json").tree["changed"]
    assert done == [
        "remove peer AAAAAAAA",
        "remove route 10.77.2.1/32",
        "remove route fd77:2::1/128",
    ]
    assert cluster.core.handshake_s() >= int(before[4])


def test_a_name_that_has_no_address_stops_nothing(laboratory: Namespaces, tmp_path: Path) -> None:
    cluster = tunnel_between(laboratory, tmp_path, endpoint="core.example:51820")
    cluster.core.wireguard("apply")
    satellite = cluster.satellite

    done = satellite.wireguard("apply", "--json")

    assert done.status == 0
    assert done.tree["unresolved"] == ["core.example"]
    assert satellite.wg("endpoints").endswith("(none)")
    assert satellite.told()["peers"][0]["unresolved"] is True
    satellite.host.set_names({"core.example": "192.0.2.1"})
    with satellite.watched():
        wait_for("a handshake", satellite.handshake_s)
        wait_for("a state", lambda: not satellite.told()["peers"][0]["unresolved"])


def test_the_watcher_makes_an_interface_anew_that_was_lost(cluster: Cluster) -> None:
    """As when wireguard-go is killed: fault scenario 43."""
    _up(cluster)
    satellite = cluster.satellite
    with satellite.watched():
        wait_for("a state", lambda: satellite.told().get("up"))
        satellite.host.run("ip", "link", "delete", "wg0")
        wait_for("the interface", lambda: "wg0" in satellite.host.run("ip", "-br", "link"))
        cluster.core.wireguard("apply")
        wait_for("a handshake", satellite.handshake_s)


def test_the_watcher_takes_a_changed_file_and_keeps_to_the_old_one_when_it_is_wrong(
    cluster: Cluster,
) -> None:
    _up(cluster)
    satellite = cluster.satellite
    right = satellite.file.read_text()
    with satellite.watched() as said:
        wait_for("a state", lambda: satellite.told().get("up"))
        satellite.file.write_text("[Interface]\nPostUp = reboot\n")
        wait_for("a problem", lambda: "runs programs" in satellite.told()["problem"])
        assert satellite.told()["peers"][0]["name"] == "core"
        satellite.file.write_text(right.replace("10.77.1.1/32", "10.77.9.9/32"))
        wait_for("the address", lambda: "add address 10.77.9.9/32" in said.read_text())
        wait_for("no problem", lambda: satellite.told()["problem"] == "")
    assert "10.77.9.9" in satellite.host.run("ip", "-4", "address", "show", "dev", "wg0")


def test_the_watcher_sees_a_changed_file_long_before_its_turn(cluster: Cluster) -> None:
    _up(cluster)
    satellite = cluster.satellite
    satellite.state.unlink()
    with satellite.watched(every_s=60.0) as said:
        wait_for("a state", lambda: satellite.told().get("up"))
        satellite.file.write_text(satellite.file.read_text().replace("10.77.1.1/", "10.77.9.9/"))
        wait_for("the address", lambda: "add address 10.77.9.9/32" in said.read_text())


def test_a_core_that_moved_is_found_by_its_name(laboratory: Namespaces, tmp_path: Path) -> None:
    """The handshake that is old is the one that never was: nothing waits for 135 s here."""
    cluster = tunnel_between(laboratory, tmp_path, endpoint="core.example:51820")
    cluster.core.wireguard("apply")
    satellite = cluster.satellite
    satellite.host.set_names({"core.example": "192.0.2.77"})
    assert satellite.wireguard("apply").status == 0
    assert satellite.wg("endpoints").endswith("192.0.2.77:51820")
    satellite.host.set_names({"core.example": "192.0.2.1"})
    with satellite.watched():
        wait_for("a handshake", satellite.handshake_s)
    assert satellite.wg("endpoints").endswith("192.0.2.1:51820")


def test_a_wrong_file_is_refused_and_changes_nothing(cluster: Cluster) -> None:
    _up(cluster)
    core = cluster.core
    before = core.wg("endpoints")
    core.file.write_text(core.file.read_text() + "PostUp = touch x\nEndpoint = -x:1\n")

    done = core.wireguard("apply")

    assert done.status == 1
    assert "postup runs programs as root; take the line out" in done.err
    assert "Traceback" not in done.err
    assert core.wg("endpoints") == before


def test_a_path_that_swallows_what_is_large_is_measured_and_set(cluster: Cluster) -> None:
    """Fault scenario 29: nobody says a word of what was too large."""
    most = 1200
    _up(cluster)
    rule = f"iifname eth0 meta length > {most} drop"
    chain = "type filter hook input priority 0;"
    table = f"table inet hole {{ chain in {{ {chain} {rule}; }}; }}"
    cluster.core.host.run("nft", "-f", "-", given=table)
    carried = (most - 60) // 16 * 16  # WireGuard fills up to 16 octets

    found = cluster.satellite.wireguard("mtu", "--json", "--apply").tree["mtu"]

    assert carried - 4 <= found <= carried
    route = cluster.satellite.host.run("ip", "-4", "route", "show", "10.77.0.1")
    assert f"mtu {found} advmss {found - 40}" in route
    six = cluster.satellite.host.run("ip", "-6", "route", "show", "fd77::1")
    assert f"mtu {max(1280, found)} advmss {found - 60}" in six
    assert "mtu 1420" in cluster.satellite.host.run("ip", "link", "show", "wg0")
    assert cluster.satellite.wireguard("apply").out == "wg0: nothing to do\n"
    cluster.core.host.run("nft", "delete", "table", "inet", "hole")
    with cluster.satellite.watched() as said:  # a wider path is found as well
        wait_for("the wider path", lambda: "set route 10.77.0.1/32\n" in said.read_text())
