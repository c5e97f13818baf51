"""What is told of what was counted, and what comes of what others tell?"""

from __future__ import annotations

from common.tallies import TALLIES_OF_MESSAGE_MAX, ToldTally
from satellite.filtering.tallies import Total
from satellite.tallies.shared_tallies import HEARD_S, SharedTallies
from tests.support.clock import FakeClock


class Worker:
    """One worker's counts with their clock."""

    def __init__(self, *, cluster: str = "scout", cells_max: int = 1_000) -> None:
        self.clock = FakeClock()
        self.tallies = SharedTallies(
            cluster, clock=self.clock, salt=1, life="0" * 16, cells_max=cells_max
        )

    def total(self, key: bytes = b"a", *, window_s: float = 60.0) -> Total:
        return self.tallies.total("mail", key, window_s=window_s)


def test_what_was_counted_here_is_known_at_once_and_said_to_be_of_here() -> None:
    worker = Worker()

    worker.tallies.add("mail", b"a", 2)

    assert worker.total() == Total(2, is_of_all_sites=False)
    assert worker.total(b"b").amount == 0
    assert not worker.tallies.status().is_of_all_sites


def test_what_grew_is_told_once() -> None:
    worker = Worker()

    worker.tallies.add("mail", b"a")
    worker.tallies.add("mail", b"a")

    (told,) = worker.tallies.untold()
    assert told.ages == ((0, 2),)
    assert told.key[0] == "mail"
    assert worker.tallies.untold() == ()


def test_what_was_seen_too_seldom_stays_home() -> None:
    worker = Worker()

    worker.tallies.add("mail", b"a", told_from=3)
    worker.tallies.add("mail", b"a", told_from=3)
    assert worker.tallies.untold() == ()

    worker.tallies.add("mail", b"a", told_from=3)
    assert worker.tallies.untold()[0].ages == ((0, 3),)


def test_two_workers_of_a_cluster_mean_the_same_and_another_cluster_does_not() -> None:
    keys = []
    for cluster in ("scout", "scout", "other"):
        worker = Worker(cluster=cluster)
        worker.tallies.add("mail", b"a")
        keys.append(worker.tallies.untold()[0].key)

    assert keys[0] == keys[1] != keys[2]


async def test_what_others_counted_is_added_for_as_long_as_the_window_is() -> None:
    worker, other = Worker(), Worker()
    other.tallies.add("mail", b"a", 5)
    worker.tallies.add("mail", b"a", 1)

    worker.tallies.heard(other.tallies.untold())

    assert worker.total() == Total(6, is_of_all_sites=True)
    await worker.clock.advance(61)
    assert worker.total().amount == 0


def test_a_repeat_counts_once() -> None:
    worker, other = Worker(), Worker()
    other.tallies.add("mail", b"a", 5)
    told = other.tallies.untold()

    for _ in range(3):
        worker.tallies.heard(told)

    assert worker.total().amount == 5


async def test_silence_of_the_core_is_said() -> None:
    worker = Worker()
    worker.tallies.heard(())
    assert worker.total().is_of_all_sites

    await worker.clock.advance(HEARD_S + 0.1)

    assert not worker.total().is_of_all_sites
    assert not worker.tallies.status().is_of_all_sites


def test_another_stream_is_told_all_again_and_what_is_new_first() -> None:
    worker = Worker()
    worker.tallies.add("mail", b"old")
    (old,) = worker.tallies.untold()
    worker.tallies.opened()

    worker.tallies.add("mail", b"new")

    told = worker.tallies.untold()
    assert [tally.ages for tally in told] == [((0, 1),), ((0, 1),)]
    assert told[1].key == old.key


def test_what_is_told_at_once_is_bounded() -> None:
    worker = Worker(cells_max=5_000)
    for number in range(2_500):
        worker.tallies.add("mail", str(number).encode())

    told = [len(worker.tallies.untold()) for _ in range(4)]

    assert told == [TALLIES_OF_MESSAGE_MAX, TALLIES_OF_MESSAGE_MAX, 500, 0]


def test_what_waits_for_a_core_that_is_away_is_bounded() -> None:
    worker = Worker(cells_max=50_000)

    for number in range(TALLIES_OF_MESSAGE_MAX * 11):
        worker.tallies.add("mail", str(number).encode())

    assert worker.tallies.status().untold == TALLIES_OF_MESSAGE_MAX * 10


def test_what_others_say_is_bounded() -> None:
    worker = Worker(cells_max=100)

    for number in range(1_000):
        worker.tallies.heard([ToldTally(("mail", number.to_bytes(16, "big")), ((0, 1),))])

    assert worker.tallies.status().keys_of_others == 100
