"""What does an ICAP service offer?

Pure.

Source: RFC 3507 section 4.10.2.
"""

from __future__ import annotations

from common.frozen import dataclass
from common.verdict import printable
from satellite.scanning.icap.heads import AnswerHead

PREVIEW_BYTES_MAX = 32_768  # who wants to see more of a message at once gets no more
TTL_S = 300.0  # where it says nothing
TTL_S_MIN, TTL_S_MAX = 10.0, 3_600.0
RESPMOD = "RESPMOD"


@dataclass(frozen=True, slots=True, kw_only=True)
class IcapOffer:
    """What the answer to OPTIONS says.

    Args:
        methods: in upper case.
        preview_bytes: what it wants to see before it asks for the rest; None: it knows no preview.
        allows_204: it can say that a message is unchanged without sending it back.
        connections_max: to it at once, of everybody here; None: it does not say.
        ttl_s: how long this holds.
        service: what it calls itself.
        tag: changes with its definitions or settings (ISTag).
    """

    methods: frozenset[str]
    preview_bytes: int | None = None
    allows_204: bool = False
    connections_max: int | None = None
    ttl_s: float = TTL_S
    service: str = ""
    tag: str = ""


def offer(head: AnswerHead) -> IcapOffer:
    """Return what the head of an answer to OPTIONS offers."""
    preview = head.number("preview")
    ttl_s = head.number("options-ttl")
    return IcapOffer(
        methods=frozenset(_words(head, "methods", upper=True)),
        preview_bytes=None if preview is None else min(preview, PREVIEW_BYTES_MAX),
        allows_204="204" in _words(head, "allow"),
        connections_max=head.number("max-connections") or None,
        ttl_s=TTL_S if ttl_s is None else min(max(ttl_s, TTL_S_MIN), TTL_S_MAX),
        service=printable(head.first("service") or head.first("server"), length_max=128),
        tag=tag_of(head),
    )


def tag_of(head: AnswerHead) -> str:
    """Return the tag of definitions and settings, empty where it says none."""
    return printable(head.first("istag").strip('"'), length_max=64)


def _words(head: AnswerHead, name: str, *, upper: bool = False) -> list[str]:
    words = [word.strip() for value in head.all(name) for word in value.split(",")]
    return [word.upper() for word in words] if upper else words
