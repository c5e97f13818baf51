"""Does systemd understand each unit, find it closed enough, and do what we need of it?"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from inventory.render.firewall import firewall_unit
from inventory.render.node_freshclam import FRESHCLAM_UNIT, freshclam_units
from inventory.render.systemd import SOCKET_UNIT, UnitRole, socket_text, unit_name, unit_text
from inventory.render.tunnel_units import TUNNEL_UNIT, tunnel_units
from tests.support.our_files import ROOT

Golden = Callable[[str, str], None]

EXPOSURE_MAX = 2.0  # of 10, as systemd-analyze counts; docs/inventory.md, *Units*
LISTEN = ["0.0.0.0:25", "[::]:25"]
FOLDERS = ["/var/lib/clamav", '/a "b"\\c %d']


def every_unit() -> dict[str, str]:
    """Return each unit that can be rendered, by its file name."""
    programs = {
        unit_name(role): unit_text(
            role,
            folders=FOLDERS if role is UnitRole.SATELLITE else (),
            has_socket=role is UnitRole.SATELLITE,
        )
        for role in UnitRole
    }
    sockets = {SOCKET_UNIT: socket_text(LISTEN)}
    return dict([firewall_unit()]) | tunnel_units() | freshclam_units() | sockets | programs


UNITS = every_unit()
SERVICES = [name for name in UNITS if name.endswith(".service")]


@pytest.fixture
def analyze() -> str:
    tool = shutil.which("systemd-analyze")
    if tool is None:
        pytest.skip("systemd-analyze is not installed (Debian: apt-get install systemd)")
    return tool


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """All units, with programs that are here: ours are on a node alone."""
    for name, text in UNITS.items():
        here = text.replace("/usr/bin/borderscout", "/bin/true")
        for program in ("/usr/sbin/nft", "/usr/bin/freshclam"):
            here = here.replace(program, "/bin/true")
        (tmp_path / name).write_text(here)
    return tmp_path


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_is_as_ever(name: str, golden: Golden) -> None:
    golden(f"units/{name}", UNITS[name])


@pytest.mark.parametrize("name", UNITS)
def test_systemd_understands_the_unit(analyze: str, folder: Path, name: str) -> None:
    found = subprocess.run(
        [analyze, "verify", str(folder / name)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert [line for line in found.stderr.splitlines() if "borderscout" in line] == []


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_is_kept_from_what_it_does_not_need(
    analyze: str, tmp_path: Path, name: str
) -> None:
    (tmp_path / name).write_text(UNITS[name])

    found = subprocess.run(
        [analyze, "security", "--offline=true", "--no-pager", str(tmp_path / name)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    said = re.search(r"Overall exposure level for \S+: ([0-9.]+)", found.stdout)
    assert said is not None, found.stderr
    assert float(said[1]) < EXPOSURE_MAX, found.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_is_root(name: str) -> None:
    [user] = re.findall(r"(?m)^User=(.*)$", UNITS[name])

    assert user == ("clamav" if name == FRESHCLAM_UNIT else "borderscout")


def test_port_25_is_the_service_managers_also_while_the_program_is_not_there() -> None:
    text = socket_text([*LISTEN, "mx.example:26"])

    assert re.findall(r"ListenStream=(.*)", text) == LISTEN, "a name is the program's own to bind"
    assert socket_text(["mx.example:25"]) == ""
    assert f"\nSockets={SOCKET_UNIT}\n" in UNITS["borderscout-satellite.service"]
    assert "Sockets=" not in unit_text(UnitRole.SATELLITE)


@pytest.mark.parametrize("role", list(UnitRole))
def test_a_program_says_itself_that_it_is_ready_and_lives(role: UnitRole) -> None:
    assert "\nType=notify\n" in unit_text(role)
    assert "\nWatchdogSec=90\n" in unit_text(role)


def test_the_tunnel_stays_when_what_keeps_it_ends() -> None:
    unit = tunnel_units()[TUNNEL_UNIT]

    assert "\nKillMode=process\n" in unit
    assert "ExecStop" not in unit
    assert "\nRestart=always\n" in unit


def test_a_satellite_may_write_where_its_definitions_go() -> None:
    text = unit_text(UnitRole.SATELLITE, folders=["/var/lib/clamav", '/a "b" %d'])

    assert '\nReadWritePaths="-/var/lib/clamav"\n' in text
    assert '\nReadWritePaths="-/a \\"b\\" %%d"\n' in text
    assert unit_text(UnitRole.SATELLITE).count("ReadWritePaths") == 1
    assert "\nReadWritePaths=-/etc/borderscout\n" in unit_text(UnitRole.CORE)
    assert "ReadWritePaths" not in unit_text(UnitRole.SCAN)


@pytest.mark.parametrize("role", list(UnitRole))
def test_a_reload_of_the_unit_is_a_hang_up(role: UnitRole) -> None:
    assert "\nExecReload=/bin/kill -HUP $MAINPID\n" in unit_text(role)


@pytest.mark.parametrize("role", list(UnitRole))
def test_a_unit_is_started_again_for_ever(role: UnitRole) -> None:
    assert "\nRestart=always\n" in unit_text(role)
    assert "\nStartLimitIntervalSec=0\n" in unit_text(role)


def test_only_a_satellite_may_bind_a_low_port() -> None:
    assert "AmbientCapabilities=CAP_NET_BIND_SERVICE\n" in unit_text(UnitRole.SATELLITE)
    assert "AmbientCapabilities=\n" in unit_text(UnitRole.CORE)


@pytest.mark.parametrize("role", UnitRole)
def test_no_unit_stands_or_falls_with_the_tunnel(role: UnitRole) -> None:
    unit = unit_text(role)

    assert "Requires=" not in unit
    if role is UnitRole.SATELLITE:
        assert "Wants=borderscout-wireguard.service\n" in unit
        assert "After=network-online.target\n" in unit, "a tunnel may look for a name for minutes"


def test_the_unit_that_the_docs_show_is_the_one_that_is_rendered() -> None:
    page = (ROOT / "docs" / "scan-server.md").read_text(encoding="utf-8")

    assert f"```ini\n{unit_text(UnitRole.SCAN)}```\n" in page
