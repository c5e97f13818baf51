"""Is the API's token kept as a secret?"""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from core.people.tokens import Token, TokenRefused


def test_a_missing_token_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / "token"

    token = Token.load_or_make(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert token.matches(path.read_text().strip())
    assert Token.load_or_make(path).matches(path.read_text().strip())


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644])
def test_a_token_that_others_can_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "token"
    Token.load_or_make(path)
    path.chmod(mode)

    with pytest.raises(TokenRefused, match="others can use"):
        Token.load_or_make(path)


@pytest.mark.parametrize("text", ["", "short", "x" * 600, "\0" * 40])
def test_what_is_no_token_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    path.write_text(text)
    path.chmod(0o600)

    with pytest.raises(TokenRefused):
        Token.load_or_make(path)


def test_only_the_token_matches_and_it_never_shows_itself(tmp_path: Path) -> None:
    path = tmp_path / "token"
    token = Token.load_or_make(path)
    secret = path.read_text().strip()

    assert not token.matches("")
    assert not token.matches(secret[:-1])
    assert not token.matches(secret + "x")
    assert not token.matches("\ud83d")
    assert secret not in repr(token)
