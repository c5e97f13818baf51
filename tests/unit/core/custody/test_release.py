"""Is a release delivered once, also when it was clicked twice? (P8, P9)"""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from common.identity import LifeOrigin
from common.link import Claim, Taken
from core.custody.arrivals import Arrivals
from core.custody.custody import Custody
from core.custody.release import FetchRefused, Releases
from core.quarantine.assignment import ReleaseState
from core.quarantine.cases import CaseNotHeld, CaseState, NoSuchRecipient, UnknownCase
from core.records.lives import Fenced
from core.store.database import Database
from tests.support.clock import FakeClock
from tests.support.core.rooms import identity, made_id, record, told_case

LON, PAR = identity("lon1"), identity("par1", life=2)
ID, NEW = made_id(77), made_id(78)
BODY = b"Subject: x\r\n\r\nnot so evil\r\n"
EVERYBODY = [LON.place, PAR.place]


@pytest.fixture(autouse=True)
async def held(arrivals: Arrivals) -> None:
    await arrivals.open_case(LON, told_case(ID, BODY))
    await arrivals.append(LON, ID, 0, BODY)
    assert await arrivals.complete(LON, ID) == Taken(ID)


async def _state(custody: Custody) -> CaseState:
    case = await custody.case(ID)
    assert case is not None
    return case.state


async def test_clicked_twice_is_the_same_release(
    releases: Releases, store: Database, custody: Custody
) -> None:
    both = await asyncio.gather(*(releases.request(ID, who=who) for who in ("ann", "bob")))

    assert both[0] == both[1]
    assert len(await releases.of_case(ID)) == 1
    assert [e.what for e in await store.audit.recent()] == ["quarantine.release"]
    assert await _state(custody) is CaseState.RELEASING


async def test_a_release_goes_from_click_to_done(
    releases: Releases, store: Database, custody: Custody
) -> None:
    with releases.subscribe() as requested:
        release = await releases.request(ID, who="ann")
        assert requested.is_set()

    (offer,) = await releases.offers(EVERYBODY)
    assert (offer.id, offer.message_id, offer.node) == (release.id, ID, "lon1")
    grant = await releases.claim(LON, release.id)
    assert grant.granted
    assert (grant.recipients, grant.size) == (("x@acme.example",), len(BODY))
    assert await releases.read(LON, release.id, 0, 10) == BODY[:10]
    assert await releases.read(LON, release.id, 10, 1 << 30) == BODY[10:]
    await store.records.take(
        LON, [record(1, "released", NEW, release_id=release.id, released_from=ID)]
    )

    done = await releases.release(release.id)
    assert done is not None
    assert (done.state, done.released_as) == (ReleaseState.DONE, NEW)
    assert await _state(custody) is CaseState.RELEASED
    assert await releases.offers(EVERYBODY) == []
    assert (await store.records.track(NEW))[0]["released_from"] == ID
    assert await releases.request(ID, who="bob") == done


async def test_a_lost_answer_to_a_claim_is_repeated_to_its_holder_alone(
    releases: Releases,
) -> None:
    release = await releases.request(ID, who="ann")
    await releases.offers(EVERYBODY)

    first = await releases.claim(LON, release.id)
    second = await releases.claim(LON, release.id)

    assert first == second
    assert [o.node for o in await releases.offers(EVERYBODY)] == ["lon1"]
    assert await releases.offers([PAR.place]) == []
    assert not (await releases.claim(PAR, release.id)).granted


async def test_only_one_of_all_shards_gets_it(releases: Releases, fake_clock: FakeClock) -> None:
    release = await releases.request(ID, who="ann")
    for _ in range(4):
        await releases.offers(EVERYBODY)
        fake_clock.jump(31)

    answers = await asyncio.gather(
        *(releases.claim(who, release.id) for who in (LON, PAR, LON, PAR))
    )

    assert {answer.granted for answer in answers[:2]} == {True, False}
    assert answers[0] == answers[2]
    assert answers[1] == answers[3]


async def test_a_site_that_died_before_it_claimed_is_passed_over(
    releases: Releases, fake_clock: FakeClock
) -> None:
    release = await releases.request(ID, who="ann")
    assert [o.node for o in await releases.offers(EVERYBODY)] == ["lon1"]

    fake_clock.jump(29)
    assert await releases.offers([PAR.place]) == []
    fake_clock.jump(2)
    assert [o.node for o in await releases.offers([PAR.place])] == ["par1"]

    late = await releases.claim(LON, release.id)
    assert late == Claim(granted=False, reason="it is assigned to another shard")
    assert (await releases.claim(PAR, release.id)).granted


async def test_what_was_claimed_never_passes_to_another(
    releases: Releases, fake_clock: FakeClock
) -> None:
    release = await releases.request(ID, who="ann")
    await releases.offers(EVERYBODY)
    await releases.claim(LON, release.id)

    fake_clock.jump(100_000)

    assert await releases.offers([PAR.place]) == []
    assert not (await releases.claim(PAR, release.id)).granted
    assert [o.node for o in await releases.offers(EVERYBODY)] == ["lon1"]
    assert (await releases.claim(LON, release.id)).granted


async def test_the_next_life_of_a_shard_does_not_deliver_what_the_last_one_claimed(
    releases: Releases,
) -> None:
    release = await releases.request(ID, who="ann")
    await releases.offers(EVERYBODY)
    await releases.claim(LON, release.id)
    rebuilt = identity("lon1", life=9)

    answer = await releases.claim(rebuilt, release.id)

    assert not answer.granted
    assert "earlier life" in answer.reason
    with pytest.raises(Fenced):
        await releases.claim(LON, release.id)
    assert await releases.offers(EVERYBODY) == []


async def test_again_makes_another_release_only_after_a_claim(
    releases: Releases, store: Database
) -> None:
    first = await releases.request(ID, who="ann")
    assert await releases.request(ID, who="ann", again=True) == first
    await releases.offers(EVERYBODY)
    await releases.claim(LON, first.id)

    second = await releases.request(ID, who="ann", again=True)
    third = await releases.request(ID, who="ann", again=True)

    assert second.id != first.id
    assert second.again
    assert third == second
    assert "delivered twice" in (await store.audit.recent())[0].detail


async def test_a_shard_reads_no_body_that_it_has_not_claimed(releases: Releases) -> None:
    release = await releases.request(ID, who="ann")
    await releases.offers(EVERYBODY)

    for who in (LON, PAR):
        with pytest.raises(FetchRefused):
            await releases.read(who, release.id, 0, 10)
    await releases.claim(LON, release.id)
    with pytest.raises(FetchRefused, match="another shard"):
        await releases.read(PAR, release.id, 0, 10)
    with pytest.raises(FetchRefused, match="no such release"):
        await releases.read(LON, "no such id", 0, 10)
    with pytest.raises(FetchRefused):
        await releases.read(LON, release.id, -1, 10)


async def test_a_record_of_another_shard_does_not_end_a_release(
    releases: Releases, store: Database, custody: Custody
) -> None:
    release = await releases.request(ID, who="ann")
    await releases.offers(EVERYBODY)
    await releases.claim(LON, release.id)

    await store.records.take(
        PAR, [record(1, "released", NEW, release_id=release.id, released_from=ID)]
    )

    still = await releases.release(release.id)
    assert still is not None
    assert still.state is ReleaseState.CLAIMED
    assert await _state(custody) is CaseState.RELEASING
    (message,) = await store.records.track(NEW)
    assert message["events"][0]["flaw"] == "it is assigned to another shard"


@pytest.mark.parametrize(
    ("former", "state"),
    [(LON.incarnation, ReleaseState.DONE), ("", ReleaseState.CLAIMED)],
    ids=["renewed", "rebuilt"],
)
async def test_a_spool_that_was_renewed_ends_the_release_that_it_took_before(
    releases: Releases, store: Database, former: str, state: ReleaseState
) -> None:
    release = await releases.request(ID, who="ann")
    await releases.offers(EVERYBODY)
    await releases.claim(LON, release.id)
    # Its record was not confirmed yet when it was renewed, twice, and carried over each time.
    first = replace(identity("lon1", life=8), origin=LifeOrigin(former=former))
    second = replace(identity("lon1", life=9), origin=LifeOrigin(first.incarnation, carried=1))
    await store.records.position(first)

    await store.records.take(
        second, [record(1, "released", NEW, release_id=release.id, released_from=ID)]
    )

    known = await releases.release(release.id)
    assert known is not None
    assert known.state is state


async def test_a_release_waits_until_somebody_is_there(releases: Releases) -> None:
    await releases.request(ID, who="ann")

    assert await releases.offers([]) == []
    assert [o.node for o in await releases.offers([PAR.place])] == ["par1"]


async def test_what_is_not_held_is_not_released(
    releases: Releases, arrivals: Arrivals, custody: Custody
) -> None:
    await arrivals.open_case(LON, told_case(made_id(5), BODY))

    with pytest.raises(CaseNotHeld):
        await releases.request(made_id(5), who="ann")
    for unknown in (made_id(404), "x"):
        with pytest.raises(UnknownCase):
            await releases.request(unknown, who="ann")
    await custody.delete(ID, who="ann")
    with pytest.raises(CaseNotHeld):
        await releases.request(ID, who="ann")


ONE, OTHER = "Ann@acme.example", "bob@globex.example"
SHARED, AS = made_id(81), made_id(82)


@pytest.fixture
async def shared(arrivals: Arrivals) -> str:
    """A message that is kept for two people of two customers."""
    case = told_case(SHARED, BODY, recipients=(ONE, OTHER))
    await arrivals.open_case(LON, case)
    await arrivals.append(LON, SHARED, 0, BODY)
    assert await arrivals.complete(LON, SHARED) == Taken(SHARED)
    return SHARED


async def _deliver(releases: Releases, store: Database, release_id: str, sequence: int) -> Claim:
    await releases.offers(EVERYBODY)
    claim = await releases.claim(LON, release_id)
    done = record(sequence, "released", made_id(90 + sequence), release_id=release_id)
    await store.records.take(LON, [done])
    return claim


async def test_a_release_is_for_those_that_it_was_asked_for(
    releases: Releases, store: Database, custody: Custody, shared: str
) -> None:
    first = await releases.request(shared, who="ann", recipients=["ann@ACME.example"])
    claim = await _deliver(releases, store, first.id, 1)
    assert claim.recipients == (ONE,)
    case = await custody.case(shared)
    assert case is not None
    assert case.state is CaseState.HELD  # the other one's is still kept

    again = await releases.request(shared, who="ann", recipients=[ONE])
    assert again.id == first.id

    rest = await releases.request(shared, who="bob")  # whoever has it gets no second copy
    claim = await _deliver(releases, store, rest.id, 2)
    assert claim.recipients == (OTHER,)
    case = await custody.case(shared)
    assert case is not None
    assert case.state is CaseState.RELEASED
    details = [entry.detail for entry in await store.audit.recent()]
    assert details == [f"to {OTHER}", f"to {ONE}"]


async def test_a_case_is_released_only_when_no_release_of_it_is_under_way(
    releases: Releases, store: Database, custody: Custody, shared: str
) -> None:
    both = [await releases.request(shared, who="ann", recipients=[one]) for one in (ONE, OTHER)]
    await _deliver(releases, store, both[0].id, 1)

    case = await custody.case(shared)
    assert case is not None
    assert case.state is CaseState.RELEASING
    with pytest.raises(CaseNotHeld):
        await custody.delete(shared, who="ann")


async def test_who_is_no_recipient_is_released_nothing(releases: Releases, shared: str) -> None:
    with pytest.raises(NoSuchRecipient, match="kept for eve"):
        await releases.request(shared, who="ann", recipients=[ONE, "eve@evil.example"])

    assert await releases.of_case(shared) == []
