"""What must TLS with a host be, by what its domain publishes?

Touches DNS. DANE comes first and MTA-STS never softens it; without either, TLS is opportunistic.
DANE needs proof: the MX, the address and the TLSA records as a resolver that we trust has validated
them. A TLSA lookup that fails keeps mail from the host, since an attacker could make it fail.

Source: RFC 7672 sections 2.1 and 2.2, RFC 8461 sections 2 and 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Protocol

from common.preferences.policy import TlsPolicy
from satellite.delivery.hop.protection import STATUS_TLS_FAILED, Protection, Tls
from satellite.delivery.hop.session import Hop, HopFailed
from satellite.delivery.published.dane import TlsaRecord, chain_problem
from satellite.delivery.published.mta_sts import StsMode
from satellite.delivery.published.sts_policies import StsFinding
from satellite.delivery.published.tls_results import (
    PublishedPolicy,
    TlsResult,
    TlsResultKind,
    TlsResults,
)
from satellite.names.answer import LookupResult
from satellite.names.names import Names


class StsPolicySource(Protocol):
    """The MTA-STS policies of domains."""

    async def of(self, domain: str) -> StsFinding:
        """Return what holds for mail to a domain."""
        ...


@dataclass(frozen=True, slots=True)
class TlsDemand:
    """How a session with one host must be.

    Args:
        tls: what is done.
        published: why; None: it is not what a domain publishes.
        is_testing: a failure is reported, and mail goes as if nothing were published.
    """

    tls: Tls
    published: PublishedPolicy | None = None
    is_testing: bool = False


class TlsChoice:
    """What is demanded of hosts.

    Args:
        protection: how TLS is done.
        names: DNS for TLSA; None: nothing that is published is looked at.
        policies: of MTA-STS.
        results: where it is counted how sessions went.
    """

    def __init__(
        self,
        protection: Protection,
        *,
        names: Names | None = None,
        policies: StsPolicySource | None = None,
        results: TlsResults | None = None,
    ) -> None:
        self._protection = protection
        self._names = names
        self._policies = policies
        self._results = results

    async def of(self, hop: Hop, policy: TlsPolicy) -> TlsDemand:
        """Return what TLS with a host must be.

        Raises:
            HopFailed: the host must not be used.
        """
        if policy is not TlsPolicy.AUTO:
            return TlsDemand(self._protection.tls(policy))
        return (
            await self._dane(hop)
            or await self._sts(hop)
            or self.opportunistic(PublishedPolicy.NONE)
        )

    def opportunistic(self, published: PublishedPolicy | None = None) -> TlsDemand:
        """Return what is done where nothing is published, or where that was only a test."""
        return TlsDemand(self._protection.tls(TlsPolicy.OPPORTUNISTIC), published)

    def note(self, hop: Hop, demand: TlsDemand, failure: HopFailed | None) -> None:
        """Count how a session went; one that failed for another reason than TLS is none."""
        if demand.published is None or (failure is not None and not failure.tls_status):
            return
        kind = failure.tls_result if failure is not None else TlsResultKind.SUCCESS
        self._count(hop, demand.published, kind)

    async def _dane(self, hop: Hop) -> TlsDemand | None:
        if self._names is None or not hop.is_validated:
            return None
        host = hop.target.host
        found = await self._names.records(f"_{hop.target.port}._tcp.{host}", "TLSA")
        if found.found is LookupResult.FAILED:
            what = "its TLSA records could not be looked up, and they may forbid this host"
            raise self._forbidden(hop, what, PublishedPolicy.TLSA, TlsResultKind.DNSSEC)
        if found.found is not LookupResult.RECORDS or not found.is_validated:
            return None
        records = [
            TlsaRecord(each.usage, each.selector, each.mtype, each.cert)  # type: ignore[attr-defined]
            for each in found.records
        ]
        usable = [record for record in records if record.is_usable]
        names = [name for name in (host, hop.domain) if name]
        check = partial(chain_problem, records=usable, names=names) if usable else None
        tls = self._protection.demanded("its TLSA records", check)
        return TlsDemand(tls, PublishedPolicy.TLSA)

    async def _sts(self, hop: Hop) -> TlsDemand | None:
        if self._policies is None or not hop.domain:
            return None
        found = await self._policies.of(hop.domain)
        if found.problem:
            self._count(hop, PublishedPolicy.STS, TlsResultKind.STS_FETCH)
        if found.policy is None or found.policy.mode is StsMode.NONE:
            return None
        is_testing = found.policy.mode is StsMode.TESTING
        if not found.policy.names(hop.target.host):
            what = f"the MTA-STS policy of {hop.domain} does not name it"
            failure = self._forbidden(hop, what, PublishedPolicy.STS, TlsResultKind.VALIDATION)
            if not is_testing:
                raise failure
            return None
        return TlsDemand(self._protection.tls(TlsPolicy.VERIFIED), PublishedPolicy.STS, is_testing)

    def _forbidden(
        self, hop: Hop, what: str, published: PublishedPolicy, kind: TlsResultKind
    ) -> HopFailed:
        self._count(hop, published, kind)
        return HopFailed(hop, what, tls_status=STATUS_TLS_FAILED, tls_result=kind, is_unasked=True)

    def _count(self, hop: Hop, published: PublishedPolicy, kind: TlsResultKind) -> None:
        if self._results is not None:
            domain = hop.domain or hop.target.host
            self._results.add(TlsResult(domain, published, hop.target.host, kind))
