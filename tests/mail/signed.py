"""What do messages with signatures and encryption look like?

Pure. The DKIM signature is a real one, by a key that is public here; those of S/MIME and PGP are
shells. One octet changed on the way and the first is worth nothing: that is what it is for.
Source: RFC 6376 sections 3.4.1, 3.4.3 and 3.7, RFC 8551, RFC 3156.
"""

from __future__ import annotations

import base64
import hashlib

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.mail.pieces import (
    Part,
    attachment,
    cms,
    der,
    header,
    in_base64,
    message,
    multipart,
    plain,
    signed_cms,
    text,
    usual,
    whole,
)
from tests.mail.specimens import Expectation, Specimen, slug, specimens

SIGNED_FIELDS = ("From", "To", "Subject", "Date", "Message-ID")

# The two primes of an RSA key of 2048 bits that signs this corpus and nothing else.
_P = int(
    "fe914ac02ec79c67ac2d5154525bbb2ce45f0339771e84558f3c1838cc8ddc00"
    "1a2e8211d542da5da61d76dfe74ffb748cd16c9d42236676a1bd4d1925b3cca8"
    "c292f5a467b014de87be102a2799c6a976c032ab647b7d52b288cab3bb1fc626"
    "fa6a4b74ecd6956410800ad7fb1a109dfe5b15d6838e501366cd70aa92473ec1",
    16,
)
_Q = int(
    "cd271d486908f05582c81bfa02a020886a14c774774180f891dad65ab24817c9"
    "2901bf0a63a0936f4274720141e6d0583441b8a9566b25991fc83d492f40e0b3"
    "c3e2d4b6bd2ebbc7ff2ac1f2b16afb0cf9799d68cd647996078a10ec43340587"
    "887bdc7d1bf15c17a76ecf8a2170fbb15d2f1376fa37585197dc2f8d36b4047f",
    16,
)
_E = 65537


def signing_key() -> rsa.RSAPrivateKey:
    """Return the key, the same each time."""
    d = pow(_E, -1, (_P - 1) * (_Q - 1))
    numbers = rsa.RSAPrivateNumbers(
        p=_P,
        q=_Q,
        d=d,
        dmp1=rsa.rsa_crt_dmp1(d, _P),
        dmq1=rsa.rsa_crt_dmq1(d, _Q),
        iqmp=rsa.rsa_crt_iqmp(_P, _Q),
        public_numbers=rsa.RSAPublicNumbers(_E, _P * _Q),
    )
    return numbers.private_key()


def dkim_signed() -> bytes:
    """Simple canonicalisation of header and body: nothing at all may change."""
    head = usual("Signed", "Content-Type: text/plain; charset=us-ascii")
    body = text("Every octet counts.  \n\nEven these spaces.\n\n\n")
    signed_body = body.rstrip(b"\r\n") + b"\r\n"
    body_hash = base64.b64encode(hashlib.sha256(signed_body).digest()).decode()
    lines = {line.partition(b":")[0].decode(): line for line in head.splitlines(keepends=True)}
    unsigned = (
        "DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=sender.example; s=test;\r\n"
        f"\th={':'.join(SIGNED_FIELDS)};\r\n\tbh={body_hash};\r\n\tb="
    ).encode()
    to_sign = b"".join(lines[name] for name in SIGNED_FIELDS) + unsigned
    signature = signing_key().sign(to_sign, padding.PKCS1v15(), hashes.SHA256())
    encoded = base64.b64encode(signature)
    folded = b"\r\n\t ".join(encoded[at : at + 70] for at in range(0, len(encoded), 70))
    return message(unsigned + folded + b"\r\n" + head, body)


def smime_signed() -> bytes:
    inner = plain("Signed with S/MIME.\n", "us-ascii", "7bit")
    shell = attachment("smime.p7s", "application/pkcs7-signature", signed_cms())
    parameters = '; protocol="application/pkcs7-signature"; micalg=sha-256'
    both = multipart("signed", "smime-1", inner, shell, parameters=parameters)
    return whole(usual("S/MIME signed"), both)


def smime_opaque() -> bytes:
    """The signature holds what it signs: text is all there is in it."""
    inner = message(header("Content-Type: text/plain; charset=us-ascii"), text("Opaque.\n"))
    kind = 'application/pkcs7-mime; smime-type=signed-data; name="smime.p7m"'
    shell = Part(
        (f"Content-Type: {kind}", "Content-Transfer-Encoding: base64"),
        in_base64(signed_cms(inner)),
    )
    return whole(usual("S/MIME opaque"), shell)


def smime_encrypted() -> bytes:
    shell = Part(
        (
            "Content-Type: application/pkcs7-mime; smime-type=enveloped-data; name=smime.p7m",
            "Content-Transfer-Encoding: base64",
            "Content-Disposition: attachment; filename=smime.p7m",
        ),
        in_base64(cms(3, der(0x02, b"\0"), der(0x31))),
    )
    return whole(usual("S/MIME encrypted"), shell)


def pgp_signed() -> bytes:
    inner = plain("Signed with OpenPGP.\n", "us-ascii", "7bit")
    shell = Part(('Content-Type: application/pgp-signature; name="signature.asc"',), _armoured())
    parameters = '; protocol="application/pgp-signature"; micalg=pgp-sha512'
    both = multipart("signed", "pgp-1", inner, shell, parameters=parameters)
    return whole(usual("PGP signed"), both)


def pgp_encrypted() -> bytes:
    control = Part(("Content-Type: application/pgp-encrypted",), text("Version: 1\n"))
    kind = 'Content-Type: application/octet-stream; name="encrypted.asc"'
    shell = Part((kind,), _armoured("MESSAGE"))
    both = multipart(
        "encrypted", "pgp-2", control, shell, parameters='; protocol="application/pgp-encrypted"'
    )
    return whole(usual("PGP encrypted"), both)


def pgp_in_the_text() -> bytes:
    body = text("-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA512\n\n- -- dashes\n") + _armoured()
    return message(usual("PGP inline", "Content-Type: text/plain; charset=us-ascii"), body)


def _armoured(what: str = "SIGNATURE") -> bytes:
    return header(f"-----BEGIN PGP {what}-----", "", "iHUEABYKAB0WIQ==", "=AAAA") + text(
        f"-----END PGP {what}-----\n"
    )


SPECIMENS = (
    *specimens(dkim_signed, smime_signed, smime_opaque, pgp_signed, pgp_in_the_text),
    *(
        Specimen(name=slug(make), make=make, expectation=Expectation.MARK, finding="encrypted")
        for make in (smime_encrypted, pgp_encrypted)
    ),
)
