"""Does a token say all that a node needs, and is a torn one noticed before anybody is asked?"""

from __future__ import annotations

from dataclasses import replace

import pytest

from common.join_token import DOOR_LENGTH_MAX, PREFIX, JoinToken, TokenUnreadable, read_token
from common.settings.core import JoinSettings

TOKEN = JoinToken(
    node="lon1",
    doors=("core.scout.example:7445", "[2001:db8::1]:7445"),
    pin=bytes(range(32)),
    secret=bytes(range(100, 132)),
)


def test_a_token_is_read_as_it_was_written_wherever_a_mail_folded_it() -> None:
    text = TOKEN.text()

    assert read_token(text) == TOKEN
    assert read_token(f"  {text[:40]}\n  {text[40:]}\r\n") == TOKEN
    assert text.isascii()
    assert "\n" not in text


def test_every_door_that_the_cores_settings_take_has_room_in_a_token() -> None:
    longest = f"{'a' * (DOOR_LENGTH_MAX - 6)}:65535"
    named = JoinSettings(public=["bücher.example:7445", "[2001:db8::1]:7445", longest])

    assert read_token(replace(TOKEN, doors=tuple(named.public)).text()).doors == (
        "xn--bcher-kva.example:7445",
        "[2001:db8::1]:7445",
        longest,
    )
    with pytest.raises(ValueError, match="a door of 256 characters"):
        JoinSettings(public=[f"a{longest}"])


def test_a_token_shows_its_secret_in_no_log() -> None:
    assert repr(TOKEN.secret)[2:-1] not in repr(TOKEN)
    assert "secret" not in repr(TOKEN)


def test_each_character_that_is_missing_or_wrong_is_noticed() -> None:
    text = TOKEN.text()

    for place in range(len(PREFIX), len(text)):
        other = "A" if text[place] != "A" else "B"
        for torn in (text[:place] + text[place + 1 :], text[:place] + other + text[place + 1 :]):
            if torn.rstrip("=") != text:
                with pytest.raises(TokenUnreadable, match="not whole"):
                    read_token(torn)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no token"),
        ("hello", "no token"),
        ("borderscout-join-2.AAAA", "another version"),
        (PREFIX, "not whole"),
        (PREFIX + "é", "not whole"),
        (PREFIX + "A" * 5_000, "no token"),
    ],
)
def test_what_is_no_token_says_why(text: str, why: str) -> None:
    with pytest.raises(TokenUnreadable, match=why):
        read_token(text)
