"""How does a set of definitions come into the folder that an engine reads?

Touches the disk. File by file: linked, renamed over what was there, and what the new set lacks is
removed at last. So each name holds one whole file at every moment, and none is missing that both
sets have; whoever is killed in between finds in ``Standing`` what was being tried, and puts the set
back that was in use.

A file that we did not put there is never touched. Ours is what is the same file, or has the same
octets, as one of the kept sets under that name.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from hashlib import file_digest
from pathlib import Path

from common.durable import sync_folder
from common.errors import LocalError
from satellite.definitions.kept_sets import PLACING, KeptSets
from satellite.definitions.set_name import SetName

# Two forms of one database: the engine would load both, and use the newer.
_TWINS = {".cvd": ".cld", ".cld": ".cvd"}


class FolderTaken(LocalError):
    """There are files in the way that are not ours."""


def place(sets: KeptSets, name: SetName | None) -> None:
    """Make the engine's folder hold a set, and nothing else of ours.

    It may be called again after it was cut short, with this set or with another one.

    Args:
        sets: those that are kept, the one that is in the folder now among them.
        name: of the set; None: none of ours.

    Raises:
        FolderTaken: files of the same names are there, and are not ours; nothing was changed.
        EnvironmentFailure, OSError: the disk failed; each file is whole, and it is to be called
            again.
    """
    wanted = () if name is None else sets.files_of(name)
    _refuse_what_is_in_the_way(sets, wanted)
    if name is not None:
        for file in wanted:
            _link(sets, sets.path_of(name) / file, sets.folder / file)
        sync_folder(sets.folder)
    for file in _ours_beside(sets, frozenset(wanted)):
        (sets.folder / file).unlink()
    sync_folder(sets.folder)


def is_placed(sets: KeptSets, name: SetName) -> bool:
    """Say whether the engine's folder holds a set as it was put there, not looked at inside.

    Raises:
        EnvironmentFailure: the disk does not tell.
    """
    return all(
        _is_same(sets.folder / file, sets.path_of(name) / file) for file in sets.files_of(name)
    )


def _link(sets: KeptSets, source: Path, target: Path) -> None:
    if _is_same(source, target):
        return  # a rename of one name of a file over another one of its own would do nothing
    between = sets.staging / PLACING
    between.unlink(missing_ok=True)
    os.link(source, between)
    between.replace(target)


def _refuse_what_is_in_the_way(sets: KeptSets, wanted: tuple[str, ...]) -> None:
    strangers = [file for file in wanted if not _is_free(sets, file)]
    for file in wanted:
        ending = Path(file).suffix
        twin = str(Path(file).with_suffix(_TWINS.get(ending, ending)))
        if twin not in wanted and not _is_free(sets, twin):
            strangers.append(twin)
    if strangers:
        shown = ", ".join(strangers[:5])
        raise FolderTaken(
            f"{shown} in {sets.folder} did not come from the core",
            hint="stop the freshclam that writes there, and move these files away",
        )


def _is_free(sets: KeptSets, file: str) -> bool:
    """Say whether a name in the engine's folder is free, or ours."""
    path = sets.folder / file
    return not os.path.lexists(path) or _is_ours(sets, path)


def _is_ours(sets: KeptSets, path: Path) -> bool:
    known = list(_known(sets, path.name))
    return any(_is_same(path, one) for one in known) or any(_is_copy(path, one) for one in known)


def _ours_beside(sets: KeptSets, wanted: frozenset[str]) -> list[str]:
    """Return the names in the engine's folder that are ours and not wanted any more."""
    candidates = {
        file for name in sets.fetched() for file in sets.files_of(name) if file not in wanted
    }
    return sorted(
        file
        for file in candidates
        if os.path.lexists(sets.folder / file) and _is_ours(sets, sets.folder / file)
    )


def _known(sets: KeptSets, file: str) -> Iterator[Path]:
    """Yield the files of that name in the sets that are kept."""
    for name in sets.fetched():
        path = sets.path_of(name) / file
        if path.is_file():
            yield path


def _is_same(one: Path, other: Path) -> bool:
    try:
        return os.path.samestat(one.lstat(), other.lstat())
    except OSError:
        return False


def _is_copy(one: Path, other: Path) -> bool:
    """Say whether two files hold the same, as after a restore that knew nothing of hard links."""
    with suppress(OSError):
        if one.is_symlink() or one.lstat().st_size != other.lstat().st_size:
            return False
        return _digest(one) == _digest(other)
    return False


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return file_digest(file, "sha256").digest()


def damaged(sets: KeptSets, name: SetName) -> tuple[str, ...]:
    """Return the files of a set that are not what its manifest says; none in a whole one.

    Raises:
        EnvironmentFailure: the disk does not give its manifest.
    """
    wrong = []
    for file in sets.manifest(name).files:
        try:
            is_right = _digest(sets.path_of(name) / file.name).hex() == file.sha256
        except OSError:
            is_right = False
        if not is_right:
            wrong.append(file.name)
    return tuple(wrong)
