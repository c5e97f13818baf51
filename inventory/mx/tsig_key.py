"""With which key does a name server know us?

Touches the key's file, which nobody else may read.

Source: tsig-keygen(8), RFC 8945.
"""

from __future__ import annotations

import base64
import binascii
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path

from common.errors import EnvironmentFailure, LocalError

FILE_BYTES_MAX = 4096
_KEY = re.compile(
    r'\s*key\s+"?(?P<name>[A-Za-z0-9._-]{1,253})"?\s*\{'
    r'\s*algorithm\s+"?(?P<algorithm>hmac-sha(?:1|224|256|384|512))"?\s*;'
    r'\s*secret\s+"?(?P<secret>[A-Za-z0-9+/=]{1,400})"?\s*;\s*\}\s*;\s*'
)
# Base64 may hold two slashes: between quotes they begin no comment.
_QUOTED_OR_COMMENT = re.compile(r'(?P<quoted>"[^"\n]*")|(?:#|//).*')


@dataclass(frozen=True, slots=True)
class TsigKey:
    """A key of RFC 8945; its secret is in no text that is made of it."""

    name: str
    algorithm: str
    secret: bytes = field(repr=False)


def read_tsig_key(path: Path) -> TsigKey:
    """Return the key of a file as tsig-keygen writes it.

    Raises:
        LocalError: others may read it, or it holds something else.
        EnvironmentFailure: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            mode = stat.S_IMODE(path.stat().st_mode)
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise EnvironmentFailure(
            f"{path}: {error.strerror}", hint="name a file that `tsig-keygen NAME` printed"
        ) from None
    if mode & 0o077:
        raise LocalError(f"{path}: others may read it (mode {mode:04o})", hint="chmod 600 it")
    text = content.decode("ascii", "replace")
    found = _KEY.fullmatch(_QUOTED_OR_COMMENT.sub(lambda one: one["quoted"] or "", text))
    try:
        if found is None or len(content) > FILE_BYTES_MAX:
            raise ValueError
        secret = base64.b64decode(found["secret"], validate=True)
    except (ValueError, binascii.Error):
        raise LocalError(
            f"{path}: holds no TSIG key", hint="write what `tsig-keygen NAME` prints"
        ) from None
    return TsigKey(found["name"], found["algorithm"], secret)
