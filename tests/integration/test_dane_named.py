"""DANE with a real resolver that validates: proved records count, a broken proof keeps mail."""

from __future__ import annotations

import hashlib
import shutil
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from common.preferences.policy import TlsPolicy
from common.settings.values import split_endpoint
from satellite.delivery.decisions.routing import Destination, Own, Via
from satellite.delivery.hop import hop_finding
from satellite.delivery.hop.connections import Connections
from satellite.delivery.hop.host_order import HopUnreachable
from satellite.delivery.hop.lookup import DnsMxResolver
from satellite.delivery.hop.protection import Protection
from satellite.delivery.hop.published_tls import PublishedTls
from satellite.delivery.hop.session import Deadlines
from satellite.names.answer import LookupResult
from satellite.names.name_servers import NameServers
from satellite.names.names import Names
from tests.support.clock import FakeClock
from tests.support.network.authority import Authority
from tests.support.network.named import NAMED
from tests.support.network.signed_zone import validating_resolver
from tests.support.smtp.next_hop import NextHop

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not NAMED or shutil.which("dnssec-signzone") is None, reason="bind9 is not installed"
    ),
]

ZONE, HOST = "strangers.example", "mx.strangers.example"
OWN = Own(mail_domain="mx.scout.example", hostname="lon1.mx.scout.example")


def _digest(path: Path) -> str:
    pem = path.read_text()
    der = ssl.PEM_cert_to_DER_cert(pem[pem.index("-----BEGIN CERT") :])
    key = x509.load_der_x509_certificate(der).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(spki).hexdigest()


@pytest.mark.parametrize("is_ours", [True, False])
async def test_the_certificate_must_be_the_one_that_dnssec_proves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_ours: bool
) -> None:
    monkeypatch.setattr(hop_finding, "public_addresses", lambda found, **_own: found)
    certificate = Authority(tmp_path).issue(HOST)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    digest = _digest(certificate) if is_ours else "00" * 32
    ehlo = b"250-mx.strangers.example\r\n250 STARTTLS\r\n"
    async with NextHop(EHLO=ehlo, STARTTLS=b"220 go\r\n", tls=context) as hop:
        monkeypatch.setattr(hop_finding, "SMTP_PORT", hop.port)
        records = f"@ MX 10 mx\nmx A 127.0.0.1\n_{hop.port}._tcp.mx TLSA 3 1 1 {digest}"
        async with validating_resolver(tmp_path, ZONE, records) as server:
            clock = FakeClock()
            names = Names(NameServers(*split_endpoint(server.endpoint)), clock)
            proved = await names.records(ZONE, "MX")
            assert (proved.found, proved.is_validated) == (LookupResult.RECORDS, True)
            connections = Connections(
                hostname="lon1.mx.scout.example",
                own=OWN,
                deadlines=Deadlines(connect_s=5, reply_s=5, dot_s=5),
                idle_max=1,
                tls=PublishedTls(Protection(), names, clock, own=OWN).choice,
                resolver=DnsMxResolver(names),
                clock=clock,
                spread=lambda: 0.0,
                greets_again=lambda _destination: None,
            )
            opening = connections.open(
                Destination(Via.MX, ZONE),
                (),
                policy=TlsPolicy.AUTO,
                asked_before=False,
                is_probe=False,
                within_s=10.0,
            )
            if is_ours:
                session = await opening
                assert session.is_verified
                await session.quit()
            else:
                with pytest.raises(HopUnreachable) as failure:
                    await opening
                assert "not the one that its TLSA records name" in failure.value.answer.finding
            await hop.until(lambda: not hop.open_sessions)
