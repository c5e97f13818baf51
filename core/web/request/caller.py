"""Who is asking?

Pure: authentication has looked at the token; here a handler learns whom it let in, and the API's
own description that a token is needed.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from fastapi.security import HTTPBearer

from core.web.request.authentication import CALLER

_bearer = HTTPBearer(auto_error=False, description="The core's token, from its 0600 token file")


def caller(request: Request, _described: Annotated[object, Depends(_bearer)]) -> str:
    """Return who asks. Without authentication in front there is nobody, and the request fails."""
    return str(request.scope[CALLER])


Caller = Annotated[str, Depends(caller)]
