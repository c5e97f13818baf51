"""What do a node that joins and the core say to each other?

Pure. The bodies of requests and answers at the join door, JSON. Both ends read them with these
declarations, so that a stranger's body is bounded and typed before anything looks at it. No private
key is in any of them.

A version before refuses an answer with a field that it does not know. So what is at its default is
not sent (``said``), and what is new in an answer to members goes to those that ask for it.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from common.join_token import DOORS_MAX
from common.settings.values import (
    CORE_ADDRESSES_MAX,
    STANDBYS_MAX,
    Endpoint,
    IpAddress,
    Name,
    WireGuardKey,
)

INTERNAL = "borderscout.internal"  # `internal` is reserved for private use; nobody resolves it
DOOR_HOST = f"join.{INTERNAL}"  # what the door's certificate is for, whatever address it has
REQUEST_BYTES_MAX = 8_192  # of a request in PEM; one with an RSA key of 4096 bits has 1.7 thousand
BODY_BYTES_MAX = 32_768  # of a request
ANSWER_BYTES_MAX = 1_048_576
MACHINES_MAX = STANDBYS_MAX + 1  # that can be the core
GENERATION_MAX = 2**63 - 1


RequestPem = Annotated[str, Field(min_length=1, max_length=REQUEST_BYTES_MAX)]
Pem = Annotated[str, Field(min_length=1, max_length=65_536)]


class _Said(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    def said(self) -> dict[str, Any]:
        """Return what is sent, as JSON has it: all but what is at its default."""
        return self.model_dump(mode="json", exclude_defaults=True)


class KeyRequests(_Said):
    """Certificate requests, PEM, one for each certificate of a node."""

    link: RequestPem
    smtp: RequestPem
    smtp_rsa: RequestPem


class JoinRequest(_Said):
    """A node wants to join."""

    secret: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    node: Name
    requests: KeyRequests
    wireguard: WireGuardKey


class RenewRequest(_Said):
    """A member wants certificates for new keys, and perhaps has a new WireGuard key, too."""

    requests: KeyRequests
    wireguard: WireGuardKey | None = None


class TunnelChoice(_Said):
    """Which WireGuard key a member uses from now on; None: as before."""

    wireguard: WireGuardKey | None = None


class Certificates(_Said):
    """Certificates, PEM, each with its issuer's behind it."""

    link: Pem
    smtp: Pem
    smtp_rsa: Pem


class CoreEnd(_Said):
    """A machine that can be the core, as the other end of a node's tunnel."""

    name: Name
    key: WireGuardKey
    endpoint: Annotated[Endpoint, Field(max_length=300)]
    addresses: Annotated[list[IpAddress], Field(min_length=1, max_length=CORE_ADDRESSES_MAX)]


class Tunnel(_Said):
    """A node's end of its tunnels, but for its private key.

    ``core_…`` is the machine that answers; the others that can be the core stand beside it.
    """

    addresses: list[IpAddress]
    port: Annotated[int, Field(ge=1, le=65_535)]
    core_name: Name
    core_key: WireGuardKey
    core_endpoint: Annotated[str, Field(pattern=r"^[A-Za-z0-9.:\[\]-]{3,300}$")]
    core_addresses: list[IpAddress]
    other_cores: Annotated[list[CoreEnd], Field(max_length=STANDBYS_MAX)] = []


class CoreEnds(_Said):
    """Which machines can be the core, by now, for a member.

    ``core`` is what they are called together. ``machines`` are the other ends of the member's
    tunnels, the one that answers first; none: it has no tunnel. ``doors`` are their join doors, in
    the order in which to try them. ``generation`` is that of the epoch of the core that answers; 0:
    it does not say.
    """

    core: Name
    machines: Annotated[list[CoreEnd], Field(max_length=MACHINES_MAX)]
    doors: Annotated[list[Endpoint], Field(max_length=DOORS_MAX)]
    generation: Annotated[int, Field(ge=0, le=GENERATION_MAX)] = 0


class JoinAnswer(_Said):
    """What a node gets that has joined."""

    node: Name
    cluster: Name
    core: Name
    certificates: Certificates
    authority: Pem
    settings: dict[str, Any]
    wireguard: Tunnel | None = None


class KeysAnswer(_Said):
    """What a member gets for new keys."""

    certificates: Certificates


class MemberQuestion(BaseModel):
    """What a member wants to hear beside how it stands; a core before this reads none of it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    core_machines: bool = False


class MemberAnswer(_Said):
    """How the core sees a member."""

    node: Name
    rotate: bool
    wireguard: str
    wireguard_beside: str
    core_machines: CoreEnds | None = None


class DoorRefusal(BaseModel):
    """Why something is refused, and what to do."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    title: Annotated[str, Field(max_length=2_000)]
    remedy: Annotated[str, Field(max_length=2_000)] = ""


class Joined(_Said):
    """What a node keeps of its joining, beside its settings: no secret."""

    node: Name
    cluster: Name
    doors: Annotated[list[Endpoint], Field(min_length=1, max_length=DOORS_MAX)]
    has_tunnel: bool = False
    token: Annotated[str, Field(max_length=200)] = ""  # the digest of the one that did it
