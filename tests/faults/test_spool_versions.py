"""A spool of an older version is taken over; one of a later version is refused with the remedy."""

from __future__ import annotations

import hashlib
from pathlib import Path

import apsw
import pytest

from common.ids import MessageId
from common.states import State
from satellite.spool.disk import schema
from satellite.spool.disk.schema import VERSION, SpoolTooNew
from satellite.spool.model.messages import Settled
from satellite.spool.store import Spool
from tests.support.clock import FakeClock
from tests.support.spool.open_spool import to_deliver
from tests.support.spool.story import SMALL, envelope

DEFERRED = 10_000

_MESSAGE = (
    "INSERT INTO message (id, origin, received_us, age_us, client_address, helo, sender, smtputf8,"
    " eight_bit, tls, size, sha256, trace, in_file)"
    " VALUES (?,'smtp',1,0,'192.0.2.1','h','a@b.example',0,0,'',?,?,x'',0)"
)
_RECIPIENT = (
    "INSERT INTO recipient (message, number, address, state, disposition, decided, attempts, copy)"
    " VALUES (?,0,'x@acme.example','deferred','deliver','clean',3,0)"
)


async def opened(folder: Path) -> Spool:
    return await Spool.open(folder, node="lon1", shard=0, clock=FakeClock())


def of_version_1(folder: Path) -> list[str]:
    """Write a spool as the first version did, full of deferred mail; return the ids."""
    folder.mkdir()
    connection = apsw.Connection(str(folder / "spool.db"))
    connection.execute("PRAGMA journal_mode=wal").fetchall()
    names = [f"01ARZ3NDEKTSV4RRFFQ6{number:06d}" for number in range(DEFERRED)]
    digest = hashlib.sha256(SMALL).digest()
    with connection:
        connection.execute(schema._STEPS[1])
        connection.execute("PRAGMA user_version=1")
        connection.executemany(_MESSAGE, ((name, len(SMALL), digest) for name in names))
        connection.executemany(_RECIPIENT, ((name,) for name in names))
        connection.executemany(
            "INSERT INTO copy VALUES (?,0,x'583a20310d0a',0)", ((name,) for name in names)
        )
        connection.executemany("INSERT INTO body VALUES (?,?)", ((name, SMALL) for name in names))
    connection.close()
    return names


@pytest.mark.scenario(row=60, checks="upgrade with 10 000 deferred: all there, and all can end")
async def test_a_full_spool_of_the_first_version_is_taken_over(tmp_path: Path) -> None:
    names = of_version_1(tmp_path / "s")

    spool = await opened(tmp_path / "s")
    assert to_deliver(spool) == names
    assert spool.counts()[State.DEFERRED] == DEFERRED
    [line] = await spool.left(after="", limit=50)
    assert (line.domain, line.state) == ("acme.example", State.DEFERRED)
    assert (line.recipients, line.bytes) == (DEFERRED, DEFERRED * len(SMALL))
    for name in names[::1000]:
        message = MessageId(name)
        stored = spool.message(message)
        assert stored is not None
        with spool.open_body(stored) as body:
            assert body.read(0, stored.size) == SMALL
        await spool.mark_sending(message, [0])
        await spool.settle(message, [Settled(number=0, state=State.DELIVERED, reason="250")])
        assert spool.message(message) is None
    await spool.close()
    spool = await opened(tmp_path / "s")
    assert spool.counts()[State.DEFERRED] == DEFERRED - len(names[::1000])
    await spool.close()


@pytest.mark.scenario(row=60, checks="rollback: refused with the remedy, and nothing is touched")
async def test_a_spool_of_a_later_version_is_refused_and_left_as_it_was(tmp_path: Path) -> None:
    spool = await opened(tmp_path)
    entry = spool.begin()
    entry.write(SMALL)
    await entry.commit(envelope=envelope("x@acme.example"), trace=b"")
    await spool.close()
    connection = apsw.Connection(str(tmp_path / "spool.db"))
    connection.execute(f"PRAGMA user_version={VERSION + 1}")
    connection.close()
    before = (tmp_path / "spool.db").read_bytes()

    with pytest.raises(SpoolTooNew) as caught:
        await opened(tmp_path)

    assert "start the version that wrote it" in str(caught.value)
    assert (tmp_path / "spool.db").read_bytes() == before
    assert not list(tmp_path.glob("spool.db.*"))
    connection = apsw.Connection(str(tmp_path / "spool.db"))
    connection.execute(f"PRAGMA user_version={VERSION}")
    connection.close()
    spool = await opened(tmp_path)  # the version that wrote it
    assert [stored.id for stored in spool.unfinished(limit=9)] == [entry.id]
    await spool.close()


@pytest.mark.scenario(row=60, checks="rollback: the version stands in the file while the node runs")
async def test_an_older_package_sees_at_once_that_the_spool_was_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await (await opened(tmp_path)).close()
    monkeypatch.setattr(schema, "VERSION", VERSION + 1)
    monkeypatch.setitem(schema._STEPS, VERSION + 1, "CREATE TABLE later (number INTEGER)")

    spool = await opened(tmp_path)

    # As debian/borderscout.preinst asks: not the write-ahead log.
    assert int.from_bytes((tmp_path / "spool.db").read_bytes()[60:64]) == VERSION + 1
    await spool.close()
