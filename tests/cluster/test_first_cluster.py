"""The packages make three fresh Debian machines a cluster, and keep its mail over upgrades.

What is typed is what stands in docs/operating/first-cluster.md and docs/operating/install.md. The
machines have no other network than each other: nothing is downloaded.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import EnvironmentFailure
from satellite.spool.disk.schema import VERSION
from tests.support.machines.base import base_system
from tests.support.machines.booted import HOME
from tests.support.machines.first_cluster import (
    DNS_KEY,
    NODES,
    FirstCluster,
    Typed,
    first_cluster,
    inventory_of_the_page,
    typed_on_the_page,
)
from tests.support.machines.packages import build, repacked, version_of, with_a_later_spool
from tests.support.network.hosts import Namespaces, own_ident, sweep, why_not
from tests.support.network.named import NAMED
from tests.support.our_files import ROOT
from tests.support.waiting import until

HELD = 60
LATER = "0.3.0+deb12"
SPOOL = "borderscout spool list --json --limit 1000 --config /etc/borderscout/satellite.yaml"
SATELLITE = "apt install ./borderscout_*.deb ./borderscout-satellite_*.deb"
GO_BACK = SATELLITE.replace("install", "install --allow-downgrades")
INSTALL_PAGE = (ROOT / "docs" / "operating" / "install.md").read_text(encoding="utf-8")
NODE_UNITS = {"borderscout-satellite.service", "borderscout-satellite.socket"}
LISTENS = "ss -Hltn 'sport = :25'"
PATIENCE_S = 240.0  # until programs that were just started do their work

pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    base_system()
    return build(tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="module")
def cluster(
    packages: list[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FirstCluster]:
    if reason := why_not():
        pytest.skip(reason)
    if not NAMED:
        pytest.skip("named is not here: apt-get install bind9")
    sweep()
    with contextlib.ExitStack() as stack:
        hosts = stack.enter_context(Namespaces(own_ident()))
        folder = tmp_path_factory.mktemp("cluster")
        cluster = stack.enter_context(first_cluster(base_system(), hosts, folder))
        for name in cluster.machines:
            cluster.copy(packages, name)
        yield cluster


@pytest.fixture(scope="module")
def later(packages: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Give packages of a version whose spools no earlier one can read."""
    folder = tmp_path_factory.mktemp("later")
    return repacked(packages, folder, version=LATER, change=with_a_later_spool)


def units(cluster: FirstCluster, machine: str, *, state: str) -> set[str]:
    """Return our units that are enabled, or active, on a machine."""
    kind = "list-unit-files" if state == "enabled" else "list-units --all"
    listed = cluster.type(machine, f"systemctl {kind} --state={state} --plain --no-legend").out
    return {
        name for line in listed.splitlines() if (name := line.split()[0])[:12] == "borderscout-"
    }


class Walk:
    """What must be so around each line of the page."""

    def __init__(self, cluster: FirstCluster) -> None:
        self._cluster = cluster
        self._token = ""

    async def type(self, typed: Typed, machine: str) -> None:
        """Type a line, and look what came of it."""
        line = typed.line
        self._before(line, machine)
        given = self._token if line == "borderscout satellite join" else ""
        said = await asyncio.to_thread(self._cluster.type, machine, line, given=given)
        # What was started a moment ago may not be there yet; a person types slower.
        if said.status and line.startswith(("borderscout ", "swaks ")) and "join" not in line:

            async def again() -> bool:
                nonlocal said
                said = await asyncio.to_thread(self._cluster.type, machine, line)
                return said.status == 0

            try:
                await until(again, line, deadline_s=PATIENCE_S, poll_s=2.0)
            except AssertionError:
                raise AssertionError(machine, line, said) from None
        assert said.status == 0, (machine, line, said)
        self._after(line, machine, said.out)

    def _before(self, line: str, machine: str) -> None:
        on = self._cluster.machines
        if line.startswith("borderscout inventory check"):
            on["core"].write(f"{HOME}/inventory.yaml", inventory_of_the_page())
        if line.startswith("borderscout mx apply"):
            on["core"].write("/etc/borderscout/dns.key", DNS_KEY)
            on["core"].done("chmod 600 /etc/borderscout/dns.key")

    def _after(self, line: str, machine: str, said: str) -> None:
        if line.startswith("apt install"):
            assert units(self._cluster, machine, state="enabled") == set()
            assert units(self._cluster, machine, state="active") == set()
        if line.startswith("borderscout inventory join-token"):
            self._token = said.splitlines()[0] + "\n"
        if line.startswith("swaks"):
            assert re.search(r"(?m)^<-  250 ", said.split("\n -> .\n")[1]), said
        if line.startswith("borderscout mx plan"):
            assert "10 london" in said, said
        if line.endswith("--out letters"):
            letters = self._cluster.machines["core"].done("cat letters/*")
            assert re.search(r"acme\.example\S*\s.*MX\s+10\s+p1-\w+\.mx\.scout\.example", letters)


async def test_the_page_leads_from_three_bare_machines_to_the_first_mail(
    cluster: FirstCluster,
) -> None:
    walk = Walk(cluster)

    with cluster.customer():
        for typed in typed_on_the_page():
            for machine in typed.machines:
                await walk.type(typed, machine)

        async def both() -> bool:
            return len(cluster.arrived()) == 2

        await until(both, "the customer has both messages")

    for name in NODES:
        assert cluster.machines[name].done("stat -c %U /var/lib/borderscout").strip() == (
            "borderscout"
        )
        # Its own keys: none came from the machine that renders.
        ours = cluster.machines[name].path("/etc/borderscout/wireguard.key").read_bytes()
        rendered = cluster.machines["core"].path(f"{HOME}/cluster/{name}/wireguard.key")
        assert ours != rendered.read_bytes()


@pytest.mark.parametrize("name", ["core", "lon1"])
def test_the_units_of_the_packages_are_sound(cluster: FirstCluster, name: str) -> None:
    said = cluster.type(name, "systemd-analyze verify /lib/systemd/system/borderscout-*")

    assert (said.status, said.out, said.err) == (0, "", "")


def test_the_program_is_the_packages_own(cluster: FirstCluster) -> None:
    machine = cluster.machines["lon1"]

    assert machine.done("borderscout --version") == "borderscout 0.1.0\n"
    assert machine.done("dpkg --verify borderscout borderscout-satellite") == ""
    # Not even the machine's own Python packages are looked at.
    machine.write("/usr/local/lib/python3.11/dist-packages/typer.py", "raise SystemExit(9)\n")
    machine.write(f"{HOME}/typer.py", "raise SystemExit(9)\n")
    assert machine.done("PYTHONPATH=. borderscout --version") == "borderscout 0.1.0\n"


async def filled(cluster: FirstCluster) -> set[str]:
    """Have mail in lon1's spool that cannot leave; return its ids."""
    await asyncio.to_thread(cluster.send, "lon1", first=1, count=HELD)

    async def waiting() -> set[str] | None:
        found = await asyncio.to_thread(in_spool, cluster)
        return found if len(found) == HELD else None

    return await until(waiting, f"{HELD} messages wait", deadline_s=PATIENCE_S, poll_s=1.0)


def in_spool(cluster: FirstCluster) -> set[str]:
    said = cluster.machines["lon1"].type(SPOOL)
    return {json.loads(line)["id"] for line in said.out.splitlines()} if not said.status else set()


async def keeps(cluster: FirstCluster, mail: set[str], *, version: str) -> None:
    """Wait until lon1 works with a version, and has the mail that it had."""
    machine = cluster.machines["lon1"]
    installed = machine.done("dpkg-query -f '${Version}\\n' -W borderscout borderscout-satellite")
    assert installed.split() == [version, version]

    async def same() -> bool:
        return await asyncio.to_thread(in_spool, cluster) == mail

    await until(same, "the spool has its mail", deadline_s=PATIENCE_S, poll_s=1.0)
    running = {"borderscout-wireguard.service", *NODE_UNITS}
    assert running <= units(cluster, "lon1", state="active")


async def test_mail_stays_over_an_upgrade_and_back_and_a_spool_that_is_too_new_is_refused(
    cluster: FirstCluster, packages: list[Path], later: list[Path], tmp_path: Path
) -> None:
    lon1 = cluster.machines["lon1"]
    before = version_of(packages[0])
    assert SATELLITE in INSTALL_PAGE
    assert GO_BACK in INSTALL_PAGE
    mail = await filled(cluster)
    following = repacked(packages, tmp_path, version="0.2.0+deb12")

    cluster.copy(following, "lon1")
    lon1.done(SATELLITE)
    await keeps(cluster, mail, version="0.2.0+deb12")

    cluster.copy(packages, "lon1")
    lon1.done(GO_BACK)
    await keeps(cluster, mail, version=before)

    cluster.copy(later, "lon1")
    lon1.done(SATELLITE)
    await keeps(cluster, mail, version=LATER)

    cluster.copy(packages, "lon1")
    said = lon1.type(GO_BACK)
    assert said.status != 0
    spool = "/var/lib/borderscout/shard-0/spool.db"
    known = f"this package knows no later one than {VERSION}"
    told = f"borderscout: {spool} is of version {VERSION + 1}; {known}.\n"
    for line in (told, "nothing was changed, and no mail is lost: the installed version goes on."):
        assert line in INSTALL_PAGE
        assert line in said.out + said.err, said
    await keeps(cluster, mail, version=LATER)

    with cluster.customer():

        async def all_of_it() -> bool:
            return len(cluster.arrived()) >= HELD + 2

        await until(all_of_it, "all mail arrives", deadline_s=PATIENCE_S, poll_s=1.0)
    numbers = [one for one in cluster.arrived() if one.startswith("number ")]
    assert sorted(numbers) == sorted(f"number {one}" for one in range(1, HELD + 1))


async def test_a_drained_node_goes_back_to_a_version_that_cannot_read_its_spool(
    cluster: FirstCluster, packages: list[Path], later: list[Path]
) -> None:
    lon1 = cluster.machines["lon1"]
    cluster.copy(later, "lon1")
    lon1.done(SATELLITE)
    await keeps(cluster, set(), version=LATER)
    cluster.copy(packages, "lon1")
    (block,) = (
        block
        for block in re.findall(r"(?ms)^```\n(.*?)^```$", INSTALL_PAGE)
        if block.startswith("borderscout satellite drain")
    )

    for line in block.splitlines():
        await asyncio.to_thread(lon1.done, line)

    with cluster.customer():
        before = len(cluster.arrived())

        async def takes_mail() -> bool:
            # Not at once: it has no preferences before the core gave them.
            with contextlib.suppress(EnvironmentFailure):
                await asyncio.to_thread(cluster.send, "lon1", first=1_000, count=1)
                return True
            return False

        await until(takes_mail, "the node takes mail", deadline_s=PATIENCE_S, poll_s=2.0)

        async def delivered() -> bool:
            return len(cluster.arrived()) == before + 1

        await until(delivered, "its mail arrives", deadline_s=PATIENCE_S, poll_s=1.0)
    assert version_of(packages[0]) in lon1.done("dpkg-query -W borderscout")


def test_what_was_stopped_by_hand_is_not_started_by_an_upgrade(
    cluster: FirstCluster, packages: list[Path], tmp_path: Path
) -> None:
    fra1 = cluster.machines["fra1"]
    fra1.done("systemctl stop borderscout-satellite.socket borderscout-satellite")

    cluster.copy(repacked(packages, tmp_path, version="0.2.0+deb12"), "fra1")
    fra1.done(SATELLITE)

    active = units(cluster, "fra1", state="active")
    assert not NODE_UNITS & active
    assert "borderscout-wireguard.service" in active


@pytest.mark.parametrize("name", ["core", "lon1"])
def test_who_reads_mail_writes_nothing_that_others_load(cluster: FirstCluster, name: str) -> None:
    machine = cluster.machines[name]
    bounds = "/etc/borderscout-machine"
    places = f"{bounds} {bounds}/firewall.nft {bounds}/tunnel.networks /etc/wireguard"

    writable = machine.type(
        f"setpriv --reuid=borderscout --regid=borderscout --clear-groups find {places}"
        " /etc/systemd /lib/systemd /usr/lib/borderscout /usr/bin/borderscout -writable ! -type l"
    )

    assert writable.out == "", writable
    said = machine.type(f"test -e {bounds}/firewall.nft -a -e {bounds}/tunnel.networks")
    assert said.status == 0
    assert machine.type("test -e /etc/wireguard/wg0.conf").status == 1
    # What the node's user wrote there leads nowhere else.
    other = "0,/^AllowedIPs = /s::&0.0.0.0/1, :"
    refused = machine.type(
        f"sed '{other}' /etc/borderscout/wg0.conf >wg0.conf;"
        " borderscout wireguard apply --config wg0.conf --dry-run"
    )
    assert refused.status != 0
    assert "0.0.0.0/1 lies outside" in refused.err, refused


def test_purge_takes_the_programs_and_no_mail_and_no_key(cluster: FirstCluster) -> None:
    fra1 = cluster.machines["fra1"]
    fra1.done("systemctl start borderscout-satellite")
    # As after install.sh of a rendered folder, whose units are no package's.
    for unit in sorted(NODE_UNITS):
        text = cluster.machines["core"].path(f"{HOME}/cluster/fra1/{unit}").read_bytes()
        fra1.write(f"/etc/systemd/system/{unit}", text)
    fra1.done("systemctl daemon-reload; systemctl enable borderscout-satellite")
    assert ":25" in fra1.done(LISTENS)
    assert units(cluster, "fra1", state="enabled") >= NODE_UNITS
    kept = "find /etc/borderscout /var/lib/borderscout -name '*.key' -o -name spool.db | sort"
    before = fra1.done(kept)
    remove, purge = re.findall(r"(?m)^apt (?:remove|purge) .*$", INSTALL_PAGE)

    fra1.done(remove)

    assert units(cluster, "fra1", state="active") <= {"borderscout-firewall.service"}
    assert fra1.done(LISTENS) == ""
    assert not NODE_UNITS & units(cluster, "fra1", state="enabled")
    said = fra1.type(purge)
    assert said.status == 0, said
    state = "/var/lib/borderscout"
    line = (
        f"borderscout: {state} was kept, with what is in it; when it is not needed: rm -r {state}"
    )
    assert line in INSTALL_PAGE
    assert line in said.out + said.err
    assert fra1.done(kept) == before
    assert before.count("\n") >= 5
    assert fra1.type("test -e /usr/lib/borderscout -o -e /usr/bin/borderscout").status == 1
    assert units(cluster, "fra1", state="enabled") == set()

    fra1.done(SATELLITE)  # and what was kept is taken up again
    fra1.done("systemctl start borderscout-satellite")
    assert "borderscout-satellite.service" in units(cluster, "fra1", state="active")
