"""A renewed certificate is read, and a file that cannot be used changes nothing."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from common.errors import SettingsError
from satellite.smtp.certificate import RENEWAL_S, StarttlsCertificate
from tests.support.smtp.certificate import self_signed
from tests.support.smtp.front_end import HOSTNAME, RunningFrontEnd, front_end, some_settings


def made(folder: Path, *, days: int = 1) -> dict[str, Any]:
    return self_signed(folder, HOSTNAME, days=days)


def put(renewed: Mapping[str, Any], in_use: Mapping[str, Any], *which: str) -> None:
    """Replace files of a certificate in use by those of another one."""
    for name in which:
        Path(in_use[name]).write_bytes(Path(renewed[name]).read_bytes())


def the_certificate(in_use: Mapping[str, Any]) -> bytes:
    return ssl.PEM_cert_to_DER_cert(Path(in_use["certificate"]).read_text())


async def shown(front: RunningFrontEnd) -> bytes:
    """Return the certificate that a client is shown."""
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    async with front.client() as talk:
        await talk.greet()
        assert (await talk.ask("STARTTLS")).startswith("220 ")
        await talk.start_tls(anybody)
        found = talk.peer_certificate
    assert found is not None
    return found


def loaded(settings: Mapping[str, Any]) -> StarttlsCertificate:
    certificate = StarttlsCertificate(some_settings(**settings).smtp)
    certificate.load()
    return certificate


async def test_a_client_sees_the_renewed_certificate_without_a_restart(tmp_path: Path) -> None:
    in_use, renewed = made(tmp_path / "old"), made(tmp_path / "new", days=90)
    old, new = the_certificate(in_use), the_certificate(renewed)

    async with front_end(**in_use) as front:
        before = await shown(front)
        put(renewed, in_use, "certificate", "key")
        early = await shown(front)
        await front.clock.advance(RENEWAL_S)
        after = await shown(front)

    assert (before, early, after) == (old, old, new)


async def test_a_half_renewed_pair_leaves_the_old_one_in_use_until_it_is_whole(
    tmp_path: Path,
) -> None:
    in_use, renewed = made(tmp_path / "old"), made(tmp_path / "new", days=90)
    old, new = the_certificate(in_use), the_certificate(renewed)

    async with front_end(**in_use) as front:
        put(renewed, in_use, "certificate")
        await front.clock.advance(RENEWAL_S)
        half = await shown(front)
        status = front.front.certificate_status()
        put(renewed, in_use, "key")
        await front.clock.advance(RENEWAL_S)
        whole = await shown(front)

    assert (half, whole) == (old, new)
    assert status is not None
    assert status.problem == f"{in_use['certificate']}: the key belongs to another certificate"


async def test_a_session_that_is_open_goes_on_with_the_certificate_that_it_began_with(
    tmp_path: Path,
) -> None:
    in_use, renewed = made(tmp_path / "old"), made(tmp_path / "new")
    trusting = ssl.create_default_context(cafile=in_use["certificate"])

    async with front_end(**in_use) as front, front.client() as talk:
        await talk.greet()
        put(renewed, in_use, "certificate", "key")
        await front.clock.advance(RENEWAL_S)

        assert (await talk.ask("STARTTLS")).startswith("220 ")
        await talk.start_tls(trusting)


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nMIIB", b"no certificate"])
@pytest.mark.parametrize("name", ["certificate", "key"])
def test_what_cannot_be_used_is_told_once_and_forgotten_when_it_is_mended(
    tmp_path: Path, name: str, content: bytes
) -> None:
    in_use = made(tmp_path / "old")
    certificate = loaded(in_use)
    context = certificate.look()
    good = Path(in_use[name]).read_bytes()

    with capture_logs() as said:
        Path(in_use[name]).write_bytes(content)
        kept = [certificate.look(), certificate.look()]
        status = certificate.status

    assert kept == [context, context]
    assert status is not None
    assert status.problem
    assert [line["event"] for line in said] == ["smtp.certificate_unusable"]

    Path(in_use[name]).write_bytes(good)
    certificate.look()

    assert certificate.status is not None
    assert certificate.status.problem == ""


def test_a_file_that_is_gone_for_a_moment_changes_nothing(tmp_path: Path) -> None:
    in_use = made(tmp_path / "old")
    certificate = loaded(in_use)
    context = certificate.look()
    Path(in_use["key"]).unlink()

    assert certificate.look() is context
    assert certificate.status is not None
    assert "No such file" in certificate.status.problem


def test_the_status_tells_when_the_certificate_in_use_ends(tmp_path: Path) -> None:
    in_use, renewed = made(tmp_path / "old", days=1), made(tmp_path / "new", days=90)
    certificate = loaded(in_use)
    first = certificate.status
    put(renewed, in_use, "certificate", "key")
    certificate.look()

    assert first is not None
    assert certificate.status is not None
    assert certificate.status.not_after_s - first.not_after_s == pytest.approx(89 * 86_400, abs=60)


def test_it_is_said_which_of_two_certificates_is_half_renewed(tmp_path: Path) -> None:
    first, second = made(tmp_path / "ecdsa"), self_signed(tmp_path / "rsa", HOSTNAME, is_rsa=True)
    both = {"rsa_certificate": second["certificate"], "rsa_key": second["key"]}
    certificate = loaded({**first, **both})
    Path(second["key"]).write_text("half")

    certificate.look()

    assert certificate.status is not None
    reason = "the key is no PEM key without a password"
    assert certificate.status.problem == f"{second['certificate']}: {reason}"


def test_without_a_certificate_there_is_none_to_tell_of() -> None:
    certificate = StarttlsCertificate(some_settings().smtp)

    assert (certificate.load(), certificate.look(), certificate.status) == (None, None, None)


def test_tls_below_1_2_is_not_spoken(tmp_path: Path) -> None:
    context = loaded(made(tmp_path / "old")).look()

    assert context is not None
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_certificate_that_cannot_be_used_stops_the_start(tmp_path: Path) -> None:
    broken = tmp_path / "certificate.pem"
    broken.write_text("no certificate")

    with pytest.raises(SettingsError, match="cannot be used for STARTTLS"):
        loaded({"certificate": str(broken), "key": str(broken)})
