"""Is a key made once, and is the public one that of the private one?"""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from common.errors import LocalError
from inventory.keys import KEY_FILE, TOKEN_FILE, api_token, public_key, wireguard_key

# RFC 7748 section 6.1: Bob's private and public key.
PRIVATE = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb"
PUBLIC = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"


def test_the_public_key_is_that_of_rfc_7748() -> None:
    private = base64.b64encode(bytes.fromhex(PRIVATE)).decode()

    assert base64.b64decode(public_key(private)).hex() == PUBLIC


def test_two_new_keys_differ(tmp_path: Path) -> None:
    assert wireguard_key(tmp_path) != wireguard_key(tmp_path)
    assert api_token(tmp_path) != api_token(tmp_path)


def test_a_key_that_is_there_is_kept(tmp_path: Path) -> None:
    key = wireguard_key(tmp_path)
    (tmp_path / KEY_FILE).write_text(f"{key}\n")
    (tmp_path / TOKEN_FILE).write_text("secret")

    assert wireguard_key(tmp_path) == key
    assert api_token(tmp_path) == "secret"


@pytest.mark.parametrize("content", ["", "AAAA", "not base64 at all!", "ü" * 44])
def test_a_damaged_key_is_never_replaced_in_silence(tmp_path: Path, content: str) -> None:
    (tmp_path / KEY_FILE).write_text(content)

    with pytest.raises(LocalError, match="holds no WireGuard key; restore it"):
        wireguard_key(tmp_path)


def test_an_empty_token_lets_nobody_in(tmp_path: Path) -> None:
    (tmp_path / TOKEN_FILE).write_text("\n")

    with pytest.raises(LocalError, match="holds no token"):
        api_token(tmp_path)
