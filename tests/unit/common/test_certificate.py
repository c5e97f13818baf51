"""A certificate says when it ends, and an operator is told in time."""

from __future__ import annotations

import base64
import ssl
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from common.certificate import (
    CertificateMetrics,
    CertificateStatus,
    check_pair,
    not_after_s,
    serial_number,
    serial_text,
)
from common.errors import EnvironmentFailure

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
ENDS_AT = datetime(2030, 1, 1, tzinfo=UTC)

ENDS = "borderscout_cert_not_after_timestamp_seconds"
UNUSABLE = "borderscout_cert_renewal_unusable"


def test_each_role_has_its_own_end_and_one_that_is_not_in_use_has_none() -> None:
    registry = CollectorRegistry()
    statuses: dict[str, CertificateStatus | None] = {
        "smtp": CertificateStatus(1_800_000_000.0),
        "link": CertificateStatus(1_700_000_000.0, "the key belongs to another certificate"),
        "none": None,
    }
    CertificateMetrics({role: partial(statuses.get, role) for role in statuses}, registry)

    assert [registry.get_sample_value(ENDS, {"role": role}) for role in statuses] == [
        1_800_000_000.0,
        1_700_000_000.0,
        None,
    ]
    assert [registry.get_sample_value(UNUSABLE, {"role": role}) for role in statuses] == [
        0,
        1,
        None,
    ]


DAY = timedelta(days=1)


def certified(key: PrivateKey, *, ends: datetime) -> bytes:
    """Return a certificate for a key, PEM, as a library of certificates makes it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mx.scout.example")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - DAY)
        .not_valid_after(ends)
        .sign(key, None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def pem(key: PrivateKey, password: bytes | None = None) -> bytes:
    """Return a key, PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption(),
    )


KEYS: dict[str, PrivateKey] = {
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "RSA": rsa.generate_private_key(65537, 2048),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
}
GOOD = certified(KEYS["P-256"], ends=ENDS_AT)


@pytest.mark.parametrize("kind", KEYS)
@pytest.mark.parametrize(
    "ends",
    [datetime(2026, 11, 28, 21, 36, 46, tzinfo=UTC), datetime(2051, 1, 2, 3, 4, 5, tzinfo=UTC)],
    ids=["UTCTime", "GeneralizedTime"],
)
def test_the_end_is_what_a_library_of_certificates_reads(kind: str, ends: datetime) -> None:
    made = certified(KEYS[kind], ends=ends)

    assert not_after_s(made) == x509.load_pem_x509_certificate(made).not_valid_after_utc.timestamp()
    assert not_after_s(b"Subject: mx\n" + made + certified(KEYS[kind], ends=ends + DAY)) == (
        ends.timestamp()
    )


@given(octets=st.binary(max_size=400), cut=st.integers(0, 400), at=st.integers(0, 400))
def test_what_is_no_certificate_is_told_and_nothing_else(octets: bytes, cut: int, at: int) -> None:
    der = ssl.PEM_cert_to_DER_cert(GOOD.decode())
    spoilt = der[:at] + octets[:4] + der[at + 4 :]
    for one in (octets, der[:cut], spoilt):
        text = b"-----BEGIN CERTIFICATE-----\n%s\n-----END CERTIFICATE-----\n"
        try:
            not_after_s(text % base64.b64encode(one))
        except EnvironmentFailure as error:
            assert error.what == "the certificate is no PEM certificate"


@pytest.mark.parametrize("kind", KEYS)
def test_a_pair_that_fits_is_good(kind: str) -> None:
    check_pair(certified(KEYS[kind], ends=ENDS_AT), pem(KEYS[kind]))


@pytest.mark.parametrize(
    ("key", "why"),
    [
        (pem(KEYS["P-384"]), "the key belongs to another certificate"),
        (pem(KEYS["RSA"]), "the key belongs to another certificate"),
        (pem(KEYS["P-256"], b"secret"), "the key is no PEM key without a password"),
        (b"-----BEGIN PRIVATE KEY-----\n", "the key is no PEM key without a password"),
        (b"", "the key is no PEM key without a password"),
    ],
)
def test_a_pair_that_does_not_fit_is_told(key: bytes, why: str) -> None:
    with pytest.raises(EnvironmentFailure) as raised:
        check_pair(GOOD, key)

    assert raised.value.what == why


@pytest.mark.parametrize("certificate", [b"", b"nonsense", GOOD[:200]])
def test_what_is_no_certificate_makes_no_pair(certificate: bytes) -> None:
    with pytest.raises(EnvironmentFailure, match="no PEM certificate"):
        check_pair(certificate, pem(KEYS["P-256"]))


@pytest.mark.parametrize("number", [1, 0x7F, 0x80, (1 << 159) - 1, 0xA << 120])
def test_the_serial_number_is_read_as_the_library_wrote_it(number: int) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(number)
        .not_valid_before(ENDS_AT - DAY)
        .not_valid_after(ENDS_AT)
        .sign(key, hashes.SHA256())
    )

    assert serial_number(made.public_bytes(serialization.Encoding.PEM)) == serial_text(number)


@given(st.binary(max_size=80))
def test_what_is_no_certificate_has_no_serial_number(octets: bytes) -> None:
    with pytest.raises(EnvironmentFailure):
        serial_number(octets)
