"""One domain gets so many DSNs in an hour, whatever others get."""

from __future__ import annotations

from satellite.delivery.dsn import allowance
from satellite.delivery.dsn.allowance import Allowance


def test_an_allowance_is_used_up_and_grows_back() -> None:
    made = Allowance(4, bytes_per_hour=0, workers=1)

    assert [made.take("a.example", now_s=0.0) for _ in range(5)] == [True] * 4 + [False]
    assert made.take("b.example", now_s=0.0)
    assert not made.take("a.example", now_s=899.0)
    assert made.take("a.example", now_s=900.0)
    assert not made.take("a.example", now_s=900.0)


def test_a_quiet_domain_saves_up_no_more_than_an_hour() -> None:
    made = Allowance(2, bytes_per_hour=0, workers=1)
    made.take("a.example", now_s=0.0)

    assert [made.take("a.example", now_s=1e6) for _ in range(3)] == [True, True, False]


def test_no_number_of_domains_takes_more_memory() -> None:
    made = Allowance(1, bytes_per_hour=0, workers=1)
    for number in range(allowance.DOMAINS_MAX):
        assert made.take(f"d{number}.example", now_s=0.0)
    assert not made.take("d0.example", now_s=0.0)  # and is now the one that was used last

    assert made.take("another.example", now_s=0.0)

    assert made.take("d1.example", now_s=0.0)  # forgotten
    assert not made.take("d0.example", now_s=0.0)


def test_the_limits_of_a_node_are_shared_by_its_workers() -> None:
    made = Allowance(4, bytes_per_hour=4_000_000, workers=4)

    assert [made.take("a.example", now_s=0.0) for _ in range(2)] == [True, False]
    taken = [made.take_octets("a.example", 500_000, now_s=0.0) for _ in range(3)]
    assert taken == [True, True, False]


def test_octets_grow_back_and_are_counted_for_each_domain() -> None:
    made = Allowance(1, bytes_per_hour=3600, workers=1)

    assert made.take_octets("a.example", 3600, now_s=0.0)
    assert not made.take_octets("a.example", 101, now_s=100.0)
    assert made.take_octets("a.example", 100, now_s=100.0)
    assert made.take_octets("b.example", 3600, now_s=100.0)
    assert not made.take_octets("c.example", 3601, now_s=0.0)


class Everywhere:
    """What all sites have counted, as a test says."""

    def __init__(self, amount: int, *, is_of_all_sites: bool = True) -> None:
        self.amount = amount
        self.is_of_all_sites = is_of_all_sites

    def add(self, kind: str, key: bytes, amount: int = 1, *, told_from: int = 1) -> None:
        assert (kind, key) == (allowance.TALLY_KIND, b"a.example")
        self.amount += amount

    def total(self, kind: str, key: bytes, *, window_s: float) -> Everywhere:
        assert (kind, key, window_s) == (allowance.TALLY_KIND, b"a.example", 3600.0)
        return self


def test_all_sites_together_may_have_a_limit() -> None:
    made = Allowance(9, bytes_per_hour=0, workers=1, of_all_sites=10, counts=Everywhere(8))

    assert [made.take("a.example", now_s=0.0) for _ in range(3)] == [True, True, False]


def test_without_the_core_the_nodes_limit_holds_alone() -> None:
    alone = Everywhere(99, is_of_all_sites=False)
    made = Allowance(2, bytes_per_hour=0, workers=1, of_all_sites=10, counts=alone)

    assert [made.take("a.example", now_s=0.0) for _ in range(3)] == [True, True, False]


def test_without_a_limit_of_all_sites_nothing_is_counted() -> None:
    counts = Everywhere(99)
    made = Allowance(2, bytes_per_hour=0, workers=1, counts=counts)

    assert made.take("a.example", now_s=0.0)
    assert counts.amount == 99
