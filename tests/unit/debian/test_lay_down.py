"""What the packages lay down is the product's own, and their scripts are whole."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pty
import re
import shutil
import sqlite3
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from inventory.render.install_script import install_text
from inventory.render.systemd import SOCKET_UNIT, UnitRole
from satellite.spool.disk.schema import VERSION
from tests.support.our_files import ROOT

DEBIAN = ROOT / "debian"
SCRIPTS = sorted(
    path
    for path in DEBIAN.iterdir()
    if path.suffix in {".preinst", ".postinst", ".prerm", ".postrm"}
)
PACKAGES = re.findall(r"(?m)^Package: (.+)$", (DEBIAN / "control").read_text(encoding="utf-8"))
need_setpriv = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("setpriv") is None or not Path("/usr/bin/python3").exists(),
    reason="needs root, setpriv(1) and /usr/bin/python3",
)


@pytest.fixture(scope="module")
def lay_down() -> ModuleType:
    """Load the script as debian/rules runs it."""
    spec = importlib.util.spec_from_file_location("lay_down", DEBIAN / "lay_down.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def filled(lay_down: ModuleType, script: Path) -> str:
    """Return a script as it is in its package."""
    text = script.read_text(encoding="utf-8")
    for name, value in lay_down.tokens().items():
        text = text.replace(f"#{name}#", value)
    return text


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_maintainer_script_is_whole(lay_down: ModuleType, script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    named = set(re.findall(r"#([A-Z_]+)#", text))

    assert script.stem in PACKAGES
    assert text.startswith("#!/bin/sh\n")
    assert "\nset -e\n" in text
    assert "#DEBHELPER#" in text
    assert named - {"DEBHELPER"} <= set(lay_down.tokens())
    subprocess.run(["sh", "-n", "-c", filled(lay_down, script)], check=True)


def test_every_unit_that_a_rendered_folder_has_is_in_a_package(
    lay_down: ModuleType, tmp_path: Path
) -> None:
    for role in (lay_down.SHARED, *PACKAGES[1:]):
        lay_down.main("units", role.removeprefix("borderscout-"), str(tmp_path))

    laid = {path.name for path in tmp_path.iterdir()}
    every = {
        name for role in (lay_down.SHARED, "core", "satellite") for name in lay_down.units(role)
    }
    assert laid == every
    assert {f"borderscout-{role}.service" for role in UnitRole} <= laid
    # Whoever connects while the program begins anew waits, on a node that joined too.
    assert SOCKET_UNIT in laid
    # All that install.sh enables is there for a machine that has no rendered folder.
    texts = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert set(re.findall(r"borderscout-[\w-]+\.\w+", install_text(texts, settings="x"))) <= {
        *laid,
        "borderscout-core.yaml",
    }


@pytest.mark.parametrize(
    ("package", "action"), [("borderscout", "upgrade"), ("borderscout-satellite", "remove")]
)
def test_port_25_is_let_go_of_before_files_go(
    lay_down: ModuleType, tmp_path: Path, package: str, action: str
) -> None:
    text = filled(lay_down, DEBIAN / f"{package}.prerm")
    for place in ("/run/systemd/system", "/run/borderscout.was-running"):
        text = text.replace(place, str(tmp_path / Path(place).name))
    (tmp_path / "system").mkdir()
    for name, does in (
        ("systemctl", "echo active"),
        ("deb-systemd-invoke", f'echo "$@" >>{tmp_path}/did'),
    ):
        (tmp_path / name).write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o700)

    path = f"{tmp_path}:/usr/bin:/bin"
    subprocess.run(["sh", "-c", text, "prerm", action], env={"PATH": path}, check=True)

    stopped = (tmp_path / "did").read_text(encoding="utf-8").split()
    assert stopped[:2] == ["stop", "borderscout-satellite.socket"]
    assert "borderscout-satellite.service" in stopped


@pytest.mark.parametrize(
    ("package", "units"),
    [
        (
            "borderscout-satellite",
            ["borderscout-satellite.socket", "borderscout-satellite.service"],
        ),
        ("borderscout-core", ["borderscout-core.service"]),
        ("borderscout", ["borderscout-scan.service", "borderscout-wireguard.service"]),
    ],
)
def test_a_rendered_unit_that_stays_is_not_started_at_the_next_boot(
    lay_down: ModuleType, tmp_path: Path, package: str, units: list[str]
) -> None:
    text = filled(lay_down, DEBIAN / f"{package}.prerm")
    rendered, did = tmp_path / "rendered", tmp_path / "did"
    for place, here in (
        ("/run/systemd/system", tmp_path),
        ("/run/borderscout.was-running", tmp_path / "note"),
        ("/etc/systemd/system", rendered),
    ):
        text = text.replace(place, str(here))
    rendered.mkdir()
    for name in units:
        (rendered / name).touch()
    for name in ("systemctl", "deb-systemd-invoke"):
        (tmp_path / name).write_text(f'#!/bin/sh\necho "$@" >>{did}\n', encoding="utf-8")
        (tmp_path / name).chmod(0o700)
    path = f"{tmp_path}:/usr/bin:/bin"

    for action in ("upgrade", "remove"):
        did.write_text("")
        subprocess.run(["sh", "-c", text, "prerm", action], env={"PATH": path}, check=True)

        lines = did.read_text(encoding="utf-8").splitlines()
        disabled = [line.split()[-1] for line in lines if " disable " in line]
        assert disabled == (units if action == "remove" else [])


def refusal(
    lay_down: ModuleType, tmp_path: Path, *, spool: int
) -> subprocess.CompletedProcess[str]:
    """Run the script that goes before an unpacking, with a spool of a version."""
    folder = tmp_path / "shard-0"
    folder.mkdir()
    (folder / "spool.db").write_bytes(b"SQLite format 3\0".ljust(60, b"\1") + spool.to_bytes(4))
    return upgraded(lay_down, tmp_path)


def upgraded(lay_down: ModuleType, state: Path) -> subprocess.CompletedProcess[str]:
    """Run that script over a folder of state."""
    text = filled(lay_down, DEBIAN / "borderscout.preinst").replace("timeout 20", "timeout 1")
    return subprocess.run(
        ["sh", "-c", text.replace("/var/lib/borderscout/", f"{state}/"), "preinst", "upgrade"],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )


@pytest.mark.skipif(shutil.which("od") is None, reason="od is not here: apt-get install coreutils")
@pytest.mark.parametrize(("spool", "status"), [(1, 0), (VERSION, 0), (VERSION + 1, 1)])
def test_a_package_is_not_unpacked_over_a_spool_that_it_cannot_read(
    lay_down: ModuleType, tmp_path: Path, spool: int, status: int
) -> None:
    done = refusal(lay_down, tmp_path, spool=spool)

    assert done.returncode == status, done
    assert ("no mail is lost" in done.stderr) is bool(status)


@pytest.mark.skipif(shutil.which("od") is None, reason="od is not here: apt-get install coreutils")
def test_a_spool_that_was_cut_short_keeps_no_package_away(
    lay_down: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "shard-0").mkdir()
    (tmp_path / "shard-0" / "spool.db").write_bytes(b"SQLite")

    assert upgraded(lay_down, tmp_path).returncode == 0


def core_says(state: Path, version: str) -> None:
    """Make a core's database that has one version, as a text or a query."""
    with contextlib.closing(sqlite3.connect(state / "core.db")) as core:
        core.execute(f"CREATE VIEW alembic_version AS {version}")
        core.commit()


@need_setpriv
def test_a_database_of_a_later_core_keeps_a_package_away(
    lay_down: ModuleType, tmp_path: Path
) -> None:
    core_says(tmp_path, "SELECT '9' || char(27) || '99' AS version_num")

    done = upgraded(lay_down, tmp_path)

    assert done.returncode == 1
    assert "core.db is of version 999;" in done.stderr


@need_setpriv
def test_a_database_that_does_not_say_holds_no_upgrade_up(
    lay_down: ModuleType, tmp_path: Path
) -> None:
    core_says(
        tmp_path,
        "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n)"
        " SELECT max(x) AS version_num FROM n",
    )

    assert upgraded(lay_down, tmp_path).returncode == 0


@need_setpriv
def test_what_asks_a_database_has_no_terminal_of_roots(
    lay_down: ModuleType, tmp_path: Path
) -> None:
    core_says(tmp_path, "SELECT 'any' AS version_num")
    tool, told = tmp_path / "tool", tmp_path / "told"
    tool.write_text(f"#!/bin/sh\nps -o tty= -p $$ >{told}\nls -l /proc/$$/fd >>{told}\n")
    tool.chmod(0o755)
    text = filled(lay_down, DEBIAN / "borderscout.preinst")
    for place, here in (("/var/lib/borderscout/", f"{tmp_path}/"), ("/usr/bin/python3", str(tool))):
        text = text.replace(place, here)

    pid, terminal = pty.fork()
    if not pid:
        os.execv("/bin/sh", ["sh", "-c", text, "preinst", "upgrade"])
    with contextlib.suppress(OSError):  # the end of a terminal is an error
        while os.read(terminal, 1024):
            pass
    os.close(terminal)
    os.waitpid(pid, 0)

    said = told.read_text(encoding="utf-8")
    assert said.split()[0] == "?"
    assert "/dev/pts/" not in said


NODE_UNITS = ("borderscout-satellite.socket", "borderscout-satellite.service")


def stopping(
    lay_down: ModuleType, folder: Path, script: str, what: str
) -> subprocess.CompletedProcess[bytes]:
    """Run what goes before a removal; in ``folder/units`` is what runs."""
    units, tools = folder / "units", folder / "bin"
    tools.mkdir(exist_ok=True)
    for name, body in {
        "systemctl": 'for unit; do :; done; [ -e "$UNITS/$unit" ] || exit 3; echo active',
        "deb-systemd-invoke": 'shift; cd "$UNITS"; rm -f "$@"',  # a folder is not taken away
    }.items():
        (tools / name).write_text(f"#!/bin/sh\n{body}\n")
        (tools / name).chmod(0o755)
    text = filled(lay_down, DEBIAN / f"{script}.prerm")
    text = text.replace("/run/systemd/system", str(units)).replace("/run/", f"{folder}/")
    return subprocess.run(
        ["sh", "-c", text, "prerm", what],
        env={"PATH": f"{tools}:/usr/bin:/bin", "UNITS": str(units)},
        check=False,
    )


@pytest.mark.parametrize(
    ("script", "what"),
    [("borderscout", "upgrade"), ("borderscout", "remove"), ("borderscout-satellite", "remove")],
)
def test_what_is_stopped_is_started_by_nobody_who_connects(
    lay_down: ModuleType, tmp_path: Path, script: str, what: str
) -> None:
    (tmp_path / "units").mkdir()
    for name in NODE_UNITS:
        (tmp_path / "units" / name).touch()

    assert stopping(lay_down, tmp_path, script, what).returncode == 0

    assert list((tmp_path / "units").iterdir()) == []


def test_what_was_stopped_before_a_stop_failed_is_started_again(
    lay_down: ModuleType, tmp_path: Path
) -> None:
    socket, service = (tmp_path / "units" / name for name in NODE_UNITS)
    socket.parent.mkdir()
    socket.touch()
    service.mkdir()  # it does not stop

    assert stopping(lay_down, tmp_path, "borderscout", "upgrade").returncode != 0
    stopping(lay_down, tmp_path, "borderscout", "failed-upgrade")

    noted = (tmp_path / "borderscout.was-running").read_text().split()
    assert set(noted) == set(NODE_UNITS)
