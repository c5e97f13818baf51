"""Postfix and the standard library's client understand what we say of DSN and TLS, and we them."""

from __future__ import annotations

import asyncio
import contextlib
import email
import email.policy
import smtplib
from collections.abc import AsyncIterator, Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Any, cast

import pytest
from prometheus_client import CollectorRegistry

from common.clock import SystemClock
from common.envelope import DsnParameters, Notify, Return
from common.preferences import Document, Kind
from common.preferences.documents import canonical_json
from common.states import State
from satellite.delivery.worker import Delivery
from satellite.names.answer import Lookup, LookupResult
from satellite.spool.store import Spool
from tests.support.delivery.delivery_room import DeliveryRoom, TableResolver, route, settings
from tests.support.network.authority import Authority
from tests.support.smtp.delivery_status import read_status
from tests.support.smtp.entrance import entrance
from tests.support.smtp.next_hop import NextHop
from tests.support.smtp.postfix import postfix
from tests.support.smtp.sink import Arrival, Sink

SENDER = "a@sender.example"
OFFERED = Document(Kind.POLICY, "cluster", 1, canonical_json({"dsn": "offer"}))
X, Y = "x@acme.example", "y@acme.example"
DATA = b"From: <a@sender.example>\r\nSubject: hello\r\nMessage-ID: <1@s>\r\n\r\nwords\r\n"


@contextlib.asynccontextmanager
async def house_with(
    folder: Path, *documents: Document, smarthost: str = "", authorities: str = ""
) -> AsyncIterator[DeliveryRoom]:
    """Run a delivery room with these preferences, in real time."""
    clock: Any = SystemClock()
    spool = await Spool.open(folder / "spool", node="lon1", shard=0, clock=clock)
    resolver = TableResolver()
    resolver.hosts["mail.acme.example"] = Lookup(LookupResult.RECORDS, ("127.0.0.1",))
    delivery = Delivery(
        spool,
        settings(smarthost=smarthost, authorities=authorities),
        clock,
        resolver=resolver,
        registry=CollectorRegistry(),
    )
    room = DeliveryRoom(spool, clock, delivery)
    await room.set_routes(*documents)
    async with asyncio.TaskGroup() as group:
        group.create_task(delivery.run())
        try:
            yield room
        finally:
            await delivery.close()
    await spool.close()


async def until(room: DeliveryRoom, claim: Any) -> None:
    async with asyncio.timeout(60):
        while not claim():
            await asyncio.sleep(0.02)


def acme(port: int) -> Document:
    return route("acme.example", f"mail.acme.example:{port}")


def tls(policy: str) -> Document:
    return Document("policy", "domain/acme.example", 1, canonical_json({"tls": policy}))


def hand_over(
    address: tuple[str, int], recipients: Sequence[tuple[str, list[str]]], *mail: str
) -> None:
    """Send a message with parameters, as a program with the standard library does."""
    with smtplib.SMTP(*address, timeout=30) as client:
        client.ehlo("client.example")
        assert client.has_extn("dsn")
        assert client.mail(SENDER, list(mail))[0] == 250
        for recipient, options in recipients:
            assert client.rcpt(recipient, options)[0] == 250
        assert client.data(DATA)[0] == 250


def status_of(arrival: Arrival) -> tuple[dict[str, str], list[dict[str, str]]]:
    """Return the fields of a DSN, whoever made it: of the message, and of each recipient."""
    report = email.message_from_bytes(arrival.data, policy=email.policy.default)
    assert report.get_content_type() == "multipart/report"
    part = list(report.iter_parts())[1]
    groups = [dict(group.items()) for group in cast(list[EmailMessage], part.get_payload())]
    return groups[0], groups[1:]


async def test_postfix_tells_of_success_what_we_passed_on_to_it(tmp_path: Path) -> None:
    async with (
        Sink() as sink,
        postfix(
            "relay_domains = acme.example",
            "relay_transport = discard:",
            f"default_transport = smtp:[127.0.0.1]:{sink.port}",
        ) as port,
        house_with(tmp_path, acme(port), OFFERED) as room,
        entrance(room) as address,
    ):
        asked = ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;first+2Btag@old.example"]
        recipients = [(X, asked), (Y, ["NOTIFY=NEVER"])]
        await asyncio.to_thread(hand_over, address, recipients, "RET=HDRS", "ENVID=QQ+2B314")
        (arrival,) = await sink.wait_for(1)
        await until(room, lambda: not room.unfinished())

        assert not room.events("bounce_made")
    message, groups = status_of(arrival)
    assert arrival.recipients == (SENDER,)
    assert message["Original-Envelope-Id"] == "QQ+314"
    assert [(group["Final-Recipient"], group["Action"]) for group in groups] == [
        (f"rfc822; {X}", "delivered")
    ]
    assert groups[0]["Original-Recipient"] == "rfc822;first+tag@old.example"


async def test_without_dsn_at_the_next_hop_we_say_that_it_was_passed_on(tmp_path: Path) -> None:
    async with (
        NextHop() as hop,
        Sink() as sink,
        house_with(tmp_path, acme(hop.port), OFFERED, smarthost=f"127.0.0.1:{sink.port}") as room,
        entrance(room) as address,
    ):
        recipients = [(X, ["NOTIFY=SUCCESS"]), (Y, [])]
        await asyncio.to_thread(hand_over, address, recipients, "ENVID=abc")
        (arrival,) = await sink.wait_for(1)
        await until(room, lambda: not room.unfinished())

    status = read_status(arrival.data)
    assert status.message["Original-Envelope-Id"] == "abc"
    assert [(group["Final-Recipient"], group["Action"]) for group in status.recipients] == [
        (f"rfc822; {X}", "relayed")
    ]
    assert arrival.sender == ""


async def test_postfix_passes_our_dsn_on_as_one(tmp_path: Path) -> None:
    async with (
        Sink() as sink,
        postfix(f"default_transport = smtp:[127.0.0.1]:{sink.port}") as port,
        NextHop(RCPT=b"550 5.1.1 No user\r\n") as hop,
        house_with(tmp_path, acme(hop.port), OFFERED, smarthost=f"127.0.0.1:{port}") as room,
        entrance(room) as address,
    ):
        await asyncio.to_thread(hand_over, address, [(X, ["NOTIFY=FAILURE"])], "RET=FULL")
        (arrival,) = await sink.wait_for(1)
        await until(room, lambda: not room.unfinished())

    _, (group,) = status_of(arrival)
    assert (group["Action"], group["Status"]) == ("failed", "5.1.1")
    assert DATA in arrival.data  # all of it, as it was asked for
    assert (arrival.sender, arrival.recipients) == ("", (SENDER,))


async def test_what_postfix_passes_on_to_us_comes_into_the_envelope(tmp_path: Path) -> None:
    async with (
        NextHop(RCPT=b"451 4.3.0 Later\r\n") as hop,
        house_with(tmp_path, acme(hop.port), OFFERED) as room,
        entrance(room) as (host, ours),
        postfix(
            "relay_domains = acme.example", f"relay_transport = smtp:[{host}]:{ours}"
        ) as theirs,
    ):
        asked = ["NOTIFY=SUCCESS,DELAY", "ORCPT=rfc822;first+2Btag@old.example"]
        recipients = [(X, asked), (Y, [])]
        acceptance = ("127.0.0.1", theirs)
        await asyncio.to_thread(hand_over, acceptance, recipients, "RET=FULL", "ENVID=QQ+2B314")
        await until(room, lambda: len(room.results("deferred")) == 2)
        (stored,) = room.unfinished()

    envelope = stored.envelope
    assert (envelope.returned, envelope.envelope_id) == (Return.FULL, "QQ+2B314")
    dsn_parameters = dict(zip(envelope.recipients, envelope.dsn_parameters, strict=True))
    assert dsn_parameters[X] == DsnParameters(
        notify=frozenset({Notify.SUCCESS, Notify.DELAY}), original="rfc822;first+2Btag@old.example"
    )
    assert dsn_parameters[Y] == DsnParameters(
        original=f"rfc822;{Y}"
    )  # Postfix adds what was named to it


@pytest.mark.parametrize(
    ("policy", "host", "is_delivered"),
    [
        ("required", "other.example", True),
        ("verified", "mail.acme.example", True),
        ("verified", "other.example", False),
    ],
)
async def test_postfix_gets_mail_under_tls_as_the_policy_says(
    tmp_path: Path, policy: str, host: str, is_delivered: bool
) -> None:
    authority = Authority(tmp_path)
    certificate = authority.issue(host)
    async with (
        Sink() as sink,
        postfix(
            "relay_domains = acme.example",
            f"relay_transport = smtp:[127.0.0.1]:{sink.port}",
            "smtpd_tls_security_level = encrypt",
            f"smtpd_tls_chain_files = {certificate}",
            "smtpd_tls_received_header = yes",
        ) as port,
        house_with(tmp_path, acme(port), tls(policy), authorities=str(authority.path)) as room,
        entrance(room) as address,
    ):
        await asyncio.to_thread(hand_over, address, [(X, [])])
        if is_delivered:
            (arrival,) = await sink.wait_for(1)
            await until(room, lambda: not room.unfinished())
            record = room.events("attempted")[0][1]
            assert record["tls"].startswith("TLSv1.3 ")
            assert record["tls_verified"] is (policy == "verified")
            assert b"(using TLSv1.3 with cipher" in arrival.data
        else:
            await until(room, lambda: room.results("held"))
            assert "not valid for 'mail.acme.example'" in room.results("held")[X]["reason"]
            assert room.states(room.unfinished()[0].id) == [State.HELD]
            assert sink.arrivals == []
