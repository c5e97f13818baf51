"""How do DANE, MTA-STS and what is reported of them come together for one worker?

Touches DNS and, off the mail's way, the hosts of MTA-STS policies.
"""

from __future__ import annotations

from common.clock import Clock
from common.records import TlsResultsRecord
from satellite.delivery.decisions.routing import Own, public_addresses
from satellite.delivery.hop.protection import Protection
from satellite.delivery.hop.tls_choice import TlsChoice
from satellite.delivery.published.sts_fetch import fetch
from satellite.delivery.published.sts_policies import StsPolicies
from satellite.delivery.published.tls_results import TlsResults
from satellite.names.names import Names


class PublishedTls:
    """What domains publish of TLS, looked up, obeyed and counted.

    Args:
        protection: how TLS is done.
        names: DNS, for the domains that senders name to us.
        clock: for the age of policies.
        own: who we are.
    """

    def __init__(self, protection: Protection, names: Names, clock: Clock, *, own: Own) -> None:
        self._protection = protection
        self._names = names
        self._own = own
        self._results = TlsResults()
        self._policies = StsPolicies(names, self._fetch, clock)
        self.choice = TlsChoice(
            protection, names=names, policies=self._policies, results=self._results
        )

    async def run(self) -> None:
        """Fetch policies until cancelled."""
        await self._policies.run()

    def take_records(self) -> tuple[TlsResultsRecord, ...]:
        """Return what was counted since the last call."""
        return tuple(
            TlsResultsRecord(
                domain=result.domain,
                policy=result.policy.value,
                host=result.host,
                result=result.result.value,
                sessions=count,
            )
            for result, count in self._results.take()
        )

    async def _fetch(self, domain: str) -> bytes:
        host = f"mta-sts.{domain}"
        found = await self._names.addresses(host)
        addresses = public_addresses(found.records, own=self._own)
        return await fetch(host, addresses, self._protection.authorities())
