"""Which kinds of values stand in settings, and what is each written like?

Pure. What a value alone can get wrong is refused here, for the programs and for the inventory that
their settings are rendered from.
"""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _checked_endpoint(text: str) -> str:
    """Accept ``HOST:PORT``; an IPv6 host stands in brackets."""
    match = _ENDPOINT.fullmatch(text)
    if match is None or not 1 <= int(match["port"]) <= 65_535:
        raise ValueError(f"{text!r} is no endpoint; write HOST:PORT, or [IPV6]:PORT")
    return text


_ENDPOINT = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^:\s\[\]]+):(?P<port>[0-9]{1,5})", re.ASCII)

Endpoint = Annotated[str, AfterValidator(_checked_endpoint)]
Name = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")]


class Settings(BaseModel):
    """The base of every settings model: frozen, and unknown keys are complaints."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def split_endpoint(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST:PORT``; an IPv6 host stands in brackets."""
    host, _, port = text.rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port)
