"""Mail goes in the clear, encrypted, or to a server that proved who it is: as the policy says."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest

from common.errors import SettingsError
from common.preferences import Document
from common.preferences.documents import canonical_json
from common.states import State
from satellite.delivery.hop.protection import Protection
from satellite.names.answer import Lookup, LookupResult
from tests.support.delivery.delivery_room import DeliveryRoom, OpenRoom, TableResolver, route
from tests.support.network.authority import Authority
from tests.support.smtp.next_hop import NextHop, Say

ACME = "x@acme.example"
HOST = "mail.acme.example"
OFFERED = b"250-hop\r\n250 STARTTLS\r\n"
GO = b"220 go\r\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture(autouse=True)
def _names(resolver: TableResolver) -> None:
    for host in (HOST, "second.acme.example"):
        resolver.hosts[host] = Lookup(LookupResult.RECORDS, ("127.0.0.1",))


def policy(tls: str, domain: str = "acme.example") -> Document:
    return Document("policy", f"domain/{domain}", 1, canonical_json({"tls": tls}))


def secured(tls: ssl.SSLContext, **script: Any) -> NextHop:
    return NextHop(EHLO=OFFERED, STARTTLS=GO, tls=tls, **script)


async def tried(room: DeliveryRoom) -> dict[str, Any]:
    """Send one message and return the first record of what became of it."""
    await room.accept(ACME)
    await room.until(lambda: room.events("attempted") or room.events("held"))
    events = room.events("attempted") or room.events("held")
    return events[0][1]


async def test_the_record_says_how_the_mail_went(open_room: OpenRoom, authority: Authority) -> None:
    async with secured(authority.server(HOST)) as hop:
        room = await open_room(
            route("acme.example", f"{HOST}:{hop.port}"),
            policy("verified"),
            authorities=str(authority.path),
        )
        record = await tried(room)

    assert record["tls"].startswith("TLSv1.3 TLS_")
    assert record["tls_verified"] is True
    assert len(hop.taken) == 1


async def test_the_host_hears_for_which_name_it_is_asked(
    open_room: OpenRoom, authority: Authority
) -> None:
    asked: list[str | None] = []
    context = authority.server(HOST)
    context.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with secured(context) as hop:
        room = await open_room(route("acme.example", f"{HOST}:{hop.port}"))
        record = await tried(room)

    assert asked == [HOST]
    assert record["tls_verified"] is False  # it was not asked to prove anything


@pytest.mark.scenario(row=48, checks="tls=verified: expired, another name, unknown: held, and why")
@pytest.mark.parametrize(
    ("hosts", "is_expired", "stranger", "said"),
    [
        (("other.example",), False, False, "not valid for 'mail.acme.example'"),
        ((HOST,), True, False, "certificate has expired"),
        ((HOST,), False, True, "unable to get local issuer certificate"),
    ],
)
async def test_who_cannot_prove_to_be_the_host_gets_no_mail(
    open_room: OpenRoom,
    authority: Authority,
    tmp_path: Path,
    hosts: tuple[str, ...],
    is_expired: bool,
    stranger: bool,
    said: str,
) -> None:
    signer = Authority(tmp_path, "stranger") if stranger else authority
    async with secured(signer.server(*hosts, is_expired=is_expired)) as hop:
        room = await open_room(
            route("acme.example", f"{HOST}:{hop.port}"),
            policy("verified"),
            authorities=str(authority.path),
        )
        message = await room.accept(ACME)
        await room.until_state(message, State.HELD)

    assert said in room.results("held")[ACME]["reason"]
    assert hop.verbs == ["EHLO", "STARTTLS"]


async def test_the_systems_authorities_do_not_know_a_private_one(
    open_room: OpenRoom, authority: Authority
) -> None:
    async with secured(authority.server(HOST)) as hop:
        room = await open_room(route("acme.example", f"{HOST}:{hop.port}"), policy("verified"))
        record = await tried(room)

    assert "unable to get local issuer certificate" in record["recipients"][0]["reason"]


async def test_a_host_without_a_name_is_verified_by_its_address(
    open_room: OpenRoom, authority: Authority
) -> None:
    async with secured(authority.server("127.0.0.1")) as hop:
        room = await open_room(
            route("acme.example", f"127.0.0.1:{hop.port}"),
            policy("verified"),
            authorities=str(authority.path),
        )
        record = await tried(room)

    assert record["tls_verified"] is True


@pytest.mark.scenario(row=48, checks="tls=required: nothing in the clear, held, and why")
@pytest.mark.parametrize("tls", ["required", "verified"])
@pytest.mark.parametrize(
    ("script", "said"),
    [
        ({}, "it offers no STARTTLS"),
        ({"EHLO": OFFERED, "STARTTLS": b"454 4.7.0 Not now\r\n"}, "454 4.7.0 Not now"),
        ({"EHLO": OFFERED, "STARTTLS": Say(GO, "close")}, "TLS failed"),
        ({"EHLO": OFFERED, "STARTTLS": Say(GO + b"rubbish" * 50, "close")}, "TLS failed"),
    ],
)
async def test_mail_that_must_be_protected_never_goes_in_the_clear(
    open_room: OpenRoom, tls: str, script: dict[str, Any], said: str
) -> None:
    async with NextHop(**script) as hop:
        room = await open_room(route("acme.example", f"{HOST}:{hop.port}"), policy(tls))
        message = await room.accept(ACME)
        await room.until_state(message, State.HELD)

        assert said in room.results("held")[ACME]["reason"]
        assert room.delivery.holds()[0].reason == room.results("held")[ACME]["reason"]
    assert "MAIL" not in hop.verbs


@pytest.mark.scenario(row=48, checks="the next host takes over from one without TLS")
@pytest.mark.parametrize("tls", ["required", "verified"])
async def test_the_next_host_is_tried_when_one_is_not_protected(
    open_room: OpenRoom, authority: Authority, tls: str
) -> None:
    async with NextHop() as bare, secured(authority.server("second.acme.example")) as good:
        room = await open_room(
            route("acme.example", f"{HOST}:{bare.port}", f"second.acme.example:{good.port}"),
            policy(tls),
            authorities=str(authority.path),
        )
        record = await tried(room)

    assert record["host"] == f"second.acme.example:{good.port}"
    assert (len(bare.taken), len(good.taken)) == (0, 1)


async def test_required_takes_whatever_certificate_there_is(
    open_room: OpenRoom, authority: Authority
) -> None:
    async with secured(authority.server("other.example", is_expired=True)) as hop:
        room = await open_room(route("acme.example", f"{HOST}:{hop.port}"), policy("required"))
        record = await tried(room)

    assert record["tls"].startswith("TLSv1.3 ")
    assert record["tls_verified"] is False


async def test_a_kept_session_in_the_clear_ends_when_the_policy_changes(
    open_room: OpenRoom, authority: Authority
) -> None:
    async with secured(authority.server(HOST)) as hop:
        hop.script["EHLO"] = b"250 hop\r\n"
        server = route("acme.example", f"{HOST}:{hop.port}")
        room = await open_room(server)
        await room.until_ended(await room.accept(ACME))

        hop.script["EHLO"] = OFFERED
        await room.set_routes(server, policy("required"))
        await room.until_ended(await room.accept(ACME))

    assert [record["tls"][:6] for _, record in room.events("attempted")] == ["", "TLSv1."]
    assert hop.sessions == 2


async def test_a_kept_session_with_a_host_that_is_none_any_more_is_left(
    open_room: OpenRoom,
) -> None:
    async with NextHop() as old, NextHop() as new:
        room = await open_room(route("acme.example", f"{HOST}:{old.port}"))
        await room.until_ended(await room.accept(ACME))

        await room.set_routes(route("acme.example", f"{HOST}:{new.port}"))
        await room.until_ended(await room.accept(ACME))

    assert (len(old.taken), len(new.taken)) == (1, 1)


async def test_our_own_notices_to_strangers_follow_no_customers_policy(
    open_room: OpenRoom,
) -> None:
    async with NextHop(RCPT=b"550 5.1.1 No\r\n") as hop, NextHop() as smart:
        room = await open_room(
            route("acme.example", f"{HOST}:{hop.port}"),
            policy("required", "sender.example"),
            smarthost=f"127.0.0.1:{smart.port}",
        )
        await room.accept(ACME)
        await room.until(lambda: smart.taken)


@pytest.mark.parametrize("content", [None, b"no certificate"])
def test_authorities_that_are_none_stop_the_start(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "authorities.pem"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(SettingsError, match=r"delivery\.authorities"):
        Protection(str(path))
