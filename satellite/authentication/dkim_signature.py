"""What does a DKIM signature say, or an ARC one, which has the same form?

Pure. Source: RFC 6376 sections 3.5 and 6.1.1; RFC 8301; RFC 8463; RFC 8617 sections 4.1.2, 4.1.3.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping

from common.address import AddressError, parse_domain
from common.errors import PeerError
from common.frozen import dataclass
from satellite.authentication.results import AuthResult
from satellite.authentication.tag_list import TagListWrong, parse_tag_list, without_blanks

SIGNED_FIELDS_MAX = 200  # names in ``h=``
SIGNATURE_BYTES_MAX = 1_024  # of a key with 8 192 bits
IDENTITY_LENGTH_MAX = 254
LENGTH_DIGITS_MAX = 12
TIME_DIGITS_MAX = 12

_SELECTOR = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?")
ALGORITHMS = ("rsa-sha256", "ed25519-sha256")


class DkimSignatureWrong(PeerError):
    """A signature cannot be verified, whatever its key is.

    Args:
        result: what that means.
        reason: why.
        tags: as far as they could be read.
    """

    def __init__(self, result: AuthResult, reason: str, tags: Mapping[str, str]) -> None:
        super().__init__(reason)
        self.result = result
        self.tags = tags


@dataclass(frozen=True, slots=True, kw_only=True)
class DkimSignature:
    """One signature that keeps the grammar.

    Args:
        domain, selector: A-labels; where its key is.
        identity: its ``i=``, or empty.
        algorithm: one of ``ALGORITHMS``.
        header_is_relaxed, body_is_relaxed: else ``simple``.
        signed: the names in ``h=``, in lower case, in their order.
        body_digest: its ``bh=``; empty for a seal, which signs no body.
        length: octets of the canonical body that it signs; None: all.
        expires_s: seconds since the epoch; None: never.
        value: its ``b=``.
        is_of_subdomain: its identity's domain is one below ``domain``.
    """

    domain: str
    selector: str
    identity: str = ""
    algorithm: str
    header_is_relaxed: bool = True
    body_is_relaxed: bool = True
    signed: tuple[bytes, ...] = ()
    body_digest: bytes = b""
    length: int | None = None
    expires_s: int | None = None
    value: bytes
    is_of_subdomain: bool = False

    @property
    def key_name(self) -> str:
        """Where DNS has its key."""
        return f"{self.selector}._domainkey.{self.domain}"


def tags_of(value: bytes) -> Mapping[str, str]:
    """Return the tags of a signature field.

    Args:
        value: what stands behind the field's colon.

    Raises:
        DkimSignatureWrong: it is no tag list.
    """
    try:
        return parse_tag_list(value.decode("utf-8", "replace"))
    except TagListWrong as error:
        raise DkimSignatureWrong(AuthResult.NEUTRAL, error.what, {}) from None


def parse_dkim_signature(tags: Mapping[str, str]) -> DkimSignature:
    """Return what the tags of a DKIM-Signature say.

    Raises:
        DkimSignatureWrong: a tag is missing, or has a value that it cannot have.
    """
    if tags.get("v") != "1":
        raise _wrong(tags, "its version is not 1")
    return _Reading(tags).message_signature()


def parse_arc_message_signature(tags: Mapping[str, str]) -> DkimSignature:
    """Return what the tags of an ARC-Message-Signature say; its ``i`` is the instance.

    Raises:
        DkimSignatureWrong: as above.
    """
    tags = {name: value for name, value in tags.items() if name not in ("i", "v")}
    return _Reading(tags).message_signature()


def parse_seal(tags: Mapping[str, str]) -> DkimSignature:
    """Return what the tags of an ARC-Seal say.

    Raises:
        DkimSignatureWrong: as above.
    """
    if "h" in tags or "bh" in tags:
        raise _wrong(tags, "a seal has no h= and no bh=")
    return _Reading(tags).seal()


def _wrong(
    tags: Mapping[str, str], reason: str, result: AuthResult = AuthResult.NEUTRAL
) -> DkimSignatureWrong:
    return DkimSignatureWrong(result, reason, tags)


class _Reading:
    def __init__(self, tags: Mapping[str, str]) -> None:
        self._tags = tags

    def message_signature(self) -> DkimSignature:
        domain, algorithm = self._domain(), self._algorithm()
        header_is_relaxed, body_is_relaxed = self._canonical_forms()
        self._check_query()
        identity = self._tags.get("i", "")[:IDENTITY_LENGTH_MAX]
        expires_s = self._number("x", TIME_DIGITS_MAX)
        signed_s = self._number("t", TIME_DIGITS_MAX)
        if expires_s is not None and signed_s is not None and expires_s <= signed_s:
            raise _wrong(self._tags, "it expires before it was made")
        return DkimSignature(
            domain=domain,
            selector=self._selector(),
            identity=identity,
            algorithm=algorithm,
            header_is_relaxed=header_is_relaxed,
            body_is_relaxed=body_is_relaxed,
            signed=self._signed(),
            body_digest=self._octets("bh"),
            length=self._number("l", LENGTH_DIGITS_MAX),
            expires_s=expires_s,
            value=self._octets("b"),
            is_of_subdomain=self._is_of_subdomain(identity, domain),
        )

    def seal(self) -> DkimSignature:
        return DkimSignature(
            domain=self._domain(),
            selector=self._selector(),
            algorithm=self._algorithm(),
            value=self._octets("b"),
        )

    def _required(self, name: str) -> str:
        value = self._tags.get(name, "")
        if not value:
            raise _wrong(self._tags, f"it has no {name}=")
        return value

    def _domain(self) -> str:
        domain = without_blanks(self._required("d"))
        try:
            parsed = parse_domain(domain)
        except AddressError:
            raise _wrong(self._tags, "its d= is no domain") from None
        if "." not in parsed:
            raise _wrong(self._tags, "its d= is no domain")
        return parsed

    def _selector(self) -> str:
        selector = without_blanks(self._required("s"))
        if not selector.isascii():
            try:
                return parse_domain(selector)
            except AddressError:
                raise _wrong(self._tags, "its s= is no selector") from None
        if not _SELECTOR.fullmatch(selector) or ".." in selector:
            raise _wrong(self._tags, "its s= is no selector")
        return selector.lower()

    def _algorithm(self) -> str:
        algorithm = without_blanks(self._required("a")).lower()
        if algorithm == "rsa-sha1":  # RFC 8301 section 3.1: it has failed for good
            reason = "rsa-sha1 proves nothing any more"
            raise _wrong(self._tags, reason, AuthResult.PERMERROR)
        if algorithm not in ALGORITHMS:
            raise _wrong(self._tags, "its algorithm is unknown")
        return algorithm

    def _canonical_forms(self) -> tuple[bool, bool]:
        header, _, body = without_blanks(self._tags.get("c", "simple")).lower().partition("/")
        forms = {"simple": False, "relaxed": True}
        if header not in forms or (body or "simple") not in forms:
            raise _wrong(self._tags, "its canonical form is unknown")
        return forms[header], forms[body or "simple"]

    def _check_query(self) -> None:
        methods = without_blanks(self._tags.get("q", "dns/txt")).lower().split(":")
        if not {"dns/txt", "dns"} & set(methods):
            raise _wrong(self._tags, "its key is not in DNS")

    def _signed(self) -> tuple[bytes, ...]:
        names = without_blanks(self._required("h")).lower().encode("utf-8", "replace").split(b":")
        if len(names) > SIGNED_FIELDS_MAX or not all(names):
            raise _wrong(self._tags, "its h= is no list of names, or too long")
        if b"from" not in names:
            raise _wrong(self._tags, "it does not sign From", AuthResult.PERMERROR)
        return tuple(names)

    def _octets(self, name: str) -> bytes:
        text = without_blanks(self._required(name))
        try:
            octets = base64.b64decode(text.encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            raise _wrong(self._tags, f"its {name}= is not base64") from None
        if not 0 < len(octets) <= SIGNATURE_BYTES_MAX:
            raise _wrong(self._tags, f"its {name}= is too long")
        return octets

    def _number(self, name: str, digits_max: int) -> int | None:
        text = self._tags.get(name)
        if text is None:
            return None
        if not re.fullmatch(rf"[0-9]{{1,{digits_max}}}", text):
            raise _wrong(self._tags, f"its {name}= is no number")
        return int(text)

    def _is_of_subdomain(self, identity: str, domain: str) -> bool:
        if not identity:
            return False
        try:
            of_identity = parse_domain(identity.rpartition("@")[2])
        except AddressError:
            raise _wrong(self._tags, "its i= is no identity") from None
        if of_identity == domain:
            return False
        if not of_identity.endswith("." + domain):
            raise _wrong(self._tags, "its i= is not of its d=", AuthResult.PERMERROR)
        return True
