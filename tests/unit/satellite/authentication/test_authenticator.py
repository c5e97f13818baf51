"""Who answers for a message, all things together?"""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from common.envelope import Envelope
from common.ids import MessageId
from satellite.authentication.authenticator import AT_ONCE_BYTES_MAX, UNREADABLE, Authenticator
from satellite.authentication.dns_questions import LOOKUPS_MAX, DnsQuestions
from satellite.authentication.results import Authenticity
from satellite.scanning.sample import Sample
from tests.support.clock import FakeClock
from tests.support.network.given_dns import GivenDns, Records, txt
from tests.support.smtp.signing import key_record, sealed, signed

PLAIN = b"From: A <a@sender.example>\r\nTo: b@acme.example\r\nSubject: Hi\r\n\r\nText.\r\n"
RECORDS: Records = {
    "sender.example": txt("v=spf1 ip4:192.0.2.7 -all"),
    "_dmarc.sender.example": txt("v=DMARC1; p=reject"),
    "test._domainkey.sender.example": txt(key_record()),
    "test._domainkey.lists.example": txt(key_record()),
}
ENVELOPE = Envelope(
    client_address="192.0.2.7",
    helo="mail.sender.example",
    sender="a@sender.example",
    recipients=("b@acme.example",),
)


def sample_of(data: bytes, path: Path | None = None) -> Sample:
    if path is not None:
        path.write_bytes(data)
    return Sample(
        id=MessageId("01KDVDNA000000000000000002"),
        size=len(data),
        sha256=hashlib.sha256(data).digest(),
        data=None if path is not None else data,
        path=path,
    )


async def authenticated(
    data: bytes,
    *,
    dns: GivenDns | None = None,
    envelope: Envelope = ENVELOPE,
    path: Path | None = None,
) -> Authenticity:
    clock = FakeClock()
    authenticator = Authenticator(DnsQuestions(dns or GivenDns(RECORDS), clock), clock)
    return await authenticator.authenticated(sample_of(data, path), envelope)


def words(found: Authenticity) -> tuple[str, list[str], str, str]:
    dkim = [str(one.result) for one in found.dkim]
    return str(found.spf.result), dkim, str(found.dmarc.result), str(found.arc.result)


async def test_a_message_in_order_passes_everything() -> None:
    data = sealed(signed(PLAIN), domain="lists.example", results="dmarc=pass")

    assert words(await authenticated(data)) == ("pass", ["pass"], "pass", "pass")


async def test_a_forged_one_fails() -> None:
    envelope = replace(ENVELOPE, client_address="203.0.113.9")
    data = signed(PLAIN).replace(b"Text", b"Test")

    assert words(await authenticated(data, envelope=envelope)) == ("fail", ["fail"], "fail", "none")


async def test_a_forwarded_one_passes_by_its_signature_alone() -> None:
    envelope = replace(ENVELOPE, client_address="203.0.113.9", sender="list@lists.example")

    found = await authenticated(signed(PLAIN), envelope=envelope)

    assert words(found) == ("none", ["pass"], "pass", "none")


@pytest.mark.parametrize("octets", [100, AT_ONCE_BYTES_MAX, 600_000])
async def test_a_file_says_the_same_as_octets_at_hand(tmp_path: Path, octets: int) -> None:
    data = signed(PLAIN + b"More text of it.\r\n" * (octets // 18))

    by_file = await authenticated(data, path=tmp_path / "body")

    assert by_file == await authenticated(data)
    assert words(by_file)[1] == ["pass"]


async def test_dns_that_is_down_leaves_all_open() -> None:
    dns = GivenDns(RECORDS)
    dns.is_down = True

    found = await authenticated(
        sealed(signed(PLAIN), domain="lists.example", results="x=y"), dns=dns
    )

    assert words(found) == ("temperror", ["temperror"], "temperror", "temperror")


async def test_a_message_that_cannot_be_read_leaves_all_open(tmp_path: Path) -> None:
    clock = FakeClock()
    authenticator = Authenticator(DnsQuestions(GivenDns(RECORDS), clock), clock)
    sample = sample_of(signed(PLAIN), tmp_path / "body")
    (tmp_path / "body").unlink()

    assert await authenticator.authenticated(sample, ENVELOPE) is UNREADABLE


async def test_a_file_that_was_cut_short_leaves_all_open(tmp_path: Path) -> None:
    clock = FakeClock()
    authenticator = Authenticator(DnsQuestions(GivenDns(RECORDS), clock), clock)
    sample = sample_of(signed(PLAIN), tmp_path / "body")
    (tmp_path / "body").write_bytes(signed(PLAIN)[:-4])

    assert await authenticator.authenticated(sample, ENVELOPE) is UNREADABLE


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\r\n",
        b"\x00\xff\r\r\n\n",
        b"DKIM-Signature\r\nDKIM-Signature:\r\nARC-Seal:\r\n\r\n",
        b"From: a@sender.example\r\n" + b"X: y\r\n" * 50_000,
        b"DKIM-Signature: v=1; d=" + b"a." * 5_000 + b"\r\n\r\n",
        b"From: " + b'"' * 10_000 + b"(" * 10_000 + b"<" * 10_000 + b"\r\n\r\n",
        b"DKIM-Signature: " + b";" * 200_000 + b"\r\n\r\n",
        (b"DKIM-Signature: v=1; a=rsa-sha256; d=s%d.example; s=s; h=from; bh=YQ==; b=YQ==\r\n" * 1)
        * 1_000
        + PLAIN,
    ],
)
async def test_hostile_mail_has_an_answer_within_the_budget(data: bytes) -> None:
    dns = GivenDns(RECORDS)

    found = await authenticated(data, dns=dns)

    assert len(found.dkim) <= 8
    assert len(dns.asked) <= LOOKUPS_MAX


async def test_a_forger_cannot_spend_the_look_ups_that_judge_him() -> None:
    mx = {
        f"m{term}.forger.example": {"MX": [f"h{host}.m{term}.forger.example" for host in range(10)]}
        for term in range(10)
    }
    costly = "v=spf1 " + " ".join(f"mx:{name}" for name in mx) + " -all"
    dns = GivenDns(
        {
            **mx,
            "forger.example": txt(costly),
            "_dmarc.victim.example": txt("v=DMARC1; p=reject"),
        }
    )
    envelope = replace(ENVELOPE, sender="x@forger.example")

    found = await authenticated(
        b"From: ceo@a.b.c.d.e.victim.example\r\n\r\nPay.\r\n", dns=dns, envelope=envelope
    )

    assert (str(found.dmarc.result), found.dmarc.policy) == ("fail", "reject")
    assert str(found.spf.result) == "temperror"
    assert len(dns.asked) <= LOOKUPS_MAX


async def test_who_stops_waiting_leaves_nothing_behind() -> None:
    class Silent(GivenDns):
        async def ask(self, name: str, kind: str, *, within_s: float):  # type: ignore[no-untyped-def]
            await asyncio.get_running_loop().create_future()

    clock = FakeClock()
    questions = DnsQuestions(Silent(), clock)
    authenticator = Authenticator(questions, clock)
    task = asyncio.ensure_future(authenticator.authenticated(sample_of(signed(PLAIN)), ENVELOPE))
    for _ in range(5):
        await asyncio.sleep(0)

    task.cancel()
    await asyncio.gather(task, return_exceptions=True)

    assert task.cancelled()
    assert len(asyncio.all_tasks()) == 1
