"""Which key records hold a key that may be used?"""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from satellite.authentication.dkim_key import DkimKeyWrong, parse_dkim_key
from tests.support.smtp.signing import key_record

KEY = key_record()
PUBLIC = KEY.partition("p=")[2]
ED25519 = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="  # RFC 8463 appendix A.2


def encoded(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    octets = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return base64.b64encode(octets).decode()


def rsa_of(bits: int, exponent: int = 65_537) -> str:
    """Return a key of nobody: its modulus is any odd number of that length."""
    return encoded(rsa.RSAPublicNumbers(exponent, (1 << bits) - 1).public_key())


def test_the_key_is_read_with_what_it_is_for() -> None:
    key = parse_dkim_key(key_record("t=y:s; h=sha1:sha256; s=email; n=a note; "))

    assert (key.is_testing, key.is_strict) == (True, True)
    assert key.signs("rsa-sha256")
    assert not key.signs("ed25519-sha256")


@pytest.mark.parametrize(
    "record",
    [f"p={PUBLIC}", f"k=rsa; p={PUBLIC[:40]} {PUBLIC[40:]};", f"v=DKIM1; k=ed25519; p={ED25519}"],
)
def test_what_may_be_left_out_may_be_left_out(record: str) -> None:
    parse_dkim_key(record)


def test_the_key_of_a_bare_number_is_taken_too() -> None:
    """Some publish what RFC 6376 section 3.6.1 says, and not what its examples show."""
    numbers = parse_dkim_key(KEY).public
    assert isinstance(numbers, rsa.RSAPublicKey)
    octets = numbers.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.PKCS1)

    assert parse_dkim_key(f"p={base64.b64encode(octets).decode()}").signs("rsa-sha256")


@pytest.mark.parametrize(
    ("record", "why"),
    [
        ("", "has no key"),
        ("rubbish", "wrong"),
        ("v=spf1 -all", "no key of DKIM"),
        (f"v=DKIM2; p={PUBLIC}", "no key of DKIM"),
        (f"p={PUBLIC}; v=DKIM1", "no key of DKIM"),
        ("v=DKIM1; k=rsa", "has no key"),
        ("v=DKIM1; p=", "revoked"),
        (f"h=sha1; p={PUBLIC}", "sha256"),
        (f"s=tlsrpt; p={PUBLIC}", "not for mail"),
        ("p=*", "base64"),
        ("p=AAAA", "cannot be read"),
        (f"k=x; p={PUBLIC}", "unknown kind"),
        (f"k=ed25519; p={PUBLIC}", "length"),
        (f"p={encoded(ec.generate_private_key(ec.SECP256R1()).public_key())}", "not of its kind"),
        (f"p={rsa_of(512)}", "512 bits"),
        (f"p={rsa_of(1023)}", "1023 bits"),
        (f"p={rsa_of(8192)}", "8192 bits"),
        (f"p={rsa_of(2048, (1 << 40) + 1)}", "exponent"),
        ("p=" + "A" * 30_000, "too long"),
    ],
)
def test_what_proves_nothing_is_no_key(record: str, why: str) -> None:
    with pytest.raises(DkimKeyWrong) as raised:
        parse_dkim_key(record)

    assert why in raised.value.what
