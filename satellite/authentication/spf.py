"""May this client send for this domain, as SPF says?

Pure: an evaluator that asks DNS (``asking``). It follows at most ten terms that need a look-up, two
of which may find nothing, and ten hosts of an MX; explanations are not looked up. What DNS fails to
say is ``temperror``, and never ``fail``.

Source: RFC 7208 sections 2.4, 4 and 5.
"""

from __future__ import annotations

import ipaddress

from common.address import AddressError, canonical_ip, parse_domain
from common.verdict import printable
from satellite.authentication.asking import Asking, Heard, RecordKind, ask, is_name
from satellite.authentication.results import AuthResult, SpfOutcome
from satellite.authentication.spf_macros import Address, SpfCase, client_names, expanded
from satellite.authentication.spf_record import (
    Mechanism,
    SpfRecord,
    SpfRecordWrong,
    parse_spf_record,
    spf_records,
)
from satellite.names.answer import LookupResult

TERMS_WITH_LOOKUP_MAX = 10  # RFC 7208 section 4.6.4, and so are the next two
VOID_LOOKUPS_MAX = 2
MX_HOSTS_MAX = 10

_WITH_LOOKUP = frozenset({"include", "a", "mx", "ptr", "exists"})


class _Ended(Exception):
    """SPF comes to an error that ends all of it."""

    def __init__(self, result: AuthResult, reason: str) -> None:
        super().__init__(reason)
        self.result = result
        self.reason = reason


def spf_outcome(*, client_address: str, helo: str, sender: str) -> Asking[SpfOutcome]:
    """Return what SPF says of a client.

    Args:
        client_address: in canonical text; empty: the message is our own.
        helo: as the client said.
        sender: its address; empty: HELO's name is asked about, as section 2.4 says.
    """
    local, _, domain = sender.rpartition("@")
    is_helo = not sender
    try:
        asked = parse_domain(helo if is_helo else domain)
        client = ipaddress.ip_address(canonical_ip(client_address))
    except (AddressError, ValueError):
        return SpfOutcome(result=AuthResult.NONE, is_helo=is_helo, reason="no domain to ask about")
    case = SpfCase(client=client, helo=helo, local=local or "postmaster", domain=asked)
    try:
        result = yield from _Evaluation(case).check(asked)
        reason = ""
    except _Ended as ended:
        result, reason = ended.result, printable(ended.reason)
    return SpfOutcome(result=result, domain=asked, is_helo=is_helo, reason=reason)


class _Evaluation:
    """SPF for one client; its limits hold for all records together."""

    def __init__(self, case: SpfCase) -> None:
        self._case = case
        self._terms = 0
        self._voids = 0

    def check(self, domain: str) -> Asking[AuthResult]:
        """Return what a domain's record comes to: ``check_host()`` of section 4."""
        if not is_name(domain):
            return AuthResult.NONE
        heard = yield from ask(domain, RecordKind.TXT)
        if heard.has_failed:
            raise _Ended(AuthResult.TEMPERROR, f"DNS says nothing of {domain}")
        found = spf_records(heard.records)
        if not found:
            return AuthResult.NONE
        if len(found) > 1:
            raise _Ended(AuthResult.PERMERROR, f"{domain} has {len(found)} records")
        try:
            record = parse_spf_record(found[0])
        except SpfRecordWrong as error:
            raise _Ended(AuthResult.PERMERROR, f"{domain}: {error.what}") from None
        return (yield from self._result(record, domain))

    def _result(self, record: SpfRecord, domain: str) -> Asking[AuthResult]:
        for mechanism in record.mechanisms:
            if (yield from self._matches(mechanism, domain)):
                return mechanism.result
        if not record.redirect:
            return AuthResult.NEUTRAL
        self._count_term()
        target = yield from expanded(record.redirect, self._case, domain)
        result = yield from self.check(target)
        if result is AuthResult.NONE:
            raise _Ended(AuthResult.PERMERROR, f"{domain} redirects to {target}, which has none")
        return result

    def _matches(self, mechanism: Mechanism, domain: str) -> Asking[bool]:
        if mechanism.name in _WITH_LOOKUP:
            self._count_term()
        target = domain
        if mechanism.domain:
            target = yield from expanded(mechanism.domain, self._case, domain)
        match mechanism.name:
            case "ip4" | "ip6":
                is_match = mechanism.network is not None and self._case.client in mechanism.network
            case "include":
                is_match = yield from self._includes(target)
            case "a":
                is_match = self._is_among((yield from self._addresses(target)), mechanism)
            case "mx":
                is_match = yield from self._matches_mx(mechanism, target)
            case "ptr":
                is_match = _has_name((yield from client_names(self._case.client)), target)
            case "exists":
                heard = yield from self._asked(target, RecordKind.A)
                is_match = heard.found is LookupResult.RECORDS
            case _:  # all
                is_match = True
        return is_match

    def _includes(self, target: str) -> Asking[bool]:
        result = yield from self.check(target)
        if result is AuthResult.NONE:
            raise _Ended(AuthResult.PERMERROR, f"{target} is included and has no record")
        return result is AuthResult.PASS

    def _matches_mx(self, mechanism: Mechanism, target: str) -> Asking[bool]:
        heard = yield from self._asked(target, RecordKind.MX)
        if len(heard.records) > MX_HOSTS_MAX:
            raise _Ended(AuthResult.PERMERROR, f"{target} has more than {MX_HOSTS_MAX} MX hosts")
        for host in heard.records:
            # Hosts without an address of the client's family are usual, and no void look-ups.
            if self._is_among((yield from self._addresses(host, counts=False)), mechanism):
                return True
        return False

    def _addresses(self, host: str, *, counts: bool = True) -> Asking[tuple[str, ...]]:
        kind = RecordKind.A if self._case.client.version == 4 else RecordKind.AAAA
        heard = yield from self._asked(host, kind, counts=counts)
        return heard.records

    def _is_among(self, addresses: tuple[str, ...], mechanism: Mechanism) -> bool:
        client = self._case.client
        is_ipv4 = client.version == 4
        bits = mechanism.prefix4 if is_ipv4 else mechanism.prefix6
        shift = (32 if is_ipv4 else 128) - bits
        return any(_is_near(ipaddress.ip_address(one), client, shift) for one in addresses)

    def _asked(self, name: str, kind: RecordKind, *, counts: bool = True) -> Asking[Heard]:
        heard = yield from ask(name, kind)
        if heard.has_failed:
            raise _Ended(AuthResult.TEMPERROR, f"DNS says nothing of {name}")
        if counts and heard.found is not LookupResult.RECORDS:
            self._voids += 1
            if self._voids > VOID_LOOKUPS_MAX:
                raise _Ended(AuthResult.PERMERROR, f"more than {VOID_LOOKUPS_MAX} void look-ups")
        return heard

    def _count_term(self) -> None:
        self._terms += 1
        if self._terms > TERMS_WITH_LOOKUP_MAX:
            raise _Ended(AuthResult.PERMERROR, f"more than {TERMS_WITH_LOOKUP_MAX} look-ups")


def _has_name(names: list[str], target: str) -> bool:
    wanted = target.lower()
    return any(name == wanted or name.endswith("." + wanted) for name in names)


def _is_near(one: Address, other: Address, shift: int) -> bool:
    return one.version == other.version and int(one) >> shift == int(other) >> shift
