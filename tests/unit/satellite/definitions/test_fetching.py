"""Does a set come from the core as it was offered, or not at all, whatever the core gives?"""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from common.definitions import ManifestBroken
from common.durable import Disk
from common.errors import DiskFull, EnvironmentFailure
from satellite.definitions import fetching
from satellite.definitions.fetching import NotGiven, NotWhatWasOffered, SetFetching
from satellite.definitions.kept_sets import KeptSets
from satellite.definitions.marker import MARKER, marker_octets
from satellite.definitions.set_name import SetName
from satellite.definitions.set_placing import damaged
from tests.support.definitions.made_sets import MadeSet, bring, made_set
from tests.support.definitions.serving_core import HOST, ServingCore
from tests.support.network.authority import Authority

LARGE = bytes(range(256)) * 4096  # 1 MiB: several writes
MADE = made_set(7, {"daily.cvd": LARGE, "local.hdb": b"small", "main.cvd": b"main" * 1000})


@pytest.fixture
async def core() -> AsyncIterator[ServingCore]:
    async with ServingCore() as running:
        running.serve(MADE)
        yield running


def fetching_to(folder: Path, **more: Any) -> tuple[KeptSets, SetFetching]:
    sets = KeptSets(folder)
    return sets, SetFetching(sets, **{"reserve_bytes": 0} | more)


def assert_whole(sets: KeptSets, made: MadeSet) -> None:
    assert made.name in sets.fetched()
    assert damaged(sets, made.name) == ()
    assert (sets.path_of(made.name) / MARKER).read_bytes() == marker_octets(made.name)
    names = {path.name for path in sets.path_of(made.name).iterdir()}
    assert names == {*made.files, MARKER, "manifest.json"}
    assert not sets.incoming(made.name).exists()


async def test_a_set_comes_whole_and_can_be_read_by_the_engine(
    tmp_path: Path, core: ServingCore
) -> None:
    sets, fetcher = fetching_to(tmp_path)

    await fetcher.fetch(MADE.name, core.source())

    assert_whole(sets, MADE)
    for path in sets.path_of(MADE.name).iterdir():
        assert path.stat().st_mode & 0o777 == 0o644 or path.name == "standing.json"


async def test_what_was_cut_goes_on_where_it_ended(tmp_path: Path, core: ServingCore) -> None:
    sets, fetcher = fetching_to(tmp_path)
    core.cut_after["daily.cvd"] = 700_000

    with pytest.raises(NotGiven):
        await fetcher.fetch(MADE.name, core.source())
    assert MADE.name not in sets.fetched()
    await fetcher.fetch(MADE.name, core.source())

    assert_whole(sets, MADE)
    (again,) = [one for one in core.asked if "bytes=" in one]
    assert int(again.removeprefix("daily.cvd bytes=").rstrip("-")) > 0


async def test_a_core_without_ranges_is_read_from_the_beginning(
    tmp_path: Path, core: ServingCore
) -> None:
    sets, fetcher = fetching_to(tmp_path)
    core.cut_after["daily.cvd"] = 700_000
    core.deaf = True

    with pytest.raises(NotGiven):
        await fetcher.fetch(MADE.name, core.source())
    await fetcher.fetch(MADE.name, core.source())

    assert_whole(sets, MADE)


async def test_what_is_cancelled_goes_on_later(tmp_path: Path, core: ServingCore) -> None:
    sets, fetcher = fetching_to(tmp_path)
    task = asyncio.create_task(fetcher.fetch(MADE.name, core.source()))
    await core.until(lambda: "daily.cvd" in core.asked)

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await fetcher.fetch(MADE.name, core.source())

    assert_whole(sets, MADE)


@pytest.mark.parametrize("lie", [b"x" * len(LARGE), LARGE[:-1] + b"!", LARGE + b"!"])
async def test_octets_of_another_digest_are_no_definitions(
    tmp_path: Path, core: ServingCore, lie: bytes
) -> None:
    sets, fetcher = fetching_to(tmp_path)
    core.lies["daily.cvd"] = lie

    with pytest.raises(NotWhatWasOffered):
        await fetcher.fetch(MADE.name, core.source())
    assert sets.fetched() == frozenset()

    del core.lies["daily.cvd"]
    await fetcher.fetch(MADE.name, core.source())
    assert_whole(sets, MADE)


async def test_a_file_that_ends_too_early_is_no_whole_one(
    tmp_path: Path, core: ServingCore
) -> None:
    sets, fetcher = fetching_to(tmp_path)
    core.lies["daily.cvd"] = LARGE[:-1]

    with pytest.raises(NotGiven, match="1 octets too early"):
        await fetcher.fetch(MADE.name, core.source())

    assert sets.fetched() == frozenset()


async def test_another_manifest_than_the_offered_one_is_not_read(
    tmp_path: Path, core: ServingCore
) -> None:
    sets, fetcher = fetching_to(tmp_path)
    core.lies["manifest.json"] = made_set(7, {"../x.hdb": b""} | dict(MADE.files)).manifest

    with pytest.raises(NotWhatWasOffered):
        await fetcher.fetch(MADE.name, core.source())

    assert core.asked == ["manifest.json"]
    assert list(sets.staging.iterdir()) == []


@pytest.mark.parametrize("name", ["../x.hdb", "/x.hdb", ".x.hdb", "a/b.hdb", MARKER])
async def test_no_manifest_chooses_a_path(tmp_path: Path, core: ServingCore, name: str) -> None:
    sets, fetcher = fetching_to(tmp_path)
    bad = made_set(8, {name: b""})
    core.serve(bad)

    with pytest.raises(ManifestBroken):
        await fetcher.fetch(bad.name, core.source())

    assert list(sets.staging.iterdir()) == []


@pytest.mark.parametrize("status", ["404 Not Found", "500 Oops", "302 Found", "416 Range"])
async def test_a_core_that_does_not_have_it_is_asked_later(
    tmp_path: Path, core: ServingCore, status: str
) -> None:
    _, fetcher = fetching_to(tmp_path)
    core.status["main.cvd"] = status

    with pytest.raises(NotGiven, match=status[:3]):
        await fetcher.fetch(MADE.name, core.source())


async def test_a_core_that_is_away_is_asked_later(tmp_path: Path, core: ServingCore) -> None:
    _, fetcher = fetching_to(tmp_path)
    await core.__aexit__(None, None, None)

    with pytest.raises(NotGiven):
        await fetcher.fetch(MADE.name, core.source())


async def test_what_another_set_has_is_not_fetched_again(tmp_path: Path, core: ServingCore) -> None:
    sets, fetcher = fetching_to(tmp_path)
    bring(sets, made_set(6, {"daily.cvd": LARGE, "main.cvd": b"another"}))

    await fetcher.fetch(MADE.name, core.source())

    assert_whole(sets, MADE)
    assert core.asked == ["manifest.json", "local.hdb", "main.cvd"]


async def test_the_reserve_of_the_disk_stays_free(tmp_path: Path, core: ServingCore) -> None:
    sets, fetcher = fetching_to(tmp_path, reserve_bytes=1 << 20, free_bytes=lambda _: 3 << 20)

    with pytest.raises(DiskFull, match="no room for definitions"):
        await fetcher.fetch(MADE.name, core.source())

    assert core.asked == ["manifest.json"]
    assert not sets.incoming(MADE.name).exists()
    _, fetcher = fetching_to(tmp_path, reserve_bytes=1 << 20, free_bytes=lambda _: 4 << 20)
    await fetcher.fetch(MADE.name, core.source())
    assert_whole(sets, MADE)


async def test_a_disk_that_fills_up_meanwhile_gets_its_room_back(
    tmp_path: Path, core: ServingCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full(Disk):
        left = 500_000

        def write(self, descriptor: int, content: bytes | memoryview) -> int:
            self.left -= len(content)
            if self.left < 0:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(descriptor, content)

    sets, fetcher = fetching_to(tmp_path)
    monkeypatch.setattr("common.durable.disk", Full())

    with pytest.raises(EnvironmentFailure, match="No space left"):
        await fetcher.fetch(MADE.name, core.source())

    assert sets.fetched() == frozenset()
    assert not sets.incoming(MADE.name).exists()


async def test_a_core_that_dawdles_is_given_up(
    tmp_path: Path, core: ServingCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetching, "FILE_S_MIN", 0.0)
    monkeypatch.setattr(fetching, "FILE_BYTES_PER_S_MIN", 1e12)
    _, fetcher = fetching_to(tmp_path)

    with pytest.raises(NotGiven, match="did not come within"):
        await fetcher.fetch(MADE.name, core.source())


async def test_only_the_core_of_the_cluster_is_believed(tmp_path: Path) -> None:
    authority, other = Authority(tmp_path), Authority(tmp_path, "other")
    pair = authority.issue("satellite.example")

    def context(trusted: Authority) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=str(trusted.path))
        made.load_cert_chain(pair)
        return made

    async def fetched(server: ssl.SSLContext, trusted: Authority) -> None:
        (tmp_path / "folder").mkdir(exist_ok=True)
        _, fetcher = fetching_to(tmp_path / "folder")
        async with ServingCore(server) as core:
            core.serve(MADE)
            await fetcher.fetch(MADE.name, core.source(lambda: context(trusted)))

    with pytest.raises(NotGiven, match=r"(?i)certificate"):
        await fetched(other.server(HOST), authority)
    with pytest.raises(NotGiven, match=r"(?i)certificate"):
        await fetched(authority.server("another.example"), authority)
    await fetched(authority.server(HOST), authority)


async def test_a_manifest_of_another_set_is_none_of_this_one(
    tmp_path: Path, core: ServingCore
) -> None:
    _, fetcher = fetching_to(tmp_path)
    other = made_set(9, {"a.hdb": b""})
    core.lies["manifest.json"] = other.manifest

    with pytest.raises(NotWhatWasOffered):
        await fetcher.fetch(SetName(8, other.name.digest), core.source())
