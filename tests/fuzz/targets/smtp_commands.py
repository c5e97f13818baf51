"""Do commands mean the same however they are cut, and is nobody admitted who must not be?

Pure. What a client sends before its message: lines, verbs, paths and their parameters.
"""

from __future__ import annotations

from common import xtext
from common.address import Domain
from common.preferences import Document, Epoch, Position, Preferences
from satellite.smtp import admission
from satellite.smtp.admission import AdmittedRecipient, AdmittedSender, OwnNames
from satellite.smtp.commands import COMMAND_BYTES_MAX, CommandLines, SmtpCommand, read_command
from satellite.smtp.dsn_parameters import ENVELOPE_ID_LENGTH_MAX, ORIGINAL_LENGTH_MAX
from satellite.smtp.replies import Reply

WORDS = (
    b"EHLO ", b"MAIL FROM:<", b"RCPT TO:<", b"@acme.example>", b"@b\xc3\xbccher.example>",
    b" SIZE=", b" BODY=8BITMIME", b" SMTPUTF8", b" RET=HDRS", b" ENVID=", b" NOTIFY=",
    b"NEVER", b"SUCCESS,DELAY", b" ORCPT=rfc822;", b" ORCPT=utf-8;", b"+2B", b"\\x{E4}",
    b'"a\\"b"', b"postmaster", b"%acme.example", b"@[192.0.2.10]>", b"@a.example:",
    b"abuse", b"STARTTLS\r\n", b"DATA\r\n",
)  # fmt: skip

ROUTED = frozenset({"acme.example", "xn--bcher-kva.example", "listed.example"})
MAIL_DOMAIN = "mx.scout.example"
_OWN = OwnNames(
    mail_domain=Domain(MAIL_DOMAIN),
    hostname="mx1.scout.example",
    addresses=frozenset({"192.0.2.10"}),
)
PIECES_MAX = 1_000
_PREFERENCES = Preferences.from_documents(
    [
        Document("route", name, 1, b'{"customer":"acme","deliver_to":["192.0.2.1:25"]}')
        for name in ROUTED
    ],
    position=Position(Epoch(1, "e"), 1),
)


def target(data: bytes) -> None:
    """Read a session's commands, whole and in pieces."""
    found = _read(data, step=max(1, len(data)))

    assert found == _read(data, step=max(1 + len(data) % 7, len(data) // PIECES_MAX))
    for line in dict.fromkeys(found):
        if isinstance(line, bytes):
            _check_line(line)


def _read(data: bytes, *, step: int) -> list[bytes | Reply]:
    lines, found = CommandLines(), []
    for start in range(0, len(data), step):
        lines.feed(data[start : start + step])
        while (line := lines.next_line()) is not None:
            found.append(line)
        assert len(lines.octets) <= COMMAND_BYTES_MAX, "more is held than a line may have"
    return found


def _check_line(line: bytes) -> None:
    assert len(line) + 2 <= COMMAND_BYTES_MAX
    assert not any(octet < 0x20 or octet == 0x7F for octet in line)
    command = read_command(line)
    if isinstance(command, SmtpCommand):
        assert command.verb.isascii()
        assert command.verb.isupper()
        for extended in (True, False):
            _check_sender(command.argument, extended=extended)
            _check_recipient(command.argument, extended=extended)
        name = admission.hello_name(command.argument)
        assert name is None or (name.isascii() and name.isprintable() and " " not in name)


def _check_sender(argument: str, *, extended: bool) -> None:
    found = admission.sender(argument, extended=extended, message_bytes_max=10_000)
    if not isinstance(found, AdmittedSender):
        assert 400 <= found.code <= 599
        return
    assert found.address.isprintable(), "it would break a header or a log line"
    assert not set("<>\r\n") & set(found.address) or '"' in found.address
    assert extended or found == AdmittedSender(address=found.address), "nobody offered extensions"
    assert found.smtputf8 or argument.isascii() or found.address.isascii()
    envelope_id = found.dsn.envelope_id
    assert len(envelope_id) <= ENVELOPE_ID_LENGTH_MAX
    assert not envelope_id or (xtext.decoded(envelope_id) or "").isprintable()
    again = admission.sender(
        f"FROM:<{found.address}>{' SMTPUTF8' * (not found.address.isascii())}",
        extended=True,
        message_bytes_max=10_000,
    )
    assert isinstance(again, AdmittedSender)
    assert again.address == found.address


def _check_recipient(argument: str, *, extended: bool) -> None:
    found = _recipient(argument, extended=extended)
    if not isinstance(found, AdmittedRecipient):
        assert 400 <= found.code <= 599
        return
    address = found.address
    is_postmaster = address.local.casefold() == "postmaster"
    assert address.domain in ROUTED or (is_postmaster and address.domain == MAIL_DOMAIN)
    assert address.local.isprintable(), "it would break a header or a log line"
    assert len(found.dsn.original) <= ORIGINAL_LENGTH_MAX
    assert found.dsn.original.isascii()
    assert not found.dsn.original or found.dsn.original.isprintable()
    again = _recipient(f"TO:<{address}>", extended=True)
    assert isinstance(again, AdmittedRecipient)
    assert again.address == address


def _recipient(argument: str, *, extended: bool) -> AdmittedRecipient | Reply:
    return admission.recipient(
        argument,
        extended=extended,
        smtputf8=True,
        preferences=_PREFERENCES,
        own=_OWN,
        local_address="127.0.0.1",
    )
