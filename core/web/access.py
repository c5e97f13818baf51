"""Who is asking?

Touches nothing: compares the bearer token of a request (RFC 6750 section 2.1) with the core's own,
in constant time.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from core.web.problems import Problem
from core.web.services import Core

_bearer = HTTPBearer(auto_error=False, description="The core's token, from its 0600 token file")

ADMIN = "admin"  # whoever has the token; accounts and roles stand beside it later


def caller(
    core: Core,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],
) -> str:
    """Return who asks.

    Raises:
        Problem: 401, the token is missing or wrong.
    """
    if credentials is None or not core.token.matches(credentials.credentials):
        raise Problem(401, "the token is missing or wrong", "send the core's token as a bearer")
    return ADMIN


Caller = Annotated[str, Depends(caller)]
