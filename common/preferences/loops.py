"""Would an entry of ``deliver_to`` bring mail back to us?

Pure. Source: RFC 5321 section 6.3.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import NamedTuple

from common.preferences.deliver_to import Target

_OTHER_SERVER = "write the customer's own mail server"


class LoopComplaint(NamedTuple):
    """Why an entry is none to deliver to, and what to do."""

    what: str
    remedy: str


@dataclass(frozen=True, slots=True)
class OurHosts:
    """Where this cluster takes mail.

    Args:
        mail_domain: it and all names below it are ours; empty: none is known.
        addresses: in canonical text, each with the name of its machine.
    """

    mail_domain: str = ""
    addresses: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def complaint(self, domain: str, target: Target) -> LoopComplaint | None:
        """Return why mail for a domain must not go there; None when it may.

        Args:
            domain: whose mail it is, in canonical form.
            target: the entry.
        """
        host = target.host
        if host in self.addresses:
            what = f"deliver_to {host} is our own node {self.addresses[host]}: a loop"
            return LoopComplaint(what, _OTHER_SERVER)
        if self.mail_domain and is_below(host, self.mail_domain):
            what = f"deliver_to {host} is one of our own names in {self.mail_domain}: a loop"
            return LoopComplaint(what, _OTHER_SERVER)
        if target.is_mx and host == domain:
            return LoopComplaint(
                f"deliver_to {domain}/mx is the MX of the domain itself, which is us: a loop",
                "write a name whose MX is the customer's own servers, or HOST:PORT",
            )
        return None


NO_HOSTS = OurHosts()


def is_below(name: str, domain: str) -> bool:
    """Say whether a name is a domain or stands below it."""
    return name == domain or name.endswith(f".{domain}")
