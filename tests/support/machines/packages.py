"""Which packages do the machines of a test get?

Touches processes and folders: ``make deb`` of this tree, and the same packages under another
version, so that there is something to upgrade to and to go back from.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from satellite.spool.disk.schema import VERSION
from tests.support.our_files import ROOT

BUILDING_S = 2_400
_SCHEMA = "usr/lib/borderscout/lib/python3*/site-packages/satellite/spool/disk/schema.py"


def build(out: Path) -> list[Path]:
    """Build the packages of this tree, or take those that ``BORDERSCOUT_DEBS`` names."""
    given = os.environ.get("BORDERSCOUT_DEBS")
    if given:
        return sorted(Path(given).glob("borderscout*.deb"))
    done = subprocess.run(
        [ROOT / ".ci" / "deb"],
        env={**os.environ, "OUT": str(out)},
        capture_output=True,
        text=True,
        timeout=BUILDING_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return sorted(out.glob("borderscout*.deb"))


def version_of(package: Path) -> str:
    """Return a package's version."""
    asked = ["dpkg-deb", "--field", str(package), "Version"]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def repacked(
    packages: list[Path], out: Path, *, version: str, change: Callable[[Path], None] | None = None
) -> list[Path]:
    """Return the packages under another version.

    Args:
        out: an empty folder.
        change: changes the files of each package before it is made, given its folder.
    """
    made = []
    for package in packages:
        tree = out / "tree"
        subprocess.run(["dpkg-deb", "--raw-extract", package, tree], check=True)
        control = tree / "DEBIAN" / "control"
        text = control.read_text(encoding="utf-8")
        control.write_text(text.replace(version_of(package), version), encoding="utf-8")
        if change is not None:
            change(tree)
        name, _, rest = package.name.partition("_")
        target = out / f"{name}_{version}_{rest.rpartition('_')[2]}"
        subprocess.run(
            ["dpkg-deb", "--build", "--root-owner-group", "-Znone", tree, target],
            check=True,
            capture_output=True,
        )
        shutil.rmtree(tree)
        made.append(target)
    return made


def with_a_later_spool(tree: Path) -> None:
    """Let a package be of a version whose spools have one more table."""
    preinst = tree / "DEBIAN" / "preinst"
    told = preinst.read_text(encoding="utf-8")
    preinst.write_text(told.replace(f'"{VERSION}"', f'"{VERSION + 1}"'), encoding="utf-8")
    for schema in tree.glob(_SCHEMA):
        text = schema.read_text(encoding="utf-8")
        assert f"\nVERSION = {VERSION} " in text
        text = text.replace(f"\nVERSION = {VERSION} ", f"\nVERSION = {VERSION + 1} ")
        step = "CREATE TABLE later (number INTEGER PRIMARY KEY)"
        schema.write_text(f"{text}\n_STEPS[VERSION] = {step!r}\n", encoding="utf-8")
