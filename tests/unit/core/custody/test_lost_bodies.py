"""A case without its body is asked for again, and a body without a case is never deleted."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from common.identity import ShardIdentity
from common.link import Taken, Wanted
from core.custody.arrivals import Arrivals
from core.custody.bodies import BodyFolder
from core.custody.custody import Custody, SettledCases, SweptFiles
from core.custody.release import Releases
from core.quarantine.cases import CaseNotHeld, CaseState
from core.store.database import Database
from tests.support.clock import FakeClock
from tests.support.core.rests import no_rest
from tests.support.core.rooms import identity, made_id, told_case

LON = identity()
BODY = b"evil"
SHA256 = hashlib.sha256(BODY).digest()
ONE = made_id(1)


async def hold(arrivals: Arrivals, message_id: str = ONE, body: bytes = BODY) -> None:
    await arrivals.open_case(LON, told_case(message_id, body))
    await arrivals.append(LON, message_id, 0, body)
    assert await arrivals.complete(LON, message_id) == Taken(message_id)


async def state_of(custody: Custody, message_id: str = ONE) -> CaseState:
    case = await custody.case(message_id)
    assert case is not None
    return case.state


def unknown_body(bodies: BodyFolder, body: bytes) -> Path:
    """Put a body where bodies are, of which no row tells."""
    path = bodies._final(hashlib.sha256(body).digest())
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(body)
    os.utime(path, (1, 1))
    return path


@pytest.mark.parametrize("life", [1, 2])
@pytest.mark.parametrize("left", [b"", b"ev", None])
async def test_a_satellite_is_not_told_durable_of_a_body_that_is_gone(
    arrivals: Arrivals,
    custody: Custody,
    bodies: BodyFolder,
    store: Database,
    left: bytes | None,
    life: int,
) -> None:
    await hold(arrivals)
    path = bodies._final(SHA256)
    path.unlink()
    if left is not None:
        path.write_bytes(left)  # what a disk that was repaired may have

    shard = identity(life=life)
    assert await arrivals.open_case(shard, told_case(ONE, BODY)) == Wanted(ONE, 0)
    assert await state_of(custody) is CaseState.ARRIVING
    await arrivals.append(shard, ONE, 0, BODY)

    assert await arrivals.complete(shard, ONE) == Taken(ONE)
    assert await custody.read(ONE, 0, 9) == BODY
    assert [entry.what for entry in await store.audit.recent()] == ["quarantine.lost"]


async def test_another_shard_cannot_make_a_case_arrive_anew(
    arrivals: Arrivals, custody: Custody, bodies: BodyFolder
) -> None:
    await hold(arrivals)
    bodies._final(SHA256).unlink()

    with pytest.raises(Exception, match="another shard"):
        await arrivals.open_case(ShardIdentity("par1", 0, made_id(1)), told_case(ONE, BODY))

    assert await state_of(custody) is CaseState.HELD


async def test_a_body_that_came_again_leaves_its_release_where_it_was(
    arrivals: Arrivals, custody: Custody, bodies: BodyFolder, releases: Releases
) -> None:
    await hold(arrivals)
    release = await releases.request(ONE, who="ann")
    bodies._final(SHA256).unlink()
    assert await custody.settle(who="test") == SettledCases(aside=0, wanted=1)

    assert await releases.offers([LON.place]) == []
    assert not (await releases.claim(LON, release.id)).granted
    with pytest.raises(CaseNotHeld):
        await custody.read(ONE, 0, 9)

    await hold(arrivals)
    assert await state_of(custody) is CaseState.RELEASING
    assert [one.id for one in await releases.offers([LON.place])] == [release.id]


async def test_settling_again_changes_nothing(
    arrivals: Arrivals, custody: Custody, bodies: BodyFolder
) -> None:
    await hold(arrivals)
    await hold(arrivals, made_id(2), b"worse")
    path = unknown_body(bodies, b"nobody's")
    bodies._final(SHA256).unlink()

    first = await custody.settle(who="test")
    second = await custody.settle(who="test")

    assert first == SettledCases(aside=1, wanted=1)
    assert second == SettledCases(aside=0, wanted=0)
    assert not path.exists()
    assert (bodies._root / "aside" / path.name).read_bytes() == b"nobody's"
    assert await custody.read(made_id(2), 0, 9) == b"worse"


async def test_a_body_that_was_set_aside_comes_back_with_a_database_that_knows_it(
    arrivals: Arrivals, custody: Custody, bodies: BodyFolder
) -> None:
    await hold(arrivals)
    await bodies.set_aside(SHA256)

    assert await custody.settle(who="test") == SettledCases(aside=0, wanted=0)
    assert await custody.read(ONE, 0, 9) == BODY


async def test_the_sweep_sets_aside_what_no_case_ever_had(
    arrivals: Arrivals, custody: Custody, bodies: BodyFolder, fake_clock: FakeClock
) -> None:
    await hold(arrivals)
    path = unknown_body(bodies, b"of a later database")

    assert await custody.sweep(rest=no_rest, grace_s=100) == SweptFiles(0, 0, 1)
    assert (bodies._root / "aside" / path.name).exists()
    assert await custody.sweep(rest=no_rest, grace_s=100) == SweptFiles(0, 0, 0)
