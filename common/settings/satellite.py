"""What may a satellite's settings say?

Pure. Every limit has a name, a unit and a reason. Where an engine or resolver listens stands here;
what it weighs is preferences, from the core. The texts below the fields are those of
docs/settings.md.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, field_validator, model_validator

from common.message_bounds import MESSAGE_BYTES_MAX, MESSAGE_RECIPIENTS_MAX
from common.settings.tunnel import WireGuardSettings
from common.settings.values import (
    STANDBYS_MAX,
    Endpoint,
    FilePath,
    MailboxOrNone,
    Name,
    Network,
    ResolverOrNone,
    Seconds,
    ServerOrNone,
    Settings,
    TargetOrNone,
)
from common.sts_text import MAX_AGE_S, MAX_AGE_S_MAX, StsModeName

MIB = 1024 * 1024
WORKERS_MAX = 8  # per node; a spool shard and a set of streams each

StsHost = Annotated[str, Field(pattern=r"^(\*\.)?([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9-]+$")]
Kind = Annotated[str, Field(min_length=1, max_length=40)]


class ClientSettings(Settings):
    """What holds for clients of one network alone; of several networks the narrowest decides."""

    network: Network
    """Where they come from."""
    bare_newlines: Literal["refuse", "normalise"] = "refuse"
    """What becomes of a message with a bare CR, a bare LF or a NUL: 550, or LF is made CR LF, CR a
    blank, and NUL goes; for devices that cannot do better."""


class SmtpSettings(Settings):
    """The front end. Limits of numbers and connections are for each worker."""

    listen: Annotated[list[Endpoint], Field(min_length=1)]
    """Where the parent binds the sockets that all workers share."""
    certificate: FilePath = ""
    """The certificate for STARTTLS (TLS 1.2 and above); empty: STARTTLS is not offered."""
    key: FilePath = ""
    """The private key of that certificate."""
    rsa_certificate: FilePath = ""
    """A second one with a key of the other kind, RSA beside ECDSA: for clients that lack the one of
    the first; empty: none."""
    rsa_key: FilePath = ""
    """The private key of the second certificate."""
    message_bytes_max: Annotated[int, Field(ge=65_536, le=MESSAGE_BYTES_MAX)] = 50 * 1024 * 1024
    """One message without dot-stuffing; announced as SIZE."""
    recipients_max: Annotated[int, Field(ge=100, le=MESSAGE_RECIPIENTS_MAX)] = 1000
    """Different recipients of one message. RFC 5321 asks for 100, and a quarantine case has room
    for 1000."""
    connections_max: Annotated[int, Field(ge=1)] = 1000
    """Connections as a whole: what memory and descriptors allow."""
    connections_per_network_max: Annotated[int, Field(ge=1)] = 250
    """Connections from one /24 or /64."""
    connections_per_address_max: Annotated[int, Field(ge=1)] = 200
    """Connections from one address."""
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
    clients: list[ClientSettings] = Field(default_factory=list)

    @field_validator("clients")
    @classmethod
    def _of_each_network_once(cls, clients: list[ClientSettings]) -> list[ClientSettings]:
        networks = [one.network for one in clients]
        for number, network in enumerate(networks):
            if network in networks[:number]:
                raise ValueError(f"the network {network} stands twice; remove one of the two")
        return clients


class CoreLink(Settings):
    """Where the core is, and who we are to it."""

    address: Endpoint
    """Where the core takes links."""
    standbys: Annotated[list[Endpoint], Field(max_length=STANDBYS_MAX)] = Field(
        default_factory=list
    )
    """Where it takes them instead once it runs on another machine; tried in turn."""
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
    connect_timeout_s: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] = 5.0
    """How long its server may take to accept a connection."""
    timeout_s: Annotated[float, Field(gt=0, le=600, allow_inf_nan=False)] = 60.0
    """How long one try of a message may take."""
    timeout_s_per_mib: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] = 0.0
    """How much longer a try may take for each whole MiB of the message."""
    tries: Annotated[int, Field(ge=1, le=5)] = 1
    """How often it is asked about a message that it gives no answer on, before that waits."""
    total_timeout_s: Annotated[float, Field(gt=0, le=3600, allow_inf_nan=False)] = 300.0
    """How long all its tries of a message may take, with the pauses between them: 1 s after the
    first, 2 s after the second, and so on."""
    bytes_max: Annotated[int, Field(ge=0)] = 0
    """Larger mail is not shown to it; 0: no such limit."""
    cache: bool = True
    """Whether `clean` and `infected` hold for other messages of exactly the same octets, for ten
    minutes or until its version changes, where its kind goes by nothing but the octets."""
    options: dict[str, JsonValue] = Field(default_factory=dict)
    """What the kind may be told beside; see engines.md."""

    def try_s(self, size: int) -> float:
        """Return the seconds that one try of a message of ``size`` octets may take."""
        return self.timeout_s + self.timeout_s_per_mib * (size // MIB)

    def refuse_tries_beyond_total(self, size: int) -> None:
        """Check that all tries of a message of ``size`` octets fit into the whole time.

        Raises:
            ValueError: they do not; says what would.
        """
        one_s, pauses_s = self.try_s(size), self.tries * (self.tries - 1) / 2
        needed_s = self.tries * one_s + pauses_s
        if needed_s > self.total_timeout_s:
            raise ValueError(
                f"engine {self.name}: tries {self.tries} of up to {one_s:g} s each, with pauses of "
                f"{pauses_s:g} s, take {needed_s:g} s, and total_timeout_s is "
                f"{self.total_timeout_s:g}; raise that, or lower timeout_s or tries"
            )

    @model_validator(mode="after")
    def _tries_fit(self) -> Self:
        self.refuse_tries_beyond_total(self.bytes_max)
        return self


class NodeDefinitionsSettings(Settings):
    """Definitions that the node takes from the core, for an engine that reads them from a folder;
    see definitions.md."""

    family: Literal["clamav"] = "clamav"
    """Whose definitions they are."""
    engine: Name
    """The name of the engine that loads them, of the kind `clamd`."""
    folder: FilePath
    """The folder that the engine reads (DatabaseDirectory in clamd.conf), in which the satellite's
    user may write."""
    address: TargetOrNone = ""
    """Where the core serves them; empty: on the link's host, at the port that the core says."""
    load_s: Annotated[float, Field(ge=1, le=3600, allow_inf_nan=False)] = 300.0
    """How long the engine may take to load them; then the set before is put back."""
    memory_factor: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] = 8.0
    """Octets of memory for each octet of a set that must be free before it is loaded, since clamd
    serves with the old one meanwhile; 0: nothing is asked, for `ConcurrentDatabaseReload no`."""


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
    open_timeout_s: Seconds = 60.0
    """How long all hosts of a destination together may take until one of them has greeted us and
    is ready for mail. RFC 5321 section 4.5.3.2.1 would give each five minutes for its greeting;
    mail that waits for one host has lost to the next one by then."""
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
    """DSNs to one domain in an hour, of the node: a bound for backscatter."""
    notices_of_all_sites_max: Annotated[int, Field(ge=0)] = 0
    """DSNs to one domain in an hour, of all sites together while the core is heard; 0: the nodes'
    own bounds alone."""
    returned_bytes_per_domain_hour_max: Annotated[int, Field(ge=0)] = 4 * 1024 * 1024
    """Octets of messages that go back whole (RET=FULL) to one domain in an hour, of the node; then
    the header does."""
    verified_s: Seconds = 43_200.0
    """How long it is believed that a probed recipient exists."""
    unverified_s: Seconds = 900.0
    """How long it is believed that a probed recipient does not exist."""
    measure_every_s: Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)] = 600.0
    """How often the way to each of the customers' servers is measured, for the MX plan: a
    connection, its greeting, QUIT; 0: never."""
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
    outbox_share_max: Annotated[float, Field(gt=0, le=1)] = 0.25
    """The share of the disk, without the reserve, that the log records of all workers may take
    while the core does not; beyond it the oldest go, and a `gap` record says which."""


class SecondLookSettings(Settings):
    """What was delivered is scanned again with later definitions; see second-look.md."""

    hours: Annotated[float, Field(ge=0, le=168, allow_inf_nan=False)] = 24.0
    """For how long the octets of delivered mail with risky parts are kept, by each worker."""
    bytes_max: Annotated[int, Field(ge=0, le=1 << 40)] = 0
    """How many of them, the newest; 0: none, and delivered mail leaves nothing behind."""


class MtaStsSettings(Settings):
    """The MTA-STS policy of the customers' domains, which the node serves; see mx.md."""

    listen: Annotated[list[Endpoint], Field(min_length=1)]
    """Where it is served, by HTTPS."""
    certificates: FilePath
    """A folder with `NAME.crt` and `NAME.key` for each host, `mta-sts.` and a domain."""
    mode: StsModeName = "testing"
    """What a sender does that cannot keep to it: `enforce`: sends nothing, `testing`: reports,
    `none`: nothing."""
    max_age_s: Annotated[int, Field(ge=86_400, le=MAX_AGE_S_MAX)] = MAX_AGE_S
    """How long senders remember it."""
    hosts: Annotated[list[StsHost], Field(min_length=1, max_length=100)]
    """To whom mail may go: names, or `*.` and a domain."""


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
    definitions: Annotated[list[NodeDefinitionsSettings], Field(max_length=1)] = Field(
        default_factory=list
    )
    postmaster: MailboxOrNone = ""
    """Gets mail for postmaster; empty: the quarantine does."""
    resolver: ResolverOrNone = ""
    """A validating resolver, best on the node: what it marks as validated is believed. Empty: the
    system's, believed if resolv.conf says `options trust-ad`."""
    delivery: DeliverySettings = DeliverySettings()
    limits: Limits = Limits()
    second_look: SecondLookSettings = SecondLookSettings()
    mta_sts: MtaStsSettings | None = None
    wireguard: WireGuardSettings = WireGuardSettings()
    disk_reserve_bytes: Annotated[int, Field(ge=0)] = 256 * 1024 * 1024
    """Free space on the disk of the shards; below it, mail gets 452 4.3.1."""
    mail_log: bool = True
    """Whether the node's own log has a line for each message that ended, and for refusals, with
    addresses."""
    waiting_retry_s: Seconds = 15.0
    """Between two tries of an engine that does not answer."""
    trial_s: Annotated[float, Field(ge=1, le=600, allow_inf_nan=False)] = 60.0
    """How long the node may take to be ready with settings that the core told it to take; then
    those before are put back. A large spool takes its time."""

    @model_validator(mode="after")
    def _tries_of_the_largest_mail_fit(self) -> Self:
        for engine in self.engines:
            most = self.smtp.message_bytes_max
            engine.refuse_tries_beyond_total(min(engine.bytes_max or most, most))
        return self
