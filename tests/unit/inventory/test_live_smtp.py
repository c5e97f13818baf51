"""What is said of a node that takes no mail is what the node says."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from inventory.mx.live_smtp import certificate_problems, smtp_problems

SAID = "421 4.3.2 Not taking mail now; try again later"


async def test_a_node_that_takes_no_mail_is_quoted() -> None:
    async def answer(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(f"{SAID}\r\n".encode())
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        found = await smtp_problems(
            "127.0.0.1", port, host="fra1.mx.scout.example", keys=(), now=datetime.now(UTC)
        )

    assert found == [f"takes no mail: {SAID}"]


NOW = datetime(2026, 11, 30, tzinfo=UTC)
NAMES = x509.SubjectAlternativeName([x509.DNSName("fra1.mx.scout.example")])
NAMES_ID = NAMES.oid.dotted_string
TWIN_ID = "2.5.29.99"  # in DER the same but for the last octet
X400 = bytes.fromhex("3003a30100")  # a name of a kind that is not read


def shown(*extensions: x509.ExtensionType) -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    made = x509.CertificateBuilder(name, name, key.public_key(), 1, NOW, NOW + timedelta(days=90))
    for one in extensions:
        made = made.add_extension(one, critical=False)
    octets = made.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    return octets.replace(bytes.fromhex("0603551d63"), bytes.fromhex("0603551d11"))


def unread(identifier: str, octets: bytes) -> x509.UnrecognizedExtension:
    return x509.UnrecognizedExtension(x509.ObjectIdentifier(identifier), octets)


@pytest.mark.parametrize(
    "octets",
    [
        b"none",
        shown(unread(NAMES_ID, b"none")),
        shown(unread(NAMES_ID, X400)),
        shown(NAMES, unread(TWIN_ID, NAMES.public_bytes())),
    ],
    ids=["no certificate", "no names", "names of another kind", "names twice"],
)
def test_a_certificate_that_cannot_be_read_is_told_and_ends_no_look_at_others(
    octets: bytes,
) -> None:
    found = list(certificate_problems(octets, host="fra1.mx.scout.example", keys=(), now=NOW))

    assert found == ["shows a certificate that cannot be read"]
