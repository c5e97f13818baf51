"""Which mailboxes does an address field name?"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from satellite.headers.mailboxes import MAILBOXES_MAX, ShownMailbox, mailboxes


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (b" a@b.example", [("", "a@b.example")]),
        (b"A B <a@b.example>", [("A B", "a@b.example")]),
        (b'"B, \\"A\\"" <a@b.example>', [('B, "A"', "a@b.example")]),
        (b'"c@d" <a@b.example>', [("c@d", "a@b.example")]),
        (b"=?utf-8?q?J=C3=BCrgen?= <a@b.example>", [("Jürgen", "a@b.example")]),
        (b"A (x, y (z)) <a@b.example (w)>", [("A", "a@b.example")]),
        (b"a@b.example,\r\n\tC <c@d.example>", [("", "a@b.example"), ("C", "c@d.example")]),
        (
            b"g: a@b.example, c@d.example; e@f",
            [("", "a@b.example"), ("", "c@d.example"), ("", "e@f")],
        ),
        (b"<@x.example,@y.example:a@b.example>", [("", "a@b.example")]),
        (b"A <a@b.example", [("A", "a@b.example")]),
        (b"A <a@b.example> <c@d.example>", [("A", "c@d.example")]),
        (b'"never closed <a@b.example>', [("never closed", "a@b.example")]),
        (b",,;;", []),
        (b"", []),
    ],
)
def test_mailboxes_are_found(value: bytes, found: list[tuple[str, str]]) -> None:
    assert mailboxes(value) == [ShownMailbox(*each) for each in found]


def test_of_very_many_the_first_ones_count() -> None:
    assert len(mailboxes(b"a@b," * 5_000)) == MAILBOXES_MAX


@given(st.binary(max_size=60) | st.text(alphabet='<>()",;:\\@ ab', max_size=60).map(str.encode))
def test_no_value_breaks_the_reader(value: bytes) -> None:
    for mailbox in mailboxes(value):
        assert "\n" not in mailbox.display_name
        assert not any(c.isspace() for c in mailbox.address)
