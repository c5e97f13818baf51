"""Mail leaves, is tried again, is held and comes to an end, over a real spool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from common.states import State
from satellite.delivery.decisions.routing import Exchange
from satellite.names.answer import Lookup, LookupResult
from satellite.spool.model.messages import Copy, Origin
from tests.support.clock import FakeClock
from tests.support.delivery.delivery_room import (
    BODY,
    HEAD,
    OpenRoom,
    TableResolver,
    route,
)
from tests.support.smtp.next_hop import CLOSE, STALL, NextHop, Say
from tests.support.spool.open_spool import to_deliver

DAY_S = 86_400.0
ACME = "x@acme.example"


def target(hop: NextHop) -> str:
    return f"{hop.host}:{hop.port}"


async def test_a_message_arrives_with_our_lines_and_the_body_as_it_came(
    open_room: OpenRoom,
) -> None:
    async with NextHop() as hop:
        room = await open_room(route("acme.example", target(hop)))
        message = await room.accept(ACME, "y@acme.example")

        await room.until_ended(message)

    assert [taken.data for taken in hop.taken] == [HEAD + BODY]
    assert hop.taken[0].recipients == (ACME, "y@acme.example")
    ended = room.results("ended")[ACME]
    assert ended["outcome"] == "delivered"
    assert ended["reply"] == "250 2.0.0 Taken"
    _, attempted = room.events("attempted")[0]
    assert attempted["destination"] == "acme.example"
    assert attempted["host"] == target(hop)
    assert attempted["recipients"][0] == {"address": ACME, "reply": "250 2.0.0 Taken"}


async def test_the_sending_mark_is_durable_before_the_final_dot(open_room: OpenRoom) -> None:
    seen: list[list[State]] = []
    async with NextHop() as hop:
        room = await open_room(route("acme.example", target(hop)))
        message = await room.accept(ACME, sending=False, offer=False)

        def at_the_dot(_line: str) -> bytes:
            seen.append(room.states(message))  # reads what is committed
            return b"250 Ok\r\n"

        hop.script["dot"] = at_the_dot
        room.delivery.offer(message)
        await room.until_ended(message)

    assert seen == [[State.SENDING]]


async def test_each_recipient_of_a_mixed_transaction_gets_its_own_end(
    open_room: OpenRoom,
) -> None:
    replies = {"x": b"250 2.1.5 Ok\r\n", "y": b"451 4.2.0 Busy\r\n", "z": b"550 5.1.1 No user\r\n"}
    async with NextHop(RCPT=lambda line: replies[line.partition("<")[2][0]]) as hop:
        room = await open_room(route("acme.example", target(hop)))
        message = await room.accept(ACME, "y@acme.example", "z@acme.example")

        await room.until(lambda: room.results("deferred"))

    assert hop.taken[0].recipients == (ACME,)
    ended = room.results("ended")
    assert ended[ACME]["outcome"] == "delivered"
    assert ended["z@acme.example"]["outcome"] == "bounced"
    assert ended["z@acme.example"]["reply"] == "550 5.1.1 No user"
    assert room.states(message) == [State.DELIVERED, State.DEFERRED, State.BOUNCED]
    deferred = room.results("deferred")["y@acme.example"]
    assert deferred["next_us"] == room.clock.now_us() + 60_000_000
    bounces = [stored for stored in room.unfinished() if stored.origin is Origin.BOUNCE]
    with room.spool.open_body(bounces[0]) as body:
        text = body.read(0, body.size)
    assert b"z@acme.example" in text
    assert b"y@acme.example" not in text
    assert b"x@acme.example" not in text


@pytest.mark.parametrize(
    ("reply", "state"),
    [(b"451 4.3.0 Later\r\n", State.DEFERRED), (b"554 5.6.0 Spam\r\n", State.BOUNCED)],
)
async def test_the_reply_to_the_dot_counts_for_all_that_were_accepted(
    open_room: OpenRoom, reply: bytes, state: State
) -> None:
    async with NextHop(dot=reply) as hop:
        room = await open_room(route("acme.example", target(hop)))
        await room.accept(ACME, "y@acme.example", sender="")

        event = "ended" if state is State.BOUNCED else "deferred"
        await room.until(lambda: len(room.results(event)) == 2)

    assert not room.events("bounce_made")  # the null sender is told nothing


async def test_two_copies_to_one_destination_are_two_transactions(open_room: OpenRoom) -> None:
    async with NextHop() as hop:
        room = await open_room(route("acme.example", target(hop)))
        copies = [Copy(head=b"X-A: 1\r\n"), Copy(head=b"X-B: 2\r\n"), Copy(head=b"X-A: 1\r\n")]
        message = await room.accept(ACME, "y@acme.example", "z@acme.example", copies=copies)

        await room.until_ended(message)

    assert {taken.recipients: taken.data for taken in hop.taken} == {
        (ACME, "z@acme.example"): b"X-A: 1\r\n" + BODY,
        ("y@acme.example",): b"X-B: 2\r\n" + BODY,
    }
    assert hop.sessions == 1


async def test_a_deferred_recipient_is_tried_again_at_its_time(open_room: OpenRoom) -> None:
    async with NextHop(RCPT=b"451 4.7.1 Greylisted\r\n") as hop:
        room = await open_room(route("acme.example", target(hop)))
        message = await room.accept(ACME)
        await room.until_state(message, State.DEFERRED)
        hop.script["RCPT"] = b"250 Ok\r\n"

        await room.clock.advance(59)
        assert hop.verbs.count("MAIL") == 1
        await room.clock.advance(2)
        await room.until_ended(message)

    assert room.results("ended")[ACME]["attempts"] == 2


async def test_a_flush_does_not_wait(open_room: OpenRoom) -> None:
    async with NextHop(MAIL=b"451 4.3.0 Later\r\n") as hop:
        room = await open_room(route("acme.example", target(hop)))
        message = await room.accept(ACME)
        await room.until_state(message, State.DEFERRED)
        hop.script["MAIL"] = b"250 Ok\r\n"

        room.delivery.flush("other.example")
        await room.clock.settle()
        assert room.states(message) == [State.DEFERRED]
        room.delivery.flush("acme.example")
        await room.until_ended(message)


@pytest.mark.scenario(row=45, checks="the record comes before the deferral")
async def test_a_drop_after_the_dot_is_possibly_delivered_and_tried_again(
    open_room: OpenRoom,
) -> None:
    async with NextHop(dot=CLOSE) as hop:
        room = await open_room(route("acme.example", target(hop)))
        message = await room.accept(ACME)
        await room.until_state(message, State.DEFERRED)

        assert room.events("possibly_delivered")[0][1] == {"recipients": [ACME]}
        assert hop.open_sessions == 0
        hop.script["dot"] = b"250 Ok\r\n"
        await room.clock.advance(1_810)
        await room.until_ended(message)

    assert hop.sessions == 2
    order = [event for event, _ in room.events() if event in ("possibly_delivered", "deferred")]
    assert order == ["possibly_delivered", "deferred"]


async def test_a_drop_before_the_dot_is_not_possibly_delivered(open_room: OpenRoom) -> None:
    async with NextHop(DATA=CLOSE) as hop:
        room = await open_room(route("acme.example", target(hop)))
        message = await room.accept(ACME)

        await room.until_state(message, State.DEFERRED)

    assert not room.events("possibly_delivered")


async def test_the_next_host_takes_over_when_the_first_one_is_gone_or_unwilling(
    open_room: OpenRoom,
) -> None:
    async with NextHop() as gone:
        dead = target(gone)
    async with NextHop(greeting=b"421 4.3.2 Not now\r\n") as busy, NextHop() as good:
        room = await open_room(route("acme.example", dead, target(busy), target(good)))
        message = await room.accept(ACME)

        await room.until_ended(message)

    assert busy.sessions == 1
    assert len(good.taken) == 1
    assert room.events("attempted")[0][1]["host"] == target(good)


async def test_who_is_put_off_by_one_host_is_offered_to_the_next_one_at_once(
    open_room: OpenRoom,
) -> None:
    def first(line: str) -> bytes:
        return b"450 4.2.1 not now\r\n" if "y@" in line else b"250 ok\r\n"

    async with NextHop(RCPT=first) as one, NextHop() as two:
        room = await open_room(route("acme.example", target(one), target(two)))
        message = await room.accept(ACME, "y@acme.example")
        await room.until_ended(message)

    assert [taken.recipients for taken in one.taken] == [(ACME,)]
    assert [taken.recipients for taken in two.taken] == [("y@acme.example",)]
    assert room.results("ended")["y@acme.example"]["outcome"] == "delivered"
    said = [fields["host"] for _, fields in room.events("attempted")]
    assert said == [target(one), target(two)]
    assert not room.events("possibly_delivered")


@pytest.mark.parametrize("verb", ["MAIL", "DATA", "dot"])
async def test_a_4xx_of_one_host_is_not_the_last_word(open_room: OpenRoom, verb: str) -> None:
    async with NextHop() as one, NextHop() as two:
        one.script[verb] = b"451 4.3.0 not now\r\n"
        room = await open_room(route("acme.example", target(one), target(two)))
        await room.until_ended(await room.accept(ACME))

    assert [taken.recipients for taken in two.taken] == [(ACME,)]


async def test_when_every_host_puts_off_the_mail_is_deferred_once(open_room: OpenRoom) -> None:
    later = b"450 4.2.1 not now\r\n"
    async with NextHop(RCPT=later) as one, NextHop(RCPT=later) as two:
        room = await open_room(route("acme.example", target(one), target(two)))
        message = await room.accept(ACME)
        await room.until_state(message, State.DEFERRED)

        assert room.results("deferred")[ACME]["attempts"] == 1
        assert (one.sessions, two.sessions) == (1, 1)


async def test_a_host_that_puts_off_and_is_the_only_one_left_is_asked_once(
    open_room: OpenRoom, resolver: TableResolver
) -> None:
    async with NextHop(RCPT=b"450 4.2.0 Greylisted\r\n") as hop:
        resolver.mx["acme.example"] = Lookup(
            LookupResult.RECORDS, (Exchange(1, "mx.acme.example"),)
        )
        resolver.hosts["mx.acme.example"] = Lookup(LookupResult.RECORDS, (hop.host,))
        room = await open_room(route("acme.example", f"acme.example:{hop.port}/mx"))
        message = await room.accept(ACME)

        await room.until_state(message, State.DEFERRED)

    assert hop.verbs.count("RCPT") == 1
    assert room.results("attempted")[ACME]["reply"] == "450 4.2.0 Greylisted"


async def test_a_hop_that_is_slow_to_answer_the_dot_gets_few_copies(
    open_room: OpenRoom, clock: FakeClock
) -> None:
    async with NextHop(dot=CLOSE) as hop, NextHop() as other:
        room = await open_room(route("acme.example", target(hop), target(other)))
        message = await room.accept(ACME)
        await room.until_state(message, State.DEFERRED)

        for _ in range(29):
            await clock.advance(60)
        assert len(hop.taken) == 1
        assert not other.taken  # the first one may have it
        await clock.advance(240)
        await room.until(lambda: len(hop.taken) == 2)


async def test_mail_goes_by_lmtp_where_the_route_says_so(open_room: OpenRoom) -> None:
    dot = b"250 2.0.0 kept\r\n550 5.2.1 disabled\r\n"
    async with NextHop(LHLO=b"250-hop\r\n250 PIPELINING\r\n", dot=dot) as hop:
        room = await open_room(route("acme.example", f"lmtp:{target(hop)}"))
        message = await room.accept(ACME, "y@acme.example")
        await room.until_ended(message)

    ended = room.results("ended")
    assert [ended[who]["outcome"] for who in (ACME, "y@acme.example")] == ["delivered", "bounced"]
    assert room.events("attempted")[0][1]["host"] == f"lmtp:{target(hop)}"


async def test_mail_goes_where_the_mx_of_another_name_leads(
    open_room: OpenRoom, resolver: TableResolver
) -> None:
    resolver.mx["in.acme.example"] = Lookup(
        LookupResult.RECORDS, (Exchange(10, "a.acme.example"), Exchange(20, "b.acme.example"))
    )
    resolver.hosts["b.acme.example"] = Lookup(LookupResult.RECORDS, ("127.0.0.1",))
    async with NextHop() as hop:
        room = await open_room(route("acme.example", f"in.acme.example:{hop.port}/mx"))
        for _ in range(2):
            await room.until_ended(await room.accept(ACME))

    assert (len(hop.taken), hop.sessions) == (2, 1)  # the session is kept
    assert room.events("attempted")[0][1]["host"] == f"b.acme.example:{hop.port}"


async def test_an_mx_that_leads_to_us_takes_no_mail_from_us(
    open_room: OpenRoom, resolver: TableResolver
) -> None:
    ours = (Exchange(10, "lon1.mx.scout.example"), Exchange(20, "par1.mx.scout.example"))
    resolver.mx["acme.example"] = Lookup(LookupResult.RECORDS, ours)
    room = await open_room(route("acme.example", "acme.example/mx"))
    message = await room.accept(ACME)
    await room.until_state(message, State.HELD)

    assert "would come back to us" in room.delivery.holds()[0].reason


async def test_a_route_to_ourselves_is_found_before_any_mail_goes_round(
    open_room: OpenRoom,
) -> None:
    hello = b"250-par1.mx.scout.example\r\n250 PIPELINING\r\n"
    async with NextHop(EHLO=hello) as us:
        room = await open_room(route("acme.example", "192.0.2.10:25", target(us)))
        message = await room.accept(ACME)
        await room.until_state(message, State.HELD)
        await us.until(lambda: us.verbs == ["EHLO", "QUIT"])

    assert "would come back to us" in room.delivery.holds()[0].reason


async def test_mail_for_an_away_server_is_held_probed_and_drained_when_it_returns(
    open_room: OpenRoom, clock: FakeClock
) -> None:
    hop = NextHop()
    async with hop:
        pass
    room = await open_room(route("acme.example", target(hop)))
    since_us = clock.now_us()
    messages = [await room.accept(ACME) for _ in range(3)]
    for message in messages:
        await room.until_state(message, State.HELD)

    held = room.delivery.holds()
    assert [(h.customer, h.destination, h.messages) for h in held] == [("acme", "acme.example", 3)]
    assert held[0].since_us == since_us
    assert "connection refused" in held[0].reason or "connect call failed" in held[0].reason
    assert held[0].bytes == 3 * len(BODY)
    assert held[0].expires_us == since_us + 7 * 86_400 * 1_000_000

    hop.script["greeting"] = Say(b"421 not yet\r\n", "close")
    async with hop:
        await clock.advance(46)
        await room.soon(lambda: "not yet" in room.delivery.holds()[0].reason)
        assert hop.sessions == 1  # one probe, not three
        assert room.delivery.holds()[0].since_us == since_us

        hop.script["greeting"] = b"220 back\r\n"
        await clock.advance(46)
        for message in messages:
            await room.until_ended(message)
    assert len(hop.taken) == 3
    assert room.delivery.holds() == []
    assert len(room.events("held")) == 3  # failed probes write nothing


async def test_new_mail_for_an_away_server_is_held_without_a_connection(
    open_room: OpenRoom,
) -> None:
    async with NextHop(greeting=b"421 4.3.2 Closed\r\n") as hop:
        room = await open_room(route("acme.example", target(hop)))
        first = await room.accept(ACME)
        await room.until_state(first, State.HELD)
        sessions = hop.sessions

        second = await room.accept(ACME)
        await room.until_state(second, State.HELD)

        assert hop.sessions == sessions
    assert room.results("held")[ACME]["attempts"] == 0


async def test_what_was_held_for_its_days_expires_and_the_sender_is_told(
    open_room: OpenRoom, clock: FakeClock, resolver: TableResolver
) -> None:
    resolver.mx["sender.example"] = Lookup(LookupResult.FAILED)
    async with NextHop(greeting=b"421 4.3.2 Closed\r\n") as hop:
        room = await open_room(route("acme.example", target(hop), hold_days=1))
        message = await room.accept(ACME)
        await room.until_state(message, State.HELD)

        clock.jump(9 * DAY_S)  # the wall clock does not count
        hop.script["greeting"] = b"421 4.3.2 Still closed\r\n"
        await clock.advance(DAY_S - 60)
        await room.soon(lambda: "Still" in room.delivery.holds()[0].reason)
        assert room.states(message) == [State.HELD]

        await clock.advance(120)
        await room.until_ended(message)

    ended = room.results("ended")[ACME]
    assert ended["outcome"] == "expired"
    assert "Still closed" in ended["reason"]
    bounce = next(stored for stored in room.unfinished() if stored.origin is Origin.BOUNCE)
    with room.spool.open_body(bounce) as body:
        assert b"Status: 4.4.7" in body.read(0, body.size)


@pytest.mark.slow
async def test_everything_that_was_parked_expires_though_only_one_was_probed(
    open_room: OpenRoom, clock: FakeClock
) -> None:
    async with NextHop(greeting=b"421 4.3.2 Closed\r\n") as hop:
        room = await open_room(route("acme.example", target(hop), hold_days=1))
        messages = [await room.accept(ACME, sender="") for _ in range(5)]
        for message in messages:
            await room.until_state(message, State.HELD)

        await clock.advance(DAY_S + 60)
        await room.until(lambda: len(room.events("ended")) == 5)

    assert not room.unfinished()
    assert hop.verbs.count("MAIL") == 0


async def test_a_bounce_leaves_through_the_smart_host(open_room: OpenRoom) -> None:
    async with NextHop(RCPT=b"550 5.1.1 No user\r\n") as hop, NextHop() as smart:
        room = await open_room(route("acme.example", target(hop)), smarthost=target(smart))
        await room.accept(ACME)

        await room.until(lambda: len(room.results("ended")) == 2)

    assert smart.taken[0].mail.startswith("MAIL FROM:<>")
    assert smart.taken[0].recipients == ("a@sender.example",)
    assert b"Auto-Submitted: auto-replied" in smart.taken[0].data


async def test_a_bounce_that_cannot_be_delivered_ends_with_a_record(
    open_room: OpenRoom, resolver: TableResolver
) -> None:
    resolver.mx["sender.example"] = Lookup(LookupResult.RECORDS, (Exchange(0, ""),))
    async with NextHop(RCPT=b"550 5.1.1 No user\r\n") as hop:
        room = await open_room(route("acme.example", target(hop)))
        await room.accept(ACME)

        await room.until(lambda: len(room.results("ended")) == 2)

    assert room.results("ended")["a@sender.example"]["outcome"] == "bounced"
    assert len(room.events("bounce_made")) == 1
    assert room.unfinished() == []


async def test_a_bounce_to_a_customer_goes_by_the_route_and_not_by_mx(
    open_room: OpenRoom,
) -> None:
    async with NextHop(RCPT=b"550 5.1.1 No user\r\n") as hop, NextHop() as other:
        room = await open_room(
            route("acme.example", target(hop)), route("globex.example", target(other))
        )
        await room.accept(ACME, sender="b@globex.example")

        await room.until(lambda: other.taken and len(room.results("ended")) == 2)


async def test_mail_for_postmaster_goes_to_the_clusters_postmaster(open_room: OpenRoom) -> None:
    async with NextHop() as hop:
        room = await open_room(
            route("acme.example", target(hop)), more={"postmaster": "ops@acme.example"}
        )
        message = await room.accept("postmaster@mx.scout.example")

        await room.until_ended(message)

    assert hop.taken[0].recipients == ("ops@acme.example",)
    assert "postmaster@mx.scout.example" in room.results("ended")


async def test_mail_of_a_domain_that_lost_its_route_waits_for_it(open_room: OpenRoom) -> None:
    async with NextHop() as hop:
        room = await open_room(route("globex.example", target(hop)))
        message = await room.accept(ACME)
        await room.until_state(message, State.DEFERRED)

        await room.set_routes(route("acme.example", target(hop)))
        await room.clock.advance(70)
        await room.until_ended(message)


@pytest.mark.parametrize("harm", ["cut", "flipped at its end"])
async def test_a_damaged_body_is_set_aside_and_never_half_delivered(
    open_room: OpenRoom, tmp_path: Path, harm: str
) -> None:
    async with NextHop() as hop:
        room = await open_room(route("acme.example", target(hop)))
        large = BODY + b"0123456789abcde\r\n" * 20_000
        message = await room.accept(ACME, body=large, offer=False)
        path = tmp_path / "bodies" / message
        is_cut = harm == "cut"
        path.write_bytes(large[: len(large) // 2] if is_cut else large[:-3] + b"E" + large[-2:])

        room.delivery.offer(message)
        await room.until_state(message, State.DAMAGED)

    assert hop.taken == []
    assert room.events("damaged")


async def test_a_frozen_message_is_left_alone(open_room: OpenRoom) -> None:
    async with NextHop() as hop:
        room = await open_room(route("acme.example", target(hop)))
        message = await room.accept(ACME, sending=False, offer=False)
        await room.spool.freeze(message, "an operator")

        room.delivery.offer(message)
        other = await room.accept("y@acme.example")
        await room.until_ended(other)

    assert room.states(message) == [State.FROZEN]
    assert len(hop.taken) == 1


async def test_no_more_connections_than_allowed_go_to_one_destination(
    open_room: OpenRoom,
) -> None:
    most = 0
    async with NextHop() as hop:

        def at_mail(_line: str) -> bytes:
            nonlocal most
            most = max(most, hop.open_sessions)
            return b"250 Ok\r\n"

        hop.script["MAIL"] = at_mail
        room = await open_room(
            route("acme.example", target(hop)), connections_per_destination_max=2
        )
        messages = [await room.accept(ACME, offer=False) for _ in range(12)]
        for message in messages:
            room.delivery.offer(message)
        for message in messages:
            await room.until_ended(message)

    assert most == 2
    assert len(hop.taken) == 12
    assert hop.sessions == 2  # kept for the next message


async def test_a_server_that_takes_no_more_connections_is_not_away(open_room: OpenRoom) -> None:
    async with NextHop() as hop:
        hop.script["greeting"] = lambda _line: (
            b"220 hop\r\n" if hop.open_sessions < 2 else Say(b"421 4.7.0 Too many\r\n", "close")
        )
        room = await open_room(route("acme.example", target(hop)))
        messages = [await room.accept(ACME, offer=False) for _ in range(10)]
        for message in messages:
            room.delivery.offer(message)
        for message in messages:
            await room.until_ended(message)

    assert len(hop.taken) == 10
    assert not room.events("held")


async def test_a_kept_session_that_the_other_side_closed_costs_no_attempt(
    open_room: OpenRoom,
) -> None:
    async with NextHop() as hop:
        room = await open_room(route("acme.example", target(hop)))
        await room.until_ended(await room.accept(ACME))
        sessions = 0

        def closed_once(_line: str) -> bytes | Say:
            nonlocal sessions
            sessions += 1
            return Say(b"421 4.4.2 Idle\r\n", "close") if sessions == 1 else b"250 Ok\r\n"

        hop.script["MAIL"] = closed_once
        await room.until_ended(await room.accept(ACME))

    assert hop.sessions == 2
    assert not room.events("deferred")


async def test_a_session_that_takes_no_more_messages_is_left_and_costs_no_attempt(
    open_room: OpenRoom,
) -> None:
    asked: Counter[int] = Counter()

    def two_of_a_session(_line: str) -> bytes:
        asked[hop.sessions] += 1  # one is open at a time
        return b"250 Ok\r\n" if asked[hop.sessions] <= 2 else b"452 4.5.3 Too many messages\r\n"

    def to_go_on(reply: bytes) -> Callable[[str], bytes]:
        return lambda _line: reply if asked[hop.sessions] <= 2 else b"503 5.5.1 MAIL first\r\n"

    async with NextHop(
        MAIL=two_of_a_session, RCPT=to_go_on(b"250 Ok\r\n"), DATA=to_go_on(b"354 go\r\n")
    ) as hop:
        room = await open_room(route("acme.example", target(hop)))
        for _ in range(5):
            await room.until_ended(await room.accept(ACME))

    assert [taken.session for taken in hop.taken] == [1, 1, 2, 2, 3]
    assert asked == {1: 3, 2: 3, 3: 1}
    assert not room.events("deferred")


async def test_a_server_that_puts_mail_off_is_asked_for_each_message_once(
    open_room: OpenRoom,
) -> None:
    refused = b"503 5.5.1 MAIL first\r\n"
    async with NextHop(MAIL=b"452 4.3.1 Disk full\r\n", RCPT=refused, DATA=refused) as hop:
        room = await open_room(route("acme.example", target(hop)))
        for number in range(1, 4):
            await room.accept(ACME)
            await hop.until(lambda number=number: hop.verbs.count("MAIL") == number)  # type: ignore[misc]
        await hop.until(lambda: hop.open_sessions == 0)

    assert hop.sessions == 3
    assert hop.verbs.count("QUIT") == 3


async def test_idle_sessions_are_ended(open_room: OpenRoom) -> None:
    async with NextHop() as hop:
        room = await open_room(route("acme.example", target(hop)))
        await room.until_ended(await room.accept(ACME))

        await room.clock.advance(11)
        await hop.until(lambda: hop.open_sessions == 0)

    assert hop.verbs[-1] == "QUIT"


async def test_recipients_beyond_the_next_hops_limit_follow_at_once(open_room: OpenRoom) -> None:
    count = 0

    def two_at_a_time(_line: str) -> bytes:
        nonlocal count
        count += 1
        return b"250 Ok\r\n" if count % 4 in (1, 2) else b"452 4.5.3 Too many recipients\r\n"

    async with NextHop(RCPT=two_at_a_time) as hop:
        room = await open_room(route("acme.example", target(hop)))
        message = await room.accept(*(f"r{n}@acme.example" for n in range(4)))

        await room.until_ended(message)

    assert [len(taken.recipients) for taken in hop.taken] == [2, 2]


@pytest.mark.scenario(row=44, checks="a stop while the dot is unanswered: recovery says so")
async def test_what_is_cut_off_after_the_dot_is_recovered_as_possibly_delivered(
    open_room: OpenRoom,
) -> None:
    async with NextHop(dot=STALL) as hop:
        room = await open_room(route("acme.example", target(hop)))
        message = await room.accept(ACME, sending=False)
        await hop.until(lambda: len(hop.taken) == 1)

        room.delivery._turns.copy().pop().cancel()  # as the end of the process would
        room = await open_room()
        hop.script["dot"] = b"250 Ok\r\n"
        assert to_deliver(room.spool) == [message]
        room.delivery.offer(message)
        await room.until_ended(message)

    assert len(room.events("possibly_delivered")) == 1
    assert len(hop.taken) == 2


async def test_metrics_count_recipients_by_result(open_room: OpenRoom) -> None:
    async with NextHop(dot=CLOSE) as hop:
        room = await open_room(route("acme.example", target(hop)))
        message = await room.accept(ACME)
        await room.until_state(message, State.DEFERRED)
    metrics = room.delivery._context.metrics
    assert metrics.ambiguous._value.get() == 1
    (attempts,) = metrics.attempts.collect()
    assert [(one.labels["result"], one.value) for one in attempts.samples] == [("deferred", 1)]
