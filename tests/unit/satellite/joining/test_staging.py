"""Root joins in a folder of the user that reads mail, and does nothing there that it could not."""

from __future__ import annotations

import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from common.errors import EnvironmentFailure
from satellite.joining.staging import FILES, FOLDER, SETTINGS, WIREGUARD_FILE, Staging

OTHER = pwd.getpwnam("daemon")  # a user that every machine has
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: to act as another user")


@pytest.fixture
def folder() -> Iterator[Path]:
    found = Path(tempfile.mkdtemp())  # pytest's own folder is closed to others
    os.chown(found, OTHER.pw_uid, OTHER.pw_gid)
    yield found
    shutil.rmtree(found)


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    """A file of root's, where everybody may look."""
    tmp_path.chmod(0o755)
    file = tmp_path / "roots"
    file.write_text("root's\n")
    return file


def is_untouched(file: Path) -> bool:
    status = file.stat()
    return (file.read_text(), status.st_uid, status.st_mode & 0o777) == ("root's\n", 0, 0o644)


def test_all_that_comes_there_is_the_owners_whatever_root_was(folder: Path) -> None:
    staging = Staging(folder)
    with staging.alone():
        staging.begin("join")
        for name in FILES:
            staging.put(name, b"new")
        staging.ready()
        staging.install()

    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*.*")} == set(FILES)
    owners = {(path.stat().st_uid, path.stat().st_gid) for path in folder.rglob("*")}
    assert owners == {(OTHER.pw_uid, OTHER.pw_gid)}
    assert {name: (folder / name).stat().st_mode & 0o777 for name in FILES} == FILES
    assert (os.geteuid(), os.getegid()) == (0, 0)


def test_a_link_in_place_of_what_is_gathered_has_root_write_and_give_away_nothing(
    folder: Path, roots: Path
) -> None:
    staging = Staging(folder)
    staging.begin("join")
    (folder / FOLDER / f"{SETTINGS}.part").symlink_to(roots)

    with pytest.raises(EnvironmentFailure, match="denied"):
        staging.put(SETTINGS, b"written by root\n")

    assert is_untouched(roots)


def test_a_link_in_place_of_the_folder_has_root_delete_nothing(folder: Path, roots: Path) -> None:
    (folder / FOLDER).symlink_to(roots.parent)

    with pytest.raises(EnvironmentFailure, match="denied"):
        Staging(folder).begin("join")

    assert is_untouched(roots)
    assert os.geteuid() == 0


def test_one_file_comes_there_as_the_owners_and_a_link_has_root_write_nothing(
    folder: Path, roots: Path
) -> None:
    Staging(folder).replace(WIREGUARD_FILE, b"new")
    placed = (folder / WIREGUARD_FILE).stat()
    (folder / f"{WIREGUARD_FILE}.part").symlink_to(roots)

    with pytest.raises(EnvironmentFailure, match="denied"):
        Staging(folder).replace(WIREGUARD_FILE, b"newer")

    assert (placed.st_uid, placed.st_mode & 0o777) == (OTHER.pw_uid, 0o600)
    assert (folder / WIREGUARD_FILE).read_bytes() == b"new"
    assert is_untouched(roots)
