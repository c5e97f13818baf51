"""Which signed messages does a load send, and what does DNS say of their senders?

Touches a folder. Each sender's domain has a key of its own, an SPF record with an include, and a
DMARC record that asks for rejection. The messages are those of ``templates``, many of each kind,
all different, signed by somebody else's library (dkimpy): the number of a message stands in a field
that is not signed, so that each is new to a scanner and no signature is hurt.
"""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.bench.loads import SENDERS_NET
from tests.bench.templates import SEED, TOKEN, messages

TOP = "test"
DOMAINS = tuple(f"sender{number:02d}.{TOP}" for number in range(12))
SELECTOR = "bench"
KEY_BITS = 2048
SIGNED = [b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type"]
# Of each kind of message so many: with the load's weights none comes again often.
VARIANTS = {"plain4k": 480, "multi60k": 90, "multi500k": 24, "eicar": 6}
READY = "ready"  # written last; with it a folder is whole


@dataclass(frozen=True, slots=True)
class SignedTemplate:
    """One message of the load.

    Args:
        kind: of ``templates.messages``.
        file: holds it.
        sender: of its envelope.
    """

    kind: str
    file: Path
    sender: str


def ready(folder: Path) -> list[SignedTemplate]:
    """Return the signed messages of a folder; they are made when there are none."""
    if not (folder / READY).exists():
        folder.mkdir(parents=True, exist_ok=True)
        keys = {domain: rsa.generate_private_key(65537, KEY_BITS) for domain in DOMAINS}
        for domain, key in keys.items():
            (folder / f"{domain}.zone").write_text(
                _records(key.public_key(), domain), encoding="ascii"
            )
        for name, octets in _made(keys):
            (folder / name).write_bytes(octets)
        (folder / READY).touch()
    return [
        SignedTemplate(kind, folder / _file_of(kind, number), f"sender@{_domain_of(number)}")
        for kind, count in VARIANTS.items()
        for number in range(count)
    ]


def zones(folder: Path) -> dict[str, str]:
    """Return what DNS says, the records of a zone by its name; the folder is ready."""
    # Whoever walks up the tree for DMARC hears that there is nothing (RFC 9989 section 4.10).
    return {TOP: ""} | {
        domain: (folder / f"{domain}.zone").read_text(encoding="ascii") for domain in DOMAINS
    }


def _records(key: rsa.RSAPublicKey, domain: str) -> str:
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    words = f"v=DKIM1; k=rsa; p={base64.b64encode(der).decode()}"
    parts = " ".join(f'"{part}"' for part in re.findall(".{1,200}", words))
    return (
        f'@ IN TXT "v=spf1 include:_spf.{domain} -all"\n'
        + f'_spf IN TXT "v=spf1 ip4:192.0.2.0/24 ip4:{SENDERS_NET}/24 -all"\n'
        + "@ IN A 192.0.2.1\n@ IN MX 10 mx\nmx IN A 192.0.2.2\n"
        + '_dmarc IN TXT "v=DMARC1; p=reject; adkim=s; aspf=s"\n'
        + f"{SELECTOR}._domainkey IN TXT {parts}\n"
    )


def _made(keys: dict[str, rsa.RSAPrivateKey]) -> Iterator[tuple[str, bytes]]:
    source = random.Random(SEED)
    pems = {
        domain: key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        for domain, key in keys.items()
    }
    for kind, count in VARIANTS.items():
        for number in range(count):
            text = messages(seed=source.randrange(1 << 30))[kind]
            domain = _domain_of(number)
            text = text.replace(f"X-Bench-Id: {TOKEN}\n", "", 1)
            text = text.replace("<sender@bench.test>", f"<sender@{domain}>", 1)
            text = text.replace(TOKEN, f"{source.randrange(10**8):08d}")
            octets = text.replace("\n", "\r\n").encode("ascii")
            signature: bytes = dkim.sign(
                octets,
                SELECTOR.encode(),
                domain.encode(),
                pems[domain],
                canonicalize=(b"relaxed", b"relaxed"),
                include_headers=SIGNED,
            )
            yield _file_of(kind, number), signature + f"X-Bench-Id: {TOKEN}\r\n".encode() + octets


def _file_of(kind: str, number: int) -> str:
    return f"{kind}-{number}.eml"


def _domain_of(number: int) -> str:
    return DOMAINS[number % len(DOMAINS)]
