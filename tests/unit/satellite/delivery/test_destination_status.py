"""An operator is told where mail goes, how it is there, and what is done next."""

from __future__ import annotations

from common.ids import MessageId
from common.preferences import Kind
from satellite.delivery.decisions.hold import Hold
from satellite.delivery.decisions.routing import Destination, Own, Via
from satellite.delivery.decisions.terms import Terms
from satellite.delivery.destination_status import DestinationStatus, status_of
from satellite.delivery.queue.entries import QueueEntry
from satellite.delivery.queue.lanes import Lanes
from satellite.spool.model.messages import Origin
from tests.support.core.preferences import document, preferences, route
from tests.support.core.rooms import made_id

ACME = Destination(Via.ROUTE, "acme.example")
OWN = Own(mail_domain="mx.example", hostname="lon1.mx.example", smarthost="smart.example:26")


def standing(address: str, lanes: Lanes, *, origin: Origin = Origin.SMTP) -> DestinationStatus:
    known = preferences(
        route(deliver_to=["a.example:25", "b.example:26"]),
        document(Kind.HOLD, "acme.example", hold_days=14),
    )
    return status_of(
        address,
        origin,
        preferences=known,
        own=OWN,
        lanes=lanes,
        now_s=10.0,
        longest_wait_s=3600.0,
    )


def lanes() -> Lanes:
    return Lanes(most=1, terms=lambda _destination: Terms())


def test_mail_of_a_customer_goes_by_the_route_and_stays_as_long_as_it_was_ordered() -> None:
    found = standing("x@acme.example", lanes())

    assert (found.destination, found.hosts) == ("acme.example", ("a.example:25", "b.example:26"))
    assert (found.hold_days, found.hold, found.probe_in_s) == (14, None, None)


def test_a_report_of_ours_goes_by_the_smart_host() -> None:
    found = standing("a@sender.example", lanes(), origin=Origin.BOUNCE)

    assert (found.destination, found.hosts) == ("smart.example:26", ("smart.example:26",))


def test_while_a_server_is_away_the_next_probe_is_told() -> None:
    away = lanes()
    message = MessageId(made_id(1))
    one = QueueEntry(id=message, destination=ACME, body_bytes=1, born_s=0.0, until_us=0)
    away.put(one, due_s=0.0, now_s=0.0)
    away.take(now_s=0.0)
    away.away(ACME, Hold(5, "refused"), next_probe_s=45.0)

    found = standing("x@acme.example", away)

    assert found.hold == Hold(5, "refused")
    assert found.probe_in_s == 35.0
