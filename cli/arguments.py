"""What may stand where a command takes a scope, a pattern, an address or an id?

Pure: checked before anybody is asked, so that a slip of the hand is wrong usage (exit code 2).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from common.address import AddressError, canonical_ip, parse_address, parse_domain
from common.ids import is_ulid
from common.preferences.deliver_to import parse_deliver_to
from common.preferences.list_keys import canonical_pattern
from common.preferences.scopes import Scope as _Scope

SCOPE_HELP = "cluster, customer/NAME, domain/NAME or recipient/ADDRESS."


def _checked(check: Callable[[str], object], text: str) -> str:
    try:
        check(text)
    except AddressError as error:
        raise typer.BadParameter(error.what) from None
    return text


def _scope(text: str) -> str:
    return _checked(_Scope.parse, text)


def _scope_or_all(text: str) -> str:
    return _scope(text) if text else text


def _pattern(text: str) -> str:
    return _checked(canonical_pattern, text)


def _address(text: str) -> str:
    return _checked(parse_address, text)


def _address_or_none(text: str) -> str:
    return _address(text) if text else text


def _client(text: str) -> str:
    try:
        return canonical_ip(text) if text else text
    except ValueError:
        raise typer.BadParameter(f"{text[:80]!r} is no IP address") from None


def _domain(text: str) -> str:
    return _checked(parse_domain, text)


def _domains(texts: list[str]) -> list[str]:
    return [parse_domain(_domain(text)) for text in texts]


def _domain_or_all(text: str) -> str:
    return _domain(text) if text else text


def _targets(texts: list[str]) -> list[str]:
    for text in texts:
        try:
            parse_deliver_to(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None
    return texts


def _id_or_none(text: str) -> str:
    return _id(text) if text else text


def _id(text: str) -> str:
    if not is_ulid(text.upper()):
        raise typer.BadParameter(f"{text[:80]!r} is no message id of 26 letters and digits")
    return text.upper()


Scope = Annotated[str, typer.Argument(metavar="SCOPE", help=SCOPE_HELP, callback=_scope)]
ScopeOrAll = Annotated[
    str,
    typer.Argument(metavar="SCOPE", help=f"{SCOPE_HELP} Left out: all.", callback=_scope_or_all),
]
Pattern = Annotated[
    str,
    typer.Argument(
        metavar="PATTERN",
        help="Address, domain, .domain, network or header:NAME:EXPRESSION.",
        callback=_pattern,
    ),
]
Address = Annotated[
    str, typer.Argument(metavar="ADDRESS", help="One recipient.", callback=_address)
]
Domain = Annotated[
    str, typer.Argument(metavar="DOMAIN", help="A customer's domain.", callback=_domain)
]
Domains = Annotated[
    list[str],
    typer.Argument(metavar="DOMAIN...", help="Domains of customers.", callback=_domains),
]
DomainOrAll = Annotated[
    str,
    typer.Argument(
        metavar="DOMAIN", help="A customer's domain. Left out: all.", callback=_domain_or_all
    ),
]
Targets = Annotated[
    list[str],
    typer.Option(
        "--to",
        metavar="HOST:PORT",
        help="The server; again for those to try after it.",
        callback=_targets,
    ),
]
SenderOrNone = Annotated[
    str,
    typer.Option("--sender", metavar="ADDRESS", help="Of the envelope.", callback=_address_or_none),
]
ClientOrNone = Annotated[
    str,
    typer.Option(
        "--client", metavar="IP", help="The address that the mail comes from.", callback=_client
    ),
]
MessageIdOrNone = Annotated[
    str, typer.Argument(metavar="ID", help="One message's id.", callback=_id_or_none)
]
MessageId = Annotated[str, typer.Argument(metavar="ID", help="The message's id.", callback=_id)]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Force = Annotated[
    bool, typer.Option("--force", help="Do it also with a name that nobody has (yet).")
]
