"""Who keeps places for nothing keeps nobody out."""

from __future__ import annotations

from dataclasses import dataclass

from satellite.smtp.connection_limits import ConnectionLimits
from satellite.smtp.giving_way import SILENT_S_MAX, SILENT_S_MIN, GivingWay, Worth


@dataclass(eq=False)
class Client:
    """Somebody who has been silent since a moment."""

    client_address: str
    since_s: float = 0.0
    worth: Worth = Worth.NOTHING

    def silent_s(self, now_s: float) -> float:
        return now_s - self.since_s


def inside(*clients: Client) -> GivingWay[Client]:
    limits = ConnectionLimits(total_max=100, network_max=100, address_max=100)
    for client in clients:
        limits.enter(client.client_address)
    return GivingWay(limits)


def test_first_goes_who_did_nothing_of_the_largest_network_and_is_silent_for_longest() -> None:
    few = Client("192.0.2.1")
    many = [Client("198.51.100.1", 2.0), Client("198.51.100.2", 1.0), Client("198.51.100.3", 2.5)]
    sender = Client("198.51.100.4", 0.0, Worth.MESSAGES)
    clients = {few, *many, sender}
    giving_way = inside(few, *many, sender)

    gone = [giving_way.next(clients, newcomer="203.0.113.1", now_s=6.0) for _ in range(6)]

    assert gone == [many[1], many[0], many[2], few, sender, None]


def test_nobody_goes_who_spoke_a_moment_ago_or_has_left() -> None:
    quick, gone = Client("192.0.2.1", 1.0), Client("192.0.2.1", 0.0)
    giving_way = inside(quick, gone)
    clients = {quick, gone}

    assert giving_way.next(clients, newcomer="203.0.113.1", now_s=SILENT_S_MIN) is gone
    assert giving_way.next(clients, newcomer="203.0.113.1", now_s=SILENT_S_MIN) is None
    clients.remove(gone)
    assert giving_way.next(clients, newcomer="203.0.113.1", now_s=SILENT_S_MIN + 1) is quick


def test_who_spoke_since_the_list_was_made_stays() -> None:
    first, second = Client("192.0.2.1"), Client("192.0.2.2", 0.1)
    giving_way = inside(first, second)
    clients = {first, second}
    assert giving_way.next(clients, newcomer="203.0.113.1", now_s=4.0) is first

    second.since_s = 4.0

    assert giving_way.next(clients, newcomer="203.0.113.1", now_s=4.1) is None


def test_a_network_pushes_out_no_other_one_that_has_fewer() -> None:
    few, many = Client("192.0.2.1"), [Client(f"198.51.100.{n}", 1.0) for n in range(3)]
    giving_way = inside(few, *many)
    clients = {few, *many}

    assert giving_way.next(clients, newcomer="198.51.100.9", now_s=5.0) is None
    assert giving_way.next(clients, newcomer="198.51.100.9", now_s=1.0 + SILENT_S_MAX) in many
