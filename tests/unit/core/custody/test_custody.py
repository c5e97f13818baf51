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
from core.quarantine.cases import CaseNotHeld, UnknownCase
from core.quarantine.retention import DAY_US, BodyDays
from core.store import cases
from core.store.database import Database
from tests.support.clock import FakeClock
from tests.support.core.rests import no_rest
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


async def test_bodies_expire_by_what_they_are_and_young_ones_stay(
    arrivals: Arrivals, custody: Custody, fake_clock: FakeClock, store: Database
) -> None:
    kept = BodyDays(days=30, by_reason={"spam": 5})
    await _hold(arrivals, made_id(1), b"old", quarantined_us=fake_clock.now_us() + 99 * DAY_US)
    await fake_clock.advance(10 * 86_400.0)
    await _hold(arrivals, made_id(2), b"spam", reason="spam")
    await fake_clock.advance(6 * 86_400.0)
    # What its node says of the time decides nothing: its clock may be wrong.
    await _hold(arrivals, made_id(3), b"young", quarantined_us=0)

    assert await _expired(custody, kept) == 1
    assert await _states(custody) == {1: "held", 2: "deleted", 3: "held"}

    await fake_clock.advance(14 * 86_400.0 + 1)
    assert await _expired(custody, kept) == 1
    assert await _states(custody) == {1: "deleted", 2: "deleted", 3: "held"}
    assert await _expired(custody, kept) == 0
    assert await store.audit.recent() == []  # one entry tells of all: that is its caller's


async def test_what_is_to_be_delivered_does_not_expire(
    arrivals: Arrivals, custody: Custody, releases: Releases, fake_clock: FakeClock
) -> None:
    await arrivals.open_case(LON, told_case(made_id(1), BODY))
    await _hold(arrivals, made_id(2))
    await releases.request(made_id(2), who="t")
    await fake_clock.advance(99 * 86_400.0)

    assert await _expired(custody, BodyDays(days=1)) == 0

    assert await _states(custody) == {1: "arriving", 2: "releasing"}


async def test_very_many_expire_in_steps_with_a_rest_after_each(
    arrivals: Arrivals, custody: Custody, fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cases, "OLD_BODIES_MAX", 2)
    for number in range(1, 6):
        await _hold(arrivals, made_id(number), reason="spam" if number % 2 else "virus")
    await fake_clock.advance(9 * 86_400.0)
    rests = 0

    async def rest() -> None:
        nonlocal rests
        rests += 1

    assert await custody.expire(BodyDays(days=30, by_reason={"spam": 5}), rest=rest) == 3
    assert rests == 3


async def _expired(custody: Custody, kept: BodyDays) -> int:
    return await custody.expire(kept, rest=no_rest)


async def _states(custody: Custody) -> dict[int, str]:
    found = await custody.cases()
    return {int.from_bytes(case.told.message_id[-1:].encode()) - 48: case.state for case in found}


async def test_a_body_that_a_case_comes_to_stand_on_while_files_are_swept_stays(
    arrivals: Arrivals,
    custody: Custody,
    store: Database,
    fake_clock: FakeClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await _hold(arrivals, made_id(1))

    async def before_it_came(_digests: object) -> set[bytes]:
        return set()

    monkeypatch.setattr(store.cases, "needed_bodies", before_it_came)

    assert await custody.sweep(rest=no_rest, grace_s=-1e9) == SweptFiles(0, 0, 0)
    assert await custody.read(made_id(1), 0, 9) == BODY


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
    assert await custody.sweep(rest=no_rest, grace_s=100) == SweptFiles(0, 0, 0)
    for path in files:
        _age(path, fake_clock, seconds=101)
    assert await custody.sweep(rest=no_rest, grace_s=100) == SweptFiles(1, 1, 0)

    left = {p.name for p in root.rglob("*") if p.is_file()}
    assert left == {DIGEST, Partial(LON, made_id(2)).file_name}
