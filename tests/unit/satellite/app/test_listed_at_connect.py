"""Which clients are refused before the greeting, since DNS lists have them?"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import structlog

from common.preferences import Kind, Preferences
from common.verdict import Verdict
from satellite.app import listed_at_connect
from satellite.app.listed_at_connect import ListedAtConnect
from satellite.filtering.filter import Mail
from satellite.filtering.filters.dnsbl import Dnsbl
from satellite.filtering.list_share import SUBJECTS_MIN, WINDOW_S
from tests.support.clock import FakeClock
from tests.support.core.preferences import document, preferences, route
from tests.support.network.resolvers import with_test_entry
from tests.support.scanning.filtering import context

ZONE = "secret-key.zen.example"
LISTED, OTHER = "192.0.2.7", "192.0.2.8"
WHY = "192.0.2.7 is on the block list zen"
IN_WORDS: dict[str, tuple[str, ...]] = {f"7.2.0.192.{ZONE}": ("https://list.example/192.0.2.7",)}


def prefs(
    *more: Any, reject: float | None = 4.0, scope: str = "cluster", **options: object
) -> Preferences:
    body = {"kind": "dnsbl", "zone": ZONE, "codes": {"127.0.0.2": 4.0, "127.0.0.3": -4.0}}
    policy = {} if reject is None else {"dnsbl.reject": reject}
    return preferences(
        route(),
        document(Kind.FILTER, "zen", **body, options={"at": "connect"} | options),
        document(Kind.POLICY, scope, **policy),
        *more,
    )


class Words:
    """DNS that knows some texts; None: it knows that there are some, and keeps silent."""

    def __init__(self, texts: dict[str, tuple[str, ...]] | None) -> None:
        self._texts = texts

    async def texts(self, name: str, *, timeout_s: float) -> tuple[str, ...]:
        if self._texts is None:
            await asyncio.get_running_loop().create_future()
            raise AssertionError
        return self._texts.get(name, ())


class Door:
    """What stands between a client and its greeting."""

    def __init__(
        self,
        preferences: Preferences,
        codes: tuple[str, ...] = ("127.0.0.2",),
        words: dict[str, tuple[str, ...]] | None = IN_WORDS,
    ) -> None:
        self.resolver = with_test_entry(ZONE)
        self.resolver.put(ZONE, LISTED, *codes)
        clock = FakeClock()
        self.filter = Dnsbl(context(resolver=self.resolver, clock=clock))
        self.clock = clock
        self.listed = ListedAtConnect(self.filter, Words(words), lambda: preferences, clock)

    async def why(self, client: str = LISTED) -> str | None:
        return None if self.listed.lets_in(client) else await self.listed.refusal(client)

    @property
    def asked(self) -> list[str]:
        return self.resolver.asked


@pytest.fixture(autouse=True)
async def quiet() -> AsyncIterator[None]:
    with structlog.testing.capture_logs():
        yield


async def test_a_listed_client_is_refused_with_the_words_of_the_list() -> None:
    door = Door(prefs())

    assert await door.why() == f"{WHY}: https://list.example/192.0.2.7"
    assert await door.why(OTHER) is None
    assert door.listed.lets_in(OTHER)  # from now on without waiting
    assert await door.why() == f"{WHY}: https://list.example/192.0.2.7"


async def test_the_key_of_a_licence_is_told_to_nobody() -> None:
    assert "secret" not in str(await Door(prefs()).why())


@pytest.mark.parametrize(
    "found",
    [
        prefs(reject=None),
        prefs(scope="domain/acme.example"),
        prefs(scope="customer/acme"),
        prefs(at="rcpt"),
        prefs(at="data"),
        prefs(asks="helo,sender-domain"),
    ],
    ids=["no policy", "a domain's", "a customer's", "at RCPT", "at data", "not of clients"],
)
async def test_nobody_is_asked_where_the_cluster_and_a_list_do_not_both_say_so(
    found: Preferences,
) -> None:
    door = Door(found)

    assert await door.why() is None
    assert door.asked == []


@pytest.mark.parametrize("scope", ["cluster", "domain/acme.example", "recipient/x@acme.example"])
async def test_a_client_whose_network_is_on_a_white_list_is_never_asked_about(scope: str) -> None:
    door = Door(prefs(document(Kind.LIST, f"white/{scope}/192.0.2.0/24")))

    assert await door.why() is None
    assert door.asked == []


@pytest.mark.parametrize("client", ["127.0.0.1", "10.0.0.1", "fd00::1"])
async def test_private_networks_are_not_asked_about(client: str) -> None:
    door = Door(prefs())

    assert await door.why(client) is None
    assert door.asked == []


@pytest.mark.parametrize(
    ("codes", "reject", "is_refused"),
    [(("127.0.0.2",), 4.0, True), (("127.0.0.2",), 4.1, False), (("127.0.0.3",), 0.1, False)],
)
async def test_the_points_have_to_reach_the_limit(
    codes: tuple[str, ...], reject: float, is_refused: bool
) -> None:
    assert (await Door(prefs(reject=reject), codes).why() is not None) is is_refused


@pytest.mark.parametrize(
    "names",
    [
        {f"7.2.0.192.{ZONE}": None},
        {f"7.2.0.192.{ZONE}": ("127.255.255.254",)},
        {f"7.2.0.192.{ZONE}": ("203.0.113.9",)},
        {f"2.0.0.127.{ZONE}": ()},
        {f"1.0.0.127.{ZONE}": ("127.0.0.2",)},
    ],
    ids=["SERVFAIL", "error code", "parked", "dead", "lists everybody"],
)
async def test_a_list_that_is_wrong_refuses_nobody(names: dict[str, Any]) -> None:
    door = Door(prefs())
    door.resolver.names |= names

    assert await door.why() is None
    assert await door.why() is None


async def test_a_wildcard_refuses_nobody() -> None:
    door = Door(prefs())
    door.resolver.otherwise = ("127.0.0.2",)

    assert await door.why() is None


async def test_a_list_that_suddenly_lists_everybody_refuses_nobody() -> None:
    door = Door(prefs())
    for number in range(SUBJECTS_MIN):
        assert await door.why(f"198.51.100.{number}") is None
    await door.clock.advance(WINDOW_S + 1)
    refused = []
    for number in range(SUBJECTS_MIN + 1):
        door.resolver.put(ZONE, f"203.0.113.{number}", "127.0.0.2")
        refused.append(await door.why(f"203.0.113.{number}") is not None)

    assert refused[0] is True
    assert refused[-1] is False
    assert await door.why() is None


async def test_silent_lists_let_a_client_in_within_their_time_and_are_soon_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listed_at_connect, "CONNECT_S", 0.01)
    door = Door(prefs())
    assert await door.why(OTHER) is None  # the list has passed its test
    door.resolver.is_silent = True

    async with asyncio.timeout(5):
        for number in range(3):
            assert await door.why(f"198.51.100.{number}") is None

    assert door.listed.lets_in("198.51.100.9")
    await door.filter.close()


async def test_when_many_wait_for_their_greeting_the_next_one_does_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(listed_at_connect, "WAITING_MAX", 2)
    door = Door(prefs())
    door.resolver.is_silent = True
    waiting = [asyncio.create_task(door.listed.refusal(f"198.51.100.{n}")) for n in range(2)]
    assert not door.listed.lets_in(OTHER)
    await asyncio.sleep(0)

    assert door.listed.lets_in(OTHER)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert not door.listed.lets_in(OTHER)
    await door.filter.close()


@pytest.mark.parametrize("words", [None, {}], ids=["silent", "none"])
async def test_a_list_without_words_refuses_all_the_same(
    words: dict[str, tuple[str, ...]] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listed_at_connect, "WORDS_S", 0.01)

    assert await Door(prefs(), words=words).why() == WHY


class Defective:
    """Lists that fail as nothing may, or that do not end."""

    def __init__(self, *, hangs: bool = False) -> None:
        self.hangs = hangs

    def examine_client_at_once(self, mail: Mail) -> tuple[Verdict, ...] | None:
        if self.hangs:
            return None
        raise RuntimeError("a defect")

    async def examine_client(self, mail: Mail, *, budget_s: float) -> tuple[Verdict, ...]:
        if not self.hangs:
            raise RuntimeError("a defect")
        await asyncio.get_running_loop().create_future()
        raise AssertionError


async def test_a_defect_refuses_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listed_at_connect, "CONNECT_S", 0.01)
    monkeypatch.setattr(listed_at_connect, "_SPARE_S", 0.01)
    for lists in (Defective(), Defective(hangs=True)):
        door = ListedAtConnect(lists, Words({}), prefs, FakeClock())

        assert door.lets_in(LISTED) is not lists.hangs
        assert await door.refusal(LISTED) is None
