"""What may the settings of a scanning server say?

Pure. It stands beside somebody else's mail server, without a core or a spool. What is the same as
in a node's settings is declared there. The texts below the fields are those of docs/settings.md.
"""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from common.message_bounds import MESSAGE_BYTES_MAX
from common.settings.satellite import EngineSettings, FilterSettings, SmtpSettings
from common.settings.values import (
    DeliverToOrNone,
    EndpointOrNone,
    FilePath,
    Network,
    ResolverOrNone,
    Seconds,
    Server,
    Settings,
    split_endpoint,
)

LOOPBACK = ("127.0.0.0/8", "::1/128")


class ScanMilterSettings(Settings):
    """The milter, which scans before the mail server answers."""

    listen: Annotated[list[Server], Field(min_length=1)]
    """Where it listens; a socket file is open to the user and the group that the server runs as."""
    connections_max: Annotated[int, Field(ge=1, le=10_000)] = 500
    """Connections at once; Postfix has one for each of its own."""
    message_bytes_max: Annotated[int, Field(ge=65_536, le=MESSAGE_BYTES_MAX)] = 50 * 1024 * 1024
    """One message; a larger one gets 552."""


class ScanServerSettings(Settings):
    """One scanning server."""

    hostname: str
    """What it calls itself in the banner, EHLO, Received and X-BorderScout."""
    mail_domain: str = ""
    """The authserv-id: such Authentication-Results are taken out; empty: the hostname."""
    state: FilePath = "state"
    """The folder of messages that are being scanned, emptied at each start, and of those that are
    kept. It belongs to one server."""
    queue: Literal["before", "after"] = "after"
    """Where in the mail server it stands: before its queue a message may be refused, since its
    sender still waits for the answer; after it a refusal would be a bounce to a forged sender, and
    is a quarantine."""
    quarantine: Literal["keep", "refuse"] = "keep"
    """What becomes of mail whose policy says quarantine: it is kept in `state`/kept (by the milter:
    in the mail server's own hold queue), or refused, which needs `queue: before`."""
    kept_bytes_max: Annotated[int, Field(ge=1 << 20)] = 1 << 30
    """All mail that is kept; when that is reached, mail that were to be kept gets 452 4.3.1."""
    scan_s_max: Seconds = 90.0
    """How long a scan may take; then 451. Postfix waits 100 seconds as `smtpd_proxy_timeout`."""
    next_hop: DeliverToOrNone = ""
    """Where all mail of `smtp` goes, and no other place: the mail server's second port."""
    next_hop_timeout_s: Seconds = 300.0
    """How long the next hop may take for a reply, and twice that for the one to the final dot."""
    clients: list[Network] = Field(default_factory=lambda: list(LOOPBACK))
    """Whose mail is taken: the mail servers that it stands beside."""
    smtp: SmtpSettings | None = None
    milter: ScanMilterSettings | None = None
    mail_log: bool = True
    """Whether its log has a line for each message, and for refusals, with addresses."""
    metrics: EndpointOrNone = ""
    """Where metrics and health are served; empty: nowhere."""
    preferences: FilePath = ""
    """A file of documents as `policy show --json` prints them: policies, lists, rules, engines;
    empty: what holds where nothing is said."""
    engines: Annotated[list[EngineSettings], Field(min_length=1)]
    filters: list[FilterSettings] = Field(default_factory=list)
    resolver: ResolverOrNone = ""
    """The resolver of filters that ask DNS; empty: the system's."""

    @model_validator(mode="after")
    def _stands_somewhere(self) -> Self:
        if self.smtp is None and self.milter is None:
            raise ValueError("it listens nowhere; write smtp: or milter:")
        if (self.smtp is None) is not (self.next_hop == ""):
            raise ValueError("smtp and next_hop need each other; write both or neither")
        if self.next_hop.endswith("/mx"):
            raise ValueError("next_hop is one server, not an MX; write HOST:PORT or lmtp:HOST:PORT")
        return self

    @model_validator(mode="after")
    def _refuses_no_queued_mail(self) -> Self:
        if self.smtp is not None and (self.queue, self.quarantine) == ("after", "refuse"):
            raise ValueError(
                "quarantine: refuse after the queue bounces to forged senders;"
                " write quarantine: keep, or queue: before"
            )
        return self

    @model_validator(mode="after")
    def _is_no_open_relay(self) -> Self:
        """Refuse to listen for anybody: the next hop trusts us, and would take mail of whomever."""
        listening = [] if self.smtp is None else list(self.smtp.listen)
        if self.milter is not None:
            listening += [one for one in self.milter.listen if not one.startswith("unix:")]
        for endpoint in listening:
            if not _is_loopback(endpoint) and set(self.clients) <= set(LOOPBACK):
                raise ValueError(
                    f"{endpoint} is no loopback address, and clients names nobody from elsewhere;"
                    " write the mail servers' networks there"
                )
        for client in self.clients:
            if ipaddress.ip_network(client).prefixlen == 0:
                raise ValueError(
                    f"clients: {client} is everybody; write the mail servers' networks"
                )
        return self


def _is_loopback(endpoint: str) -> bool:
    try:
        return ipaddress.ip_address(split_endpoint(endpoint)[0]).is_loopback
    except ValueError:
        return split_endpoint(endpoint)[0] == "localhost"
