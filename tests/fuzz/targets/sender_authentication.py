"""Does every message have an answer to who answers for it, whatever DNS says, within bounds?

Pure. What stands before the first NUL is what DNS says to each question; behind it is the message.
"""

from __future__ import annotations

from typing import TypeVar

from satellite.authentication.arc import ArcKeys, arc_outcome, chain_keys
from satellite.authentication.asking import Asking, Heard, RecordKind, is_name
from satellite.authentication.canonical import hashed_bodies
from satellite.authentication.dkim import SIGNATURES_MAX, dkim_outcome, found_key
from satellite.authentication.dkim_signature import DkimSignature
from satellite.authentication.dmarc import dmarc_outcome, owners_word
from satellite.authentication.read_message import read_message
from satellite.authentication.results import Authenticity
from satellite.authentication.results_field import result_words
from satellite.authentication.spf import spf_outcome
from satellite.headers import HeaderBlock
from satellite.names.answer import LookupResult

READS_MAIL = True
WORDS = (
    b"v=spf1 ", b"include:", b"redirect=", b"exists:%{", b"%{ir}", b"%{p}", b"a:", b"mx/24",
    b"ptr ", b"ip4:192.0.2.0/24 ", b"-all", b"v=DMARC1; p=reject", b"; psd=y", b"; np=none",
    b"v=DKIM1; p=",
    b"\r\nDKIM-Signature: v=1; a=rsa-sha256; d=b.example; s=s; h=from; bh=YQ==; b=YQ==", b"; l=1",
    b"\r\nARC-Seal: i=1; cv=none; a=rsa-sha256; d=b.example; s=s; b=YQ==",
    b"\r\nARC-Message-Signature: i=1; a=rsa-sha256; d=b.example; s=s; h=from; bh=YQ==; b=YQ==",
    b"\r\nARC-Authentication-Results: i=1; x; dmarc=pass", b"\r\nFrom: a@b.example", b"\x00",
)  # fmt: skip
ASKED_MAX = 400  # of one message, before a budget ends it

T = TypeVar("T")


class _Dns:
    def __init__(self, said: bytes) -> None:
        self._texts = tuple(line.decode("latin-1") for line in said.split(b"\n"))
        self._asked = 0

    def concluded(self, asking: Asking[T]) -> T:
        try:
            question = next(asking)
            while True:
                self._asked += 1
                assert self._asked <= ASKED_MAX
                assert is_name(question.name)
                question = asking.send(self._heard(question.kind))
        except StopIteration as ended:
            result: T = ended.value
            return result

    def _heard(self, kind: RecordKind) -> Heard:
        records = {
            RecordKind.A: ("192.0.2.1",),
            RecordKind.AAAA: ("2001:db8::1",),
            RecordKind.TXT: self._texts,
        }
        return Heard(LookupResult.RECORDS, records.get(kind, self._texts))


def target(data: bytes) -> None:
    """Find out who answers for a message."""
    said, _, octets = data.partition(b"\x00")
    message = read_message(HeaderBlock.parse(octets or data))
    body = (octets or data)[message.block.end :]
    bodies = hashed_bodies([body[:7], body[7:]], message.wanted_bodies)
    assert bodies == hashed_bodies([body], message.wanted_bodies)
    dns = _Dns(said)
    assert len(message.signatures) <= SIGNATURES_MAX
    dkim = tuple(
        dkim_outcome(
            one,
            dns.concluded(found_key(one.said)) if isinstance(one.said, DkimSignature) else None,
            message.block,
            bodies,
            now_s=0.0,
        )
        for one in message.signatures
    )
    keys: ArcKeys | None = dns.concluded(chain_keys(message.sets)) if message.sets else None
    arc = message.chain
    if keys is not None:
        arc = arc_outcome(message.sets, keys, message.block, bodies)
    sender = f"{said[:20].decode('latin-1')}@b.example"
    spf = dns.concluded(spf_outcome(client_address="192.0.2.7", helo="h.example", sender=sender))
    word = dns.concluded(owners_word(message.author))
    dmarc = dns.concluded(dmarc_outcome(message.author, word, spf=spf, dkim=dkim))
    for words in result_words(Authenticity(spf=spf, dkim=dkim, dmarc=dmarc, arc=arc)):
        told = " ".join(words)
        assert told.isascii()
        assert told.isprintable()
