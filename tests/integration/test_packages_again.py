"""Do two builds of one tree give the same packages, octet for octet?

Twice ``make deb``, as two people do it: in folders of other names, hours apart as far as the files
tell, with another umask, time zone, language and home. Wheels are fetched once: which they are, the
versions of ``constraints.txt`` say.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.machines.packages import BUILDING_S
from tests.support.our_files import ROOT

EPOCH = 1_790_000_000
NEEDED = {"dh": "debhelper", "dpkg-buildpackage": "dpkg-dev"}

pytestmark = [
    pytest.mark.long,
    pytest.mark.timeout(3 * BUILDING_S),
    pytest.mark.skipif(
        any(shutil.which(program) is None for program in NEEDED),
        reason=f"apt-get install {' '.join(NEEDED.values())}",
    ),
]


def built(tree: Path, out: Path, *, umask: int, env: Mapping[str, str]) -> dict[str, str]:
    """Return the digest of each package of a build by its name."""
    done = subprocess.run(
        ["/bin/sh", tree / ".ci" / "deb"],
        env={
            **os.environ, "OUT": str(out), "VERSION": "1", "SOURCE_DATE_EPOCH": str(EPOCH), **env
        },
        umask=umask,
        capture_output=True,
        text=True,
        check=False,
        timeout=BUILDING_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return {one.name: hashlib.sha256(one.read_bytes()).hexdigest() for one in out.glob("*.deb")}


def test_a_tree_gives_the_same_packages_again(tmp_path: Path) -> None:
    first = built(ROOT, tmp_path / "first", umask=0o022, env={"TZ": "UTC", "LC_ALL": "C"})
    other, home = tmp_path / "another place" / "tree", tmp_path / "home"
    home.mkdir()
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=True,
    ).stdout  # fmt: skip
    for name in filter(None, listed.decode().split("\0")):
        if (ROOT / name).exists():  # a file that was taken away is listed until the commit
            (other / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, other / name)
    shutil.copytree(ROOT / ".wheels", other / ".wheels")
    (other / ".wheels" / "complete").touch()

    elsewhere = {"TZ": "Asia/Tokyo", "LC_ALL": "C.UTF-8", "HOME": str(home)}
    second = built(other, tmp_path / "second", umask=0o077, env=elsewhere)

    assert len(first) == 3
    assert second == first
