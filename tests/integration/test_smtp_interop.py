"""Does the front end understand other people's senders, and they it?"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from tests.support.smtp.certificate import self_signed
from tests.support.smtp.front_end import HOSTNAME, front_end
from tests.support.smtp.senders import program, smtp_source, swaks

LOOPS = [asyncio.new_event_loop, uvloop.new_event_loop]
MESSAGE = b"Subject: dots\r\n\r\n.one\r\n..two\r\n" + b"x" * 5000 + b"\r\nend\r\n"


def run(
    loop: Callable[[], asyncio.AbstractEventLoop], scenario: Callable[[], Awaitable[None]]
) -> None:
    async def main() -> None:
        await scenario()

    with asyncio.Runner(loop_factory=loop) as runner:
        runner.run(main())


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("options", [(), ("--pipeline",), ("--protocol", "SMTP")])
def test_swaks_hands_over_a_message_octet_by_octet(
    loop: Callable[[], asyncio.AbstractEventLoop], options: tuple[str, ...], tmp_path: Path
) -> None:
    path = tmp_path / "message.eml"
    path.write_bytes(MESSAGE)

    async def scenario() -> None:
        async with front_end() as front:
            sent = await swaks(
                (front.host, front.port),
                sender="a@sender.example",
                recipients=["x@acme.example", "x@listed.example"],
                data=path,
                options=options,
            )
            [taken] = front.intake.taken
        assert sent.returncode == 0, sent.output
        assert sent.final_reply == f"250 2.0.0 Ok: queued as {taken.id}"
        assert taken.envelope.recipients == ("x@acme.example", "x@listed.example")
        assert taken.body in (MESSAGE, MESSAGE + b"\r\n")  # swaks adds an empty line

    run(loop, scenario)


@pytest.mark.parametrize("loop", LOOPS)
def test_swaks_hands_over_a_message_inside_tls(
    loop: Callable[[], asyncio.AbstractEventLoop], tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with front_end(**self_signed(tmp_path, HOSTNAME)) as front:
            sent = await swaks(
                (front.host, front.port),
                sender="",
                recipients=["x@acme.example"],
                options=["--tls"],
            )
            if any("requires Net::SSLeay" in line for line in sent.output):
                pytest.skip("swaks speaks TLS only with libnet-ssleay-perl, which is not installed")
            assert sent.returncode == 0, sent.output
            [taken] = front.intake.taken
            assert taken.envelope.tls.startswith("TLSv1.")

    run(loop, scenario)


@pytest.mark.parametrize(
    ("version", "is_spoken"), [("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)]
)
def test_openssl_agrees_on_tls_1_2_and_above_only(
    version: str, is_spoken: bool, tmp_path: Path
) -> None:
    openssl = program("openssl")

    async def scenario() -> None:
        async with front_end(**self_signed(tmp_path, HOSTNAME)) as front:
            process = await asyncio.create_subprocess_exec(
                *(openssl, "s_client", "-starttls", "smtp", "-crlf", "-brief", version),
                *("-cipher", "ALL:@SECLEVEL=0", "-connect", f"{front.host}:{front.port}"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            said, _ = await process.communicate(b"QUIT\n")
            assert (b"CONNECTION ESTABLISHED" in said) == is_spoken, said
            if b"no protocols available" in said:
                pytest.skip("this openssl cannot even ask for the old version")

    run(uvloop.new_event_loop, scenario)


def test_swaks_is_told_that_we_do_not_relay() -> None:
    async def scenario() -> None:
        async with front_end() as front:
            sent = await swaks(
                (front.host, front.port),
                sender="a@b.example",
                recipients=["x@elsewhere.example"],
            )
            assert sent.returncode == 24  # no recipient was taken
            assert "550 5.7.1 Relaying denied" in sent.replies
            assert front.intake.entries == []

    run(uvloop.new_event_loop, scenario)


@pytest.mark.parametrize("loop", LOOPS)
def test_smtp_source_hands_over_every_message_of_many_sessions(
    loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    async def scenario() -> None:
        async with front_end() as front:
            sent = await smtp_source(
                (front.host, front.port),
                sender="a@sender.example",
                recipient="x@acme.example",
                messages=200,
                sessions=20,
                message_bytes=4000,
            )
            assert sent.returncode == 0, sent.output
            assert len(front.intake.taken) == 200
            assert len({taken.envelope.recipients for taken in front.intake.taken}) == 1
            assert not [entry for entry in front.intake.entries if entry.abandoned]

    run(loop, scenario)


def test_b3_row_1_nmap_finds_no_open_relay(tmp_path: Path) -> None:
    nmap = program("nmap")

    async def scenario() -> None:
        async with front_end(errors_max=1000) as front:
            process = await asyncio.create_subprocess_exec(
                nmap,
                "-Pn",
                "-n",
                "-p",
                str(front.port),
                "--script",
                "+smtp-open-relay",
                front.host,
                stdout=asyncio.subprocess.PIPE,
                cwd=tmp_path,
            )
            said, _ = await process.communicate()
            assert process.returncode == 0
            assert b"doesn't seem to be an open relay" in said, said
            assert front.intake.taken == []

    run(uvloop.new_event_loop, scenario)
