"""Who may call the API?

Touches the token's file, which is 0600 and made when it is missing: whoever can read it is an
admin, so a file that others can read is refused.
"""

from __future__ import annotations

import hmac
import os
import secrets
import stat
from pathlib import Path
from typing import Self

from common.durable import write_file
from common.errors import LocalError

TOKEN_RANDOM_BYTES = 32  # 256 bits
TOKEN_LENGTH_MIN = 32  # characters of a token that somebody else made
TOKEN_LENGTH_MAX = 512


class TokenRefused(LocalError):
    """The token's file cannot be used as it is."""


class Token:
    """The bearer token of the API; it never shows itself."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        self._secret = secret.encode()

    def __repr__(self) -> str:
        return "Token(…)"

    @classmethod
    def load_or_make(cls, path: Path) -> Self:
        """Return the token of a file, made with a new one when it is missing.

        Raises:
            TokenRefused: others can read the file, or it holds no token.
        """
        try:
            if not path.exists():
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_file(path, secrets.token_urlsafe(TOKEN_RANDOM_BYTES).encode() + b"\n")
            return cls(_read(path))
        except OSError as error:
            raise TokenRefused(f"{path} cannot be used: {error.strerror}") from None

    def matches(self, given: str) -> bool:
        """Say whether ``given`` is the token, in a time that tells nothing of where it differs."""
        return hmac.compare_digest(given.encode("utf-8", "replace"), self._secret)


def _read(path: Path) -> str:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise TokenRefused(f"{path} is no ordinary file")
        if status.st_mode & 0o077:
            raise TokenRefused(
                f"others can use {path}", hint=f"chmod 600 {path}, and make a new token"
            )
        text = os.read(descriptor, TOKEN_LENGTH_MAX + 2).decode("ascii", "replace").strip()
    finally:
        os.close(descriptor)
    if not TOKEN_LENGTH_MIN <= len(text) <= TOKEN_LENGTH_MAX or not text.isprintable():
        raise TokenRefused(
            f"{path} holds no token of {TOKEN_LENGTH_MIN} to {TOKEN_LENGTH_MAX} characters",
            hint="remove the file and a new one is made",
        )
    return text
