"""Is a body on the disk, whole, under its own name, or not at all?"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from common.errors import DiskFull, EnvironmentFailure
from common.identity import IdentityRefused, ShardIdentity
from core.custody.bodies import BodyFolder, Partial
from core.quarantine.cases import BodyMismatch, CaseRefused
from tests.support.core.rooms import identity, made_id

BODY = b"0123456789" * 100
SHA256 = hashlib.sha256(BODY).digest()
PARTIAL = Partial(identity(), made_id(9))


def _final(root: Path) -> Path:
    return root / "bodies" / SHA256.hex()[:2] / SHA256.hex()


async def test_octets_may_come_twice_and_in_any_cut(bodies: BodyFolder) -> None:
    assert await bodies.append(PARTIAL, 0, BODY[:400]) == 400
    assert await bodies.append(PARTIAL, 0, BODY[:400]) == 400
    assert await bodies.append(PARTIAL, 300, BODY[300:700]) == 700
    assert await bodies.append(PARTIAL, 900, BODY[900:]) == 700  # a hole: nothing is written
    assert await bodies.append(PARTIAL, 700, BODY[700:]) == 1_000

    await bodies.complete(PARTIAL, sha256=SHA256, size=len(BODY))

    assert await bodies.read(SHA256, 0, 5_000) == BODY
    assert await bodies.read(SHA256, 995, 10) == BODY[995:]
    assert await bodies.read(SHA256, 1_000, 10) == b""
    assert await bodies.partial_size(PARTIAL) == 0


async def test_a_body_with_another_digest_never_gets_the_name(
    bodies: BodyFolder, tmp_path: Path
) -> None:
    await bodies.append(PARTIAL, 0, BODY[:-1] + b"!")

    with pytest.raises(BodyMismatch):
        await bodies.complete(PARTIAL, sha256=SHA256, size=len(BODY))

    assert not _final(tmp_path).exists()
    assert await bodies.partial_size(PARTIAL) == 0


async def test_a_body_is_synced_before_it_has_its_name_and_the_folder_after(
    bodies: BodyFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    real_fsync, real_replace = os.fsync, Path.replace

    def fsync(descriptor: int) -> None:
        target = Path(f"/proc/self/fd/{descriptor}").readlink()
        steps.append(f"sync {'folder' if target.is_dir() else 'file'} {target.name[:6]}")
        real_fsync(descriptor)

    def replace(self: Path, target: Path) -> Path:
        steps.append("rename")
        return real_replace(self, target)

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    await bodies.append(PARTIAL, 0, BODY)

    await bodies.complete(PARTIAL, sha256=SHA256, size=len(BODY))

    assert steps == [
        "sync file lon1.0",
        "sync folder bodies",
        "rename",
        f"sync folder {SHA256.hex()[:2]}",
    ]


@pytest.mark.parametrize(
    ("number", "failure"), [(28, DiskFull), (122, DiskFull), (5, EnvironmentFailure)]
)
async def test_after_a_failed_sync_only_a_fresh_copy_is_trusted(
    bodies: BodyFolder,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    failure: type[Exception],
) -> None:
    def fails(_descriptor: int) -> None:
        raise OSError(number, os.strerror(number))

    await bodies.append(PARTIAL, 0, BODY)
    monkeypatch.setattr(os, "fsync", fails)

    with pytest.raises(failure):
        await bodies.complete(PARTIAL, sha256=SHA256, size=len(BODY))

    assert not _final(tmp_path).exists()
    assert await bodies.partial_size(PARTIAL) == 0


@pytest.mark.parametrize(
    "partial",
    [
        Partial(identity(), "../../evil"),
        Partial(identity(), made_id(1) + "/x"),
        Partial(ShardIdentity("../x", 0, made_id(1)), made_id(2)),
        Partial(ShardIdentity("lon1", 0, "a/b"), made_id(2)),
    ],
)
async def test_nothing_from_outside_names_a_file_unchecked(
    bodies: BodyFolder, partial: Partial
) -> None:
    with pytest.raises((CaseRefused, IdentityRefused)):
        await bodies.append(partial, 0, b"x")


async def test_a_partial_body_is_never_a_link_to_somewhere_else(
    bodies: BodyFolder, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.write_bytes(b"precious")
    (tmp_path / "bodies" / "partial" / PARTIAL.file_name).symlink_to(target)

    with pytest.raises(EnvironmentFailure):
        await bodies.append(PARTIAL, 0, b"xxxxxxxxxxxx")

    assert target.read_bytes() == b"precious"


async def test_a_missing_body_is_a_failure_and_not_an_empty_one(bodies: BodyFolder) -> None:
    with pytest.raises(EnvironmentFailure):
        await bodies.read(SHA256, 0, 10)
