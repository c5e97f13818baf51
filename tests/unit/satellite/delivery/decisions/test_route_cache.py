"""The way of a recipient is worked out once, and anew under other preferences."""

from __future__ import annotations

from satellite.delivery.decisions import route_cache as module
from satellite.delivery.decisions.route_cache import RouteCache
from satellite.delivery.decisions.routing import Own, leg_of
from satellite.spool.model.messages import Origin
from tests.support.core.preferences import preferences, route

OWN = Own(mail_domain="mx.scout.example", hostname="gw1.mx.scout.example")
ROUTES = preferences(route("acme.example", "acme", deliver_to=["192.0.2.1:25"]))


def test_a_remembered_way_is_the_one_that_would_be_worked_out() -> None:
    routes = RouteCache(OWN)
    for address in ("x@acme.example", "postmaster@acme.example", "x@gone.example"):
        for origin in Origin:
            expected = leg_of(address, origin, preferences=ROUTES, own=OWN)
            assert routes.leg(address, origin, ROUTES) == expected
            assert routes.leg(address, origin, ROUTES) == expected


def test_other_preferences_are_other_ways() -> None:
    routes = RouteCache(OWN)
    assert routes.leg("x@acme.example", Origin.SMTP, ROUTES).customer == "acme"
    moved = preferences(route("acme.example", "other", deliver_to=["192.0.2.1:25"]))
    assert routes.leg("x@acme.example", Origin.SMTP, moved).customer == "other"


def test_no_more_ways_are_remembered_than_fit() -> None:
    routes = RouteCache(OWN)
    for number in range(module.WAYS_MAX + 10):
        routes.leg(f"{number}@acme.example", Origin.SMTP, ROUTES)
    assert len(routes._legs) <= module.WAYS_MAX
