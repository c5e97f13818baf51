"""How is a letter of the corpus put together?

Pure: chance comes from a seed, so that the corpus is the same each time.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP

from tests.support.smtp.signing import signed
from tests.support.spam_corpus.world import Host

RECIPIENT = "joe@acme.example"


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusLetter:
    """One message with its truth.

    Args:
        kind: which class of the corpus, for the table.
        is_spam: the truth.
        host: who brings it.
        sender: of the envelope, may be empty.
        recipient: of the envelope.
        octets: of DATA.
    """

    kind: str
    is_spam: bool
    host: Host
    sender: str
    octets: bytes
    recipient: str = RECIPIENT


def message(
    *,
    author: str,
    subject: str,
    text: str,
    html: str = "",
    files: Sequence[tuple[str, bytes, str]] = (),
    fields: Sequence[tuple[str, str]] = (),
    recipient: str = RECIPIENT,
) -> EmailMessage:
    """Return a message.

    Args:
        author, subject, recipient: header fields.
        text, html: what it says.
        files: name, content and media type of each attachment.
        fields: more header fields.
    """
    made = EmailMessage(policy=SMTP)
    made["From"], made["To"], made["Subject"] = author, recipient, subject
    made["Date"] = "Mon, 02 Nov 2026 09:00:00 +0000"
    made["Message-ID"] = f"<{random.Random(subject + text).randrange(10**12)}@mail.example>"
    for name, value in fields:
        made[name] = value
    made.set_content(text)
    if html:
        made.add_alternative(html, subtype="html")
    for name, content, media_type in files:
        main, _, sub = media_type.partition("/")
        made.add_attachment(content, maintype=main, subtype=sub, filename=name)
    return made


def octets(made: EmailMessage, *, signed_by: str = "") -> bytes:
    """Return its octets, with a DKIM signature of a domain if one is named."""
    data = bytes(made)
    return signed(data, domain=signed_by) if signed_by else data


def words(text: str) -> tuple[str, ...]:
    """Return the words of a text."""
    return tuple(text.split())


def paragraphs(vocabulary: Sequence[str], chance: random.Random, count: int) -> str:
    """Return some sentences made of words."""
    sentences = [
        " ".join(chance.choices(vocabulary, k=chance.randint(6, 14))).capitalize() + "."
        for _ in range(count)
    ]
    return "\n\n".join(sentences)
