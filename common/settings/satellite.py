"""What may a satellite's settings say?

Pure. Every limit has a name, a unit and a reason. Where an engine
or resolver listens stands here; what it weighs is preferences, from the core.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from common.settings.values import Endpoint, Name, Settings

Port = Annotated[int, Field(ge=1, le=65_535)]


class SmtpSettings(Settings):
    """The front end."""

    listen: Annotated[list[Endpoint], Field(min_length=1)]
    certificate: str = ""  # path; empty: STARTTLS is not offered
    key: str = ""
    message_bytes_max: Annotated[int, Field(ge=65_536, le=1 << 30)] = 50 * 1024 * 1024
    recipients_max: Annotated[int, Field(ge=100, le=1000)] = 1000  # RFC 5321: 100; one case: 1000
    connections_max: Annotated[int, Field(ge=1)] = 1000  # per worker: what memory and fds allow
    connections_per_network_max: Annotated[int, Field(ge=1)] = 250  # per /24 or /64
    commands_max: Annotated[int, Field(ge=10)] = 5000  # per session; a full list of recipients fits
    errors_max: Annotated[int, Field(ge=1)] = 10  # per session, then 421
    line_bytes_max: Annotated[int, Field(ge=1000)] = 1024 * 1024  # of message text, sent on as is
    command_timeout_s: Annotated[float, Field(gt=0)] = 300.0  # RFC 5321 section 4.5.3.2.7
    session_s_max: Annotated[float, Field(gt=0)] = 3600.0
    data_bytes_per_s_min: Annotated[int, Field(ge=0)] = (
        500  # a slower sender holds a place for nothing
    )


class CoreLink(Settings):
    """Where the core is, and who we are to it."""

    address: Endpoint
    name: Name = "core"  # its certificate must be for NAME.CLUSTER.borderscout.internal
    certificate: str
    key: str
    authority: str


class EngineSettings(Settings):
    """Where an engine is. Options beyond these belong to its kind."""

    name: Name
    kind: Annotated[str, Field(min_length=1, max_length=40)]
    address: str = ""
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 60.0  # for one message
    bytes_max: Annotated[int, Field(ge=0)] = 0  # larger mail is not shown to it; 0: no such limit
    options: dict[str, Any] = Field(default_factory=dict)


class FilterSettings(Settings):
    """Where a filter's server is; what it weighs is preferences."""

    name: Name
    kind: Annotated[str, Field(min_length=1, max_length=40)]
    address: str = ""
    timeout_s: Annotated[float, Field(gt=0, le=60)] = 5.0
    options: dict[str, Any] = Field(default_factory=dict)


class DeliverySettings(Settings):
    """How mail leaves."""

    connections_per_destination_max: Annotated[int, Field(ge=1, le=1000)] = 10  # per worker
    connect_timeout_s: Annotated[float, Field(gt=0)] = 30.0
    reply_timeout_s: Annotated[float, Field(gt=0)] = 300.0  # RFC 5321 section 4.5.3.2
    dot_timeout_s: Annotated[float, Field(gt=0)] = 600.0  # RFC 5321 section 4.5.3.2.6
    first_wait_s: Annotated[float, Field(gt=0)] = 60.0
    longest_wait_s: Annotated[float, Field(gt=0)] = 3600.0
    smarthost: str = ""  # HOST:PORT for our own bounces; empty: the MX of the sender's domain
    notices_per_domain_hour_max: Annotated[int, Field(ge=1)] = 1000  # DSNs, per worker: backscatter
    authorities: str = ""  # path of a PEM file, trusted beside the system's for tls=verified


class Limits(Settings):
    """From where on mail is refused for a while, for each worker; 0 is no limit."""

    messages_max: Annotated[int, Field(ge=0)] = 250_000  # recipients on their way; held ones not
    bytes_max: Annotated[int, Field(ge=0)] = 0  # of all mail in the spool; 0: the disk decides
    unjudged_max: Annotated[int, Field(ge=0)] = 20_000  # messages that are to be scanned
    unjudged_s_max: Annotated[float, Field(ge=0)] = 60.0  # of scanning, at the measured rate
    memory_bytes_max: Annotated[int, Field(ge=0)] = 1 << 30  # resident; a quiet worker has 80 MiB
    memory_share_max: Annotated[float, Field(ge=0, le=1)] = 0.9  # of the control group's limit
    held_share_max: Annotated[float, Field(gt=0, le=1)] = 0.5  # of the disk, for held mail


class SatelliteSettings(Settings):
    """One node."""

    cluster: Name
    node: Name
    site: Name
    hostname: str  # in the banner, EHLO and Received
    mail_domain: str  # the authserv-id and the domain of our own mail
    workers: Annotated[int, Field(ge=1, le=8)] = 1
    state: str = "state"  # folder, from the settings file
    postmaster: str = ""  # mail for postmaster goes here; empty: to the quarantine
    smtp: SmtpSettings
    metrics: Endpoint
    core: CoreLink
    resolver: str = ""  # HOST:PORT; empty: the system's
    engines: list[EngineSettings] = Field(default_factory=list)
    filters: list[FilterSettings] = Field(default_factory=list)
    delivery: DeliverySettings = DeliverySettings()
    limits: Limits = Limits()
    disk_reserve_bytes: Annotated[int, Field(ge=0)] = 256 * 1024 * 1024  # below it: 452 4.3.1
    waiting_retry_s: Annotated[float, Field(gt=0)] = 15.0  # between tries of a silent engine
