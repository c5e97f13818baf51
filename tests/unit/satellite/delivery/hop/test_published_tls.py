"""What a domain publishes of TLS is obeyed and counted: DANE first, then MTA-STS, else as it comes.

DNS, the policy host and the mail hosts are real sockets on loopback; the resolver claims to have
validated what it says, as one does that is configured as trusted.
"""

from __future__ import annotations

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from common.preferences.deliver_to import Target
from common.preferences.policy import TlsPolicy
from common.records import TlsResultsRecord
from satellite.delivery.decisions.routing import Destination, Own, Via
from satellite.delivery.hop import hop_finding, published_tls
from satellite.delivery.hop.connections import Connections
from satellite.delivery.hop.host_order import HopUnreachable
from satellite.delivery.hop.lookup import DnsMxResolver
from satellite.delivery.hop.protection import Protection
from satellite.delivery.hop.published_tls import PublishedTls
from satellite.delivery.hop.session import Deadlines, Hop, HopSession, open_session
from satellite.delivery.published import sts_fetch, sts_policies
from satellite.names import names as names_module
from satellite.names.name_servers import NameServers
from satellite.names.names import Names
from tests.support.clock import FakeClock
from tests.support.network.authority import Authority
from tests.support.network.dns_server import DnsServer, Trouble, dns_server
from tests.support.network.policy_host import PolicyHost
from tests.support.smtp.next_hop import NextHop

DOMAIN, HOST = "strangers.example", "mx.strangers.example"
OWN = Own(mail_domain="mx.scout.example", hostname="lon1.mx.scout.example")
EHLO = b"250-mx.strangers.example\r\n250 STARTTLS\r\n"
POLICY = "version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 604800\n"


class Published:
    """A stranger's domain, and our side of it."""

    def __init__(self, dns: DnsServer, clock: FakeClock, authority: Authority) -> None:
        self.dns = dns
        self.clock = clock
        names = Names(NameServers("127.0.0.1", dns.port), clock)
        self.tls = PublishedTls(Protection(str(authority.path)), names, clock, own=OWN)
        self._connections = Connections(
            hostname="lon1.mx.scout.example",
            own=OWN,
            deadlines=Deadlines(connect_s=5, reply_s=5, dot_s=5),
            idle_max=2,
            tls=self.tls.choice,
            resolver=DnsMxResolver(names),
            clock=clock,
            spread=lambda: 0.0,
            greets_again=lambda _destination: None,
        )

    def publish(self, name: str, kind: str, *records: str) -> None:
        self.dns.records[f"{name}.", kind] = list(records)

    def publish_tlsa(self, port: int, certificate: bytes) -> None:
        key = x509.load_der_x509_certificate(certificate).public_key()
        spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        self.publish(f"_{port}._tcp.{HOST}", "TLSA", f"3 1 1 {hashlib.sha256(spki).hexdigest()}")

    async def opened(self) -> HopSession:
        session = await self._connections.open(
            Destination(Via.MX, DOMAIN),
            (),
            policy=TlsPolicy.AUTO,
            asked_before=False,
            is_probe=False,
            within_s=10.0,
        )
        await session.quit()
        return session

    async def refused(self) -> HopUnreachable:
        with pytest.raises(HopUnreachable) as failure:
            await self.opened()
        return failure.value

    def told(self) -> list[tuple[str, str, int]]:
        return [(r.policy, r.result, r.sessions) for r in self.tls.take_records()]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
async def published(
    clock: FakeClock, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Published]:
    # A stranger's servers are on the public network; here they are not.
    monkeypatch.setattr(hop_finding, "public_addresses", lambda found, **_own: found)
    monkeypatch.setattr(published_tls, "public_addresses", lambda found, **_own: found)
    monkeypatch.setattr(names_module, "LOOKUP_S", 1.0)
    async with dns_server() as dns:
        made = Published(dns, clock, authority)
        made.publish(DOMAIN, "MX", f"10 {HOST}.")
        made.publish(HOST, "A", "127.0.0.1")
        fetching = asyncio.create_task(made.tls.run())
        yield made
        fetching.cancel()
        await asyncio.gather(fetching, return_exceptions=True)


@pytest.fixture
async def hop(authority: Authority, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[NextHop]:
    """The domain's mail host, whose certificate our authorities vouch for."""
    context = authority.server(HOST)
    async with NextHop(EHLO=EHLO, STARTTLS=b"220 go\r\n", tls=context) as hop:
        monkeypatch.setattr(hop_finding, "SMTP_PORT", hop.port)
        yield hop
        await hop.until(lambda: not hop.open_sessions)


async def _shown_by(hop: NextHop) -> bytes:
    """Return the certificate that a mail host shows, in DER."""
    tls = Protection().tls(TlsPolicy.OPPORTUNISTIC)
    session = await open_session(
        Hop(Target(hop.host, hop.port), hop.host),
        hostname="test.example",
        deadlines=Deadlines(connect_s=5, reply_s=5, dot_s=5),
        tls=tls,
    )
    shown = session.wire.peer_chain()[0]
    await session.quit()
    return shown


# ---- DANE


async def test_a_host_with_the_certificate_that_is_published_is_verified(
    published: Published, hop: NextHop
) -> None:
    published.dns.is_validating = True
    published.publish_tlsa(hop.port, await _shown_by(hop))

    session = await published.opened()

    assert session.tls
    assert session.is_verified
    assert published.told() == [("tlsa", "success", 1)]


async def test_a_host_with_another_certificate_gets_no_mail(
    published: Published, hop: NextHop, authority: Authority
) -> None:
    published.dns.is_validating = True
    other = authority.issue(HOST).read_text()
    pem = other[other.index("-----BEGIN CERT") :]
    published.publish_tlsa(hop.port, ssl.PEM_cert_to_DER_cert(pem))

    failure = await published.refused()

    assert failure.is_away
    assert "not the one that its TLSA records name" in failure.answer.finding
    assert failure.answer.status == "4.7.5"
    assert "MAIL" not in hop.verbs
    assert published.told() == [("tlsa", "validation-failure", 1)]


async def test_a_host_that_publishes_dane_and_offers_no_tls_gets_no_mail(
    published: Published, hop: NextHop
) -> None:
    published.dns.is_validating = True
    published.publish_tlsa(hop.port, await _shown_by(hop))
    hop.script["EHLO"] = b"250 mx.strangers.example\r\n"

    failure = await published.refused()

    assert "offers no STARTTLS, and its TLSA records demand it" in failure.answer.finding
    assert published.told() == [("tlsa", "starttls-not-supported", 1)]


@pytest.mark.parametrize("trouble", [Trouble.SERVFAIL, Trouble.SILENT])
async def test_a_tlsa_lookup_that_fails_keeps_mail_from_the_host(
    published: Published, hop: NextHop, trouble: Trouble
) -> None:
    published.dns.is_validating = True
    published.dns.trouble[f"_{hop.port}._tcp.{HOST}."] = trouble

    failure = await published.refused()

    assert "TLSA records could not be looked up" in failure.answer.finding
    assert hop.sessions == 0
    assert published.told() == [("tlsa", "dnssec-invalid", 1)]


async def test_without_a_validated_answer_tlsa_records_say_nothing(
    published: Published, hop: NextHop
) -> None:
    published.publish(f"_{hop.port}._tcp.{HOST}", "TLSA", "3 1 1 " + "00" * 32)

    session = await published.opened()

    assert session.tls
    assert not session.is_verified
    assert published.told() == [("no-policy-found", "success", 1)]


async def test_records_that_cannot_prove_a_mail_server_still_demand_tls(
    published: Published, hop: NextHop
) -> None:
    published.dns.is_validating = True
    published.publish(f"_{hop.port}._tcp.{HOST}", "TLSA", "1 1 1 " + "00" * 32)

    assert (await published.opened()).tls

    hop.script["EHLO"] = b"250 mx.strangers.example\r\n"
    await published.refused()


async def test_a_host_whose_name_is_none_gets_no_mail_and_is_no_fault_of_ours(
    published: Published, hop: NextHop
) -> None:
    odd = "\\001" * 20 + f".{DOMAIN}"  # longer in text than a label may be
    published.publish(DOMAIN, "MX", f"10 {odd}.")
    published.publish(odd, "A", "127.0.0.1")

    failure = await published.refused()

    assert failure.answer.finding == f"the MX records of {DOMAIN} name no host"
    assert hop.sessions == 0


# ---- MTA-STS


@pytest.fixture
async def policy_host(
    published: Published, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PolicyHost]:
    async with PolicyHost(authority.server(f"mta-sts.{DOMAIN}")) as host:
        monkeypatch.setattr(sts_fetch, "HTTPS_PORT", host.port)
        host.document = POLICY.format(mode="enforce", mx=HOST)
        published.publish(f"_mta-sts.{DOMAIN}", "TXT", '"v=STSv1; id=1;"')
        published.publish(f"mta-sts.{DOMAIN}", "A", "127.0.0.1")
        yield host


async def test_a_host_that_the_policy_names_and_an_authority_vouches_for_gets_the_mail(
    published: Published, hop: NextHop, policy_host: PolicyHost
) -> None:
    for _ in range(2):
        assert (await published.opened()).is_verified

    assert policy_host.asked == [f"GET /.well-known/mta-sts.txt HTTP/1.1 mta-sts.{DOMAIN}"]
    assert published.told() == [("sts", "success", 2)]


async def test_a_host_that_the_policy_does_not_name_gets_no_mail(
    published: Published, hop: NextHop, policy_host: PolicyHost
) -> None:
    policy_host.document = POLICY.format(mode="enforce", mx="other.strangers.example")

    failure = await published.refused()

    assert f"the MTA-STS policy of {DOMAIN} does not name it" in failure.answer.finding
    assert hop.sessions == 0
    assert published.told() == [("sts", "validation-failure", 1)]


@pytest.mark.parametrize(
    ("name", "is_expired", "result"),
    [
        ("other.example", False, "certificate-host-mismatch"),
        (HOST, True, "certificate-expired"),
    ],
)
async def test_a_host_that_nobody_vouches_for_gets_no_mail(
    published: Published,
    policy_host: PolicyHost,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    is_expired: bool,
    result: str,
) -> None:
    context = authority.server(name, is_expired=is_expired)
    async with NextHop(EHLO=EHLO, STARTTLS=b"220 go\r\n", tls=context) as hop:
        monkeypatch.setattr(hop_finding, "SMTP_PORT", hop.port)
        failure = await published.refused()

        assert failure.answer.status == "4.7.5"
        assert "MAIL" not in hop.verbs
        await hop.until(lambda: not hop.open_sessions)
    assert published.told() == [("sts", result, 1)]


async def test_a_policy_that_is_tested_is_reported_and_the_mail_goes(
    published: Published,
    policy_host: PolicyHost,
    authority: Authority,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    policy_host.document = POLICY.format(mode="testing", mx=HOST)
    context = authority.server("other.example")
    async with NextHop(EHLO=EHLO, STARTTLS=b"220 go\r\n", tls=context) as hop:
        monkeypatch.setattr(hop_finding, "SMTP_PORT", hop.port)
        session = await published.opened()
        await hop.until(lambda: not hop.open_sessions)

    assert session.tls
    assert not session.is_verified
    assert published.told() == [("sts", "certificate-host-mismatch", 1)]


async def test_a_policy_that_cannot_be_fetched_is_reported_and_asked_for_later(
    published: Published, hop: NextHop, policy_host: PolicyHost, clock: FakeClock
) -> None:
    policy_host.status = "302 Found"
    for _ in range(2):
        assert not (await published.opened()).is_verified
    assert len(policy_host.asked) == 1

    policy_host.status = "200 OK"
    await clock.advance(sts_policies.AGAIN_S)
    assert (await published.opened()).is_verified

    rows = published.told()
    assert ("sts", "sts-policy-fetch-error", 2) in rows
    assert ("no-policy-found", "success", 2) in rows


async def test_a_policy_holds_though_its_record_is_gone_and_changes_with_the_id(
    published: Published, hop: NextHop, policy_host: PolicyHost, clock: FakeClock
) -> None:
    assert (await published.opened()).is_verified
    del published.dns.records[f"_mta-sts.{DOMAIN}.", "TXT"]
    await clock.advance(3600)
    assert (await published.opened()).is_verified

    policy_host.document = POLICY.format(mode="none", mx=HOST)
    published.publish(f"_mta-sts.{DOMAIN}", "TXT", '"v=STSv1; id=2;"')
    assert (await published.opened()).is_verified  # it is fetched beside the mail
    await policy_host.until(lambda: len(policy_host.asked) == 2)
    while (await published.opened()).is_verified:
        await asyncio.sleep(0)


async def test_dane_comes_before_mta_sts(
    published: Published, hop: NextHop, policy_host: PolicyHost
) -> None:
    published.dns.is_validating = True
    published.publish_tlsa(hop.port, await _shown_by(hop))

    await published.opened()

    assert published.told() == [("tlsa", "success", 1)]
    assert policy_host.asked == []


def test_the_record_names_what_a_report_needs() -> None:
    record = TlsResultsRecord(domain=DOMAIN, policy="sts", host=HOST, result="success", sessions=3)

    assert record.event == "tls_results"
