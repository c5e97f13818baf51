"""Postfix, Exim and OpenSMTPD hand mail to a node, and take it from a node, as it was sent."""

from __future__ import annotations

import email
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from tests.support.smtp.anatomy import digest, field_name, take_apart
from tests.support.smtp.crossroads import (
    CUSTOMER,
    GONE,
    HOME,
    NEAR,
    SENDER,
    UNHEARD,
    Crossroads,
    Message,
    arrival,
    crossroads,
    domain_of,
)
from tests.support.smtp.delivery_status import read_status
from tests.support.smtp.mtas import MESSAGES_MAX, MTAS, RECIPIENTS_MAX, REFUSED
from tests.support.smtp.next_hop import NextHop, Taken

pytestmark = pytest.mark.asyncio(loop_scope="module")

SERVERS = list(MTAS)
INTERNATIONAL = [name for name, mta in MTAS.items() if mta.takes_smtputf8]
VERP = "bounces+4711-a0f3-someone.with.a.long.name=customer.example.net-0123456789abcdef"
SRS = "SRS0=HHHH=TT=a-rather-long-domain-name.of-a-customer.example=someone.with.a.long.name"
REPORTER = "one1.mx.scout.example"
# Exim gives it as it came, in xtext, which it is there no more (RFC 3464 section 2.3.1).
TWO_READINGS_OF_ORCPT = ("rfc822;first+tag@old.example", "rfc822;first+2Btag@old.example")
OURS = [
    "received",
    "x-borderscout",
    "x-borderscout-virus",
    "x-borderscout-spam",
    "authentication-results",
]
MIB = 1024 * 1024

BODIES = {
    "plain": b"words\r\n",
    "dots": b".\r\n..\r\n.a dot begins this line\r\n",
    "8bit": "Grüße aus Zürich, Ωμέγα\r\n".encode(),
    "long-line": b"x" * 5000 + b"\r\n",
    "mebibyte": (b"y" * 76 + b"\r\n") * (MIB // 78),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def roads(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Crossroads]:
    async with crossroads(tmp_path_factory.mktemp("crossroads")) as running:
        scope = f"customer/{CUSTOMER}"
        said = await running.cluster.run("policy", "set", scope, "dsn=offer", "--json")
        await running.cluster.applied(said.json()["revision"])
        yield running


def mail(subject: str, body: bytes = BODIES["plain"]) -> bytes:
    header = (
        f"From: <{SENDER}>\r\nTo: <x@{NEAR}>\r\nDate: Sun, 29 Nov 2026 01:00:00 +0000\r\n"
        f"Message-ID: <{subject}@{HOME}>\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    )
    return header.encode() + body


def has_subject(subject: str) -> Callable[[Taken], bool]:
    line = f"\r\nSubject: {subject}\r\n".encode()
    return lambda taken: line in taken.data


def on_top(taken: Taken, sent: bytes) -> list[str]:
    """Return the names of the fields that were put on top; all else must be as it was sent."""
    assert digest(taken.data[-len(sent) :]) == digest(sent)
    added = take_apart(taken.data[: -len(sent)] + b"\r\n")
    assert added.below == b""
    return [field_name(one) for one in added.fields]


def asked_for(hop: NextHop, recipient: str) -> set[str]:
    """Return the parameters with which a recipient was named to a hop."""
    (line,) = {line for line in hop.lines if line.startswith(f"RCPT TO:<{recipient}>")}
    return set(line.partition("> ")[2].split())


def tells_of(recipient: str, *, by: str, of: str = "") -> Callable[[Taken], bool]:
    """Say whether a message is a DSN of this reporter, about this recipient and this subject."""
    signs = (f"Reporting-MTA: dns; {by}\r\n", recipient, of)
    return lambda taken: all(sign.encode() in taken.data for sign in signs)


def recipients_of(dsn: Taken) -> list[dict[str, str]]:
    """Return the fields of each recipient of a DSN, whoever made it, their names in lower case."""
    # The part may be of either type, and the standard library takes only one of them apart.
    status = dsn.data.decode().partition("Reporting-MTA: ")[2].partition("\r\n--")[0]
    groups = [email.message_from_string(group) for group in status.split("\r\n\r\n")[1:]]
    fields = [{name.lower(): str(value) for name, value in group.items()} for group in groups]
    return [group for group in fields if "final-recipient" in group]


async def let_us_know_opensmtpd(roads: Crossroads, subject: str) -> None:
    """Let the node hear what this server does not offer."""
    roads.needs("opensmtpd")
    message = Message(data=mail(subject), recipients=[f"x@{domain_of('opensmtpd')}"])
    await roads.to_node(message)
    await arrival(roads.far["opensmtpd"], has_subject(subject))


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("name", SERVERS)
async def test_what_a_server_hands_to_us_arrives_octet_by_octet(
    roads: Crossroads, name: str, body: str
) -> None:
    subject = f"from-{name}-{body}"
    sent = mail(subject, BODIES[body])

    replies = await roads.from_server(name, Message(data=sent, recipients=[f"x@{NEAR}"]))
    taken = await arrival(roads.near, has_subject(subject))

    assert replies.dot.startswith("250")
    assert on_top(taken, sent) == [*OURS, "received"]
    assert b"with ESMTPS id" in take_apart(taken.data).fields[0]


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("name", SERVERS)
async def test_what_we_hand_to_a_server_arrives_octet_by_octet(
    roads: Crossroads, name: str, body: str
) -> None:
    roads.needs(name)
    subject = f"to-{name}-{body}"
    sent = mail(subject, BODIES[body])

    replies = await roads.to_node(Message(data=sent, recipients=[f"x@{domain_of(name)}"]))
    taken = await arrival(roads.far[name], has_subject(subject))

    assert replies.dot.startswith("250")
    assert on_top(taken, sent) == ["received", *OURS]
    by = take_apart(taken.data).fields[0].lower()
    # OpenSMTPD 6.8 breaks each handshake off under OpenSSL 3; then mail goes in the clear.
    assert b"with esmtps" in by or name == "opensmtpd"


@pytest.mark.parametrize("name", SERVERS)
async def test_a_server_names_long_local_parts_to_us(roads: Crossroads, name: str) -> None:
    sender, recipient = f"{VERP}-{name}@{HOME}", f"{SRS}-{name}@{NEAR}"
    subject = f"long-from-{name}"

    message = Message(data=mail(subject), sender=sender, recipients=[recipient])
    await roads.from_server(name, message)
    taken = await arrival(roads.near, has_subject(subject))

    assert (taken.mail.partition(" SIZE")[0], taken.recipients) == (
        f"MAIL FROM:<{sender}>",
        (recipient,),
    )


@pytest.mark.parametrize("name", SERVERS)
async def test_we_name_long_local_parts_to_a_server(roads: Crossroads, name: str) -> None:
    roads.needs(name)
    sender, recipient = f"{VERP}@{HOME}", f"{SRS}@{domain_of(name)}"
    subject = f"long-to-{name}"

    await roads.to_node(Message(data=mail(subject), sender=sender, recipients=[recipient]))
    taken = await arrival(roads.far[name], has_subject(subject))

    assert taken.mail.startswith(f"MAIL FROM:<{sender}>")
    assert taken.recipients == (recipient,)


@pytest.mark.parametrize("name", INTERNATIONAL)
async def test_a_server_hands_internationalised_mail_to_us(roads: Crossroads, name: str) -> None:
    sender, recipient = f"jürgen.{name}@{HOME}", f"müller.{name}@{NEAR}"
    subject = f"grüße-from-{name}"
    sent = mail(subject)
    message = Message(
        data=sent,
        sender=sender,
        recipients=[recipient],
        mail=["SMTPUTF8", "BODY=8BITMIME"],
        rcpt=["NOTIFY=FAILURE"],
    )

    replies = await roads.from_server(name, message)
    taken = await arrival(roads.near, has_subject(subject))

    assert replies.dot.startswith("250")
    assert taken.mail.startswith(f"MAIL FROM:<{sender}>")
    assert "SMTPUTF8" in taken.mail
    assert taken.recipients == (recipient,)
    assert on_top(taken, sent) == [*OURS, "received"]
    assert b"with UTF8SMTPS id" in take_apart(taken.data).fields[0]
    original = f"ORCPT=utf-8;m\\x{{FC}}ller.{name}@{NEAR}"  # Postfix wrote it as of type rfc822
    assert asked_for(roads.near, recipient) == {"NOTIFY=FAILURE", original}


@pytest.mark.parametrize("name", INTERNATIONAL)
async def test_we_hand_internationalised_mail_to_a_server(roads: Crossroads, name: str) -> None:
    roads.needs(name)
    sender, recipient = f"jürgen@{HOME}", f"müller@{domain_of(name)}"
    subject = f"grüße-to-{name}"
    sent = mail(subject)
    message = Message(data=sent, sender=sender, recipients=[recipient], mail=["SMTPUTF8"])

    await roads.to_node(message)
    taken = await arrival(roads.far[name], has_subject(subject))

    assert taken.mail.startswith(f"MAIL FROM:<{sender}>")
    assert taken.recipients == (recipient,)
    assert on_top(taken, sent) == ["received", *OURS]


async def test_internationalised_mail_is_refused_at_once_for_a_server_that_takes_none(
    roads: Crossroads,
) -> None:
    await let_us_know_opensmtpd(roads, "before")
    recipients = [f"müller@{domain_of('opensmtpd')}", f"müller.both@{NEAR}"]

    message = Message(data=mail("grüße"), recipients=recipients, mail=["SMTPUTF8"])
    replies = await roads.to_node(message)
    taken = await arrival(roads.near, has_subject("grüße"))

    assert replies.recipients[0].startswith("550 5.6.7")
    assert replies.recipients[1].startswith("250")
    assert taken.recipients == (f"müller.both@{NEAR}",)


async def test_internationalised_mail_comes_back_from_a_server_that_we_did_not_know_to_take_none(
    roads: Crossroads,
) -> None:
    roads.needs("opensmtpd")
    recipient = f"müller@{UNHEARD}"

    message = Message(data=mail("grüße-back"), recipients=[recipient], mail=["SMTPUTF8"])
    replies = await roads.to_node(message)
    in_ascii = rf"m\x{{FC}}ller@{UNHEARD}"  # the DSN has to come through everywhere
    told = await arrival(roads.home, tells_of(in_ascii, by=REPORTER))

    (about,) = read_status(told.data).recipients
    assert replies.dot.startswith("250")
    assert told.recipients == (SENDER,)
    assert about["Final-Recipient"] == f"utf-8; {in_ascii}"
    assert (about["Action"], about["Status"]) == ("failed", "5.6.7")
    assert b"the\r\nrecipient's mail server cannot take this kind of message" in told.data


@pytest.mark.parametrize("name", INTERNATIONAL)
async def test_a_server_tells_its_sender_of_internationalised_mail_that_we_refuse(
    roads: Crossroads, name: str
) -> None:
    await let_us_know_opensmtpd(roads, f"before-{name}")
    subject, recipient = f"grüße-no-{name}", f"müller.{name}@{domain_of('opensmtpd')}"

    message = Message(data=mail(subject), recipients=[recipient], mail=["SMTPUTF8"])
    await roads.from_server(name, message)
    told = await arrival(roads.home, tells_of(recipient, by=f"mail.{name}.example"))

    (about,) = recipients_of(told)
    assert about["action"] == "failed"
    assert "550 5.6.7" in about["diagnostic-code"]


@pytest.mark.parametrize("name", SERVERS)
async def test_a_server_passes_dsn_parameters_on_to_us(roads: Crossroads, name: str) -> None:
    recipient = f"dsn.{name}@{NEAR}"
    subject = f"dsn-from-{name}"
    message = Message(
        data=mail(subject),
        recipients=[recipient],
        mail=["RET=HDRS", "ENVID=QQ+2B314"],
        rcpt=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;first+2Btag@old.example"],
    )

    await roads.from_server(name, message)
    taken = await arrival(roads.near, has_subject(subject))

    assert {"RET=HDRS", "ENVID=QQ+2B314"} <= set(taken.mail.split())
    assert asked_for(roads.near, recipient) == set(message.rcpt)


@pytest.mark.parametrize("name", SERVERS)
async def test_a_server_tells_of_success_what_we_passed_on(roads: Crossroads, name: str) -> None:
    roads.needs(name)
    recipient = f"dsn@{domain_of(name)}"
    message = Message(
        data=mail(f"dsn-to-{name}"),
        recipients=[recipient],
        mail=["RET=HDRS", "ENVID=QQ+2B314"],
        rcpt=["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;first+2Btag@old.example"],
    )

    await roads.to_node(message)
    told = await arrival(roads.far[name], tells_of(recipient, by=f"mail.{name}.example"))

    (about,) = recipients_of(told)
    assert told.recipients == (SENDER,)
    assert about["action"] in ("relayed", "delivered")
    if name != "opensmtpd":  # which tells neither
        assert about["original-recipient"] in TWO_READINGS_OF_ORCPT
        assert b"\r\nOriginal-Envelope-I" in told.data


@pytest.mark.parametrize("name", SERVERS)
async def test_of_several_recipients_each_gets_its_own_end_from_a_server(
    roads: Crossroads, name: str
) -> None:
    good, denied = f"good.{name}@{NEAR}", f"denied@nobody-{name}.example"
    subject = f"several-from-{name}"

    message = Message(data=mail(subject), recipients=[good, GONE, denied])
    await roads.from_server(name, message)
    taken = await arrival(roads.near, has_subject(subject))
    ours = await arrival(roads.home, tells_of(GONE, of=subject, by=REPORTER))
    theirs = await arrival(roads.home, tells_of(denied, by=f"mail.{name}.example"))

    assert taken.recipients == (good,)
    (about,) = read_status(ours.data).recipients
    assert (about["Action"], about["Status"]) == ("failed", "5.1.1")
    assert about["Diagnostic-Code"] == "smtp; 550 5.1.1 No such user"
    (denial,) = recipients_of(theirs)
    assert denial["action"] == "failed"
    assert b"550 5.7.1 Relaying denied" in theirs.data.replace(b"\r\n    ", b" ")


@pytest.mark.parametrize("name", SERVERS)
async def test_of_several_recipients_each_gets_its_own_end_at_a_server(
    roads: Crossroads, name: str
) -> None:
    roads.needs(name)
    good, bad = f"good@{domain_of(name)}", f"{REFUSED}@{domain_of(name)}"
    subject = f"several-to-{name}"

    await roads.to_node(Message(data=mail(subject), recipients=[good, bad]))
    taken = await arrival(roads.far[name], has_subject(subject))
    ours = await arrival(roads.home, tells_of(bad, of=subject, by=REPORTER))

    assert taken.recipients == (good,)
    (about,) = read_status(ours.data).recipients
    assert about["Final-Recipient"] == f"rfc822; {bad}"
    assert (about["Action"], about["Status"][:2]) == ("failed", "5.")
    assert about["Diagnostic-Code"].startswith("smtp; 550 ")


@pytest.mark.parametrize("name", SERVERS)
async def test_what_is_beyond_a_servers_limits_is_offered_again_at_once(
    roads: Crossroads, name: str
) -> None:
    roads.needs(name)
    addresses = [f"many.{number}@{domain_of(name)}" for number in range(2 * RECIPIENTS_MAX + 1)]
    alone = [f"alone.{number}@{domain_of(name)}" for number in range(2 * MESSAGES_MAX + 1)]

    for number, address in enumerate(alone):
        await roads.to_node(Message(data=mail(f"{number}-to-{name}"), recipients=[address]))
    await roads.to_node(Message(data=mail(f"many-to-{name}"), recipients=addresses))
    for address in [*alone, *addresses]:
        await arrival(roads.far[name], lambda taken, address=address: address in taken.recipients)  # type: ignore[misc]
