"""Which clients are refused at RCPT, since DNS lists have them?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog

from common.envelope import Envelope
from common.preferences import Kind, Preferences
from common.verdict import Verdict
from satellite.app import listed_clients
from satellite.app.listed_clients import ListedClients
from satellite.filtering.filter import Mail
from satellite.filtering.filters.dnsbl import Dnsbl
from tests.support.clock import FakeClock
from tests.support.core.preferences import document, preferences, route
from tests.support.network.resolvers import FakeResolver, with_test_entry
from tests.support.scanning.filtering import context

ZONE = "zen.example"
LISTED = "192.0.2.7"


def prefs(*more: Any, reject: float | None = 4.0, **options: object) -> Preferences:
    body = {"kind": "dnsbl", "zone": ZONE, "codes": {"127.0.0.2": 4.0, "127.0.0.3": -4.0}}
    policy = {} if reject is None else {"dnsbl.reject": reject}
    return preferences(
        route(),
        document(Kind.FILTER, "zen", **body, options={"at": "rcpt"} | options),
        document(Kind.POLICY, "domain/acme.example", **policy),
        *more,
    )


def envelope(
    client: str = LISTED,
    recipient: str = "x@acme.example",
    helo: str = "mx.sender.example",
    sender: str = "a@sender.example",
) -> Envelope:
    return Envelope(client_address=client, helo=helo, sender=sender, recipients=(recipient,))


class Door:
    """What stands between a client and RCPT."""

    def __init__(self, resolver: FakeResolver, preferences: Preferences) -> None:
        self.resolver = resolver
        self.preferences = preferences
        clock = FakeClock()
        self.filter = Dnsbl(context(resolver=resolver, clock=clock))
        self.listed = ListedClients(self.filter, lambda: self.preferences, clock)

    async def refuses(self, **more: str) -> bool:
        said = envelope(**more)
        at_hand = self.listed.at_hand(said)
        return await self.listed.is_refused(said) if at_hand is None else at_hand


@pytest.fixture(autouse=True)
async def quiet() -> AsyncIterator[None]:
    with structlog.testing.capture_logs():
        yield


def door(preferences: Preferences | None = None, *codes: str) -> Door:
    resolver = with_test_entry(ZONE)
    resolver.put(ZONE, LISTED, *(codes or ("127.0.0.2",)))
    return Door(resolver, preferences or prefs())


async def test_a_listed_client_is_refused_and_another_one_is_not() -> None:
    one = door()

    assert await one.refuses()
    assert not await one.refuses(client="192.0.2.8")
    assert one.listed.at_hand(envelope()) is True  # from now on without waiting


async def test_where_no_policy_wants_it_nobody_is_asked() -> None:
    one = door(prefs(reject=None))

    assert not one.listed.is_wanted
    assert not await one.refuses()
    assert one.resolver.asked == []


async def test_only_the_recipients_whose_policy_wants_it_are_kept_from_a_client() -> None:
    one = door(prefs(route("other.example")))

    assert one.listed.is_wanted
    assert await one.refuses()
    assert not await one.refuses(recipient="x@other.example")


async def test_a_list_that_is_not_asked_at_rcpt_refuses_nobody() -> None:
    one = door(prefs(at="data"))

    assert not await one.refuses()
    assert one.resolver.asked == []


@pytest.mark.parametrize("recipient", ["postmaster@acme.example", "Abuse@acme.example"])
async def test_whom_a_sender_writes_to_who_wants_to_be_taken_off_is_always_reached(
    recipient: str,
) -> None:
    assert not await door().refuses(recipient=recipient)


@pytest.mark.parametrize("pattern", ["sender.example", "192.0.2.0/24"])
async def test_a_white_entry_is_stronger(pattern: str) -> None:
    white = document(Kind.LIST, f"white/domain/acme.example/{pattern}")

    assert not await door(prefs(white)).refuses()


@pytest.mark.parametrize(
    ("codes", "reject", "refused"),
    [(["127.0.0.2"], 4.0, True), (["127.0.0.2"], 4.1, False), (["127.0.0.3"], 0.1, False)],
)
async def test_the_points_of_the_lists_have_to_reach_the_limit(
    codes: list[str], reject: float, refused: bool
) -> None:
    assert await door(prefs(reject=reject), *codes).refuses() is refused


async def test_helo_and_the_senders_domain_are_asked_about_and_nothing_else() -> None:
    one = door(prefs(asks="helo,sender-domain,from-domain,url,received"))
    one.resolver.put_name(ZONE, "spammer.example", "127.0.0.2")

    assert await one.refuses(sender="a@spammer.example")
    assert await one.refuses(helo="mx.spammer.example")
    assert not await one.refuses()


@pytest.mark.parametrize(
    "names",
    [
        {"7.2.0.192.zen.example": None},
        {"7.2.0.192.zen.example": ("127.255.255.254",)},
        {"7.2.0.192.zen.example": ("203.0.113.9",)},
        {"2.0.0.127.zen.example": None},
        {"2.0.0.127.zen.example": ()},
        {"1.0.0.127.zen.example": ("127.0.0.2",)},
    ],
    ids=["SERVFAIL", "error code", "parked", "test is silent", "dead", "lists everybody"],
)
async def test_a_list_that_is_wrong_refuses_nobody(names: dict[str, Any]) -> None:
    one = door()
    one.resolver.names |= names

    assert not await one.refuses()
    assert not await one.refuses()


async def test_a_list_that_is_silent_refuses_nobody_and_takes_no_longer_than_its_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listed_clients, "RCPT_S", 0.01)
    one = door()
    one.resolver.is_silent = True

    async with asyncio.timeout(5):
        assert not await one.refuses()
    await one.filter.close()


class Defective:
    """Lists that fail as nothing may, or that do not end."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs = hangs

    def examine_envelope_at_once(self, mail: Mail) -> tuple[Verdict, ...] | None:
        if self.hangs:
            return None
        raise RuntimeError("a defect")

    async def examine_envelope(self, mail: Mail, *, budget_s: float) -> tuple[Verdict, ...]:
        await asyncio.get_running_loop().create_future()
        raise AssertionError


async def test_a_defect_refuses_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed_clients, "RCPT_S", 0.01)
    monkeypatch.setattr(listed_clients, "_SPARE_S", 0.01)

    assert ListedClients(Defective(), prefs, FakeClock()).at_hand(envelope()) is False
    assert not await ListedClients(Defective(hangs=True), prefs, FakeClock()).is_refused(envelope())
