"""The preferences say how long mail is kept, when of its delay is told, and what an order wants."""

from __future__ import annotations

from common.ids import MessageId, ulid
from common.preferences import Kind
from common.preferences.deliver_to import Target
from common.preferences.policy import TlsPolicy
from satellite.delivery.decisions.routing import Destination, Via
from satellite.delivery.decisions.terms import Terms, terms_of
from tests.support.core.preferences import document, preferences, route

ACME = Destination(Via.ROUTE, "acme.example")
DAY_S = 86_400.0


def test_a_route_and_its_policy_make_the_terms() -> None:
    made = preferences(
        route("acme.example", hold_days=3),
        document(Kind.POLICY, "cluster", notice_hours=4, drain_rate=10),
        document(Kind.POLICY, "domain/acme.example", notice_hours=2.5, tls="required"),
    )

    assert terms_of(ACME, made) == Terms(
        customer="acme",
        targets=(Target("mail.acme.example", 25),),
        tls=TlsPolicy.REQUIRED,
        hold_s=3 * DAY_S,
        notice_s=2.5 * 3600,
        drain_rate=10.0,
    )


def test_an_order_stands_above_the_route() -> None:
    made = preferences(
        route("acme.example"),
        document(
            Kind.HOLD,
            "acme.example",
            hold_days=20,
            deliver_to=["other.example:25"],
            bounce_before_us=5,
            reason="gone",
        ),
    )

    terms = terms_of(ACME, made)

    assert (terms.hold_s, terms.targets) == (20 * DAY_S, (Target("other.example", 25),))
    assert (terms.return_before_us, terms.return_reason) == (5, "gone")


def test_what_has_lost_its_route_can_still_be_sent_back() -> None:
    made = preferences(document(Kind.HOLD, "acme.example", bounce_before_us=5))

    terms = terms_of(ACME, made)

    assert (terms.hold_s, terms.targets, terms.return_before_us) == (7 * DAY_S, (), 5)


def test_our_own_mail_to_others_has_the_defaults() -> None:
    made = preferences(document(Kind.POLICY, "cluster", notice_hours=4))

    assert terms_of(Destination(Via.SMARTHOST, "smart.example"), made) == Terms(
        targets=(Target("smart.example", 25),)
    )
    # To strangers it goes as their domain publishes that its mail must travel.
    assert terms_of(Destination(Via.MX, "acme.example"), made) == Terms(tls=TlsPolicy.AUTO)


def test_nothing_that_came_at_or_after_the_time_of_an_order_goes_back() -> None:
    def returned(received_us: int, before_us: int) -> bool:
        message = MessageId(ulid(now_us=received_us, randomness=bytes(10)))
        return Terms(return_before_us=before_us).returns(message)

    assert returned(1_000_000, 2_000_000)
    assert not returned(2_000_000, 2_000_000)
    assert not returned(2_000_900, 2_000_500)
    assert not returned(1_000_000, 0)
