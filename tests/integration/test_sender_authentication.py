"""Does sender authentication read what a real name server says, and hear its faults as such?"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from common.clock import SystemClock
from common.envelope import Envelope
from common.preferences import Kind
from common.verdict import Effect, Outcome
from satellite.authentication.authenticator import Authenticator
from satellite.authentication.dns_questions import DnsQuestions
from satellite.authentication.results import Authenticity
from satellite.filtering.filters.authentication import SenderAuthentication
from satellite.filtering.inside import GivenInside
from satellite.names.name_servers import NameServers
from tests.support.core.preferences import document, preferences
from tests.support.network.dns_server import Trouble, dns_server
from tests.support.network.named import NAMED, named
from tests.support.network.ports import free_port
from tests.support.scanning.filtering import mail
from tests.support.scanning.messages import sample_of
from tests.support.smtp.signing import key_record, signed

PLAIN = b"From: a@news.sender.test\r\nTo: b@acme.example\r\nSubject: Hi\r\n\r\nText.\r\n"
ENVELOPE = Envelope(
    client_address="192.0.2.7",
    helo="mail.sender.test",
    sender="a@sender.test",
    recipients=("b@acme.example",),
)
SILENCE_S = 0.1  # a server that never answers
PATIENCE_S = 30.0  # for one that does


def in_zone(text: str) -> str:
    """Return a TXT record's text as zone files have it: strings of at most 255 octets."""
    return " ".join(f'"{text[at : at + 200]}"' for at in range(0, len(text), 200))


ZONE = f"""
$ORIGIN sender.test.
@ IN TXT "v=spf1 mx include:spf" ".sender.test -all"
@ IN TXT "something else"
@ IN MX 10 mail
mail IN A 192.0.2.99
spf IN TXT "v=spf1 exists:%{{ir}}.sender.test ~all"
7.2.0.192 IN A 127.0.0.2
_dmarc IN TXT "v=DMARC1; p=reject; sp=quarantine; np=reject"
test._domainkey IN TXT {in_zone(key_record())}
"""


async def authenticated(
    port: int, data: bytes, *, client: str = "192.0.2.7", lookup_s: float = SILENCE_S
) -> Authenticity:
    clock = SystemClock()
    questions = DnsQuestions(NameServers("127.0.0.1", port), clock, lookup_s=lookup_s)
    envelope = Envelope(
        client_address=client,
        helo=ENVELOPE.helo,
        sender=ENVELOPE.sender,
        recipients=ENVELOPE.recipients,
    )
    return await Authenticator(questions, clock).authenticated(sample_of(data), envelope)


@pytest.mark.skipif(not NAMED, reason="named is not installed (package bind9)")
async def test_a_real_name_server_tells_all_that_is_needed(tmp_path: Path) -> None:
    data = signed(PLAIN, domain="sender.test")
    async with named(tmp_path, {"test": ZONE}) as server:
        port = int(server.endpoint.partition(":")[2])

        found, forged = await asyncio.gather(
            authenticated(port, data, lookup_s=PATIENCE_S),
            authenticated(port, PLAIN, client="192.0.2.8", lookup_s=PATIENCE_S),
        )

    assert (found.spf.result, found.dkim[0].result, found.dmarc.result) == ("pass",) * 3
    assert (forged.spf.result, forged.dmarc.result) == ("fail", "fail")
    assert forged.dmarc.policy == "reject"  # the author's domain does not exist


NAMES = [
    "sender.test.",
    "_dmarc.news.sender.test.",
    "_dmarc.sender.test.",
    "test._domainkey.sender.test.",
]


@pytest.mark.parametrize(
    "trouble", [Trouble.SERVFAIL, Trouble.SILENT, Trouble.RUBBISH, Trouble.ALWAYS_TRUNCATED, None]
)
async def test_a_name_server_in_trouble_leaves_all_open_and_nobody_worse_off(
    trouble: Trouble | None,
) -> None:
    """The fault table: down (None), slow, garbage, wrong code."""
    async with dns_server() as server:
        server.trouble = {} if trouble is None else dict.fromkeys(NAMES, trouble)
        port = free_port() if trouble is None else server.port

        found = await authenticated(port, signed(PLAIN, domain="sender.test"))

    assert (found.spf.result, found.dkim[0].result, found.dmarc.result) == ("temperror",) * 3
    on = preferences(document(Kind.FILTER, "authentication", kind="authentication"))
    inside = GivenInside(data=b"", authenticated=found)
    (verdict,) = await SenderAuthentication().examine(mail(on, inside=inside))
    assert verdict.outcome is Outcome.UNAVAILABLE
    assert [(test.score, test.effect) for test in verdict.tests] == [(0.0, Effect.SCORE)] * 3


@pytest.mark.parametrize("name", NAMES)
async def test_one_name_in_trouble_makes_nothing_a_failure(name: str) -> None:
    async with dns_server() as server:
        server.records = {
            ("sender.test.", "TXT"): ['"v=spf1 ip4:192.0.2.7 -all"'],
            ("_dmarc.sender.test.", "TXT"): ['"v=DMARC1; p=reject"'],
            ("test._domainkey.sender.test.", "TXT"): [in_zone(key_record())],
        }
        server.trouble = {name: Trouble.SERVFAIL}

        data = signed(PLAIN, domain="sender.test")
        found = await authenticated(server.port, data, lookup_s=PATIENCE_S)

    results = {found.spf.result, found.dkim[0].result, found.dmarc.result}
    assert results == {"pass", "temperror"}
