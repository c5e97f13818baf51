"""What is said to a Pyzor server, and what do its replies mean?

Pure. A question is some lines of a header; its signature is over these, the time and the hash of
the user's key. The anonymous user's is asked for by nobody, and sent all the same.

Source: Pyzor's documentation, *Protocol* version 2.1.
"""

from __future__ import annotations

import re
from hashlib import sha1

from common.frozen import dataclass
from common.verdict import printable
from satellite.filtering.servers.failures import Nonsense

VERSION = "2.1"
ANONYMOUS = "anonymous"
REPLY_BYTES_MAX = 8_192
THREADS = (1_024, 65_536)  # below are the protocol's own
COUNT_MAX = 1_000_000_000
SPEC = "20,3,60,3"  # of the digest, as a report says it
USER_PATTERN = r"^[A-Za-z0-9._-]{1,64}$"

_COUNT = re.compile(r"[0-9]{1,20}")


@dataclass(frozen=True, slots=True, kw_only=True)
class PyzorAccount:
    """Who asks.

    Args:
        user: his name.
        key: in hex digits; empty for the anonymous one.
    """

    user: str = ANONYMOUS
    key: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PyzorCounts:
    """What a server knows of a digest.

    Args:
        reports: how often it was called spam.
        welcomes: how often it was called none.
    """

    reports: int
    welcomes: int


def question(
    operation: str, digest: str, *, thread: int, account: PyzorAccount, now_s: int
) -> bytes:
    """Return what is sent.

    Args:
        operation: ``check``, ``report`` or ``ping``.
        digest: 40 hex digits; empty for ``ping``.
        thread: by which the reply is known, within ``THREADS``.
        account: who asks.
        now_s: the time, seconds since the epoch; the server takes five minutes of difference.
    """
    fields = [("Op", operation)]
    if digest:
        fields.append(("Op-Digest", digest))
    if operation == "report":
        fields.append(("Op-Spec", SPEC))
    fields += [
        ("Thread", str(thread)),
        ("PV", VERSION),
        ("User", account.user),
        ("Time", str(now_s)),
    ]
    said = "\n".join(f"{name}: {value}" for name, value in fields)
    signature = _signature(said, account, now_s)
    return f"{said}\nSig: {signature}\n\n".encode("ascii")


def thread_of(said: bytes) -> int | None:
    """Return to which question a reply belongs, None where it does not say."""
    found = _fields(said).get("thread", "")
    return int(found) if re.fullmatch(r"[0-9]{1,5}", found) else None


def counts(said: bytes) -> PyzorCounts:
    """Return what the reply to ``check`` says.

    Raises:
        Nonsense: it is none, or refuses.
    """
    fields = _answered(said)
    found = [fields.get(name, "") for name in ("count", "wl-count")]
    if not all(_COUNT.fullmatch(one) for one in found):
        raise Nonsense("the Pyzor server's reply has no counts")
    reports, welcomes = (min(COUNT_MAX, int(one)) for one in found)
    return PyzorCounts(reports=reports, welcomes=welcomes)


def check_answered(said: bytes) -> None:
    """Refuse a reply that says that something went wrong.

    Raises:
        Nonsense: it does, or is none.
    """
    _answered(said)


def _answered(said: bytes) -> dict[str, str]:
    fields = _fields(said)
    code = fields.get("code", "")
    if code != "200":
        words = printable(f"{code} {fields.get('diag', '')}".strip())
        raise Nonsense(f"the Pyzor server refuses: {words or 'no code'}")
    if fields.get("pv", "").partition(".")[0] != VERSION.partition(".")[0]:
        raise Nonsense("the Pyzor server speaks another version of the protocol")
    return fields


def _fields(said: bytes) -> dict[str, str]:
    lines = said[:REPLY_BYTES_MAX].decode("latin-1").splitlines()
    pairs = (line.partition(":") for line in lines if ":" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _signature(said: str, account: PyzorAccount, now_s: int) -> str:
    key = _hex(f"{account.user}:{account.key.lower()}".encode())
    inner = sha1(said.encode(), usedforsecurity=False).digest()
    return _hex(inner + f":{now_s}:{key}".encode())


def _hex(octets: bytes) -> str:
    return sha1(octets, usedforsecurity=False).hexdigest()
