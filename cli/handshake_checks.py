"""Would the core and this node accept each other's certificates, and if not, whose is to blame?

Touches the network: one handshake with the core's port, as a link does it, and no call. gRPC
tells a stream only that there is no connection; TLS itself says what is wrong with a certificate.
Where several machines can be the core, each is tried: all but one are to keep silent.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from dataclasses import replace

from cli.certificate_checks import RENEW
from cli.checks import DoctorCheck
from common.errors import EnvironmentFailure
from common.rpc import core_host
from common.settings.satellite import SatelliteSettings
from common.settings.values import split_endpoint

ANSWER_S = 3.0
NAME = "handshake with the core"
_ENDED = 10  # X509_V_ERR_CERT_HAS_EXPIRED
_NOT_YET = 9
_OTHER_NAME = 62  # X509_V_ERR_HOSTNAME_MISMATCH
MIXED = (
    "the folders of two inventories or two renderings are mixed up: type"
    " borderscout inventory render FILE --out DIR once, and copy each node's folder anew"
)
NONE_RUNS = (
    "mail goes on meanwhile; on the machine that is to be the core: systemctl start"
    " borderscout-core, and look at the tunnel to it: borderscout wireguard status"
)
CLOCK = "look at the clocks of both: timedatectl"


def handshake_with_the_core(settings: SatelliteSettings) -> Iterator[DoctorCheck]:
    """Yield what a handshake with the core says, at each address that it may have.

    A core that is away is a note; that nothing answers at any of several addresses is a fault.

    Args:
        settings: of the node. Its own files were looked at already.
    """
    try:
        context = _context(settings)
    except (OSError, ValueError, EnvironmentFailure):
        return  # the check of the certificate says why
    host = core_host(cluster=settings.cluster, name=settings.core.name)
    addresses = tuple(dict.fromkeys((settings.core.address, *settings.core.standbys)))
    found = [(address, *_handshake(context, host, address)) for address in addresses]
    is_one = len(found) == 1
    is_there = any(answers for _, answers, _ in found)
    for address, answers, check in found:
        if answers and not is_one and address not in check.found:
            yield replace(check, found=f"at {address}: {check.found}")
        elif answers or is_one:
            yield check
        elif is_there:
            what = f"no core runs at {address}, nor has to, as long as another one does"
            yield DoctorCheck(name=NAME, ok=True, note=True, found=what)
        else:
            what = check.found.removeprefix("not done: ")
            yield DoctorCheck(name=NAME, ok=False, found=what, remedy=NONE_RUNS)


def _handshake(context: ssl.SSLContext, host: str, address: str) -> tuple[bool, DoctorCheck]:
    """Return whether anything answers at an address, and what a handshake there says."""
    try:
        with (
            socket.create_connection(split_endpoint(address), timeout=ANSWER_S) as plain,
            context.wrap_socket(plain, server_hostname=host) as core,
        ):
            # What a core makes of our certificate comes after the handshake: its first word, or
            # the end of the connection, for which gRPC gives no reason.
            is_let_in = bool(core.recv(1))
    except ssl.SSLCertVerificationError as error:
        return True, _core_is_to_blame(error, host)
    except ssl.SSLError as error:
        return True, _we_are_to_blame(error, address)
    except (OSError, UnicodeError) as error:  # a name that DNS cannot hold is none, either
        why = getattr(error, "strerror", None) or error
        what = f"not done: nothing answers at {address}: {why}"
        return False, DoctorCheck(name=NAME, ok=True, note=True, found=what)
    if is_let_in:
        return True, DoctorCheck(name=NAME, ok=True, found=f"{host} at {address}")
    return True, _refused("it ends the connection")


def _context(settings: SatelliteSettings) -> ssl.SSLContext:
    core = settings.core
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(core.authority)
    context.load_cert_chain(core.certificate, core.key, password="")
    context.set_alpn_protocols(["h2"])
    return context


def _core_is_to_blame(error: ssl.SSLCertVerificationError, host: str) -> DoctorCheck:
    match error.verify_code:
        case code if code == _ENDED:
            found, remedy = "the core's certificate has ended", f"at the core, {RENEW}"
        case code if code == _NOT_YET:
            found, remedy = "the core's certificate is not valid yet", CLOCK
        case code if code == _OTHER_NAME:
            found, remedy = f"the core's certificate is not for {host}", MIXED
        case _:
            found = f"the core's certificate is of another authority: {error.verify_message}"
            remedy = MIXED
    return DoctorCheck(name=NAME, ok=False, found=found, remedy=remedy)


def _we_are_to_blame(error: ssl.SSLError, address: str) -> DoctorCheck:
    reason = (error.reason or str(error)).replace("_", " ").lower()
    if "certificate" in reason or "unknown ca" in reason:
        return _refused(reason)
    found = f"no TLS with {address}: {reason}"
    return DoctorCheck(name=NAME, ok=False, found=found, remedy="is the core's gRPC port there?")


def _refused(reason: str) -> DoctorCheck:
    found = f"the core refuses our certificate: {reason}"
    remedy = f"has it ended? {RENEW}; or {MIXED}"
    return DoctorCheck(name=NAME, ok=False, found=found, remedy=remedy)
