"""By which checksums are copies of a mailing known, and which mailings are wanted?

Pure. Of a message are counted: its text, exactly but for blanks and case; its text, nearly; its
attachments, exactly and nearly. What is near is counted by the keys of a fuzzy digest, of which two
near contents share one: as many copies there were as the most frequent of its keys has.

Source: common.fuzzy; RFC 2919 (List-Id).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from common.frozen import dataclass
from common.fuzzy import NEAR_MAX, distance, is_fuzzy, keys_of
from common.kinds import Options
from common.preferences import Preferences
from satellite.filtering.inside import ContentPart, MailContent

KIND = "checksums"
TEXT_LENGTH_MIN = 100  # characters; shorter texts are alike by chance
FILE_BYTES_MIN = 1_024  # octets; smaller files are the same in much mail
FILES_MAX = 10  # of a message
KNOWN_MAX = 50  # of one document
TOLD_FROM = 2  # what was seen once stays at home
WINDOW_S_MAX = 7 * 86_400.0

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LIST = re.compile(r"list:([a-z0-9._-]{1,200})(?:@([a-z0-9.-]{1,253}))?")
_LIST_ID = re.compile(r"<([A-Za-z0-9._-]{1,200})>\s*$")


class ChecksumsOptions(Options):
    """What a document may say in its ``options``: a limit, or what is known and wanted."""

    limit: Annotated[float, Field(ge=2, le=1e9, allow_inf_nan=False)] | None = None
    """copies at all sites above which a content is bulk"""

    window_s: Annotated[float, Field(ge=60, le=WINDOW_S_MAX, allow_inf_nan=False)] = 86_400.0
    """seconds within which they are counted"""

    score: Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)] = 2.0
    """points of a text or file that is bulk, once for a message"""

    near_score: Annotated[float, Field(ge=-100, le=100, allow_inf_nan=False)] = 1.5
    """points where nothing exact is bulk, and something near is"""

    parts: Literal["text", "files", "all"] = "files"
    """what is counted beside the text: attachments, `all`: pictures too, as in many signatures"""

    known: Annotated[str, Field(max_length=5_000)] = ""
    """wanted bulk, separated by blanks: SHA-256, fuzzy digests, `list:ID` or `list:ID@SIGNER`"""

    @field_validator("known")
    @classmethod
    def _known(cls, known: str) -> str:
        words = known.split()
        if len(words) > KNOWN_MAX:
            raise ValueError(f"more than {KNOWN_MAX} are known; use a second document")
        for word in words:
            if not (_SHA256.fullmatch(word) or _LIST.fullmatch(word) or is_fuzzy(word)):
                raise ValueError(
                    f"{word[:80]!r} is no digest and no list; use 64 hex digits, m1:… or list:ID"
                )
        return known

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.limit is None and not self.known:
            raise ValueError("there is neither a limit nor what is known; set `limit` or `known`")
        return self


@dataclass(frozen=True, slots=True)
class Checksum:
    """One thing that a message is counted by.

    Args:
        kind: of the tally.
        keys: one, or those of a fuzzy digest.
        what: for people.
        digest: as an operator may write it down.
        is_near: it is a fuzzy digest's.
        of: of which content of the message, 0: its text.
    """

    kind: str
    keys: tuple[bytes, ...]
    what: str
    digest: str
    is_near: bool
    of: int


@dataclass(frozen=True, slots=True)
class KnownList:
    """A mailing list that is wanted.

    Args:
        identifier: its List-Id, lower case.
        signer: a domain that must have signed, or a parent of it; empty: one of the list's own.
    """

    identifier: str
    signer: str = ""

    def is_signed_by(self, domain: str) -> bool:
        """Say whether a domain that signed a message may speak for the list."""
        if not domain.count("."):
            return False
        wanted = self.signer or self.identifier
        if self.signer:
            return domain == wanted or domain.endswith(f".{wanted}")
        return wanted == domain or wanted.endswith(f".{domain}")


@dataclass(frozen=True, slots=True)
class BulkLimit:
    """A document that sets a limit, or is wrong."""

    name: str
    options: ChecksumsOptions | None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BulkRules:
    """What all documents say.

    Args:
        limits: those that set one, by name.
        digests: exact ones that are known.
        near: fuzzy ones that are known.
        lists: that are known, by their identifiers.
    """

    limits: tuple[BulkLimit, ...]
    digests: frozenset[str]
    near: tuple[str, ...]
    lists: dict[str, KnownList]

    def knows(self, checksum: Checksum) -> bool:
        """Say whether a content is one that is wanted, or near to one."""
        if not checksum.is_near:
            return checksum.digest in self.digests
        return any(distance(one, checksum.digest) <= NEAR_MAX for one in self.near)


def rules_of(preferences: Preferences) -> BulkRules:
    """Return what the enabled documents say."""
    limits: list[BulkLimit] = []
    words: list[str] = []
    for name, body in preferences.filters(KIND).items():
        try:
            options = ChecksumsOptions.model_validate(body.options)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(map(str, first["loc"])) or "options"
            limits.append(BulkLimit(name, None, f"{place}: {first['msg']}"))
            continue
        words += options.known.split()
        if options.limit is not None:
            limits.append(BulkLimit(name, options))
    lists = [KnownList(one[1], one[2] or "") for word in words if (one := _LIST.fullmatch(word))]
    return BulkRules(
        limits=tuple(limits),
        digests=frozenset(word for word in words if _SHA256.fullmatch(word)),
        near=tuple(word for word in words if is_fuzzy(word)),
        lists={one.identifier: one for one in lists},
    )


def list_id(field: str | None) -> str:
    """Return the identifier in a List-Id field, lower case, or nothing."""
    found = _LIST_ID.search(field or "")
    return found[1].lower() if found else ""


def checksums_of(content: MailContent, *, parts: str) -> Iterator[Checksum]:
    """Yield what a message is counted by.

    Args:
        content: of the message.
        parts: as in ``ChecksumsOptions``.
    """
    text = " ".join("\n".join(content.texts).lower().split())
    if len(text) >= TEXT_LENGTH_MIN:
        digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
        yield _exact("text", digest, "its text", of=0)
    if near := keys_of(content.fuzzy):
        what = "a text like its own"
        yield Checksum(f"{KIND}.near", near, what, content.fuzzy, is_near=True, of=0)
    if parts == "text":
        return
    files = [one for one in content.parts if _is_counted(one, pictures=parts == "all")]
    for number, one in enumerate(files[:FILES_MAX], start=1):
        name = one.name or one.media_type or "a file"
        yield _exact("file", one.sha256, name, of=number)
        if near := keys_of(one.fuzzy):
            what = f"a file like {name}"
            yield Checksum(f"{KIND}.like", near, what, one.fuzzy, is_near=True, of=number)


def _exact(kind: str, digest: str, what: str, *, of: int) -> Checksum:
    return Checksum(f"{KIND}.{kind}", (bytes.fromhex(digest),), what, digest, is_near=False, of=of)


def _is_counted(part: ContentPart, *, pictures: bool) -> bool:
    """Say whether a part is a file of its own: a text without a name is the message itself.

    What is called a picture and is known to be something else is none.
    """
    if part.size < FILE_BYTES_MIN or not _SHA256.fullmatch(part.sha256):
        return False
    if part.media_type.startswith("image/") and not part.kinds and not pictures:
        return False
    return bool(part.name) or not part.media_type.startswith(("text/", "multipart/"))
