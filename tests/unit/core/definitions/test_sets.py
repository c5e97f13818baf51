"""A set of definitions is on the disk whole or not at all, whatever lies in a mirror's folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from common.definitions import MANIFEST, Manifest, read_manifest
from core.definitions import sets
from core.definitions.sets import (
    DefinitionsSource,
    SetFolder,
    SetRefused,
    StoredSet,
    UnknownSet,
)


@pytest.fixture
def folder(tmp_path: Path) -> SetFolder:
    made = SetFolder(tmp_path / "sets")
    made.open()
    return made


def source(path: Path, content: bytes, *, is_custom: bool = False) -> DefinitionsSource:
    path.write_bytes(content)
    return DefinitionsSource(name=path.name, path=path, is_custom=is_custom)


def kept(folder: SetFolder, serial: int, *sources: DefinitionsSource) -> StoredSet:
    serials = folder.serials()
    like = folder.stored(serials[0]) if serials else None
    files = folder.stage(sources, like=like)
    return folder.keep(
        Manifest(family="clamav", serial=serial, made_us=1, version="1 custom", files=files)
    )


def test_a_set_is_kept_with_a_manifest_that_names_every_octet(
    folder: SetFolder, tmp_path: Path
) -> None:
    made = kept(
        folder,
        7,
        source(tmp_path / "b.hdb", b"two", is_custom=True),
        source(tmp_path / "a.ndb", b"1"),
    )

    octets = (made.folder / MANIFEST).read_bytes()
    assert made.sha256 == hashlib.sha256(octets).digest()
    assert read_manifest(octets) == made.manifest
    assert [(f.name, f.size, f.is_custom) for f in made.manifest.files] == [
        ("a.ndb", 1, False),
        ("b.hdb", 3, True),
    ]
    assert (made.folder / "b.hdb").read_bytes() == b"two"
    assert folder.serials() == [7]
    assert folder.stored(7) == made


def test_what_two_sets_have_in_common_is_on_the_disk_once(
    folder: SetFolder, tmp_path: Path
) -> None:
    first = kept(folder, 1, source(tmp_path / "a.ndb", b"1"), source(tmp_path / "b.ndb", b"2"))
    second = kept(folder, 2, source(tmp_path / "a.ndb", b"1"), source(tmp_path / "b.ndb", b"3"))

    inodes = [
        [(each.folder / name).stat().st_ino for name in ("a.ndb", "b.ndb")]
        for each in (first, second)
    ]
    assert inodes[0][0] == inodes[1][0]
    assert inodes[0][1] != inodes[1][1]
    assert (first.folder / "b.ndb").read_bytes() == b"2"


def test_what_was_left_half_made_is_gone_after_a_start(folder: SetFolder, tmp_path: Path) -> None:
    folder.stage([source(tmp_path / "a.ndb", b"1")], like=None)

    again = SetFolder(tmp_path / "sets")
    again.open()

    assert again.serials() == []
    assert list((tmp_path / "sets").iterdir()) == []


def test_old_sets_go_but_for_those_that_are_needed(folder: SetFolder, tmp_path: Path) -> None:
    for serial in range(1, 7):
        kept(folder, serial, source(tmp_path / "a.ndb", b"%d" % serial))

    assert folder.prune(keep=[2], newest=3) == [3, 1]
    assert folder.serials() == [6, 5, 4, 2]


@pytest.mark.parametrize("serial", [1, 10**18])
def test_a_set_that_is_not_there_is_unknown(folder: SetFolder, serial: int) -> None:
    with pytest.raises(UnknownSet, match=f"there are no definitions {serial}"):
        folder.stored(serial)


def test_a_set_whose_manifest_is_damaged_is_not_used(folder: SetFolder, tmp_path: Path) -> None:
    made = kept(folder, 7, source(tmp_path / "a.ndb", b"1"))
    (made.folder / MANIFEST).write_bytes(b"{")

    with pytest.raises(UnknownSet, match="cannot be read"):
        folder.stored(7)


def test_a_link_in_a_mirror_leads_nowhere(folder: SetFolder, tmp_path: Path) -> None:
    (tmp_path / "token").write_bytes(b"secret")
    (tmp_path / "a.ndb").symlink_to(tmp_path / "token")

    with pytest.raises(OSError, match="symbolic"):
        folder.stage(
            [DefinitionsSource(name="a.ndb", path=tmp_path / "a.ndb", is_custom=False)], like=None
        )


def test_a_pipe_in_a_mirror_is_no_file(folder: SetFolder, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.ndb")

    with pytest.raises(SetRefused, match=r"a\.ndb is no plain file"):
        folder.stage(
            [DefinitionsSource(name="a.ndb", path=tmp_path / "a.ndb", is_custom=False)], like=None
        )


def test_a_file_that_is_too_large_ends_the_copy(
    folder: SetFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets, "SET_BYTES_MAX", 5)
    files = [source(tmp_path / "a.ndb", b"123"), source(tmp_path / "b.ndb", b"123")]

    with pytest.raises(SetRefused, match=r"b\.ndb is too large"):
        folder.stage(files, like=None)


def test_names_that_are_none_and_names_that_are_there_twice_are_refused(
    folder: SetFolder, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    one = source(tmp_path / "a.ndb", b"1")
    twin = source(tmp_path / "other" / "a.ndb", b"2", is_custom=True)

    with pytest.raises(SetRefused, match=r"a\.ndb is there twice; give your own file another"):
        folder.stage([one, twin], like=None)
    with pytest.raises(SetRefused, match="no name of a file"):
        folder.stage(
            [DefinitionsSource(name="../a.ndb", path=one.path, is_custom=False)], like=None
        )
    with pytest.raises(SetRefused, match="1 to 500 files, not 0"):
        folder.stage([], like=None)
