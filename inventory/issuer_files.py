"""How does the core's issuer get its certificate when the authority's key is on another machine?

Touches the files that it is told to: a request goes there, a certificate comes back, and no key
leaves where it is. What an issuer is stands in ``common.issuing``.
"""

from __future__ import annotations

from pathlib import Path

from common.durable import write_file, write_where_named
from common.errors import EnvironmentFailure, LocalError
from common.issuing import (
    ISSUER_DAYS,
    KeyKind,
    RequestRefused,
    instant,
    key_pem,
    load_key,
    new_key,
    new_request,
    pem_of,
    requested_hosts,
    requested_key,
)
from common.joining import REQUEST_BYTES_MAX
from inventory.certificates import (
    AUTHORITY_CERTIFICATE,
    AUTHORITY_KEY,
    ISSUER_CERTIFICATE,
    ISSUER_KEY,
    authority,
    cluster_of,
    is_issuer,
    read_certificate,
    signer_of,
)
from inventory.identities import issuer_hosts
from inventory.model import CORE_FOLDER, Cluster, Inventory

REQUEST_FILE = "issuer.csr"
_SIGNED = "name what inventory issuer sign wrote"


def write_request(cluster: Cluster, out: Path, target: Path) -> None:
    """Write a request for the issuer of a rendered folder; its key is made there if it has none.

    Raises:
        EnvironmentFailure: a file cannot be read or written.
        LocalError: there is no rendered folder, or the key's file holds something else.
    """
    if not (out / AUTHORITY_CERTIFICATE).exists():
        # A key that is made in a folder that was mistyped gets a certificate that fits nowhere.
        raise LocalError(f"{out}: is no rendered folder", hint="name the DIR of inventory render")
    try:
        folder = out / CORE_FOLDER
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = folder / ISSUER_KEY
        if not file.exists():
            write_file(file, key_pem(new_key(KeyKind.ECDSA)))
        key = load_key(file.read_bytes())
        request = new_request(key, f"{cluster.name} issuer", hosts=issuer_hosts(cluster))
        write_where_named(target, request.encode(), mode=0o644)
    except OSError as error:
        raise _failure(error, target) from None
    except ValueError:
        raise LocalError(f"{file}: holds no private key", hint="restore it") from None


def sign_request(request_file: Path, folder: Path, target: Path, *, now_us: int) -> tuple[str, ...]:
    """Write the certificate that a request asks for, and return the domains that it may name.

    Args:
        request_file: the request.
        folder: with the authority's key and certificate.
        target: where the certificate goes.
        now_us: microseconds since the epoch.

    Raises:
        LocalError: one of the files is not what it should be.
        EnvironmentFailure: a file cannot be read or written.
    """
    known = read_certificate(folder / AUTHORITY_CERTIFICATE)
    if known is None or not (folder / AUTHORITY_KEY).exists():
        raise LocalError(
            f"{folder}: has no {AUTHORITY_KEY} and {AUTHORITY_CERTIFICATE}",
            hint="is this the authority's folder, and its disk mounted?",
        )
    try:
        with request_file.open("rb") as file:
            request = file.read(REQUEST_BYTES_MAX + 1).decode("ascii", "replace")
        key = requested_key(request, KeyKind.ECDSA)
        hosts = requested_hosts(request)
        name = cluster_of(known)
        signer = signer_of(authority(folder, cluster=name, now_us=now_us))
        made = signer.sign_issuer(
            f"{name} issuer", key, hosts=hosts, now=instant(now_us), days=ISSUER_DAYS
        )
        write_where_named(target, made, mode=0o644)
    except OSError as error:
        raise _failure(error, request_file) from None
    except RequestRefused as refused:
        what = f"{request_file}: {refused}"
        raise LocalError(what, hint="name what inventory issuer request wrote") from None
    return hosts


def accept_certificate(file: Path, inventory: Inventory, out: Path) -> tuple[list[Path], float]:
    """Put an issuer's certificate into a rendered folder, for each of the core's machines.

    Returns:
        where it is now, the core's own first, and when it ends, in seconds since the epoch (UTC).

    Raises:
        LocalError: it is not for this folder's key, or not of its authority.
        EnvironmentFailure: a file cannot be read or written.
    """
    try:
        found = read_certificate(file)
    except LocalError:
        raise LocalError(f"{file}: holds no certificate", hint=_SIGNED) from None
    if found is None:
        raise LocalError(f"{file}: is not there", hint=_SIGNED)
    root, key_file = read_certificate(out / AUTHORITY_CERTIFICATE), out / CORE_FOLDER / ISSUER_KEY
    if root is None or not key_file.exists():
        raise LocalError(
            f"{out / AUTHORITY_CERTIFICATE if root is None else key_file}: is not there",
            hint="render the folder, and make the request there",
        )
    try:
        key = load_key(key_file.read_bytes())
        if not is_issuer(found, key.public_key(), root, issuer_hosts(inventory.cluster)):
            raise LocalError(
                f"{file}: is not for the key in {key_file}, or not of this authority",
                hint="make a request in this folder, and sign that with its own authority",
            )
        content = pem_of(found)
        standbys = [one.name for one in inventory.core.standbys if (out / one.name).is_dir()]
        places = [out / folder / ISSUER_CERTIFICATE for folder in (CORE_FOLDER, *standbys)]
        for place in places:
            write_file(place, content, mode=0o644)
    except OSError as error:
        raise _failure(error, file) from None
    return places, found.not_valid_after_utc.timestamp()


def _failure(error: OSError, path: Path) -> EnvironmentFailure:
    return EnvironmentFailure(
        f"{error.filename or path}: {error.strerror}", hint="name another file or folder"
    )
