"""How does a node speak to the core's join door, and how does it know that it is the core's?

Touches the network. At first contact a node knows nothing but the hash of the authority's
certificate, which its token says: the door shows its whole chain, the authority of that hash is
taken from it, and nothing is sent before a second connection has been held against that authority
and the door's name. So whoever stands between learns nothing and is believed in nothing.

There may be several doors, since several machines can be the core: they are tried in turn. One of a
machine that is gone may be somebody else's by now, and so stops nobody from trying the next one.
"""

from __future__ import annotations

import hashlib
import hmac
import http.client
import socket
import ssl
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from common.errors import EnvironmentFailure, PeerError
from common.joining import ANSWER_BYTES_MAX, DOOR_HOST, DoorRefusal
from common.settings.values import split_endpoint

TIMEOUT_S = 20.0
STOP = "only one core may run: on that machine, type: systemctl disable --now borderscout-core"

AnswerT = TypeVar("AnswerT", bound=BaseModel)
FoundT = TypeVar("FoundT")


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

    def shown(door: str) -> str:
        with _connected(door, context) as connection:
            for der in _chain(connection):
                if hmac.compare_digest(hashlib.sha256(der).digest(), pin):
                    return ssl.DER_cert_to_PEM_cert(der)
        raise DoorNotTrusted(
            f"{door}: what answers there is not the core that made the token: its authority is"
            " another one",
            hint="somebody may stand between, or the core has a new authority: make a new token",
        )

    return _first(doors, shown)


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
        self.answered = ""  # the door that did last
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

        def asked(door: str) -> tuple[int, bytes, str]:
            return *self._exchanged(door, path, body), door

        status, octets, self.answered = _first(self._in_turn(), asked)
        return _read(status, octets, kind)

    def ask_followed(
        self,
        path: str,
        kind: type[AnswerT],
        *,
        body: BaseModel,
        objection: Callable[[AnswerT], str],
    ) -> AnswerT:
        """Return the answer of the first core that is to be followed, to what changes nothing.

        One that refuses is passed over, too: an earlier core does not know who has joined since.

        Args:
            path: what is asked.
            kind: of the answer.
            body: and with what.
            objection: returns why the core that gave this answer is not followed; empty: it is.

        Raises:
            DoorNotReached, DoorNotTrusted, DoorRefused: as for ``ask``, of all doors.
        """

        def asked(door: str) -> tuple[AnswerT, str]:
            answer = _read(*self._exchanged(door, path, body), kind)
            why = objection(answer)
            if why:
                raise DoorNotTrusted(f"{door}: {why}", hint=STOP)
            return answer, door

        passed = (DoorNotTrusted, DoorRefused)
        answer, self.answered = _first(self._in_turn(), asked, passed=passed)
        return answer

    def _in_turn(self) -> list[str]:
        first = [self.answered] if self.answered else []  # and so no time goes to those before it
        return [*first, *(one for one in self._doors if one not in first)]

    def _exchanged(self, door: str, path: str, body: BaseModel | None) -> tuple[int, bytes]:
        content = body.model_dump_json() if body is not None else "{}"
        with _connected(door, self._context) as connection:
            return _exchanged(connection, path, content)


def _exchanged(connection: ssl.SSLSocket, path: str, content: str) -> tuple[int, bytes]:
    """Send a request, and return the status and the body of what is answered."""
    http_connection = http.client.HTTPConnection(DOOR_HOST)
    http_connection.sock = connection
    headers = {"Content-Type": "application/json", "Connection": "close"}
    try:
        http_connection.request("POST", path, body=content, headers=headers)
        answer = http_connection.getresponse()
        return answer.status, answer.read(ANSWER_BYTES_MAX + 1)
    except (OSError, http.client.HTTPException) as error:
        raise DoorNotReached(f"did not answer: {_why(error)}") from None


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


def _first(
    doors: Sequence[str],
    attempt: Callable[[str], FoundT],
    *,
    passed: tuple[type[PeerError], ...] = (DoorNotTrusted,),
) -> FoundT:
    """Return what comes of the first door at which anything does.

    Args:
        doors: in turn.
        attempt: at one of them.
        passed: what goes wrong at one, and at another one may not.

    Raises:
        DoorNotTrusted: of none, and the first that answered was not the core's.
        DoorNotReached: none answered.
    """
    problems: list[str] = []
    untrusted: PeerError | None = None
    for door in doors:
        try:
            return attempt(door)
        except passed as error:
            untrusted = untrusted or error
        except DoorNotReached as error:
            problems.append(f"{door}: {error.what}")
    if untrusted is not None:
        raise untrusted
    raise DoorNotReached(
        f"no join door answers: {'; '.join(problems)}",
        hint="is the core running, and the port open in its firewall?",
    )


def _connected(door: str, context: ssl.SSLContext) -> ssl.SSLSocket:
    """Return a connection to a door."""
    host, port = split_endpoint(door)
    try:
        plain = socket.create_connection((host, port), timeout=TIMEOUT_S)
    except (OSError, UnicodeError) as error:  # a name that DNS cannot hold, as of two dots
        raise DoorNotReached(_why(error)) from None
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
        raise DoorNotReached(_why(error)) from None


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
