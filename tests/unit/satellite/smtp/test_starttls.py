"""The change over to TLS (docs/design/faults.md, B2)."""

from __future__ import annotations

import ssl
import warnings
from pathlib import Path
from typing import Any

import pytest

from satellite.smtp.timeouts import HANDSHAKE_S
from tests.support.smtp.certificate import self_signed
from tests.support.smtp.front_end import (
    HOSTNAME,
    RunningFrontEnd,
    Talk,
    front_end,
    until,
)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Settings of the front end with a certificate for it."""
    return self_signed(tmp_path_factory.mktemp("certificate"), HOSTNAME)


def trusting(certificate: dict[str, Any]) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certificate["certificate"])


async def change_over(talk: Talk, certificate: dict[str, Any]) -> None:
    assert "250-STARTTLS" in (await talk.greet()).replace("250 STARTTLS", "250-STARTTLS")
    assert (await talk.ask("STARTTLS")).startswith("220 2.0.0 ")
    await talk.start_tls(trusting(certificate))


async def test_a_message_inside_tls_says_so_in_envelope_and_trace(
    certificate: dict[str, Any],
) -> None:
    async with front_end(**certificate) as front, front.client() as talk:
        await change_over(talk, certificate)
        assert "STARTTLS" not in await talk.ask("EHLO client.example")
        await talk.open_data()
        await talk.send(b"secret\r\n.\r\n")
        assert (await talk.reply()).startswith("250 2.0.0 ")

        [taken] = front.intake.taken
        assert taken.envelope.tls.startswith("TLSv1.3 TLS_")
        assert b" with ESMTPS id " in taken.trace
        assert f"(using {taken.envelope.tls})".encode() in taken.trace


async def test_b2_commands_injected_behind_starttls_are_thrown_away(
    certificate: dict[str, Any],
) -> None:
    async with front_end(**certificate) as front, front.client() as talk:
        await talk.greet()
        await talk.send(
            b"STARTTLS\r\nEHLO evil\r\nMAIL FROM:<evil@x.example>\r\n"
            b"RCPT TO:<x@acme.example>\r\nRSET\r\n"
        )
        assert (await talk.reply()).startswith("220 2.0.0 ")
        await talk.start_tls(trusting(certificate))

        # Had any been kept, its reply would come before this one.
        assert (await talk.ask("MAIL FROM:<a@b.example>")).startswith("503 5.5.1 Send EHLO")
        assert (await talk.ask("VRFY x")).startswith("252 ")


async def test_b2_state_from_before_tls_is_forgotten(certificate: dict[str, Any]) -> None:
    async with front_end(**certificate) as front, front.client() as talk:
        await talk.greet()
        await talk.ask("MAIL FROM:<evil@x.example>")
        await talk.ask("RCPT TO:<x@acme.example>")
        assert (await talk.ask("STARTTLS")).startswith("220 ")
        await talk.start_tls(trusting(certificate))

        assert (await talk.ask("DATA")).startswith("503 5.5.1 ")
        await talk.ask("EHLO client.example")
        assert (await talk.ask("RCPT TO:<x@acme.example>")).startswith("503 5.5.1 ")


async def test_b2_a_second_starttls_is_refused(certificate: dict[str, Any]) -> None:
    async with front_end(**certificate) as front, front.client() as talk:
        await change_over(talk, certificate)
        await talk.ask("EHLO client.example")
        assert (await talk.ask("STARTTLS")).startswith("503 5.5.1 ")
        assert (await talk.ask("NOOP")).startswith("250 ")


async def test_b2_auth_is_never_offered_and_never_done(certificate: dict[str, Any]) -> None:
    async with front_end(**certificate) as front, front.client() as talk:
        await change_over(talk, certificate)
        assert "AUTH" not in await talk.ask("EHLO client.example")
        assert (await talk.ask("AUTH PLAIN AGEAYg==")).startswith("502 5.5.1 ")
        await talk.ask("MAIL FROM:<a@b.example>")
        assert (await talk.ask("RCPT TO:<x@elsewhere.example>")).startswith("550 5.7.1 ")


async def test_starttls_takes_no_argument(certificate: dict[str, Any]) -> None:
    async with front_end(**certificate) as front, front.client() as talk:
        await talk.greet()
        assert (await talk.ask("STARTTLS now")).startswith("501 5.5.4 ")
        assert (await talk.ask("NOOP")).startswith("250 ")


async def everyone_left(front: RunningFrontEnd) -> None:
    await until(lambda: front.front.sessions == 0)


async def test_b3_row_3_a_handshake_that_stalls_is_cut(certificate: dict[str, Any]) -> None:
    async with front_end(**certificate) as front, front.client() as talk:
        await talk.greet()
        assert (await talk.ask("STARTTLS")).startswith("220 ")
        await front.clock.advance(HANDSHAKE_S + 2)

        assert await talk.is_closed()
        await everyone_left(front)
        labels = {"reason": "handshake"}
        assert front.count("borderscout_smtp_overdue_total", **labels) == 1


async def test_a_handshake_with_nonsense_ends_the_session(certificate: dict[str, Any]) -> None:
    async with front_end(**certificate) as front, front.client() as talk:
        await talk.greet()
        assert (await talk.ask("STARTTLS")).startswith("220 ")
        await talk.send(b"GET / HTTP/1.0\r\n\r\n" * 10)

        await everyone_left(front)
        (told,) = front.refused()
        assert (told.command, told.reason, told.reply) == ("STARTTLS", "tls_failed", "")


@pytest.mark.parametrize(
    ("version", "ciphers"),
    [
        (ssl.TLSVersion.TLSv1_2, "AES128-SHA"),  # no cipher of ours
        (ssl.TLSVersion.TLSv1_1, "ALL:@SECLEVEL=0"),  # too old
    ],
)
async def test_a_handshake_that_fails_ends_with_an_alert_and_not_with_a_reset(
    certificate: dict[str, Any], version: ssl.TLSVersion, ciphers: str
) -> None:
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        client.maximum_version = version
        client.minimum_version = version
    client.set_ciphers(ciphers)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    shaking = client.wrap_bio(incoming, outgoing)
    async with front_end(**certificate) as front, front.client() as talk:
        await talk.greet()
        assert (await talk.ask("STARTTLS")).startswith("220 ")
        with pytest.raises(ssl.SSLWantReadError):
            shaking.do_handshake()
        await talk.send(outgoing.read())
        incoming.write(await talk.rest())

        with pytest.raises(ssl.SSLError, match=r"ALERT"):
            shaking.do_handshake()
        await everyone_left(front)


@pytest.mark.parametrize("kind", ["RSA", "ECDSA"])
async def test_a_client_gets_the_certificate_that_it_can_use(
    certificate: dict[str, Any], tmp_path: Path, kind: str
) -> None:
    rsa = self_signed(tmp_path / "rsa", HOSTNAME, is_rsa=True)
    both = {**certificate, "rsa_certificate": rsa["certificate"], "rsa_key": rsa["key"]}
    client = trusting(rsa if kind == "RSA" else certificate)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers(f"ECDHE-{kind}-AES128-GCM-SHA256")
    async with front_end(**both) as front, front.client() as talk:
        await talk.greet()
        assert (await talk.ask("STARTTLS")).startswith("220 ")
        await talk.start_tls(client)

        assert (await talk.ask("EHLO client.example")).startswith("250-")


async def test_a_client_that_vanishes_in_the_handshake_leaves_nothing(
    certificate: dict[str, Any],
) -> None:
    async with front_end(**certificate) as front, front.client() as talk:
        await talk.greet()
        assert (await talk.ask("STARTTLS")).startswith("220 ")
        talk.reset()

        await everyone_left(front)


async def test_a_client_that_vanishes_inside_tls_leaves_nothing(
    certificate: dict[str, Any],
) -> None:
    async with front_end(**certificate) as front, front.client() as talk:
        await change_over(talk, certificate)
        await talk.ask("EHLO client.example")
        await talk.open_data()
        await talk.send(b"half a mess")
        talk.reset()

        await everyone_left(front)
        await until(lambda: front.intake.entries[0].abandoned)
        assert front.intake.taken == []
