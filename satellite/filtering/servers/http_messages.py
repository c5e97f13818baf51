"""What is a server asked over HTTP, and what does it reply?

Pure.
"""

from __future__ import annotations

from collections.abc import Sequence

from common.frozen import dataclass

Fields = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpQuestion:
    """A request.

    Args:
        method, target: of the request line.
        fields: the header, but for what belongs to the connection; values of any kind, which are
            made fit to stand there.
        body: what is sent.
    """

    method: str
    target: str
    fields: Fields = ()
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpReply:
    """What was answered.

    Args:
        status: three digits.
        body: bounded.
    """

    status: int
    body: bytes
