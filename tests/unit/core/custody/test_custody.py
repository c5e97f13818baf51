"""Does a held message stay until it is deleted, and then go for good?"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from common.link import Taken
from core.custody.arrivals import Arrivals
from core.custody.bodies import BodyFolder, Partial
from core.custody.custody import Custody, SweptFiles
from core.custody.release import Releases
from core.quarantine.cases import CaseNotHeld, CaseState, UnknownCase
from core.quarantine.retention import DAY_US
from core.store.database import Database
from tests.support.clock import FakeClock
from tests.support.core.rooms import START_US, identity, made_id, route, told_case

LON = identity()
BODY = b"evil"
DIGEST = hashlib.sha256(BODY).hexdigest()


async def _hold(arrivals: Arrivals, message_id: str, body: bytes = BODY, **more: object) -> None:
    await arrivals.open_case(LON, told_case(message_id, body, **more))
    await arrivals.append(LON, message_id, 0, body)
    assert await arrivals.complete(LON, message_id) == Taken(message_id)


def _age(path: Path, clock: FakeClock, *, seconds: int) -> None:
    when_ns = (clock.now_us() - seconds * 1_000_000) * 1_000
    os.utime(path, ns=(when_ns, when_ns))


async def test_a_body_goes_with_the_last_case_that_stands_on_it(
    arrivals: Arrivals, custody: Custody, bodies: BodyFolder
) -> None:
    await _hold(arrivals, made_id(1))
    await _hold(arrivals, made_id(2))

    await custody.delete(made_id(1), who="ann")
    assert await custody.read(made_id(2), 0, 9) == BODY
    await custody.delete(made_id(2), who="ann")

    assert not bodies._final(bytes.fromhex(DIGEST)).exists()
    for n in (1, 2):
        with pytest.raises(CaseNotHeld):
            await custody.read(made_id(n), 0, 9)


async def test_deleting_twice_is_deleting_once(
    arrivals: Arrivals, custody: Custody, store: Database
) -> None:
    await _hold(arrivals, made_id(1))

    first = await custody.delete(made_id(1), who="ann")
    second = await custody.delete(made_id(1), who="bob")

    assert first == second
    assert second.deleted_by == "ann"
    assert [e.what for e in await store.audit.recent()] == ["quarantine.delete"]


async def test_a_satellite_that_repeats_a_deleted_message_may_let_go_of_it(
    arrivals: Arrivals, custody: Custody
) -> None:
    await _hold(arrivals, made_id(1))
    await custody.delete(made_id(1), who="ann")

    wanted = await arrivals.open_case(LON, told_case(made_id(1), BODY))

    assert wanted == Taken(made_id(1))


async def test_what_is_arriving_or_being_released_is_not_deleted(
    arrivals: Arrivals, custody: Custody, releases: Releases
) -> None:
    await arrivals.open_case(LON, told_case(made_id(1), BODY))
    await _hold(arrivals, made_id(2))
    await releases.request(made_id(2), who="t")

    for n in (1, 2):
        with pytest.raises(CaseNotHeld):
            await custody.delete(made_id(n), who="ann")
    assert await custody.read(made_id(2), 0, 9) == BODY


@pytest.mark.parametrize("message_id", [made_id(404), "../../etc/passwd", ""])
async def test_an_unknown_message_is_unknown(custody: Custody, message_id: str) -> None:
    assert await custody.case(message_id) is None
    with pytest.raises(UnknownCase):
        await custody.read(message_id, 0, 1)
    with pytest.raises(UnknownCase):
        await custody.delete(message_id, who="ann")


async def test_cases_are_found_by_whom_they_concern(
    arrivals: Arrivals, custody: Custody, store: Database
) -> None:
    await store.preferences.publish([route("acme.example", "acme")], who="t")
    await _hold(arrivals, made_id(1), recipients=("X@acme.example", "y@acme.example"))
    await _hold(arrivals, made_id(2), recipients=("z@other.example",))

    async def found(**wanted: str) -> list[str]:
        return [case.message_id for case in await custody.cases(**wanted)]  # type: ignore[arg-type]

    assert await found(customer="acme") == [made_id(1)]
    assert await found(domain="Other.example") == [made_id(2)]
    assert await found(recipient="x@Acme.example") == [made_id(1)]
    assert await found(node="lon1") == [made_id(2), made_id(1)]
    assert await found(node="par1") == []


async def test_pages_of_cases_meet_without_a_hole(arrivals: Arrivals, custody: Custody) -> None:
    for n in range(1, 8):
        await _hold(arrivals, made_id(n), quarantined_us=START_US + n // 3)
    seen: list[str] = []
    before = None

    while page := await custody.cases(before=before, limit=2):
        seen += [case.message_id for case in page]
        before = (page[-1].quarantined_us, page[-1].message_id)

    assert seen == [made_id(n) for n in range(7, 0, -1)]


async def test_old_messages_expire_and_young_ones_stay(
    arrivals: Arrivals, custody: Custody, fake_clock: FakeClock
) -> None:
    now_us = fake_clock.now_us()
    await _hold(arrivals, made_id(1), b"old", quarantined_us=now_us - 31 * DAY_US)
    await _hold(arrivals, made_id(2), b"young", quarantined_us=now_us - 29 * DAY_US)

    assert await custody.expire(days=30) == 1

    assert [c.message_id for c in await custody.cases(state=CaseState.HELD)] == [made_id(2)]
    assert await custody.expire(days=30) == 0


async def test_only_files_that_nobody_stands_on_are_swept(
    arrivals: Arrivals, custody: Custody, bodies: BodyFolder, fake_clock: FakeClock, tmp_path: Path
) -> None:
    root = tmp_path / "bodies"
    await _hold(arrivals, made_id(1))
    await arrivals.open_case(LON, told_case(made_id(2), b"half"))
    await arrivals.append(LON, made_id(2), 0, b"ha")
    await arrivals.open_case(LON, told_case(made_id(4), b"orphan"))  # a crash before it was held
    orphan = hashlib.sha256(b"orphan").hexdigest()
    (root / orphan[:2]).mkdir()
    (root / orphan[:2] / orphan).write_bytes(b"orphan")
    lost = Partial(identity("gone"), made_id(3))
    await bodies.append(lost, 0, b"x")
    files = [p for p in root.rglob("*") if p.is_file()]
    assert len(files) == 4

    for path in files:
        _age(path, fake_clock, seconds=99)
    assert await custody.sweep(grace_s=100) == SweptFiles(0, 0, 0)
    for path in files:
        _age(path, fake_clock, seconds=101)
    assert await custody.sweep(grace_s=100) == SweptFiles(1, 1, 0)

    left = {p.name for p in root.rglob("*") if p.is_file()}
    assert left == {DIGEST, Partial(LON, made_id(2)).file_name}
