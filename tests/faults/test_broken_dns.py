"""Whatever DNS does, mail waits or ends as it must, and nobody is asked who must not be (row 49).

Delivery is the real room over a real spool, and asks a real name server; the clock is the tests'.
"""

from __future__ import annotations

import pytest

from common.preferences import Document
from common.states import State
from satellite.delivery.hop import hop_finding
from satellite.delivery.hop.lookup import DnsMxResolver
from satellite.names import names
from satellite.names.name_servers import NameServers
from satellite.names.names import Names
from tests.support.clock import FakeClock
from tests.support.delivery.delivery_room import DeliveryRoom, OpenRoom, route
from tests.support.network.dns_server import DnsServer, Trouble, dns_server
from tests.support.smtp.next_hop import NextHop

ACME = "x@acme.example"
RETRY_S = 70.0  # beyond the first wait, and beyond the time between two probes
NO_USER = b"550 5.1.1 No user\r\n"


def acme(hop: NextHop) -> Document:
    return route("acme.example", f"{hop.host}:{hop.port}")


def outcome(room: DeliveryRoom, address: str) -> str:
    return str(room.results("ended")[address]["outcome"])


NOTICE_TO = "a@sender.example"


async def _room(
    open_room: OpenRoom,
    hop: NextHop,
    server: DnsServer,
    monkeypatch: pytest.MonkeyPatch,
    clock: FakeClock,
) -> DeliveryRoom:
    """Return a room that asks a real name server, which may say nothing for 0.3 s."""
    monkeypatch.setattr(names, "LOOKUP_S", 0.3)
    resolver = DnsMxResolver(Names(NameServers("127.0.0.1", server.port), clock))
    return await open_room(acme(hop), resolver_=resolver)


@pytest.mark.scenario(row=49, checks="DNS that fails delays a DSN, and ends none")
@pytest.mark.parametrize(
    "trouble",
    [
        Trouble.SERVFAIL,
        Trouble.SILENT,
        Trouble.ALIAS_LOOP,
        Trouble.ALWAYS_TRUNCATED,
        Trouble.RUBBISH,
    ],
)
async def test_a_lookup_that_fails_is_asked_again(
    open_room: OpenRoom,
    monkeypatch: pytest.MonkeyPatch,
    clock: FakeClock,
    trouble: Trouble,
) -> None:
    async with dns_server() as server, NextHop(RCPT=NO_USER) as hop:
        server.trouble["sender.example."] = trouble
        room = await _room(open_room, hop, server, monkeypatch, clock)
        await room.accept(ACME)
        await room.until(lambda: NOTICE_TO in room.results("deferred"))
        asked = len(server.asked)

        await room.clock.advance(RETRY_S)
        await room.until(lambda: room.results("deferred")[NOTICE_TO]["attempts"] == 2)

        assert len(server.asked) > asked
    assert NOTICE_TO not in room.results("ended")


@pytest.mark.scenario(row=49, checks="a customer's host that DNS cannot find keeps the mail")
@pytest.mark.parametrize("trouble", [*Trouble])
async def test_a_customers_host_that_dns_cannot_find_is_away_only_if_there_is_none(
    open_room: OpenRoom,
    monkeypatch: pytest.MonkeyPatch,
    clock: FakeClock,
    trouble: Trouble,
) -> None:
    async with dns_server() as server, NextHop() as hop:
        server.trouble["mail.acme.example."] = trouble
        server.records["mail.acme.example.", "A"] = ["127.0.0.1"]
        room = await _room(open_room, hop, server, monkeypatch, clock)
        await room.set_routes(route("acme.example", f"mail.acme.example:{hop.port}"))
        message = await room.accept(ACME)
        if trouble is not Trouble.TRUNCATED:  # for which there is TCP
            # A lookup that failed says nothing of the server.
            is_away = trouble is Trouble.NO_NAME
            await room.until_state(message, State.HELD if is_away else State.DEFERRED)
            assert [hold.destination for hold in room.delivery.holds()] == [
                "acme.example"
            ] * is_away
            asked = room.results("held" if is_away else "deferred")[ACME]
            assert "mail.acme.example" in asked["reason"]

            del server.trouble["mail.acme.example."]
            await room.clock.advance(RETRY_S)
        await room.until_ended(message)

    assert outcome(room, ACME) == "delivered"


@pytest.mark.scenario(row=49, checks="a name that is missing for a moment is asked for again")
async def test_a_name_that_is_missing_once_is_not_believed_to_be_none(
    open_room: OpenRoom,
    monkeypatch: pytest.MonkeyPatch,
    clock: FakeClock,
) -> None:
    async with dns_server() as server, NextHop(RCPT=NO_USER) as hop, NextHop() as stranger:
        # A stranger's server is on the public network; here it is not.
        monkeypatch.setattr(hop_finding, "public_addresses", lambda found, **_own: found)
        monkeypatch.setattr(hop_finding, "SMTP_PORT", stranger.port)
        server.trouble["sender.example."] = Trouble.NO_NAME
        room = await _room(open_room, hop, server, monkeypatch, clock)
        await room.accept(ACME)
        await room.until(lambda: NOTICE_TO in room.results("deferred"))

        del server.trouble["sender.example."]
        server.records["sender.example.", "MX"] = ["10 mx.sender.example."]
        server.records["mx.sender.example.", "A"] = ["127.0.0.1"]
        await room.clock.advance(RETRY_S)
        await room.until(lambda: NOTICE_TO in room.results("ended"))

    assert outcome(room, NOTICE_TO) == "delivered"
    assert stranger.taken[0].mail == "MAIL FROM:<>" + stranger.taken[0].mail[12:]


@pytest.mark.scenario(
    row=49,
    checks="null MX, no such name twice, MX to loopback or us: no connection, a record",
)
@pytest.mark.parametrize(
    ("records", "tries", "said"),
    [
        ({("sender.example.", "MX"): ["0 ."]}, 1, "null MX"),
        ({}, 2, "does not exist"),
        (
            {("sender.example.", "MX"): ["10 m.sender.example."]}
            | {("m.sender.example.", "A"): ["127.0.0.1"]},
            1,
            "not on the public network",
        ),
        (
            {("sender.example.", "MX"): ["10 m.sender.example."]}
            | {("m.sender.example.", "A"): ["192.0.2.10"]},
            1,
            "not on the public network",
        ),
        ({("sender.example.", "MX"): ["10 lon1.mx.scout.example."]}, 1, "come back to us"),
        ({("sender.example.", "MX"): ["10 m.sender.example."]}, 2, "have no address"),
    ],
    ids=["null MX", "no name", "loopback", "our address", "our name", "no address"],
)
async def test_a_sender_that_takes_no_mail_is_sent_none(
    open_room: OpenRoom,
    monkeypatch: pytest.MonkeyPatch,
    clock: FakeClock,
    records: dict[tuple[str, str], list[str]],
    tries: int,
    said: str,
) -> None:
    async with dns_server() as server, NextHop(RCPT=NO_USER) as hop:
        server.records = records
        room = await _room(open_room, hop, server, monkeypatch, clock)
        await room.accept(ACME)
        if tries == 2:
            await room.until(lambda: NOTICE_TO in room.results("deferred"))
            await room.clock.advance(RETRY_S)
        await room.until(lambda: NOTICE_TO in room.results("ended"))

    ended = room.results("ended")[NOTICE_TO]
    assert (ended["outcome"], ended["attempts"]) == ("bounced", tries)
    assert said in ended["reason"]
    assert len(room.events("bounce_made")) == 1  # a DSN leads to none
    assert hop.sessions == 1


@pytest.mark.scenario(row=49, checks="of a hundred MX hosts ten are tried")
async def test_of_a_hundred_mail_hosts_ten_are_tried(
    open_room: OpenRoom,
    monkeypatch: pytest.MonkeyPatch,
    clock: FakeClock,
) -> None:
    async with dns_server() as server, NextHop(RCPT=NO_USER) as hop:
        hosts = [f"m{number}.sender.example." for number in range(100)]
        server.records["sender.example.", "MX"] = [f"10 {host}" for host in hosts]
        server.trouble["sender.example."] = Trouble.TRUNCATED  # it does not fit a datagram
        room = await _room(open_room, hop, server, monkeypatch, clock)
        await room.accept(ACME)
        await room.until(lambda: NOTICE_TO in room.results("deferred"))

    assert len({name for name, _ in server.asked if name in hosts}) == 10


@pytest.mark.scenario(row=49, checks="DNS that falls silent keeps no mail from a known server")
async def test_while_dns_is_silent_mail_goes_to_the_last_good_addresses(
    open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    monkeypatch.setattr(names, "LOOKUP_WITH_LAST_GOOD_S", 0.3)
    async with dns_server() as server, NextHop() as hop:
        server.records["mail.acme.example.", "A"] = ["127.0.0.1"]
        room = await _room(open_room, hop, server, monkeypatch, clock)
        await room.set_routes(route("acme.example", f"mail.acme.example:{hop.port}"))
        await room.until_ended(await room.accept(ACME))

        server.trouble["mail.acme.example."] = Trouble.SILENT
        await room.clock.advance(600)  # beyond the TTL, and no session is kept so long
        await room.until_ended(await room.accept(ACME))

    assert (len(hop.taken), hop.sessions) == (2, 2)


@pytest.mark.scenario(row=49, checks="DSNs to silent domains hold no customer's lookup")
async def test_dsns_to_silent_domains_keep_no_customers_server_from_being_looked_up(
    open_room: OpenRoom, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:
    async with dns_server() as server, NextHop(RCPT=NO_USER) as hop, NextHop() as healthy:
        server.records["mail.globex.example.", "A"] = ["127.0.0.1"]
        for number in range(60):
            server.trouble[f"s{number}.example."] = Trouble.SILENT
        room = await _room(open_room, hop, server, monkeypatch, clock)
        monkeypatch.setattr(names, "LOOKUP_S", 5.0)
        await room.set_routes(
            acme(hop), route("globex.example", f"mail.globex.example:{healthy.port}")
        )
        for number in range(60):
            await room.accept(ACME, sender=f"a@s{number}.example")
        await room.soon(lambda: len(server.asked) >= hop_finding.STRANGERS_MAX)

        await room.until_ended(await room.accept("y@globex.example"))
        silent = {name for name, _ in server.asked if name.startswith("s")}
        assert len(silent) == hop_finding.STRANGERS_MAX  # the others wait for a place

    assert len(healthy.taken) == 1
