"""What may a satellite's settings say?

Pure. Every limit has a name, a unit and a reason. Where an engine or resolver listens stands here;
what it weighs is preferences, from the core. The texts below the fields are those of
docs/settings.md.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue

from common.settings.values import (
    Endpoint,
    FilePath,
    MailboxOrNone,
    Name,
    ResolverOrNone,
    Seconds,
    ServerOrNone,
    Settings,
    TargetOrNone,
)

WORKERS_MAX = 8  # per node; a spool shard and a set of streams each

Kind = Annotated[str, Field(min_length=1, max_length=40)]


class SmtpSettings(Settings):
    """The front end. Limits of numbers and connections are for each worker."""

    listen: Annotated[list[Endpoint], Field(min_length=1)]
    """Where the parent binds the sockets that all workers share."""
    certificate: FilePath = ""
    """The certificate for STARTTLS (TLS 1.2 and above); empty: STARTTLS is not offered."""
    key: FilePath = ""
    """The private key of that certificate."""
    message_bytes_max: Annotated[int, Field(ge=65_536, le=1 << 30)] = 50 * 1024 * 1024
    """One message without dot-stuffing; announced as SIZE."""
    recipients_max: Annotated[int, Field(ge=100, le=1000)] = 1000
    """Different recipients of one message. RFC 5321 asks for 100, and a quarantine case has room
    for 1000."""
    connections_max: Annotated[int, Field(ge=1)] = 1000
    """Connections as a whole: what memory and descriptors allow."""
    connections_per_network_max: Annotated[int, Field(ge=1)] = 250
    """Connections from one /24 or /64."""
    commands_max: Annotated[int, Field(ge=10)] = 5000
    """Commands of one session; a full list of recipients fits."""
    errors_max: Annotated[int, Field(ge=1)] = 10
    """Errors of one session, then 421."""
    line_bytes_max: Annotated[int, Field(ge=1000)] = 1024 * 1024
    """One line of a message, which is sent on as it is. RFC 5321 asks for 1000, and real mail has
    far longer ones."""
    command_timeout_s: Seconds = 300.0
    """How long a session may wait for the next command (RFC 5321 section 4.5.3.2.7)."""
    session_s_max: Seconds = 3600.0
    """How long one session may last."""
    data_bytes_per_s_min: Annotated[int, Field(ge=0)] = 500
    """The rate of an upload; a slower sender holds a place for nothing."""


class CoreLink(Settings):
    """Where the core is, and who we are to it."""

    address: Endpoint
    """Where the core takes links."""
    name: Name = "core"
    """Its certificate must be for NAME.CLUSTER.borderscout.internal."""
    certificate: FilePath
    """This node's certificate on the link."""
    key: FilePath
    """The private key of that certificate."""
    authority: FilePath
    """The certificate of the cluster's authority, which signs the core's."""


class EngineSettings(Settings):
    """An engine: where it is and how it is asked. Whether it must answer is preferences."""

    name: Name
    """What verdicts, headers and metrics call it."""
    kind: Kind
    """A kind under the entry point group `borderscout.engines`; see engines.md."""
    address: ServerOrNone = ""
    """Where its server listens; empty: it has none."""
    timeout_s: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 60.0
    """How long one message may take."""
    bytes_max: Annotated[int, Field(ge=0)] = 0
    """Larger mail is not shown to it; 0: no such limit."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """What the kind may be told beside; see engines.md."""


class FilterSettings(Settings):
    """A filter: where its server is. What it weighs is preferences."""

    name: Name
    """What verdicts and headers call it."""
    kind: Kind
    """A kind under the entry point group `borderscout.filters`; see filters.md."""
    address: ServerOrNone = ""
    """Where its server listens; empty: it has none."""
    timeout_s: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] = 5.0
    """How long one message may take."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """What the kind may be told beside; see filters.md."""


class DeliverySettings(Settings):
    """How mail leaves."""

    connections_per_destination_max: Annotated[int, Field(ge=1, le=1000)] = 10
    """Connections to one destination, of one worker."""
    connect_timeout_s: Seconds = 30.0
    """How long a next hop may take to accept a connection."""
    reply_timeout_s: Seconds = 300.0
    """How long it may take for a reply (RFC 5321 section 4.5.3.2)."""
    dot_timeout_s: Seconds = 600.0
    """How long it may take for the reply to the final dot (RFC 5321 section 4.5.3.2.6)."""
    first_wait_s: Seconds = 60.0
    """From the first failed attempt to the second one; later waits double."""
    longest_wait_s: Seconds = 3600.0
    """The longest wait between two attempts."""
    smarthost: TargetOrNone = ""
    """Takes our own bounces; empty: the MX of the sender's domain does."""
    notices_per_domain_hour_max: Annotated[int, Field(ge=1)] = 1000
    """DSNs to one domain in an hour, of one worker: a bound for backscatter."""
    authorities: FilePath = ""
    """A PEM file of authorities that are trusted beside the system's where the policy says
    `tls=verified`; empty: the system's alone."""


class Limits(Settings):
    """From where on mail is refused for a while, for each worker; see overload.md."""

    messages_max: Annotated[int, Field(ge=0)] = 250_000
    """Recipients on their way, without held ones; 0: no limit."""
    bytes_max: Annotated[int, Field(ge=0)] = 0
    """All mail in the spool; 0: the disk decides."""
    unjudged_max: Annotated[int, Field(ge=0)] = 20_000
    """Messages that are to be scanned; 0: no limit."""
    unjudged_s_max: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 60.0
    """What is to be scanned, as seconds at the measured rate; 0: no limit."""
    memory_bytes_max: Annotated[int, Field(ge=0)] = 1 << 30
    """Resident memory, of which a quiet worker has 80 MiB; 0: no limit."""
    memory_share_max: Annotated[float, Field(ge=0, le=1)] = 0.9
    """The share of the control group's memory limit; 0: no limit."""
    held_share_max: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The share of the disk that held mail may take."""


class SatelliteSettings(Settings):
    """One node."""

    cluster: Name
    """The cluster's name."""
    node: Name
    """The node's name."""
    site: Name
    """The site that the node belongs to."""
    hostname: str
    """What the node calls itself in the banner, EHLO and Received."""
    mail_domain: str
    """The authserv-id, and the domain of our own mail."""
    workers: Annotated[int, Field(ge=1, le=WORKERS_MAX)] = 1
    """Satellite processes, each with a shard of its own; one per processor core is best."""
    state: FilePath = "state"
    """The folder of the shards."""
    smtp: SmtpSettings
    metrics: Endpoint
    """Where metrics and health are served."""
    core: CoreLink
    engines: list[EngineSettings] = Field(default_factory=list)
    filters: list[FilterSettings] = Field(default_factory=list)
    postmaster: MailboxOrNone = ""
    """Gets mail for postmaster; empty: the quarantine does."""
    resolver: ResolverOrNone = ""
    """A validating resolver; empty: the system's."""
    delivery: DeliverySettings = DeliverySettings()
    limits: Limits = Limits()
    disk_reserve_bytes: Annotated[int, Field(ge=0)] = 256 * 1024 * 1024
    """Free space on the disk of the shards; below it, mail gets 452 4.3.1."""
    waiting_retry_s: Seconds = 15.0
    """Between two tries of an engine that does not answer."""
