"""Which kinds of values stand in settings, and what is each written like?

Pure. What a value alone can get wrong is refused here, for the programs and for the inventory that
their settings are rendered from.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from common.address import AddressError, parse_address, parse_domain
from common.preferences.deliver_to import parse_deliver_to, split_target

_ENDPOINT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\s\[\]]+):(?P<port>[0-9]{1,5})", re.ASCII)
_URL = re.compile(r"https?://[A-Za-z0-9.:\[\]-]{1,255}/[!#$%&'()*+,./:;=?@A-Za-z0-9_~-]{1,1500}")
_BASE = re.compile(r"https?://[A-Za-z0-9.:\[\]-]{1,255}/?")
DELIVER_TO_REMEDY = "write HOST:PORT, such as mail.acme.example:25, lmtp:HOST:PORT or NAME/mx"
_SERIAL = re.compile(r"[0-9a-fA-F]{1,40}|[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){0,20}")
STANDBYS_MAX = 4  # machines that can be the core, beside the one that is
CORE_ADDRESSES_MAX = 8  # of one such machine in the VPN, and as many in the world
_WIREGUARD_KEY_BYTES = 32  # RFC 7748
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")  # a DNS label, a folder, a word in a command


class Settings(BaseModel):
    """The base of every settings model: frozen, and unknown keys are complaints.

    The text below a field is its description, which docs/settings.md shows.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def _checked_endpoint(text: str) -> str:
    """Accept ``HOST:PORT``; an IPv6 host stands in brackets."""
    match = _ENDPOINT.fullmatch(text)
    if match is None or not 1 <= int(match["port"]) <= 65_535:
        raise ValueError(f"{text!r} is no endpoint; write HOST:PORT, or [IPV6]:PORT")
    return text


def _checked_wireguard_key(text: str) -> str:
    try:
        octets = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        octets = b""
    if len(octets) != _WIREGUARD_KEY_BYTES:
        raise ValueError("is no WireGuard key: base64 of 32 octets")
    return base64.b64encode(octets).decode()


def _checked_url(text: str) -> str:
    """Accept a URL that may stand in a line of another program's settings."""
    if not _URL.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is no URL; write http://HOST/PATH or https://HOST/PATH")
    return text


def _checked_base(text: str) -> str:
    if not _BASE.fullmatch(text):
        raise ValueError(f"{text[:80]!r} is no mirror; write http://HOST:PORT or https://HOST")
    return text.rstrip("/")


def _checked_name(text: str) -> str:
    if not _NAME.fullmatch(text):
        raise ValueError(
            f"{text[:80]!r} is no name; write 1 to 63 of a-z, 0-9 and -, not beginning with -"
        )
    return text


def _checked_serial(text: str) -> str:
    """Accept a certificate's serial number, such as openssl prints it."""
    if not _SERIAL.fullmatch(text):
        raise ValueError(
            f"{text[:80]!r} is no serial number; write 1 to 40 hexadecimal digits, in quotes"
        )
    return text.replace(":", "").lower().lstrip("0") or "0"


def _checked_target(text: str) -> str:
    _check_target(text, remedy="write HOST:PORT, such as mail.acme.example:25")
    return text


def _checked_deliver_to(text: str) -> str:
    try:
        parse_deliver_to(text)
    except ValueError as error:
        what, _, remedy = str(error).partition("; ")
        raise ValueError(f"{what}; {remedy or DELIVER_TO_REMEDY}") from None
    return text


def _check_target(text: str, *, remedy: str) -> None:
    try:
        split_target(text)
    except ValueError as error:
        what = str(error).partition("; ")[0]
        raise ValueError(f"{what}; {remedy}") from None


def _checked_server(text: str) -> str:
    """Accept where a server listens: ``HOST:PORT`` or ``unix:/PATH``."""
    remedy = "write HOST:PORT, [IPv6]:PORT or unix:/PATH"
    if text.startswith("unix:"):
        if not text.startswith("unix:/"):
            raise ValueError(f"{text[:80]!r} names no absolute path; {remedy}")
        return text
    if ":" not in text or text.endswith("]"):
        raise ValueError(f"{text[:80]!r} has no port; {remedy}")
    _check_target(text, remedy=remedy)
    return text


def checked_resolver(text: str) -> str:
    """Return ADDRESS:PORT as it is written; ValueError says what is wrong."""
    host, colon, port = text.rpartition(":")
    try:
        if not colon or not 1 <= int(port) <= 65_535:
            raise ValueError
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        raise ValueError(
            f"{text[:80]!r} is no resolver; write ADDRESS:PORT, such as 127.0.0.1:53"
        ) from None
    return f"[{address}]:{port}" if address.version == 6 else f"{address}:{port}"


def _checked_mailbox(text: str) -> str:
    try:
        return str(parse_address(text))
    except AddressError as error:
        raise ValueError(f"{error}; write an address such as postmaster@acme.example") from None


def _checked_path(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"{text!r:.80} is no path; write one without control characters")
    return text


def _checked_network(text: str) -> str:
    try:
        return str(ipaddress.ip_network(text))
    except ValueError as error:
        remedy = "write ADDRESS/LENGTH, such as 192.0.2.0/24"
        raise ValueError(f"{text[:80]!r} is no network: {error}; {remedy}") from None


def _checked_address(text: str) -> str:
    try:
        found = str(ipaddress.ip_address(text))
    except ValueError:
        found = "%"
    if "%" in found:  # a scope is any text, and no network has one
        raise ValueError(
            f"{text[:80]!r} is no IP address; write one such as 192.0.2.10 or 2001:db8::10"
        )
    return found


def _checked_domain(text: str) -> str:
    return str(parse_domain(text))


def _or_none(check: Callable[[str], str]) -> Callable[[str], str]:
    """Return a check that lets an empty text be: it says that there is none."""

    def checked(text: str) -> str:
        return check(text) if text else text

    return checked


def _written(form: str) -> object:
    """Return what tells the documentation how a text is written."""
    return Field(json_schema_extra={"format": form})


Endpoint = Annotated[str, AfterValidator(_checked_endpoint), _written("HOST:PORT")]
EndpointOrNone = Annotated[str, AfterValidator(_or_none(_checked_endpoint)), _written("HOST:PORT")]
HttpBase = Annotated[str, AfterValidator(_checked_base), _written("http(s)://HOST[:PORT]")]
HttpUrl = Annotated[str, AfterValidator(_checked_url), _written("a URL of http or https")]
Name = Annotated[str, AfterValidator(_checked_name), _written("one word of a-z, 0-9 and -")]
WireGuardKey = Annotated[
    str, Field(max_length=64), AfterValidator(_checked_wireguard_key), _written("base64")
]
WireGuardKeyOrNone = Annotated[
    str,
    Field(max_length=64),
    AfterValidator(_or_none(_checked_wireguard_key)),
    _written("base64"),
]
CertificateSerial = Annotated[str, AfterValidator(_checked_serial), _written("hexadecimal digits")]
Target = Annotated[str, AfterValidator(_checked_target), _written("HOST:PORT")]
DeliverTo = Annotated[
    str,
    AfterValidator(_checked_deliver_to),
    _written("HOST:PORT, lmtp:HOST:PORT or NAME/mx"),
]
Server = Annotated[str, AfterValidator(_checked_server), _written("HOST:PORT or unix:/PATH")]
Resolver = Annotated[str, AfterValidator(checked_resolver), _written("ADDRESS:PORT")]
Mailbox = Annotated[str, AfterValidator(_checked_mailbox), _written("an address")]
IpAddress = Annotated[str, AfterValidator(_checked_address), _written("an IP address")]
DomainOrNone = Annotated[str, AfterValidator(_or_none(_checked_domain)), _written("a domain")]
Network = Annotated[str, AfterValidator(_checked_network), _written("ADDRESS/LENGTH")]

DeliverToOrNone = Annotated[
    str,
    AfterValidator(_or_none(_checked_deliver_to)),
    _written("HOST:PORT or lmtp:HOST:PORT"),
]
TargetOrNone = Annotated[str, AfterValidator(_or_none(_checked_target)), _written("HOST:PORT")]
ServerOrNone = Annotated[
    str, AfterValidator(_or_none(_checked_server)), _written("HOST:PORT or unix:/PATH")
]
ResolverOrNone = Annotated[
    str, AfterValidator(_or_none(checked_resolver)), _written("ADDRESS:PORT")
]
MailboxOrNone = Annotated[str, AfterValidator(_or_none(_checked_mailbox)), _written("an address")]

FilePath = Annotated[str, AfterValidator(_checked_path), _written("a path, from the file's folder")]
# Mail waits thirty days at the most. A time that the spool's database cannot hold would fail each
# attempt after it was made, and the message would be sent again.
SECONDS_MAX = 30 * 86_400
Seconds = Annotated[float, Field(gt=0, le=SECONDS_MAX, allow_inf_nan=False)]


def endpoint(host: str, port: int) -> str:
    """Return ``HOST:PORT``, an IPv6 host in brackets; ``split_endpoint`` takes it apart."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split_endpoint(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``; an IPv6 host stands in brackets."""
    host, _, port = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)
