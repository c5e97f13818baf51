"""Whatever DNS does, mail waits or ends as it must, and nobody is asked who must not be (row 49).

Delivery is the real room over a real spool, and asks a real name server; the clock is the tests'.
"""

from __future__ import annotations

import pytest

from common.preferences import Document
from common.states import State
from satellite.delivery.hop import connections, lookup
from satellite.delivery.hop.lookup import DnsMxResolver
from tests.support.network.dns_server import DnsServer, Trouble, dns_server
from tests.support.smtp.next_hop import NextHop
from tests.unit.satellite.delivery import conftest as delivery
from tests.unit.satellite.delivery.conftest import House, OpenHouse, route

# Those of the room's own tests.
clock = delivery.clock
resolver = delivery.resolver
open_house = delivery.open_house

ACME = "x@acme.example"
RETRY_S = 70.0  # beyond the first wait, and beyond the time between two probes
NO_USER = b"550 5.1.1 No user\r\n"


def acme(hop: NextHop) -> Document:
    return route("acme.example", f"{hop.host}:{hop.port}")


def outcome(house: House, address: str) -> str:
    return str(house.results("ended")[address]["outcome"])


NOTICE_TO = "a@sender.example"


async def _house(
    open_house: OpenHouse, hop: NextHop, server: DnsServer, monkeypatch: pytest.MonkeyPatch
) -> House:
    """Return a house that asks a real name server, which may say nothing for 0.3 s."""
    monkeypatch.setattr(lookup, "LOOKUP_S", 0.3)
    return await open_house(acme(hop), resolver_=DnsMxResolver("127.0.0.1", server.port))


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
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    async with dns_server() as server, NextHop(RCPT=NO_USER) as hop:
        server.trouble["sender.example."] = trouble
        house = await _house(open_house, hop, server, monkeypatch)
        await house.accept(ACME)
        await house.until(lambda: NOTICE_TO in house.results("deferred"))
        asked = len(server.asked)

        await house.clock.advance(RETRY_S)
        await house.until(lambda: house.results("deferred")[NOTICE_TO]["attempts"] == 2)

        assert len(server.asked) > asked
    assert NOTICE_TO not in house.results("ended")


@pytest.mark.scenario(row=49, checks="a customer's host that DNS cannot find holds the mail")
@pytest.mark.parametrize("trouble", [*Trouble])
async def test_a_customers_host_that_dns_cannot_find_is_away(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch, trouble: Trouble
) -> None:
    async with dns_server() as server, NextHop() as hop:
        server.trouble["mail.acme.example."] = trouble
        server.records["mail.acme.example.", "A"] = ["127.0.0.1"]
        house = await _house(open_house, hop, server, monkeypatch)
        await house.set_routes(route("acme.example", f"mail.acme.example:{hop.port}"))
        message = await house.accept(ACME)
        if trouble is not Trouble.TRUNCATED:  # for which there is TCP
            await house.until_state(message, State.HELD)
            assert "mail.acme.example" in house.delivery.holds()[0].reason

            del server.trouble["mail.acme.example."]
            await house.clock.advance(RETRY_S)
        await house.until_ended(message)

    assert outcome(house, ACME) == "delivered"


@pytest.mark.scenario(row=49, checks="a name that is missing for a moment is asked for again")
async def test_a_name_that_is_missing_once_is_not_believed_to_be_none(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with dns_server() as server, NextHop(RCPT=NO_USER) as hop, NextHop() as stranger:
        # A stranger's server is on the public network; here it is not.
        monkeypatch.setattr(connections, "public_addresses", lambda found, **_own: found)
        monkeypatch.setattr(connections, "SMTP_PORT", stranger.port)
        server.trouble["sender.example."] = Trouble.NO_NAME
        house = await _house(open_house, hop, server, monkeypatch)
        await house.accept(ACME)
        await house.until(lambda: NOTICE_TO in house.results("deferred"))

        del server.trouble["sender.example."]
        server.records["sender.example.", "MX"] = ["10 mx.sender.example."]
        server.records["mx.sender.example.", "A"] = ["127.0.0.1"]
        await house.clock.advance(RETRY_S)
        await house.until(lambda: NOTICE_TO in house.results("ended"))

    assert outcome(house, NOTICE_TO) == "delivered"
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
    open_house: OpenHouse,
    monkeypatch: pytest.MonkeyPatch,
    records: dict[tuple[str, str], list[str]],
    tries: int,
    said: str,
) -> None:
    async with dns_server() as server, NextHop(RCPT=NO_USER) as hop:
        server.records = records
        house = await _house(open_house, hop, server, monkeypatch)
        await house.accept(ACME)
        if tries == 2:
            await house.until(lambda: NOTICE_TO in house.results("deferred"))
            await house.clock.advance(RETRY_S)
        await house.until(lambda: NOTICE_TO in house.results("ended"))

    ended = house.results("ended")[NOTICE_TO]
    assert (ended["outcome"], ended["attempts"]) == ("bounced", tries)
    assert said in ended["reason"]
    assert len(house.events("bounce_made")) == 1  # a DSN leads to none
    assert hop.sessions == 1


@pytest.mark.scenario(row=49, checks="of a hundred MX hosts ten are tried")
async def test_of_a_hundred_mail_hosts_ten_are_tried(
    open_house: OpenHouse, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with dns_server() as server, NextHop(RCPT=NO_USER) as hop:
        hosts = [f"m{number}.sender.example." for number in range(100)]
        server.records["sender.example.", "MX"] = [f"10 {host}" for host in hosts]
        server.trouble["sender.example."] = Trouble.TRUNCATED  # it does not fit a datagram
        house = await _house(open_house, hop, server, monkeypatch)
        await house.accept(ACME)
        await house.until(lambda: NOTICE_TO in house.results("deferred"))

    assert len({name for name, _ in server.asked if name in hosts}) == 10
