"""Which certificate has a node, and is it still good?

Touches the rendered folder, for reading. The cluster has an authority of its own; a certificate is
made once and kept until it is due, or until its names, its key or the authority changed. The
authority's key may lie elsewhere: it is asked for only when something is to be signed.

What was made later than the clock says is no reason to make all of it anew: the clock is behind, or
was ahead once, and which of them only a person knows. So that is refused, as is another cluster.

A satellite's certificate is for a client alone and names no host: with it nobody can pose as the
core. Source: RFC 5280 section 4.2.1.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature

from common.certificate import serial_text
from common.errors import LocalError
from common.issuing import (
    ISSUER_DAYS,
    LIFETIME_DAYS,
    Credential,
    Identity,
    KeyKind,
    PrivateKey,
    PublicKey,
    Signer,
    constraints_of,
    instant,
    key_pem,
    kind_of,
    load_key,
    new_authority,
    new_key,
    pem_of,
    subject_of,
)

AUTHORITY_DAYS = 3650
AUTHORITY_RENEWAL_DAYS = 366  # longer than any certificate that it signs
RENEWAL_DAYS = 14  # renewed when fewer are left; from here on the doctor warns
ISSUER_RENEWAL_DAYS = 120  # longer than any certificate that an issuer signs

AUTHORITY_KEY = "authority"
AUTHORITY_CERTIFICATE = "authority.crt"
ISSUER_KEY = "issuer.key"
ISSUER_CERTIFICATE = "issuer.crt"
ELSEWHERE = "name the folder that has it: --authority DIR"
_TIME = "%Y-%m-%d %H:%M UTC"


def authority(out: Path, *, cluster: str, now_us: int, elsewhere: Path | None = None) -> Credential:
    """Return the cluster's authority: the one in the folder while it is good, else a new one.

    The key outlives its certificate: what it signed stays valid. Where the folder has a certificate
    and no key, that is elsewhere, and the key returned is empty: nothing can be signed.

    Args:
        out: the rendered folder.
        cluster: its name.
        now_us: decides whether the certificate is due, microseconds since the epoch.
        elsewhere: the folder that has the key, such as a disk that is mounted for this alone.

    Raises:
        LocalError: a file holds something else, begins later than now, or is of another cluster;
            or the key is needed and not there, or is another's.
    """
    now, subject = instant(now_us), subject_of(f"{cluster} authority")
    files = [folder / AUTHORITY_CERTIFICATE for folder in (out, elsewhere) if folder is not None]
    read = [(file, found) for file in files if (found := read_certificate(file)) is not None]
    known = [certificate for _, certificate in read]
    again = "render" if (out / AUTHORITY_KEY).exists() else "render with --authority DIR"
    for file, certificate in read:
        if certificate.subject != subject:
            raise _of_another_cluster(file, certificate, cluster, again)
        if certificate.not_valid_before_utc > now:
            remedy = f"delete it and {again}, which makes it anew for its key"
            raise begins_later(file, certificate, now, remedy=remedy)
    key_file = (elsewhere or out) / AUTHORITY_KEY
    if elsewhere is not None and not key_file.exists():
        raise LocalError(f"{key_file}: is not there", hint="is the authority's disk mounted?")
    if known and not key_file.exists():
        if known[0].not_valid_after_utc <= now:
            raise LocalError(
                f"{files[0]}: has to be made anew, and the authority's key is not beside it",
                hint=ELSEWHERE,
            )
        return Credential(pem_of(known[0]), b"")
    key = _key(key_file)
    for file, certificate in read:
        if certificate.public_key() != key.public_key():
            # Signed by the key of another disk, all that the nodes have would be worth nothing.
            raise LocalError(
                f"{key_file}: is the key of another authority than {file}",
                hint="name the folder that has its key, or render into a new one for a new cluster",
            )
    for certificate in known:
        if _is_good_authority(certificate, key, now):
            return Credential(pem_of(certificate), key_pem(key))
    made = new_authority(f"{cluster} authority", key, now=now, days=AUTHORITY_DAYS)
    return Credential(pem_of(made), key_pem(key))


def issuer(
    folder: Path, *, cluster: str, hosts: tuple[str, ...], signer: Credential, now_us: int
) -> Credential:
    """Return the core's issuer: the one in its folder while it is good, else a new certificate.

    Where the authority's key is elsewhere, one that is due is kept, and what is missing is empty:
    ``inventory issuer`` asks for it with files.

    Args:
        folder: the core's.
        cluster: its name.
        hosts: the domains that what it signs may name.
        signer: the authority.
        now_us: decides whether it is due, microseconds since the epoch.

    Raises:
        LocalError: a file holds something else.
    """
    key, old = _key(folder / ISSUER_KEY), read_certificate(folder / ISSUER_CERTIFICATE)
    root, now = x509.load_pem_x509_certificate(signer.certificate), instant(now_us)
    fits = old is not None and is_issuer(old, key.public_key(), root, hosts)
    if old is not None and fits:
        left, has_begun = old.not_valid_after_utc - now, old.not_valid_before_utc <= now
        is_good = has_begun and left >= timedelta(days=ISSUER_RENEWAL_DAYS)
        if is_good or (not signer.key and left > timedelta(0)):
            return Credential(pem_of(old), key_pem(key))
    if not signer.key:
        return Credential(b"", key_pem(key))
    made = signer_of(signer).sign_issuer(
        f"{cluster} issuer", key.public_key(), hosts=hosts, now=now, days=ISSUER_DAYS
    )
    return Credential(made, key_pem(key))


def credential(
    certificate_file: Path,
    key_file: Path,
    *,
    identity: Identity,
    signer: Credential,
    now_us: int,
    key_kind: KeyKind = KeyKind.ECDSA,
    revoked: Collection[str] = (),
    next_key_file: Path | None = None,
) -> Credential:
    """Return a node's certificate: the one in its folder while it is good, else a new one.

    The new one is for another key, but where the old one only begins later than now: some clock was
    off, and DNS may name its key.

    Args:
        certificate_file, key_file: where they are kept.
        identity: whom it is for.
        signer: the cluster's authority.
        now_us: decides whether it is due, microseconds since the epoch.
        key_kind: of its key.
        revoked: serial numbers that are good no more, as ``common.certificate.serial_text``.
        next_key_file: of the key for a new certificate; without one a new key is made.

    Raises:
        LocalError: a file holds something else.
    """
    root = x509.load_pem_x509_certificate(signer.certificate)
    old = read_certificate(certificate_file)
    now = instant(now_us)
    is_revoked = old is not None and serial_text(old.serial_number) in revoked
    kept: PrivateKey | None = None
    if old is not None and key_file.exists() and not is_revoked:
        key = _key(key_file)
        if key_kind is kind_of(key) and _fits(old, key, identity, root):
            has_begun = old.not_valid_before_utc <= now
            if has_begun and old.not_valid_after_utc - now >= timedelta(days=RENEWAL_DAYS):
                return Credential(pem_of(old), key_pem(key))
            if not has_begun and not signer.key:
                remedy = "render with --authority DIR, which makes it anew"
                raise begins_later(certificate_file, old, now, remedy=remedy)
            kept = None if has_begun else key
    if not signer.key:
        raise LocalError(
            f"{certificate_file}: has to be made anew, and the authority's key is not beside"
            f" {AUTHORITY_CERTIFICATE}",
            hint=ELSEWHERE,
        )
    if kept is not None:
        fresh = kept
    elif next_key_file is None:
        fresh = new_key(key_kind)
    else:
        fresh = _kept_or_new(next_key_file, key_kind)
    made = signer_of(signer).sign(identity, fresh.public_key(), now=now, days=LIFETIME_DAYS)
    return Credential(made, key_pem(fresh))


def signer_of(found: Credential) -> Signer:
    """Return who signs with a certificate and its key."""
    certificate = x509.load_pem_x509_certificate(found.certificate)
    return Signer(certificate=certificate, key=load_key(found.key))


def cluster_of(root: x509.Certificate) -> str:
    """Return which cluster an authority is of, by its certificate."""
    return str(root.subject.rfc4514_string()).removeprefix("CN=").removesuffix(" authority")


def _of_another_cluster(file: Path, root: x509.Certificate, cluster: str, again: str) -> LocalError:
    """Return the refusal to rename an authority: whoever knows it believes it by no other name."""
    return LocalError(
        f"{file}: is the authority of the cluster {cluster_of(root)}, and the inventory is of"
        f" {cluster}",
        hint=f"name another folder; if the cluster was renamed, delete {file}, {again}, and bring"
        " each machine its new folder",
    )


def begins_later(
    file: Path, certificate: x509.Certificate, now: datetime, *, remedy: str
) -> LocalError:
    """Return the refusal of a certificate that was made later than it is now.

    Each begins an hour before it is made: clocks that differ by minutes meet none of this.
    """
    begins = certificate.not_valid_before_utc
    return LocalError(
        f"{file}: begins at {begins:{_TIME}}, and this machine's clock says {now:{_TIME}}",
        hint=f"set the clock; if it is right, it was ahead when this was made: {remedy}",
    )


def _is_good_authority(certificate: x509.Certificate, key: PrivateKey, now: datetime) -> bool:
    constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    return (
        certificate.public_key() == key.public_key()
        and certificate.not_valid_after_utc - now >= timedelta(days=AUTHORITY_RENEWAL_DAYS)
        # One of a version before signs no issuer; the same key signs a certificate that may.
        and constraints.path_length != 0
    )


def is_issuer(
    certificate: x509.Certificate, key: PublicKey, root: x509.Certificate, hosts: tuple[str, ...]
) -> bool:
    """Say whether a certificate is of an issuer with this key, which may name these domains."""
    try:
        certificate.verify_directly_issued_by(root)
        extensions = certificate.extensions
        constraints = extensions.get_extension_for_class(x509.BasicConstraints).value
        named = extensions.get_extension_for_class(x509.NameConstraints).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return constraints.ca and certificate.public_key() == key and named == constraints_of(hosts)


def next_key(key_file: Path, *, used: Credential, key_kind: KeyKind) -> bytes:
    """Return the key for the next certificate, PEM: the kept one, until it has come into use.

    Raises:
        LocalError: the file holds something else.
    """
    kept = key_pem(_kept_or_new(key_file, key_kind))
    return kept if kept != used.key else key_pem(new_key(key_kind))


def _kept_or_new(key_file: Path, kind: KeyKind) -> PrivateKey:
    if not key_file.exists():
        return new_key(kind)
    kept = _key(key_file)
    return kept if kind_of(kept) is kind else new_key(kind)


def _fits(
    certificate: x509.Certificate, key: PrivateKey, identity: Identity, root: x509.Certificate
) -> bool:
    try:
        certificate.verify_directly_issued_by(root)
        extensions = certificate.extensions
        names = list(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
        purposes = list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return (
        certificate.public_key() == key.public_key()
        and names == identity.names
        and purposes == identity.purposes
    )


def read_certificate(path: Path) -> x509.Certificate | None:
    """Return the certificate in a file; None when there is none.

    Raises:
        LocalError: the file holds something else.
    """
    if not path.exists():
        return None
    try:
        return x509.load_pem_x509_certificate(path.read_bytes())
    except ValueError:
        raise LocalError(
            f"{path}: holds no certificate", hint="restore it, or delete it for a new one"
        ) from None


def _key(path: Path) -> PrivateKey:
    if not path.exists():
        return new_key(KeyKind.ECDSA)
    try:
        return load_key(path.read_bytes())
    except (ValueError, TypeError):
        raise LocalError(
            f"{path}: holds no private key", hint="restore it, or delete it for a new one"
        ) from None
