"""Who is let in, and how much may they bring?

Touches nothing: stands before every route and looks at path, token and length of a request. It
denies by default: what is not in ``PUBLIC`` needs the core's token (RFC 6750 section 2.1), whether
there is such a path or not, and nothing of a stranger's body is read.
"""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.people.tokens import Token
from core.web.request.problems import answer

PUBLIC = frozenset({"/healthz", "/readyz", "/metrics", "/docs", "/openapi.json"})
ADMIN = "admin"  # whoever has the token; accounts and roles stand beside it later

BODY_BYTES_MAX = 1 << 20  # of a request; the largest has a comment and some policy keys
# Of a change set: an inventory of a hundred thousand domains; and of databases of one's own.
LARGE_BYTES_MAX = 64 << 20
LARGE_PATHS = frozenset({"/api/v1/documents", "/api/v1/definitions/custom"})

CALLER = "borderscout.caller"  # in the scope of a request that was let in


class Authentication:
    """Lets requests through to the application once they have proved who sends them.

    Args:
        application: what they are for.
        token: what they must bring.
    """

    def __init__(self, application: ASGIApp, token: Token) -> None:
        self._application = application
        self._token = token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # nothing here speaks anything else; the server closes it
        headers = Headers(scope=scope)
        if scope["path"] not in PUBLIC:
            if not self._opens(headers.get("authorization", "")):
                refusal = answer(
                    401, "the token is missing or wrong", "send the core's token as a bearer"
                )
                await refusal(scope, receive, send)
                return
            scope[CALLER] = ADMIN
        await self._bounded(scope, headers, receive, send)

    def _opens(self, authorization: str) -> bool:
        scheme, _, given = authorization.partition(" ")
        return scheme.lower() == "bearer" and self._token.matches(given.strip())

    async def _bounded(self, scope: Scope, headers: Headers, receive: Receive, send: Send) -> None:
        bytes_max = LARGE_BYTES_MAX if scope["path"] in LARGE_PATHS else BODY_BYTES_MAX
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > bytes_max:
            await answer(413, _too_large(bytes_max), "send it in parts")(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > bytes_max:
                raise HTTPException(413, _too_large(bytes_max))
            return message

        await self._application(scope, counted, send)


def _too_large(bytes_max: int) -> str:
    return f"a request has at most {bytes_max} octets"
