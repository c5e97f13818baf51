"""What does a DNS list's document say: what it is asked of, and what its answers mean?

Pure. A document that nobody can read makes a list that is never asked, and says why.

Source: RFC 5782 sections 2.1 (codes, bit masks), 2.2 (domain names), 2.3, 2.4 and 5 (test entries).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError, field_validator

from common.address import AddressError, parse_domain
from common.errors import LocalError
from common.frozen import dataclass
from common.kinds import Options
from common.preferences.bodies import FilterBody
from common.settings.reading import what_and_remedy
from satellite.filtering.listing import ListCode, code_of, is_answer, label_of_address

NAME_LENGTH_MAX = 253  # RFC 1035 section 2.3.4: what is asked for, zone and all
NO_TEST = "none"

_LISTED_ADDRESS = {4: "127.0.0.2", 6: "::ffff:7f00:2"}  # RFC 5782 section 5: must be listed
_UNLISTED_ADDRESS = {4: "127.0.0.1", 6: "::ffff:7f00:1"}  # must not
_LISTED_NAME, _UNLISTED_NAME = "test", "invalid"  # the same of a list of names


class AskedOf(StrEnum):
    """What of a message a list is asked about."""

    CLIENT = "client"
    RECEIVED = "received"
    HELO = "helo"
    SENDER_DOMAIN = "sender-domain"
    FROM_DOMAIN = "from-domain"
    URL = "url"
    URL_ADDRESS = "url-address"


_OF_CLIENTS = frozenset({AskedOf.CLIENT, AskedOf.RECEIVED})
OF_CONTENT = frozenset({AskedOf.URL, AskedOf.URL_ADDRESS})


class DnsListOptions(Options):
    """What a list's document may say in its ``options``."""

    family: Literal[4, 6] = 4
    """6: a list of IPv6 alone, whose test entries are of IPv6."""

    asks: Annotated[str, Field(min_length=1, max_length=200)] = AskedOf.CLIENT.value
    """What it is asked about: one or more of ``client``, ``received``, ``helo``, ``sender-domain``,
    ``from-domain``, ``url`` and ``url-address``, with commas between them."""

    names: Literal["both", "registered"] = "both"
    """``registered``: of a host the registered domain alone; ``both``: the host itself too."""

    answers: Literal["codes", "bits"] = "codes"
    """``bits``: each of ``codes`` is a bit, several of which one answer may have."""

    errors: Annotated[str, Field(max_length=200)] = ""
    """Answers that say that the list does not serve us, beside 127.255.255.0/24."""

    test: Annotated[str, Field(max_length=NAME_LENGTH_MAX)] = ""
    """The address or name that must be listed, where it is not that of RFC 5782; ``none``: the
    list has no such entry."""

    at: Literal["data", "rcpt", "connect"] = "data"
    """``rcpt``: it is asked at RCPT too, where the policy key ``dnsbl.reject`` wants that;
    ``connect``: and before the greeting, where the cluster's does."""

    share_max: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The share of what it is asked about that it may suddenly list; 1: any."""

    @field_validator("family", mode="before")
    @classmethod
    def _whole(cls, family: Any) -> Any:
        return int(family) if isinstance(family, float) and family.is_integer() else family

    @field_validator("asks")
    @classmethod
    def _asks(cls, asks: str) -> str:
        for word in _words(asks):
            if word not in set(AskedOf):
                raise ValueError(f"{word!r} is none of {', '.join(AskedOf)}")
        return asks

    @field_validator("errors")
    @classmethod
    def _errors(cls, errors: str) -> str:
        for word in _words(errors):
            if not is_answer(word):
                raise ValueError(f"{word!r} is no answer of a list; use 127.0.0.0/8")
        return errors

    @field_validator("test")
    @classmethod
    def _test(cls, test: str) -> str:
        if test and test != NO_TEST:
            _label(test)
        return test


@dataclass(frozen=True, slots=True, kw_only=True)
class ListTerms:
    """How one list is asked and understood.

    Args:
        zone: A-labels.
        asks: what it is asked about.
        is_registered_alone: of a host only its registered domain.
        codes: what counts, with points.
        errors: answers that say that it does not serve us.
        listed, unlisted: what stands before the zone in the entry that must be there, and in the
            one that must not; each with the word for people. ``listed`` is None: it has none.
        share_max: of what it is asked about.
        is_at_rcpt: it is asked at RCPT too, where a policy wants that.
        is_at_connect: and about a client's address as soon as it connects.
    """

    zone: str
    asks: frozenset[AskedOf]
    is_registered_alone: bool
    codes: tuple[ListCode, ...]
    errors: frozenset[str]
    listed: tuple[str, str] | None
    unlisted: tuple[str, str]
    share_max: float
    is_at_rcpt: bool
    is_at_connect: bool


class ListMistake(LocalError):
    """A list's document says what cannot be."""


def terms_of(body: FilterBody) -> ListTerms:
    """Return what a list's document says.

    Raises:
        ListMistake: an option is unknown or out of bounds, or the zone is missing.
    """
    if not body.zone:
        raise ListMistake("it has no zone", hint="publish it with the list's zone")
    try:
        options = DnsListOptions.model_validate(dict(body.options))
    except ValidationError as error:
        what, remedy = what_and_remedy(error.errors(include_url=False)[0])
        raise ListMistake(f"its options are wrong: {what}", hint=remedy) from None
    asks = frozenset(map(AskedOf, _words(options.asks)))
    listed, unlisted = _tests(asks, options)
    return ListTerms(
        zone=body.zone,
        asks=asks,
        is_registered_alone=options.names == "registered",
        codes=_codes(body.codes, are_bits=options.answers == "bits"),
        errors=frozenset(_words(options.errors)),
        listed=listed,
        unlisted=unlisted,
        share_max=options.share_max,
        is_at_rcpt=options.at in ("rcpt", "connect"),
        is_at_connect=options.at == "connect" and AskedOf.CLIENT in asks,
    )


def _codes(codes: Mapping[str, float], *, are_bits: bool) -> tuple[ListCode, ...]:
    return tuple(code_of(text, points, is_bit=are_bits) for text, points in codes.items())


def _tests(
    asks: frozenset[AskedOf], options: DnsListOptions
) -> tuple[tuple[str, str] | None, tuple[str, str]]:
    """Return the entry that must be there, or None, and the one that must not."""
    if asks & _OF_CLIENTS:
        must, must_not = _LISTED_ADDRESS[options.family], _UNLISTED_ADDRESS[options.family]
        unlisted = (label_of_address(must_not), must_not)
    else:
        must, unlisted = _LISTED_NAME, (_UNLISTED_NAME, _UNLISTED_NAME)
    if options.test == NO_TEST:
        return None, unlisted
    must = options.test or must
    return (_label(must), must), unlisted


def _label(text: str) -> str:
    """Return what stands before the zone for an address or a name.

    Raises:
        ValueError: it is neither.
    """
    try:
        ipaddress.ip_address(text)
    except ValueError:
        try:
            return parse_domain(text)
        except AddressError as error:
            raise ValueError(error.what) from None
    return label_of_address(text)


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]
