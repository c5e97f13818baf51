"""Hosts on one machine: apart from each other, and gone without a trace."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from common.errors import EnvironmentFailure, LocalError
from tests.support.network.hosts import GIVEN, HELD, OWN, Namespaces, sweep
from tests.support.network.namespaces import laboratory, need_wireguard
from tests.support.our_files import ROOT

__all__ = ["laboratory"]


def _traces(ident: str) -> list[str]:
    return [
        path.name
        for folder in (HELD, GIVEN, OWN)
        if folder.is_dir()
        for path in folder.iterdir()
        if path.name.startswith(f"bs-{ident}-")
    ]


def test_hosts_on_a_switch_reach_each_other_in_both_families(laboratory: Namespaces) -> None:
    switch, one, other = (laboratory.create(name) for name in ("switch", "one", "other"))
    for number, host in enumerate((one, other), 1):
        laboratory.cable(host, "eth0", switch, host.name)
        host.set_address("eth0", f"192.0.2.{number}/24", f"2001:db8::{number}/64")
    laboratory.bridge(switch, "br0", ["one", "other"])
    hear = (
        "import socket, sys; s = socket.create_server(('::', 7), family=socket.AF_INET6,"
        " dualstack_ipv6=True); print(flush=True); [s.accept() for _ in range(2)]"
    )
    listener = other.start(sys.executable, "-c", hear, stdout=subprocess.PIPE)
    assert listener.stdout is not None
    listener.stdout.readline()
    call = "import socket, sys; socket.create_connection((sys.argv[1], 7), timeout=5)"
    for address in ("192.0.2.2", "2001:db8::2"):
        one.run(sys.executable, "-c", call, address)
    assert listener.wait(5) == 0
    listener.stdout.close()


def test_each_host_has_names_of_its_own(laboratory: Namespaces) -> None:
    one, other = laboratory.create("one"), laboratory.create("other")
    one.set_names({"core.example": "192.0.2.9"})

    assert one.run("getent", "hosts", "core.example").split() == ["192.0.2.9", "core.example"]
    with pytest.raises(EnvironmentFailure):
        other.run("getent", "hosts", "core.example")


def test_two_hosts_may_each_have_an_interface_wg0(laboratory: Namespaces) -> None:
    need_wireguard()
    hosts = [laboratory.create(name) for name in ("one", "other")]
    ports = []
    for number, host in enumerate(hosts):
        host.run("wireguard-go", "wg0", timeout_s=10)
        host.run("wg", "set", "wg0", "listen-port", str(51820 + number))
    ports = [host.run("wg", "show", "wg0", "listen-port").strip() for host in hosts]

    assert ports == ["51820", "51821"]
    assert all(host.processes() for host in hosts)


def test_the_hosts_of_a_killed_process_are_swept_away(laboratory: Namespaces) -> None:
    """Others' stay: those of a process that lives, and those that no process owns."""
    living = laboratory.create("living")
    leave = (
        "import os, signal\n"
        "from tests.support.network.hosts import Namespaces, own_ident\n"
        "hosts = Namespaces(own_ident())\n"
        "left = hosts.create('left')\n"
        "left.start('sleep', '1000', stdout=-3)\n"
        "while not left.processes(): pass\n"
        "print(hosts.ident, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ident = subprocess.run(
        [sys.executable, "-c", leave],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        timeout=20,
    ).stdout.strip()
    (sleeper,) = Namespaces(ident).host("left").processes()

    assert f"bs-{ident}-left" in sweep()
    assert _traces(ident) == []
    assert not Path(f"/proc/{sleeper}/ns/net").exists()
    assert laboratory.present() == [living]


def test_a_host_made_in_part_is_found_and_removed(laboratory: Namespaces) -> None:
    (OWN / f"bs-{laboratory.ident}-half" / "wireguard").mkdir(parents=True)

    laboratory.remove()

    assert _traces(laboratory.ident) == []


@pytest.mark.parametrize("name", ["", "A", "a/b", "..", "-a", "a" * 64])
def test_a_host_has_a_name_that_is_no_path(name: str) -> None:
    with pytest.raises(LocalError):
        Namespaces("x").host(name)


@pytest.mark.parametrize("ident", ["", "a-b", "a" * 25, "../x"])
def test_a_laboratory_has_a_name_that_is_no_path(ident: str) -> None:
    with pytest.raises(LocalError):
        Namespaces(ident)
