"""TLSA records prove the certificate that they name, and no other."""

from __future__ import annotations

import base64
import hashlib
import ssl
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from satellite.delivery.published.dane import (
    END_ENTITY,
    TRUST_ANCHOR,
    TlsaRecord,
    chain_problem,
)
from tests.support.network.authority import Authority

HOST = "mx.strangers.example"
# Signed by itself; its key is on the curve SM2, which OpenSSL knows and cryptography does not.
UNKNOWN_KIND = base64.b64decode(
    "MIIBkzCCATmgAwIBAgIUc1a39MN8hejvN1jCR55VjoLL5Z4wCgYIKoEcz1UBg3UwHzEdMBsGA1UEAwwUbXguc3Ry"
    "YW5nZXJzLmV4YW1wbGUwHhcNMjYxMTI5MDQ0NDU5WhcNMjYxMjA5MDQ0NDU5WjAfMR0wGwYDVQQDDBRteC5zdHJh"
    "bmdlcnMuZXhhbXBsZTBZMBMGByqGSM49AgEGCCqBHM9VAYItA0IABBbupcK3qO/dl/2JhEkCYf7bgw3EC+UExpiR"
    "2dVCj+eTt87nVPrUBmQeBijEZ36llJe2bt+1wOwlQWl6ZPP2yc+jUzBRMB0GA1UdDgQWBBTcBsIv1E6ilKx5XLyL"
    "IWysLlhuJjAfBgNVHSMEGDAWgBTcBsIv1E6ilKx5XLyLIWysLlhuJjAPBgNVHRMBAf8EBTADAQH/MAoGCCqBHM9V"
    "AYN1A0gAMEUCIGRuTpLTXAkRCMF7fTY8ozPlUVuw2kdDP6UkrJihjUWAAiEAvC4v/HAHiukc7rhd8yxX3QoIbjGx"
    "KxJt4SlJ/I43i2g="
)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def der(path: Path) -> bytes:
    return ssl.PEM_cert_to_DER_cert(path.read_text()[path.read_text().index("-----BEGIN CERT") :])


def key_of(certificate: bytes) -> bytes:
    key = x509.load_der_x509_certificate(certificate).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_the_host_s_own_certificate_is_proved_whatever_its_name_and_time(
    authority: Authority,
) -> None:
    leaf = der(authority.issue("other.example", is_expired=True))

    for record in (
        TlsaRecord(END_ENTITY, 0, 0, leaf),
        TlsaRecord(END_ENTITY, 0, 1, hashlib.sha256(leaf).digest()),
        TlsaRecord(END_ENTITY, 1, 0, key_of(leaf)),
        TlsaRecord(END_ENTITY, 1, 1, hashlib.sha256(key_of(leaf)).digest()),
        TlsaRecord(END_ENTITY, 1, 2, hashlib.sha512(key_of(leaf)).digest()),
    ):
        assert chain_problem([leaf], [record], names=[HOST]) == ""


def test_another_certificate_is_not_proved(authority: Authority) -> None:
    leaf, other = der(authority.issue(HOST)), der(authority.issue(HOST))
    record = TlsaRecord(END_ENTITY, 1, 1, hashlib.sha256(key_of(other)).digest())

    assert "not the one" in chain_problem([leaf], [record], names=[HOST])
    assert chain_problem([other], [record], names=[HOST]) == ""
    assert chain_problem([], [record], names=[HOST])
    assert chain_problem([b"no certificate"], [record], names=[HOST])


def test_below_an_authority_the_name_counts(authority: Authority) -> None:
    anchor = der(authority.path)
    leaf = der(authority.issue(HOST))
    named = TlsaRecord(TRUST_ANCHOR, 0, 1, hashlib.sha256(anchor).digest())
    whole = TlsaRecord(TRUST_ANCHOR, 0, 0, anchor)

    assert chain_problem([leaf, anchor], [named], names=["strangers.example", HOST]) == ""
    assert chain_problem([leaf], [whole], names=[HOST]) == ""
    assert chain_problem([leaf], [named], names=[HOST])  # the authority was not shown
    assert chain_problem([leaf, anchor], [named], names=["mx.other.example"])


def test_an_expired_certificate_below_an_authority_is_not_proved(authority: Authority) -> None:
    leaf = der(authority.issue(HOST, is_expired=True))

    assert chain_problem(
        [leaf], [TlsaRecord(TRUST_ANCHOR, 0, 0, der(authority.path))], names=[HOST]
    )


def test_a_key_of_an_unknown_kind_is_one_that_records_name_or_not(authority: Authority) -> None:
    leaf = der(authority.issue(HOST))
    found = UNKNOWN_KIND.index(bytes.fromhex("3059301306072a8648ce3d020106082a811ccf5501822d"))
    named = hashlib.sha256(UNKNOWN_KIND[found : found + 91]).digest()

    assert chain_problem([UNKNOWN_KIND], [TlsaRecord(END_ENTITY, 1, 1, named)], names=[HOST]) == ""
    for usage in (END_ENTITY, TRUST_ANCHOR):
        for chain in ([UNKNOWN_KIND], [leaf, UNKNOWN_KIND]):
            record = TlsaRecord(usage, 1, 1, hashlib.sha256(key_of(leaf)).digest()[::-1])
            assert "not the one" in chain_problem(chain, [record], names=[HOST])


def test_of_a_long_chain_only_so_much_is_read(authority: Authority) -> None:
    leaf, anchor = der(authority.issue(HOST)), der(authority.path)
    record = TlsaRecord(TRUST_ANCHOR, 0, 1, hashlib.sha256(anchor).digest())

    assert chain_problem([leaf] * 9 + [anchor], [record], names=[HOST]) == ""
    assert chain_problem([leaf] * 10 + [anchor], [record], names=[HOST])


@pytest.mark.parametrize(
    ("usage", "selector", "matching", "data", "is_usable"),
    [
        (3, 1, 1, b"x", True),
        (2, 0, 2, b"x", True),
        (0, 1, 1, b"x", False),
        (1, 1, 1, b"x", False),
        (3, 2, 1, b"x", False),
        (3, 1, 3, b"x", False),
        (3, 1, 1, b"", False),
    ],
)
def test_which_records_can_prove_a_mail_server(
    usage: int, selector: int, matching: int, data: bytes, is_usable: bool
) -> None:
    assert TlsaRecord(usage, selector, matching, data).is_usable is is_usable
