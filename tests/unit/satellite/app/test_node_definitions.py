"""Who keeps a node's definitions, and where are they fetched?"""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from common.errors import EnvironmentFailure, LocalError
from common.link import DefinitionsOffer
from common.settings.satellite import SatelliteSettings
from satellite.app import node_definitions
from satellite.app.node_definitions import NodeDefinitions
from satellite.definitions.kept_sets import KeptSets, Standing
from tests.support.clock import FakeClock
from tests.support.definitions.made_sets import bring, made_set
from tests.support.node.shard import settings, until

OFFER = DefinitionsOffer(family="clamav", serial=3, sha256=b"x" * 32, may_load=False, port=7443)


def node(folder: Path, **more: Any) -> SatelliteSettings:
    return settings(
        engines=[{"name": "clamav", "kind": "clamd", "address": "unix:/nobody"}],
        definitions=[{"engine": "clamav", "folder": str(folder)} | more],
        core={
            "address": "[fd00::1]:9",
            "certificate": str(folder / "c"),
            "key": str(folder / "k"),
            "authority": str(folder / "a"),
        },
    )


def dialled() -> str:
    """Return where the link dials the core."""
    return "[fd00::1]:9"


def keeper(made: SatelliteSettings, *, shard: int = 0) -> NodeDefinitions:
    return NodeDefinitions(
        made, FakeClock(), shard=shard, on_change=lambda _: None, core_address=dialled
    )


def test_only_the_first_worker_keeps_them(tmp_path: Path) -> None:
    first = keeper(node(tmp_path))
    second = keeper(node(tmp_path), shard=1)
    for one in (first, second):
        one.offered(OFFER)

    assert [report.offered for report in first.reports()] == [3]
    assert second.reports() == ()


def test_another_family_is_not_ours(tmp_path: Path) -> None:
    first = keeper(node(tmp_path))

    first.offered(DefinitionsOffer(family="other", serial=3, sha256=b"", may_load=False))

    assert first.reports()[0].offered == 0


def test_the_core_is_where_the_link_is_unless_the_settings_say_otherwise(tmp_path: Path) -> None:
    usual = node(tmp_path)
    elsewhere = node(tmp_path, address="mirror.example:99")
    source = node_definitions._source(usual, usual.definitions[0], dialled, OFFER)

    assert source.url == "https://[fd00::1]:7443/definitions/v1/clamav"
    assert source.host == "core.example.borderscout.internal"
    there = node_definitions._source(elsewhere, elsewhere.definitions[0], dialled, OFFER)
    assert there.url == "https://mirror.example:99/definitions/v1/clamav"
    silent = DefinitionsOffer(family="clamav", serial=3, sha256=b"", may_load=False)
    with pytest.raises(LocalError, match="port"):
        node_definitions._source(usual, usual.definitions[0], dialled, silent)


def test_a_core_that_moved_to_another_machine_serves_them_there(tmp_path: Path) -> None:
    usual, at = node(tmp_path), ["[fd00::1]:9"]
    find = partial(node_definitions._source, usual, usual.definitions[0], lambda: at[0])
    before = find(OFFER)

    at[0] = "192.0.2.2:9"

    assert before.url == "https://[fd00::1]:7443/definitions/v1/clamav"
    assert find(OFFER).url == "https://192.0.2.2:7443/definitions/v1/clamav"
    assert find(OFFER).host == before.host, "one core, one name"


def test_a_certificate_that_cannot_be_read_is_a_failure_that_may_pass(tmp_path: Path) -> None:
    source = node_definitions._source(node(tmp_path), node(tmp_path).definitions[0], dialled, OFFER)

    with pytest.raises(EnvironmentFailure, match="certificate"):
        source.context()


async def test_a_node_without_any_rests() -> None:
    await asyncio.wait_for(keeper(settings()).run(), 5)


async def test_every_worker_hears_of_another_set(tmp_path: Path) -> None:
    clock, heard = FakeClock(), list[str]()
    sets = KeptSets(tmp_path)
    made = made_set(1, {"a.hdb": b""})
    bring(sets, made)
    watching = NodeDefinitions(
        node(tmp_path), clock, shard=3, on_change=heard.append, core_address=dialled
    )
    task = asyncio.create_task(watching.run())
    await until(lambda: clock.sleepers == 1, "it looks")

    sets.record(Standing(current=made.name))
    await clock.advance(1.0)
    await until(lambda: clock.sleepers == 1, "it looked again")
    await clock.advance(1.0)
    await until(lambda: clock.sleepers == 1, "and once more")

    assert heard == ["clamav"]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_of_several_clamds_those_on_this_machine_read_the_folder() -> None:
    def addresses(first: str, *further: str) -> tuple[str, ...]:
        engine = {"name": "clamav", "kind": "clamd", "address": first}
        engine["options"] = {"addresses": list(further)}  # type: ignore[assignment]
        made = settings(engines=[engine], definitions=[{"engine": "clamav", "folder": "/x"}])
        return node_definitions._addresses(made, made.definitions[0])

    assert addresses("unix:/a", "192.0.2.7:3310", "127.0.0.1:3310") == (
        "unix:/a",
        "127.0.0.1:3310",
    )
    assert addresses("192.0.2.7:3310", "192.0.2.8:3310") == ("192.0.2.7:3310", "192.0.2.8:3310")
