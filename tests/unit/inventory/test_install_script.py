"""Does a rendered folder come into its places whole, with the modes that it needs?"""

from __future__ import annotations

import contextlib
import os
import pty
import re
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from inventory.load import load_inventory
from inventory.render.folder import render_folder
from inventory.render.node_freshclam import (
    FRESHCLAM_FILE,
    FRESHCLAM_KEYS_UNIT,
    FRESHCLAM_UNIT,
    freshclam_units,
)
from tests.support.our_files import ROOT

NOW_US = 1_790_000_000_000_000
BOUNDS = ("firewall.nft", "tunnel.networks")
OTHER = "daemon"  # a user that every machine has, and its group
need_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: install(1) gives files away")


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cluster")
    inventory = load_inventory(ROOT / "inventory" / "example.yaml")
    render_folder(inventory, out, loopback=False, now_us=NOW_US)
    return out


def installed(
    folder: Path, into: Path, *, noted: Path | None = None
) -> subprocess.CompletedProcess[str]:
    env = {"DESTDIR": str(into), "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    return subprocess.run(
        ["/bin/sh", folder / "install.sh"],
        env=env if noted is None else env | {"CHANGED": str(noted)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_folder_that_is_not_absolute_is_refused(rendered: Path) -> None:
    found = installed(rendered / "lon1", Path("image"))

    assert found.returncode == 1
    assert "DESTDIR=image is no absolute path; begin it with /" in found.stderr
    assert not (rendered / "lon1" / "image").exists()


@need_root
@pytest.mark.parametrize(
    ("machine", "settings"), [("core", "core.yaml"), ("lon1", "satellite.yaml")]
)
def test_everything_comes_into_its_place_and_again(
    rendered: Path, tmp_path: Path, machine: str, settings: str
) -> None:
    for _ in range(2):
        found = installed(rendered / machine, tmp_path)
        assert (found.returncode, found.stderr) == (0, "")

    etc = tmp_path / "etc"
    assert (etc / "borderscout" / settings).read_bytes() == (
        rendered / machine / settings
    ).read_bytes()
    assert not (etc / "wireguard").exists(), "wg-quick would do, as root, whatever stands there"
    units = {path.name for path in (etc / "systemd" / "system").iterdir()}
    assert units == {path.name for path in (rendered / machine).glob("borderscout-*")}
    kept = {path.name for path in (etc / "borderscout" / "tls").iterdir()}
    assert kept == {path.name for path in (rendered / machine / "tls").iterdir()}
    assert (etc / "unbound").exists() == (rendered / machine / "unbound.conf").exists()


@need_root
def test_what_is_changed_is_noted_before_and_stays_noted(rendered: Path, tmp_path: Path) -> None:
    folder, into, noted = tmp_path / "lon1", tmp_path / "to", tmp_path / "changed"
    shutil.copytree(rendered / "lon1", folder)
    assert installed(folder, into, noted=noted).returncode == 0
    assert "satellite.yaml" in noted.read_text().splitlines()
    noted.write_text("")
    assert installed(folder, into, noted=noted).returncode == 0
    assert noted.read_text() == "", "nothing had to be changed"

    (folder / "borderscout-firewall.service").write_text("[Unit]\n")
    (folder / "satellite.yaml").write_text("node: lon1\n")
    (into / "etc" / "systemd" / "system" / ".borderscout-firewall.service.new").mkdir()
    torn = installed(folder, into, noted=noted)

    assert torn.returncode != 0
    assert noted.read_text() == "borderscout-firewall.service\n"
    assert installed(folder, into, noted=Path("changed")).returncode == 1


@need_root
def test_no_secret_is_read_by_others_and_no_half_is_left(rendered: Path, tmp_path: Path) -> None:
    assert installed(rendered / "core", tmp_path).returncode == 0

    for path in (tmp_path / "etc" / "borderscout").rglob("*"):
        assert not path.name.endswith(".new")
        mode = stat.S_IMODE(path.stat().st_mode)
        if path.suffix == ".key" or path.name in ("token", "wg0.conf"):
            assert mode == 0o600, path
        assert not mode & 0o022, path


@pytest.fixture
def everybodys() -> Iterator[Path]:
    """Return a folder that every user gets to; those of tests are root's alone."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def owned(rendered: Path, everybodys: Path) -> tuple[Path, Path]:
    """Return a folder whose files go to a user, as without DESTDIR, and where that user gets to."""
    folder = everybodys / "lon1"
    shutil.copytree(rendered / "lon1", folder)
    script = folder / "install.sh"
    script.write_text(script.read_text().replace("owner=root\nif", f"owner={OTHER}\nif", 1))
    into = everybodys / "to"
    into.mkdir()
    return folder, into


@need_root
def test_what_a_user_gets_is_its_own(owned: tuple[Path, Path]) -> None:
    folder, into = owned
    for _ in range(2):
        found = installed(folder, into)
        assert (found.returncode, found.stderr) == (0, "")

    ours = into / "etc" / "borderscout"
    assert {path.owner() for path in (ours, *ours.rglob("*"))} == {OTHER}
    assert {path.owner() for path in (into / "etc" / "systemd").rglob("*")} == {"root"}


# What the user writes itself, and what bounds it.
BY_ITSELF = {
    "satellite.yaml": "the user's own program reads it",
    "wg0.conf": "no program of hooks reads it, and it leads where tunnel.networks allows",
    **dict.fromkeys(
        ("tls/authority.crt", "tls/node.crt", "tls/node.key"),
        "what freshclam shows, read for it with the user's own rights",
    ),
}


@need_root
def test_what_root_or_another_user_loads_lies_where_the_user_writes_nothing(
    owned: tuple[Path, Path],
) -> None:
    folder, into = owned
    units, freshclam = into / "etc" / "systemd" / "system", freshclam_units()
    (folder / FRESHCLAM_FILE).write_text("ScriptedUpdates no\n")
    stale = into / "etc" / "wireguard" / "wg0.conf"
    stale.parent.mkdir(parents=True)
    stale.symlink_to("/etc/borderscout/wg0.conf")

    assert installed(folder, into).returncode == 0

    texts = freshclam | {path.name: path.read_text() for path in units.iterdir()}
    loaded = {
        place
        for text in texts.values()
        for line in text.splitlines()
        if not line.startswith(("#", "ReadWritePaths="))
        for place in re.findall(r"/etc/[\w./-]+", line)
    }
    others = {place for place in loaded if place.removeprefix("/etc/borderscout/") not in BY_ITSELF}
    assert {Path(place).name for place in others} == {*BOUNDS, FRESHCLAM_FILE}
    users = into / "etc" / "borderscout"
    for place in (*map(str, units.iterdir()), *(f"{into}{place}" for place in others)):
        for path in (Path(place), *Path(place).parents):
            if path == into:
                break
            assert path.owner() == "root", path
            assert not path.stat().st_mode & 0o022, path
    for path in into.rglob("*"):
        if not path.is_relative_to(users):
            assert path.owner() == "root", path
            assert not path.is_symlink(), path


@need_root
def test_a_link_that_the_user_made_gives_it_nothing_of_roots(owned: tuple[Path, Path]) -> None:
    folder, into = owned
    ours, roots = into / "etc" / "borderscout", into / "etc" / "cron.d"
    ours.mkdir(parents=True)
    roots.mkdir(mode=0o755)
    (ours / "tls").symlink_to(roots)

    found = installed(folder, into)

    assert found.returncode != 0
    assert (roots.owner(), list(roots.iterdir())) == ("root", [])


@need_root
def test_a_power_cut_leaves_the_old_file_or_the_new_one(owned: tuple[Path, Path]) -> None:
    folder, into = owned
    script, told = folder / "install.sh", folder.parent / "told"
    told.touch()
    told.chmod(0o666)
    for name in ("sync", "mv"):  # as functions would not be seen: the user's shell is another one
        tool = folder.parent / name
        tool.write_text(f'#!/bin/sh\necho {name} "$@" >>{told}\nexec /usr/bin/{name} "$@"\n')
        tool.chmod(0o755)
    script.write_text(f"PATH={folder.parent}:$PATH\n{script.read_text()}")

    assert installed(folder, into).returncode == 0

    lines = [line.split() for line in told.read_text().splitlines()]
    moves = [number for number, line in enumerate(lines) if line[0] == "mv"]
    assert len(moves) > 10
    for at in moves:
        new, place = lines[at][-2:]
        assert lines[at - 1] == ["sync", new]
        assert lines[at + 1] == ["sync", str(Path(place).parent)]


@need_root
def test_what_runs_as_the_user_has_no_terminal_of_roots(owned: tuple[Path, Path]) -> None:
    folder, into = owned
    tools, told = folder.parent / "tools", folder.parent / "told"
    tools.mkdir()
    told.touch()
    told.chmod(0o666)
    for name in ("chmod", "mv", "rm"):
        (tools / name).write_text(
            f"#!/bin/sh\nps -o user=,tty= -p $$ >>{told}\nls -l /proc/$$/fd >>{told}\n"
            f'exec /usr/bin/{name} "$@"\n'
        )
        (tools / name).chmod(0o755)

    pid, terminal = pty.fork()
    if not pid:
        os.environ.update(DESTDIR=str(into), PATH=f"{tools}:/usr/sbin:/usr/bin:/sbin:/bin")
        os.execv("/bin/sh", ["sh", str(folder / "install.sh")])
    with contextlib.suppress(OSError):  # the end of a terminal is an error
        while os.read(terminal, 1024):
            pass
    os.close(terminal)

    assert os.waitpid(pid, 0)[1] == 0
    lines = told.read_text().splitlines()
    assert [line.split() for line in lines if line.startswith(OTHER)].count([OTHER, "?"]) > 3
    assert not [line for line in lines if "pts" in line and "root" not in line]


@need_root
def test_it_stops_before_the_settings_when_something_is_missing(
    rendered: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "lon1"
    shutil.copytree(rendered / "lon1", folder)
    (folder / "wg0.conf").unlink()

    found = installed(folder, tmp_path / "to")

    assert found.returncode != 0
    assert "wg0.conf" in found.stderr
    assert not (tmp_path / "to" / "etc" / "borderscout" / "satellite.yaml").exists()


@need_root
def test_what_freshclam_shows_is_read_with_the_users_own_rights(everybodys: Path) -> None:
    """A link in the user's folder leads to nothing that the user may not read."""
    unit = freshclam_units()[FRESHCLAM_KEYS_UNIT]
    [command] = re.findall(r"(?m)^ExecStart=(.*)$", unit)
    tls, given, secret = (everybodys / name for name in ("tls", "given", "secret"))
    secret.write_text("root's alone")
    secret.chmod(0o600)
    for place in (tls, given):
        place.mkdir()
        shutil.chown(place, OTHER)
    for name in ("authority.crt", "node.crt", "node.key"):
        (tls / name).write_text(name)
        shutil.chown(tls / name, OTHER)
    words = command.replace("/etc/borderscout/tls", str(tls)).split()
    words[-1] = str(given)

    def run() -> int:
        by_other = ["setpriv", f"--reuid={OTHER}", f"--regid={OTHER}", "--clear-groups", *words]
        return subprocess.run(by_other, capture_output=True, check=False).returncode

    assert run() == 0
    assert {path.name: path.read_text() for path in given.iterdir()} == {
        name: name for name in ("authority.crt", "node.crt", "node.key")
    }
    assert {stat.S_IMODE(path.stat().st_mode) for path in given.iterdir()} == {0o640}

    (tls / "node.key").unlink()
    (tls / "node.key").symlink_to(secret)
    assert run() != 0
    assert "root's alone" not in "".join(path.read_text() for path in given.iterdir())
    assert "LoadCredential=node" not in freshclam_units()[FRESHCLAM_UNIT]
