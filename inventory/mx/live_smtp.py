"""Does a node that senders are led to take mail, and show the right certificate?

Touches the network: one SMTP session up to STARTTLS, without a message.

Source: RFC 5321 section 3.1, RFC 3207, RFC 7672 section 3.1.1.
"""

from __future__ import annotations

import hashlib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

import aiosmtplib
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

ANSWER_S = 20.0
SOON = timedelta(days=7)
_WORD_MAX = 80  # of what a stranger says
# Whoever has the address now may show anything, and none of these is a ValueError.
_UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
)


async def smtp_problems(
    address: str, port: int, *, host: str, keys: Sequence[str], now: datetime
) -> list[str]:
    """Return what is wrong with the mail server at an address, a line each.

    Args:
        host: of the node that should be there.
        keys: SHA-256 of the public keys that DNS names for it; none: nothing is said of them.
    """
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE  # looked at by ourselves
    client = aiosmtplib.SMTP(
        hostname=address, port=port, timeout=ANSWER_S, start_tls=False, use_tls=False
    )
    try:
        greeting = await client.connect()
        problems = [*_of_banner(greeting.message, host)]
        await client.ehlo()
        if not client.supports_extension("starttls"):
            return [*problems, "offers no STARTTLS"]
        await client.starttls(tls_context=context)
        shown = client.transport.get_extra_info("ssl_object") if client.transport else None
        octets = shown.getpeercert(True) if shown is not None else None
        if octets is None:
            return [*problems, "shows no certificate"]
        return [*problems, *certificate_problems(octets, host=host, keys=keys, now=now)]
    except aiosmtplib.SMTPResponseException as error:
        return [f"takes no mail: {' '.join(f'{error.code} {error.message}'.split())[:200]}"]
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        return [f"takes no mail: {' '.join(str(error).split())[:200]}"]
    finally:
        with suppress(aiosmtplib.SMTPException, OSError):
            await client.quit(timeout=1.0)
        client.close()


def _of_banner(banner: str, host: str) -> Iterator[str]:
    name = banner.split(" ", maxsplit=1)[0]
    if name.lower().rstrip(".") != host:
        yield f"greets as {name[:_WORD_MAX]!r}, not as {host}"


def certificate_problems(
    octets: bytes, *, host: str, keys: Sequence[str], now: datetime
) -> Iterator[str]:
    """Yield what is wrong with a certificate, DER."""
    try:
        certificate = x509.load_der_x509_certificate(octets)
        names, key = _names(certificate), certificate.public_key()
    except _UNREADABLE:
        yield "shows a certificate that cannot be read"
        return
    if not {host, f"*.{host.partition('.')[2]}"} & names:
        shown = ", ".join(sorted(names))[:200] or "nobody"
        yield f"shows a certificate for {shown}, not for {host}"
    ends = certificate.not_valid_after_utc
    if ends < now + SOON:
        yield f"shows a certificate that ends at {ends:%Y-%m-%d %H:%M} UTC"
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if keys and hashlib.sha256(der).hexdigest() not in keys:
        yield "shows a key that its TLSA records do not name: senders with DANE send nothing"


def _names(certificate: x509.Certificate) -> set[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return set()
    return {name.lower() for name in found.value.get_values_for_type(x509.DNSName)}
