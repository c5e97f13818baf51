"""Which tag lists keep DKIM's grammar?"""

from __future__ import annotations

import pytest

from satellite.authentication.tag_list import TagListWrong, parse_tag_list, without_blanks


def test_values_stand_without_the_blanks_around_them() -> None:
    assert parse_tag_list(" v=1;\r\n\tb = a b=\r\n c ;") == {"v": "1", "b": "a b=\r\n c"}
    assert parse_tag_list("") == {}
    assert without_blanks("a b=\r\n c") == "ab=c"


@pytest.mark.parametrize(
    "text", ["v", "v=1;;a=2", "v=1; v=1", "1=v", "=1", "v=1; " + "x" * 20_000, "a;" * 99]
)
def test_what_breaks_the_grammar_is_no_tag_list(text: str) -> None:
    with pytest.raises(TagListWrong):
        parse_tag_list(text)
