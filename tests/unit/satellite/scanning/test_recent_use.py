"""Recent use: counted by network, and forgotten by and by."""

from __future__ import annotations

import pytest

from satellite.scanning.recent_use import HALF_LIFE_S, NETWORKS_MAX, RecentUse
from tests.support.clock import FakeClock


@pytest.mark.parametrize(
    ("one", "neighbour", "stranger"),
    [
        ("192.0.2.1", "192.0.2.250", "192.0.3.1"),
        ("2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"),
    ],
)
def test_a_network_is_one_client(one: str, neighbour: str, stranger: str) -> None:
    use = RecentUse(FakeClock())

    use.add(one, 2.0)
    use.add(neighbour, 1.0)

    assert (use.of(one), use.of(neighbour), use.of(stranger)) == (3.0, 3.0, 0.0)


async def test_what_was_used_counts_half_after_a_while() -> None:
    clock = FakeClock()
    use = RecentUse(clock)
    use.add("192.0.2.1", 2.0)

    await clock.advance(HALF_LIFE_S)

    assert use.of("192.0.2.1") == pytest.approx(1.0)


def test_our_own_mail_is_nobodys_and_no_more_networks_are_known_than_so_many() -> None:
    use = RecentUse(FakeClock())
    use.add("", 5.0)
    use.add("192.0.2.1", 5.0)

    for number in range(NETWORKS_MAX):
        use.add(f"10.{number // 256}.{number % 256}.1", 1.0)

    assert (use.of(""), use.of("192.0.2.1"), use.of("10.0.0.9")) == (0.0, 0.0, 1.0)
