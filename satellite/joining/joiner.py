"""What does ``satellite join`` do, step by step?

Touches the node's folder and the join door. Each step can be repeated after a kill: the keys are
kept for the token that they were made for, the core gives the same answer to the same keys, and
nothing comes to its place before all is there.
"""

from __future__ import annotations

import hashlib
import hmac
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from common.durable import write_file
from common.errors import EnvironmentFailure, LocalError, PeerError
from common.join_token import JoinToken, secret_digest
from common.joining import JoinAnswer, Joined, JoinRequest, Tunnel
from common.settings.satellite import SatelliteSettings
from common.settings.settings_text import yaml_text
from common.settings.values import split_endpoint
from common.wireguard.tunnel_bounds import NETWORKS_FILE, networks_text
from common.wireguard.tunnel_rules import FIREWALL_FILE, firewall_text
from satellite.joining.core_following import generation_text, joined_text
from satellite.joining.core_peers import tunnel_text
from satellite.joining.door_client import CoreDoor, pinned_authority
from satellite.joining.due_keys import joined_of
from satellite.joining.node_keys import (
    public_half,
    put_certificates,
    requests_for,
    wireguard_key_in,
)
from satellite.joining.staging import (
    AUTHORITY,
    CORE_GENERATION,
    JOINED,
    LINK,
    PUBLIC,
    SETTINGS,
    WIREGUARD_FILE,
    Staging,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinResult:
    """What came of joining.

    Args:
        joined: what is kept of it.
        was_known: this token had done its work before.
    """

    joined: Joined
    was_known: bool = False


def join(
    token: JoinToken, folder: Path, *, say: Callable[[str], None], machine: Path | None = None
) -> JoinResult:
    """Make a node of this machine.

    Args:
        token: what the core made for it.
        folder: where its settings and keys go.
        say: told each step, a few words.
        machine: root's folder, for the tunnel's rules and bounds; None: they are not written.

    Raises:
        LocalError: the folder is another node's.
        EnvironmentFailure: the folder cannot be written, or the core not be reached.
        PeerError: the core refuses, or is not the one that made the token.
    """
    _make(folder)
    staging = Staging(folder)
    with staging.alone():
        return _join(token, folder, staging, say, machine)


def _join(
    token: JoinToken,
    folder: Path,
    staging: Staging,
    say: Callable[[str], None],
    machine: Path | None,
) -> JoinResult:
    purpose = f"join {secret_digest(token.secret)}"
    staging.install()  # what a run before had whole
    known = joined_of(folder)
    if known is not None and known.token == purpose:
        return JoinResult(joined=known, was_known=True)
    if known is not None and known.node != token.node:
        raise LocalError(
            f"{folder}: is {known.node}'s, and the token is for {token.node}",
            hint="name another folder with --config-dir, or make a token for that node",
        )
    say("looking for the core")
    authority = pinned_authority(token.doors, token.pin)
    say("making keys")
    if staging.purpose() != purpose:
        staging.begin(purpose)
    requests = requests_for(staging, token.node)
    private = wireguard_key_in(staging)
    say("asking for certificates")
    answer = CoreDoor(token.doors, authority=authority).ask(
        "/join",
        JoinRequest(
            secret=token.secret.hex(),
            node=token.node,
            requests=requests,
            wireguard=public_half(private),
        ),
        JoinAnswer,
    )
    say("writing")
    settings = _checked(answer, token)
    put_certificates(staging, answer.certificates)
    staging.put(AUTHORITY, answer.authority.encode())
    if answer.wireguard is not None:
        staging.put(WIREGUARD_FILE, tunnel_text(private, answer.wireguard).encode())
    joined = Joined(
        node=answer.node,
        cluster=answer.cluster,
        doors=list(token.doors),
        has_tunnel=answer.wireguard is not None,
        token=purpose,
    )
    staging.put(CORE_GENERATION, generation_text(0))  # of a joining before it means nothing
    staging.put(JOINED, joined_text(joined))
    staging.put(SETTINGS, yaml_text(answer.settings).encode())
    if machine is not None and answer.wireguard is not None:
        _put_bounds(machine, answer.wireguard, metrics=settings.metrics)
    staging.ready()
    staging.install()
    return JoinResult(joined=joined)


def _put_bounds(machine: Path, tunnel: Tunnel, *, metrics: str) -> None:
    """Write what of the tunnel the node's own user cannot change; the same each time."""
    others = [address for one in tunnel.other_cores for address in one.addresses]
    files = {
        FIREWALL_FILE: firewall_text(tunnel.addresses, ports=[split_endpoint(metrics)[1]]),
        NETWORKS_FILE: networks_text([*tunnel.addresses, *tunnel.core_addresses, *others]),
    }
    try:
        machine.mkdir(parents=True, exist_ok=True)
        machine.chmod(0o755)  # whatever the umask of who joins: borderscout reads there
        for name, text in files.items():
            write_file(machine / name, text.encode(), mode=PUBLIC)
    except OSError as error:
        raise EnvironmentFailure(f"{machine}: {error.strerror}", hint="run this as root") from None


def _make(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFailure(
            f"{folder}: {error.strerror}", hint="run this as root, or name another --config-dir"
        ) from None


def _checked(answer: JoinAnswer, token: JoinToken) -> SatelliteSettings:
    """Accept an answer that makes this node, and no other one; return its settings."""
    der = ssl.PEM_cert_to_DER_cert(answer.authority)
    if not hmac.compare_digest(hashlib.sha256(der).digest(), token.pin):
        raise PeerError("the core's answer names another authority", hint="make a new token")
    try:
        settings = SatelliteSettings.model_validate(answer.settings)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(step) for step in first["loc"])
        raise PeerError(
            f"the core's answer has settings that this version does not take: {where}:"
            f" {first['msg']}",
            hint="install the core's version here",
        ) from None
    if answer.node != token.node or settings.node != token.node:
        raise PeerError(f"the core's answer is for {answer.node}", hint="make a new token")
    core = settings.core
    if (core.certificate, core.key) != (f"{LINK}.crt", f"{LINK}.key"):
        raise PeerError(
            "the node's document keeps its certificates elsewhere", hint="apply the inventory again"
        )
    return settings
