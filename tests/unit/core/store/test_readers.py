"""Does the link go on while people search?"""

from __future__ import annotations

import asyncio
import threading

from sqlalchemy import Connection

from core.store.database import Database
from core.store.writer import PEOPLE_READERS
from tests.support.core.rooms import document, identity, made_id, record, route


async def test_searches_that_take_long_stop_nobody_but_searches(store: Database) -> None:
    await store.preferences.publish([route()], who="t")
    await store.records.take(identity(), [record(1, "started")])
    gate, begun = threading.Event(), threading.Semaphore(0)

    def long_search(_connection: Connection) -> None:
        begun.release()
        assert gate.wait(10)

    people = store.records._reader
    searches = [asyncio.create_task(people.run(long_search)) for _ in range(PEOPLE_READERS + 5)]
    try:
        for _ in range(PEOPLE_READERS):
            assert await asyncio.to_thread(begun.acquire, timeout=10)

        async with asyncio.timeout(10):
            assert len(await store.preferences.documents_after(0)) == 1
            assert await store.preferences.digest_at(1) == store.preferences.current.digest
            assert await store.releases.release(made_id(1)) is None
            assert not (await store.releases.held_by(identity(), made_id(1))).case
            assert await store.releases.assigned({("lon1", 0)}, claim_wait_us=1) == []
            await store.records.take(identity(), [record(2, "stopped")])
    finally:
        gate.set()
        await asyncio.gather(*searches)


async def test_a_digest_is_known_of_each_revision_that_is_kept(store: Database) -> None:
    digests = []
    for number in range(3):
        await store.preferences.publish([route(f"d{number}.example")], who="t")
        digests.append(store.preferences.current.digest)
    await store.preferences.publish([document("route", "d1.example")], who="t")

    assert [await store.preferences.digest_at(n) for n in (1, 2, 3)] == digests
    assert await store.preferences.digest_at(0) is None
    assert await store.preferences.digest_at(5) is None
