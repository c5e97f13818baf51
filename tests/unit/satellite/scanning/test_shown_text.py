"""What does a person read of a page, and where does it link to?"""

from __future__ import annotations

import pytest

from satellite.scanning.shown_text import PAGE_LENGTH_MAX, shown
from tests.support.work import work_s


def words(page: str) -> list[str]:
    return shown(page).text.split()


@pytest.mark.parametrize(
    ("page", "read"),
    [
        ("<p>Hi <b>Jo</b>hn</p>you", ["Hi", "John", "you"]),
        ("<td>one</td><td>two</td>", ["onetwo"]),
        ("<table><tr><td>one</td><td>two</td></tr></table>", ["one", "two"]),
        ("a<!-- c --><script>x</script><style>y</style><title>z</title>b", ["ab"]),
        ("fish &amp; chips &lt;b&gt; &#50;", ["fish", "&", "chips", "<b>", "2"]),
        ("a < b > c", ["a", "<", "b", ">", "c"]),
        ("<p>never closed", ["never", "closed"]),
    ],
)
def test_tags_are_no_text(page: str, read: list[str]) -> None:
    assert words(page) == read


@pytest.mark.parametrize(
    "hidden",
    [
        "<div style='DISPLAY : none'>no <p>deep</p> <br>no</div>",
        "<div hidden>no</div>",
        "<span style='color:red; font-size:0px'>no</span>",
        "<span style='visibility:/* x */hidden'>no</span>",
        "<i style='opacity:0.0'>no</i>",
        "<p style='mso-hide:all'>no</p>",
        "<span style='max-height:0;overflow:hidden'>no</span>",
        "<div style='display:none !important'><div>no</div>no</div>",
    ],
)
def test_what_a_page_hides_is_no_text(hidden: str) -> None:
    assert words(f"yes {hidden} <b>and</b> yes") == ["yes", "and", "yes"]


@pytest.mark.parametrize("style", ["font-size:0.9em", "opacity:0.5", "max-height:100px", "x:none"])
def test_what_is_only_small_or_pale_is_text(style: str) -> None:
    assert words(f"<span style='{style}'>yes</span>") == ["yes"]


def test_addresses_are_found_wherever_they_stand() -> None:
    page = (
        "<body background='http://body.example/'><base href=http://base.example/>"
        "<a href=' HTTPS://a.example/?x=1&amp;y=2'>x</a><img src=//img.example/x"
        " srcset='http://set.example/1 1x, http://set.example/2 2x'>"
        "<form action=http://form.example/><input formaction=http://input.example/></form>"
        "<p style='background:url( \"http://style.example/x.png\")'>t</p>"
        "<meta http-equiv=Refresh content='0; URL=http://meta.example/'>"
        "<!--[if mso]><v:fill src='http://office.example/'/><![endif]-->"
        "<svg><a href=http://drawing.example/>s</a></svg>"
        "<div style='display:none'><a href=http://hidden.example/>h</a></div>"
    )

    found = " ".join(shown(page).addresses)

    for host in (
        *("body", "base", "a", "img", "form", "input", "style", "meta", "office", "drawing"),
        *("hidden", "set"),
    ):
        assert f"//{host}.example/" in found, host
    assert "https://a.example/?x=1&y=2" in found.lower()


def test_a_longer_page_is_cut_and_says_so() -> None:
    assert shown("x" * PAGE_LENGTH_MAX).is_whole
    assert not shown("x" * (PAGE_LENGTH_MAX + 1)).is_whole


@pytest.mark.parametrize(
    "piece",
    ["<i>", "<div>", "<b><p>", "<", "<a href='", "&", "<table>", "<svg>", "<a b=1 ", "href=", "\0"],
)
def test_a_page_that_is_made_to_stall_a_parser_ends(piece: str) -> None:
    page = piece * (PAGE_LENGTH_MAX // 2 // len(piece))

    assert work_s(lambda: shown(page)) < 2.5  # the whole of it: below what ends the helper
