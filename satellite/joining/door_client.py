"""How does a node speak to the core's join door, and how does it know that it is the core's?

Touches the network. At first contact a node knows nothing but the hash of the authority's
certificate, which its token says: the door shows its whole chain, the authority of that hash is
taken from it, and nothing is sent before a second connection has been held against that authority
and the door's name. So whoever stands between learns nothing and is believed in nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import socket
import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from common.errors import EnvironmentFailure, PeerError
from common.joining import ANSWER_BYTES_MAX, DOOR_HOST, DoorRefusal
from common.settings.values import split_endpoint

TIMEOUT_S = 20.0

AnswerT = TypeVar("AnswerT", bound=BaseModel)


class DoorNotReached(EnvironmentFailure):
    """No door of the core answers."""


class DoorNotTrusted(PeerError):
    """What answers is not the core's."""


class DoorRefused(PeerError):
    """The core does not do what it was asked."""


def pinned_authority(doors: Sequence[str], pin: bytes) -> str:
    """Return the authority's certificate, PEM, that has this hash and that a door shows.

    Args:
        doors: HOST:PORT, tried in order.
        pin: the SHA-256 of the certificate, DER.

    Raises:
        DoorNotReached: no door answers.
        DoorNotTrusted: what answers shows another one.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE  # nothing is sent here; see below
    with _connected(doors, context) as connection:
        for der in _chain(connection):
            if hmac.compare_digest(hashlib.sha256(der).digest(), pin):
                return ssl.DER_cert_to_PEM_cert(der)
    raise DoorNotTrusted(
        "what answers there is not the core that made the token: its authority is another one",
        hint="somebody may stand between, or the core's authority was renewed: make a new token",
    )


class CoreDoor:
    """The core's join door, to one node.

    Args:
        doors: HOST:PORT, tried in order.
        authority: the certificate of the authority that is believed, PEM.
        shown: the files of our certificate and its key; None: we have none yet.
    """

    def __init__(
        self, doors: Sequence[str], *, authority: str, shown: tuple[Path, Path] | None = None
    ) -> None:
        self._doors = doors
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.load_verify_locations(cadata=authority)
        if shown is not None:
            self._context.load_cert_chain(*shown)

    def ask(self, path: str, body: BaseModel | None, kind: type[AnswerT]) -> AnswerT:
        """Return the core's answer.

        Args:
            path: what is asked.
            body: and with what.
            kind: of the answer.

        Raises:
            DoorNotReached: no door answers.
            DoorNotTrusted: what answers is not the core's.
            DoorRefused: the core refuses.
        """
        content = body.model_dump_json() if body is not None else "{}"
        with _connected(self._doors, self._context) as connection:
            http_connection = http.client.HTTPConnection(DOOR_HOST)
            http_connection.sock = connection
            try:
                http_connection.request(
                    "POST",
                    path,
                    body=content,
                    headers={"Content-Type": "application/json", "Connection": "close"},
                )
                answer = http_connection.getresponse()
                octets = answer.read(ANSWER_BYTES_MAX + 1)
            except (OSError, http.client.HTTPException) as error:
                raise DoorNotReached(
                    f"the join door did not answer: {_why(error)}", hint="try again"
                ) from None
        return _read(answer.status, octets, kind)


def _read(status: int, octets: bytes, kind: type[AnswerT]) -> AnswerT:
    try:
        if status == http.HTTPStatus.OK:
            return kind.model_validate_json(octets)
        refusal = DoorRefusal.model_validate_json(octets)
    except ValidationError:
        raise DoorNotTrusted(
            f"the join door's answer ({status}) is not one that this version knows",
            hint="install the core's version here",
        ) from None
    raise DoorRefused(f"the core refuses: {refusal.title}", hint=refusal.remedy)


def _connected(doors: Sequence[str], context: ssl.SSLContext) -> ssl.SSLSocket:
    """Return a connection to the first door that answers."""
    problems = []
    for door in doors:
        host, port = split_endpoint(door)
        try:
            plain = socket.create_connection((host, port), timeout=TIMEOUT_S)
        except OSError as error:
            problems.append(f"{door}: {_why(error)}")
            continue
        try:
            return context.wrap_socket(plain, server_hostname=DOOR_HOST)
        except ssl.SSLCertVerificationError as error:
            plain.close()
            raise DoorNotTrusted(
                f"{door}: what answers there is not this cluster's core: {error.verify_message}",
                hint="is the address right, and this machine's clock?",
            ) from None
        except OSError as error:
            plain.close()
            problems.append(f"{door}: {_why(error)}")
    raise DoorNotReached(
        f"no join door answers: {'; '.join(problems)}",
        hint="is the core running, and the port open in its firewall?",
    )


def _chain(connection: ssl.SSLSocket) -> list[bytes]:
    """Return the certificates that the other end showed, DER, unverified."""
    found: Any = getattr(connection, "get_unverified_chain", None)
    if found is not None:  # from Python 3.13 on
        return list(found())
    shown = connection._sslobj.get_unverified_chain()  # type: ignore[attr-defined]
    return [ssl.PEM_cert_to_DER_cert(one.public_bytes()) for one in shown]


def _why(error: Exception) -> str:
    said = error.strerror if isinstance(error, OSError) else None
    return said or str(error) or type(error).__name__
