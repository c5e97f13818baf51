"""What may the body of a request hold?

Pure.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class RequestBody(BaseModel):
    """Any body: a key that it does not know is refused.

    A misspelt order must not be half an order, nor, where all is meant by what is left out, one for
    everybody.
    """

    model_config = ConfigDict(extra="forbid")
