"""Is a message's chain of forwarders (ARC) whole?

Pure: an evaluator that asks DNS (``asking``), and the verification with what it heard. A chain says
only what its sealers say: who trusts none of them learns nothing from it.

Source: RFC 8617 sections 4 and 5.2; RFC 8601 section 2.7.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from common.frozen import dataclass
from satellite.authentication.asking import Asking
from satellite.authentication.canonical import HashedBody, WantedBody, canonical_field
from satellite.authentication.dkim import (
    FoundKey,
    NoKey,
    failure,
    found_key,
    unsigned_field,
)
from satellite.authentication.dkim_signature import (
    DkimSignature,
    DkimSignatureWrong,
    parse_arc_message_signature,
    parse_seal,
    tags_of,
)
from satellite.authentication.results import ArcOutcome, AuthResult
from satellite.authentication.tag_list import without_blanks
from satellite.headers.block import HeaderBlock, Span

SETS_MAX = 10  # RFC 8617 allows 50; each costs a look-up and an operation on a key
RESULTS_LENGTH_MAX = 2_000  # characters

_SEAL = b"arc-seal"
_SIGNATURE = b"arc-message-signature"
_RESULTS = b"arc-authentication-results"
_INSTANCE = re.compile(rb"[ \t\r\n]*i[ \t\r\n]*=[ \t\r\n]*([0-9]{1,2})[ \t\r\n]*;")

NO_CHAIN = ArcOutcome(result=AuthResult.NONE)
BROKEN = ArcOutcome(result=AuthResult.FAIL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArcSet:
    """What one forwarder added.

    Args:
        results, signature, seal: its three fields.
        message: what its signature says.
        sealing: what its seal says.
    """

    results: Span
    signature: Span
    seal: Span
    message: DkimSignature
    sealing: DkimSignature


@dataclass(frozen=True, slots=True)
class ArcKeys:
    """The keys of a chain.

    Args:
        message: of the last signature.
        seals: of each seal, the first one first.
    """

    message: FoundKey
    seals: tuple[FoundKey, ...]


def read_chain(block: HeaderBlock) -> tuple[ArcSet, ...] | ArcOutcome:
    """Return a message's sets, the first one first; or what is known without looking further."""
    seals = _fields(block, _SEAL)
    if not any((seals, _fields(block, _SIGNATURE), _fields(block, _RESULTS))):
        return NO_CHAIN
    if not 0 < len(seals) <= SETS_MAX:
        return BROKEN
    by_instance = [_by_instance(block, name) for name in (_RESULTS, _SIGNATURE, _SEAL)]
    wanted = set(range(1, len(seals) + 1))
    if any(each is None or each.keys() != wanted for each in by_instance):
        return BROKEN
    results, signatures, sealed = (each or {} for each in by_instance)
    try:
        return tuple(_set(n, results[n], signatures[n], sealed[n]) for n in sorted(wanted))
    except DkimSignatureWrong:
        return BROKEN


def _fields(block: HeaderBlock, name: bytes) -> list[Span]:
    return [span for span in block.by_key.get(name, ()) if span.is_field]


def _by_instance(block: HeaderBlock, name: bytes) -> dict[int, Span] | None:
    found: dict[int, Span] = {}
    for span in _fields(block, name):
        number = _instance(span)
        if number is None or number in found:
            return None
        found[number] = span
    return found


def _instance(span: Span) -> int | None:
    if span.key == _RESULTS:
        match = _INSTANCE.match(span.value)
        return int(match[1]) if match is not None else None
    try:
        text = tags_of(span.value).get("i", "")
    except DkimSignatureWrong:
        return None
    return int(text) if re.fullmatch(r"[0-9]{1,2}", text) else None


def _set(number: int, results: Span, signature: Span, seal: Span) -> ArcSet:
    tags = tags_of(seal.value)
    message = parse_arc_message_signature(tags_of(signature.value))
    says = without_blanks(tags.get("cv", "")).lower()
    if says != ("none" if number == 1 else "pass") or _SEAL in message.signed:
        raise DkimSignatureWrong(AuthResult.FAIL, "the chain was broken before", tags)
    return ArcSet(
        results=results,
        signature=signature,
        seal=seal,
        message=message,
        sealing=parse_seal(tags),
    )


def chain_keys(sets: Sequence[ArcSet]) -> Asking[ArcKeys]:
    """Return the keys of a chain."""
    message = yield from found_key(sets[-1].message)
    seals: list[FoundKey] = []
    for each in sets:
        seals.append((yield from found_key(each.sealing)))
    return ArcKeys(message, tuple(seals))


def arc_outcome(
    sets: Sequence[ArcSet],
    keys: ArcKeys,
    block: HeaderBlock,
    bodies: Mapping[WantedBody, HashedBody],
) -> ArcOutcome:
    """Return what a chain comes to.

    Args:
        sets, keys: the chain.
        block: the header section of the message.
        bodies: the hashes that its last signature wants of the body.
    """
    is_whole = _is_message_signed(sets[-1], keys.message, block, bodies) and all(
        _is_sealed(sets[:number], key) for number, key in enumerate(keys.seals, 1)
    )
    return ArcOutcome(
        result=_result(keys, is_whole=is_whole),
        sealers=tuple(each.sealing.domain for each in sets),
        first_results=_text(sets[0].results),
    )


def _result(keys: ArcKeys, *, is_whole: bool) -> AuthResult:
    missing = [key for key in (keys.message, *keys.seals) if isinstance(key, NoKey)]
    if any(key.result is AuthResult.TEMPERROR for key in missing):
        return AuthResult.TEMPERROR
    return AuthResult.PASS if is_whole else AuthResult.FAIL


def _is_message_signed(
    last: ArcSet,
    key: FoundKey,
    block: HeaderBlock,
    bodies: Mapping[WantedBody, HashedBody],
) -> bool:
    if isinstance(key, NoKey):
        return False
    wanted = WantedBody(last.message.body_is_relaxed, last.message.length)
    if not bodies[wanted].is_whole:
        return False
    return not failure(last.message, last.signature, key, block, bodies)


def _is_sealed(sets: Sequence[ArcSet], key: FoundKey) -> bool:
    """Say whether the last of some sets has sealed all of them (RFC 8617 section 5.1.1)."""
    if isinstance(key, NoKey) or not key.signs(sets[-1].sealing.algorithm):
        return False
    spans = [span for each in sets for span in (each.results, each.signature, each.seal)]
    pieces = [canonical_field(span.raw, is_relaxed=True) for span in spans[:-1]]
    pieces.append(unsigned_field(spans[-1], is_relaxed=True))
    return key.verifies(sets[-1].sealing.value, b"".join(pieces))


def _text(results: Span) -> str:
    text = results.value.decode("utf-8", "replace").partition(";")[2]
    return " ".join(text.split())[:RESULTS_LENGTH_MAX]
