"""An entry of ``deliver_to`` names a server by SMTP or LMTP, or the MX of another name."""

from __future__ import annotations

import pytest

from common.preferences.deliver_to import Target, parse_deliver_to


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("mail.acme.example", Target("mail.acme.example", 25)),
        ("mail.acme.example:2525", Target("mail.acme.example", 2525)),
        ("[2001:db8::1]:26", Target("2001:db8::1", 26)),
        ("lmtp:imap.acme.example:24", Target("imap.acme.example", 24, is_lmtp=True)),
        ("lmtp:[2001:db8::1]:24", Target("2001:db8::1", 24, is_lmtp=True)),
        ("in.acme.example/mx", Target("in.acme.example", 25, is_mx=True)),
        ("in.acme.example:2525/mx", Target("in.acme.example", 2525, is_mx=True)),
    ],
)
def test_an_entry_is_read_and_written(text: str, target: Target) -> None:
    assert parse_deliver_to(text) == target
    assert parse_deliver_to(str(target)) == target


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("lmtp:imap.acme.example", "LMTP is never at port 25; write lmtp:HOST:PORT"),
        ("lmtp:imap.acme.example:25", "LMTP is never at port 25"),
        ("lmtp:imap.acme.example/mx", "write NAME/mx alone"),
        ("192.0.2.1/mx", "an address has no MX; write 192.0.2.1 without /mx"),
        ("mail.acme.example:", "no valid port"),
        ("mail.acme.example:99999", "no valid port"),
        ("mail.acme.example:\u0662\u0665", "no valid port"),
        ("smtp:mail.acme.example:25", "no domain name"),
        ("in.acme.example/MX", "no domain name"),
        ("lmtp:", "'lmtp:' names no host"),
        ("/mx", "'/mx' names no host"),
    ],
)
def test_what_is_none_is_refused_with_what_would_be(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        parse_deliver_to(text)
