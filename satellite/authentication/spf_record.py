"""What does an SPF record say?

Pure. The whole record is read before any of it is followed: what is wrong at its end makes it wrong
at its beginning (RFC 7208 section 4.6). Time is linear in the record.

Source: RFC 7208 sections 4.5, 4.6, 5, 6, 7.1 and 12.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from collections.abc import Sequence

from common.errors import PeerError
from common.frozen import dataclass
from satellite.authentication.results import AuthResult

TERMS_MAX = 500  # of one record; an honest one has a dozen
TERM_LENGTH_MAX = 1_000
RECORDS_READ_MAX = 1_024  # kept ready: a few domains send most of the mail
READ_LENGTH_MAX = (
    1_024  # characters of one that is kept ready; what is read takes ten times as much
)

_VERSION = re.compile(r"v=spf1(?: |$)", re.IGNORECASE)
_MODIFIER = re.compile(r"([a-z][a-z0-9_.-]*)=(.*)", re.IGNORECASE | re.DOTALL)
_DIRECTIVE = re.compile(r"([-+?~]?)([a-z][a-z0-9]*)(.*)", re.IGNORECASE | re.DOTALL)
_MACRO = r"%(?:\{[slodiphv](?:[1-9][0-9]{0,2})?r?[.+,/_=-]*\}|[%_-])"
# Those three are for explanations alone, which are modifiers that we do not follow.
_ANY_MACRO = _MACRO.replace("slodiphv", "slodiphvcrt")
_MACRO_STRING = re.compile(rf"(?:{_ANY_MACRO}|[!-$&-~])*", re.IGNORECASE)
_DOMAIN_SPEC = re.compile(rf"(?:{_MACRO}|[!-$&-~])+", re.IGNORECASE)
_ENDS_IN_MACRO = re.compile(rf"(?:.*[^%])?(?:%%)*{_MACRO}", re.IGNORECASE | re.DOTALL)
_TOP_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?", re.IGNORECASE)
_PREFIX_LENGTHS = re.compile(r"(?:/(0|[1-9][0-9]?))?(?://(0|[1-9][0-9]{0,2}))?$")

_QUALIFIERS = {
    "": AuthResult.PASS,
    "+": AuthResult.PASS,
    "-": AuthResult.FAIL,
    "~": AuthResult.SOFTFAIL,
    "?": AuthResult.NEUTRAL,
}

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SpfRecordWrong(PeerError):
    """A record breaks the grammar; says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mechanism:
    """One directive of a record.

    Args:
        name: in lower case.
        result: what a match means.
        domain: its domain-spec, macros and all; empty: the domain that is asked about.
        network: of ``ip4`` and ``ip6``, else None.
        prefix4, prefix6: of ``a`` and ``mx``: how many bits of an address count.
    """

    name: str
    result: AuthResult
    domain: str = ""
    network: Network | None = None
    prefix4: int = 32
    prefix6: int = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class SpfRecord:
    """A record that keeps the grammar.

    Args:
        mechanisms: in their order.
        redirect: the domain-spec of whose record holds when nothing matched; empty: none.
    """

    mechanisms: tuple[Mechanism, ...]
    redirect: str = ""


def spf_records(texts: Sequence[str]) -> list[str]:
    """Return those of a domain's TXT records that are SPF's."""
    return [text for text in texts if _VERSION.match(text)]


def parse_spf_record(text: str) -> SpfRecord:
    """Return what a record says.

    Args:
        text: begins with the version.

    Raises:
        SpfRecordWrong: it breaks the grammar, or has more terms than anybody needs.
    """
    return _kept_ready(text) if len(text) <= READ_LENGTH_MAX else _read(text)


def _read(text: str) -> SpfRecord:
    if not text.isascii():
        raise SpfRecordWrong("the record is not in ASCII")
    terms = [term for term in text.split(" ")[1:] if term]
    if len(terms) > TERMS_MAX:
        raise SpfRecordWrong(f"the record has more than {TERMS_MAX} terms")
    mechanisms: list[Mechanism] = []
    modifiers: dict[str, str] = {}
    for term in terms:
        if len(term) > TERM_LENGTH_MAX:
            raise SpfRecordWrong("a term is too long")
        modifier = _MODIFIER.fullmatch(term)
        if modifier is None:
            mechanisms.append(_mechanism(term))
            continue
        name, value = modifier[1].lower(), modifier[2]
        _check_modifier(name, value, modifiers)
        modifiers[name] = value
    return SpfRecord(mechanisms=tuple(mechanisms), redirect=modifiers.get("redirect", ""))


_kept_ready = functools.lru_cache(maxsize=RECORDS_READ_MAX)(_read)


def _check_modifier(name: str, value: str, known: dict[str, str]) -> None:
    if name in ("redirect", "exp"):
        if name in known:
            raise SpfRecordWrong(f"{name} stands twice")
        _check_domain(value, name)
    elif not _MACRO_STRING.fullmatch(value):
        raise SpfRecordWrong(f"{name[:40]} is no macro string")


def _mechanism(term: str) -> Mechanism:
    found = _DIRECTIVE.fullmatch(term)
    if found is None:
        raise SpfRecordWrong(f"{term[:40]!r} is no term")
    result, name, rest = _QUALIFIERS[found[1]], found[2].lower(), found[3]
    match name:
        case "all" if not rest:
            return Mechanism(name=name, result=result)
        case "include" | "exists" if rest.startswith(":"):
            return Mechanism(name=name, result=result, domain=_domain(rest, name))
        case "ptr" if not rest or rest.startswith(":"):
            domain = _domain(rest, name) if rest else ""
            return Mechanism(name=name, result=result, domain=domain)
        case "a" | "mx" if not rest or rest[0] in ":/":
            return _of_hosts(name, result, rest)
        case "ip4" | "ip6" if rest.startswith(":"):
            return Mechanism(name=name, result=result, network=_network(name, rest[1:]))
        case _:
            raise SpfRecordWrong(f"{term[:40]!r} is no mechanism")


def _of_hosts(name: str, result: AuthResult, rest: str) -> Mechanism:
    lengths = _PREFIX_LENGTHS.search(rest)
    assert lengths is not None  # it matches nothing as well
    spec = rest[: lengths.start()]
    prefix4, prefix6 = int(lengths[1] or 32), int(lengths[2] or 128)
    if prefix4 > 32 or prefix6 > 128:
        raise SpfRecordWrong(f"{name} has a prefix that no address has")
    return Mechanism(
        name=name,
        result=result,
        domain=_domain(spec, name) if spec else "",
        prefix4=prefix4,
        prefix6=prefix6,
    )


def _domain(rest: str, name: str) -> str:
    if not rest.startswith(":"):
        raise SpfRecordWrong(f"{name}{rest[:40]} is no mechanism")
    _check_domain(rest[1:], name)
    return rest[1:]


def _check_domain(spec: str, name: str) -> None:
    """Look whether this is a domain-spec, which ends in a macro or in a top label."""
    if not _DOMAIN_SPEC.fullmatch(spec):
        raise SpfRecordWrong(f"{name} has no domain: {spec[:40]!r}")
    if spec.endswith(("}", "%", "_", "-")) and _ENDS_IN_MACRO.fullmatch(spec):
        return
    before, dot, top = spec.removesuffix(".").rpartition(".")
    if not before or not dot or top.isdigit() or not _TOP_LABEL.fullmatch(top):
        raise SpfRecordWrong(f"{name} has no domain: {spec[:40]!r}")


def _network(name: str, text: str) -> Network:
    made: type[Network] = ipaddress.IPv4Network if name == "ip4" else ipaddress.IPv6Network
    _, slash, length = text.partition("/")
    # The library would take a netmask, and a zone.
    if (slash and not re.fullmatch(r"0|[1-9][0-9]{0,2}", length)) or "%" in text:
        raise SpfRecordWrong(f"{name}:{text[:60]} is no network")
    try:
        return made(text, strict=False)
    except ValueError:
        raise SpfRecordWrong(f"{name}:{text[:60]} is no network") from None
