"""Which DKIM signatures of a message verify?

Pure: an evaluator that asks DNS (``asking``), and the verification with what it heard. Of very many
signatures only some are looked at, those of the author's domain first: each costs a look-up and
an operation on a key. One that leaves a part of the body unsigned (``l=``) does not pass, since
anybody may have put something there.

Source: RFC 6376 sections 3.7, 5.4.2, 6.1; RFC 8301; RFC 8463; RFC 8601 section 2.7.1 (the words).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from common.frozen import dataclass
from common.verdict import printable
from satellite.authentication.asking import Asking, RecordKind, ask
from satellite.authentication.canonical import HashedBody, WantedBody, canonical_field
from satellite.authentication.dkim_key import DkimKey, DkimKeyWrong, parse_dkim_key
from satellite.authentication.dkim_signature import (
    DkimSignature,
    DkimSignatureWrong,
    parse_dkim_signature,
    tags_of,
)
from satellite.authentication.results import AuthResult, DkimOutcome
from satellite.headers.block import HeaderBlock, Span

SIGNATURES_MAX = 8  # of one message; an honest one has one to four
SIGNATURES_READ_MAX = 64  # among which those are chosen
KEY_RECORDS_MAX = 4  # of one name; there should be one
NAME_LENGTH_MAX = 253
SHOWN_SIGNATURE_LENGTH = 8  # RFC 6008 section 4

_SIGNATURE_VALUE = re.compile(rb"(?:(?<=;)|^)([ \t\r\n]*b[ \t\r\n]*=)[^;]*")


@dataclass(frozen=True, slots=True)
class ReadSignature:
    """One signature of a message.

    Args:
        span: the field.
        said: what it says; or why it cannot be verified.
    """

    span: Span
    said: DkimSignature | DkimSignatureWrong


@dataclass(frozen=True, slots=True)
class NoKey:
    """There is no key for a signature.

    Args:
        result: what that means.
        reason: why.
    """

    result: AuthResult
    reason: str


FoundKey = DkimKey | NoKey


def read_signatures(block: HeaderBlock, *, author_domain: str) -> list[ReadSignature]:
    """Return the signatures of a message that are looked at, those of the author first."""
    spans = block.by_key.get(b"dkim-signature", ())[:SIGNATURES_READ_MAX]
    read = [_read(span) for span in spans if span.is_field]
    read.sort(key=lambda one: _distance(one.said, author_domain))
    return read[:SIGNATURES_MAX]


def _read(span: Span) -> ReadSignature:
    try:
        return ReadSignature(span, parse_dkim_signature(tags_of(span.value)))
    except DkimSignatureWrong as error:
        return ReadSignature(span, error)


def _distance(said: DkimSignature | DkimSignatureWrong, author_domain: str) -> int:
    if isinstance(said, DkimSignatureWrong):
        return 3
    if said.domain == author_domain:
        return 0
    near = author_domain.endswith("." + said.domain) or said.domain.endswith("." + author_domain)
    return 1 if near else 2


def wanted_bodies(signatures: Iterable[DkimSignature | DkimSignatureWrong]) -> set[WantedBody]:
    """Return the hashes of the body that are needed to verify some signatures."""
    return {
        WantedBody(one.body_is_relaxed, one.length)
        for one in signatures
        if isinstance(one, DkimSignature)
    }


def found_key(signature: DkimSignature) -> Asking[FoundKey]:
    """Return a signature's key: the first usable one at its place."""
    heard = yield from ask(signature.key_name, RecordKind.TXT)
    if heard.has_failed:
        return NoKey(AuthResult.TEMPERROR, "DNS does not say which key it is")
    reason = "there is no key"
    for record in heard.records[:KEY_RECORDS_MAX]:
        try:
            return parse_dkim_key(record)
        except DkimKeyWrong as error:
            reason = error.what
    return NoKey(AuthResult.PERMERROR, reason)


def dkim_outcome(
    read: ReadSignature,
    key: FoundKey | None,
    block: HeaderBlock,
    bodies: Mapping[WantedBody, HashedBody],
    *,
    now_s: float,
) -> DkimOutcome:
    """Return what becomes of one signature.

    Args:
        read: the signature.
        key: what was found; None only where the signature itself is wrong.
        block: the header section of the message.
        bodies: the hashes that were wanted of its body.
        now_s: seconds since the epoch, UTC.
    """
    if isinstance(read.said, DkimSignatureWrong):
        return _of_wrong(read.said)
    assert key is not None
    result, reason = _verified(read.said, key, read.span, block, bodies)
    expires_s = read.said.expires_s
    if result is AuthResult.PASS and expires_s is not None and now_s > expires_s:
        result, reason = AuthResult.FAIL, "it has expired"
    return DkimOutcome(
        result=result,
        domain=read.said.domain,
        selector=read.said.selector,
        identity=printable(read.said.identity),
        algorithm=read.said.algorithm,
        signature=_shown_signature(tags_of(read.span.value).get("b", "")),
        reason=printable(reason),
    )


def _of_wrong(wrong: DkimSignatureWrong) -> DkimOutcome:
    tags = wrong.tags
    return DkimOutcome(
        result=wrong.result,
        domain=printable(tags.get("d", ""), length_max=NAME_LENGTH_MAX),
        selector=printable(tags.get("s", ""), length_max=NAME_LENGTH_MAX),
        identity=printable(tags.get("i", "")),
        algorithm=printable(tags.get("a", ""), length_max=20),
        signature=_shown_signature(tags.get("b", "")),
        reason=printable(wrong.what),
    )


def _shown_signature(text: str) -> str:
    return printable("".join(text.split())[:SHOWN_SIGNATURE_LENGTH])


def _verified(
    said: DkimSignature,
    key: FoundKey,
    span: Span,
    block: HeaderBlock,
    bodies: Mapping[WantedBody, HashedBody],
) -> tuple[AuthResult, str]:
    if isinstance(key, NoKey):
        return key.result, key.reason
    if said.is_of_subdomain and key.is_strict:
        return AuthResult.PERMERROR, "the key is for its very domain alone"
    if reason := failure(said, span, key, block, bodies):
        # Who tries DKIM out is not worse off than who does not sign (section 3.6.1).
        return (AuthResult.NEUTRAL if key.is_testing else AuthResult.FAIL), reason
    if not bodies[WantedBody(said.body_is_relaxed, said.length)].is_whole:
        return AuthResult.POLICY, "a part of the body is not signed"
    return AuthResult.PASS, ""


def failure(
    said: DkimSignature,
    span: Span,
    key: DkimKey,
    block: HeaderBlock,
    bodies: Mapping[WantedBody, HashedBody],
) -> str:
    """Return why a signature does not verify; empty: it does."""
    if not key.signs(said.algorithm):
        return "the key is of another algorithm"
    if bodies[WantedBody(said.body_is_relaxed, said.length)].digest != said.body_digest:
        return "the body is not what was signed"
    if not key.verifies(said.value, signed_header(said, span, block)):
        return "the header is not what was signed"
    return ""


def signed_header(said: DkimSignature, span: Span, block: HeaderBlock) -> bytes:
    """Return the octets of the header that were signed (RFC 6376 sections 3.7 and 5.4.2).

    Fields of one name are taken from the last one up; one that is not there counts as nothing.
    """
    pieces: list[bytes] = []
    left: dict[bytes, list[Span]] = {}  # of each name, those that were not taken yet
    for name in said.signed:
        if name not in left:
            fields = block.by_key.get(name, ())
            left[name] = [one for one in fields if one.is_field and one is not span]
        if left[name]:
            raw = left[name].pop().raw
            pieces.append(canonical_field(raw, is_relaxed=said.header_is_relaxed))
    pieces.append(unsigned_field(span, is_relaxed=said.header_is_relaxed))
    return b"".join(pieces)


def unsigned_field(span: Span, *, is_relaxed: bool) -> bytes:
    """Return a signature's own field as it is signed: without ``b=``'s value and line break."""
    name, colon, value = span.raw.partition(b":")
    bare = name + colon + _SIGNATURE_VALUE.sub(rb"\1", value, count=1)
    return canonical_field(bare, is_relaxed=is_relaxed).removesuffix(b"\r\n")


def passing_domains(outcomes: Sequence[DkimOutcome]) -> list[str]:
    """Return the domains whose signatures pass, each once."""
    passed = (one.domain for one in outcomes if one.result is AuthResult.PASS)
    return list(dict.fromkeys(passed))
