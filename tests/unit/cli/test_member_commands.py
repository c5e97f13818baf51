"""Who revokes a node reads what is left to do when the core knows none of that name."""

from __future__ import annotations

from typing import Any

import pytest

from cli.client import CoreFailure
from cli.joining import NOT_FOUND, revoke_member


class RefusingCore:
    """A client whose core answers with one status."""

    def __init__(self, status: int) -> None:
        self._status = status

    def ask(self, _method: str, _path: str) -> Any:
        raise CoreFailure("lon1 has not joined", hint="let it join", status=self._status)


def test_of_a_node_that_has_not_joined_it_says_how_its_rendered_keys_are_revoked() -> None:
    with pytest.raises(CoreFailure, match="nothing was done") as refused:
        revoke_member(RefusingCore(NOT_FOUND), "lon1", as_json=False)  # type: ignore[arg-type]

    assert "borderscout inventory revoke lon1 FILE --out DIR" in str(refused.value)
    assert "let it join" not in str(refused.value)


def test_another_refusal_is_told_as_it_is() -> None:
    with pytest.raises(CoreFailure, match="let it join"):
        revoke_member(RefusingCore(503), "lon1", as_json=False)  # type: ignore[arg-type]
