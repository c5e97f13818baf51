"""How does the API say what is wrong?

Pure. Every error is one problem document (RFC 9457) with what happened and what to do.
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from common.errors import BorderScoutError, EnvironmentFailure
from core.definitions.keeper import NothingNew
from core.definitions.sets import UnknownSet
from core.people.members import MemberGone
from core.preferences.ledger import RevisionConflict, UnknownRevision
from core.preferences.warnings import NobodyHas
from core.quarantine.cases import CaseNotHeld, NoSuchRecipient, UnknownCase

MEDIA_TYPE = "application/problem+json"
TITLE_LENGTH_MAX = 2_000  # characters; a request can be wrong in very many places

_REMEDIES = {
    404: "see /docs for what there is",
    405: "see /docs for what there is",
    413: "send it in parts",
    503: "try again later",
}
LOG = "report it with what the core has logged: journalctl -u borderscout-core"


class Problem(BorderScoutError):
    """A request that ends with an error.

    Args:
        status: HTTP status.
        what: what is wrong.
        hint: what to do about it.
    """

    def __init__(self, status: int, what: str, hint: str = "") -> None:
        super().__init__(what, hint=hint)
        self.status = status


def install(application: FastAPI) -> None:
    """Make the application answer every error as a problem document."""

    @application.exception_handler(BorderScoutError)
    async def _ours(_request: Request, error: BorderScoutError) -> JSONResponse:
        status = _status_of(error)
        return answer(status, error.what, error.hint or _remedy(status))

    @application.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        found = [
            f"{'.'.join(str(step) for step in item['loc'])}: {item['msg']}"
            for item in error.errors()
        ]
        return answer(422, "; ".join(found), "correct the request")

    @application.exception_handler(UnicodeEncodeError)
    async def _surrogates(_request: Request, _error: UnicodeEncodeError) -> JSONResponse:
        # JSON can name half a character, which nothing can store or send.
        return answer(400, "text must be Unicode without lone surrogates", "correct the request")

    @application.exception_handler(HTTPException)
    async def _http(_request: Request, error: HTTPException) -> JSONResponse:
        status = error.status_code
        return answer(status, str(error.detail), _remedy(status))

    @application.exception_handler(Exception)
    async def _fault(_request: Request, _error: Exception) -> JSONResponse:
        # The server logs it with its traceback; a stranger learns nothing of our inside.
        return answer(500, "this is a fault of the core", LOG)


def _status_of(error: BorderScoutError) -> int:
    match error:
        case Problem():
            return error.status
        case UnknownCase() | UnknownRevision() | NoSuchRecipient() | UnknownSet() | MemberGone():
            return 404
        case CaseNotHeld() | RevisionConflict() | NobodyHas() | NothingNew():
            return 409
        case EnvironmentFailure():
            return 503
        case _:
            return 400


def _remedy(status: int) -> str:
    return _REMEDIES.get(status, "correct the request")


def answer(status: int, title: str, remedy: str) -> JSONResponse:
    """Return a problem document.

    Args:
        status: HTTP status.
        title: what is wrong.
        remedy: what to do about it.
    """
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    content = {
        "type": "about:blank",
        "status": status,
        "title": _sendable(title)[:TITLE_LENGTH_MAX],
        "remedy": remedy,
    }
    return JSONResponse(content, status, headers=headers, media_type=MEDIA_TYPE)


def _sendable(text: str) -> str:
    """Return text without lone surrogates: a request may hold them, UTF-8 cannot."""
    return text.encode("utf-8", "replace").decode()
