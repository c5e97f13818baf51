"""How does the API say what is wrong?

Pure. Every error is one problem document (RFC 9457) with what happened and what to do.
"""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from common.errors import BorderScoutError, EnvironmentFailure
from core.preferences.ledger import RevisionConflict, UnknownRevision
from core.quarantine.cases import CaseNotHeld, UnknownCase

MEDIA_TYPE = "application/problem+json"


class Problem(Exception):
    """A request that ends with an error.

    Args:
        status: HTTP status.
        title: what is wrong.
        remedy: what to do about it.
    """

    def __init__(self, status: int, title: str, remedy: str = "") -> None:
        super().__init__(title)
        self.status = status
        self.title = title
        self.remedy = remedy


def install(application: FastAPI) -> None:
    """Make the application answer every error as a problem document."""

    @application.exception_handler(Problem)
    async def _problem(_request: Request, error: Problem) -> JSONResponse:
        return _answer(error.status, error.title, error.remedy)

    @application.exception_handler(BorderScoutError)
    async def _ours(_request: Request, error: BorderScoutError) -> JSONResponse:
        return _answer(_status_of(error), error.what, error.hint)

    @application.exception_handler(RequestValidationError)
    async def _invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        found = [
            f"{'.'.join(str(step) for step in item['loc'])}: {item['msg']}"
            for item in error.errors()
        ]
        return _answer(422, "; ".join(found)[:2000], "correct the request")


def _status_of(error: BorderScoutError) -> int:
    match error:
        case UnknownCase() | UnknownRevision():
            return 404
        case CaseNotHeld() | RevisionConflict():
            return 409
        case EnvironmentFailure():
            return 503
        case _:
            return 400


def _answer(status: int, title: str, remedy: str) -> JSONResponse:
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else None
    content = {"type": "about:blank", "status": status, "title": title, "remedy": remedy}
    return JSONResponse(content, status, headers=headers, media_type=MEDIA_TYPE)
