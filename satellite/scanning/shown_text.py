"""What does a person read of a page, and where does it link to?

Pure, but for the HTML parser, which reads as browsers do and is written in a memory-safe language.
It takes the square of the depth of tags, so that its input is bounded here. What a page says to be
hidden is no text: spam hides there what only filters are to see. Links count wherever they are.

Source: HTML Living Standard sections 13.2 (parsing) and 6.1 (``hidden``); CSS 2.2 sections 9.2.4
and 11.2.
"""

from __future__ import annotations

import re
from html import unescape

import nh3

from common.frozen import dataclass

PAGE_LENGTH_MAX = 131_072  # characters; the worst of them take 0.8 s, usual ones 4 ms

_ADDRESSES = ("href", "src", "action", "formaction", "background", "poster", "data", "cite")
_ATTRIBUTES = {"*": {*_ADDRESSES, "style", "hidden", "srcset", "http-equiv", "content"}}
_UNSEEN = {"script", "style", "title", "template", "noframes"}  # with all that is in them
_VOID = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta"})
_MORE_TAGS = (
    "address audio button center font form iframe label legend main object option section select "
    "source textarea u video"
)
_TAGS = ({*nh3.ALLOWED_TAGS, *_MORE_TAGS.split()} | _VOID) - _UNSEEN
_INLINE = "a abbr b big em font i s small span strike strong sub sup tt u wbr"  # break no line
_SPANS = frozenset(_INLINE.split())

# As the parser writes it: each attribute in quotes, and nothing open.
_PIECE = re.compile(r'<(/?)([a-z0-9]++)((?: [^\s=">]++="[^"]*+")*+)>|([^<]++)|<')
_ATTRIBUTE = re.compile(r' ([^\s=">]++)="([^"]*+)"')
_HIDING = re.compile(
    r"display:none|visibility:(?:hidden|collapse)|mso-hide:all"
    r"|(?:font-size|max-height|opacity):0*\.?0*(?:px|pt|em|rem|%)?(?:!|;|$)"
)
_COMMENT = re.compile(r"/\*.*?\*/", re.S)
_STYLE_ADDRESS = re.compile(r"url\(\s*+['\"]?([^'\")]++)", re.I)
# What the parser leaves out: comments for one program alone, drawings, other languages' tags.
_ANYWHERE = re.compile(
    r"[\s:'\"](?:href|src|action)\s*+=\s*+(?:\"([^\"]++)|'([^']++)|([^\s\"'>]++))", re.I
)
_BODY = re.compile(r"<(/?)body(?![a-z0-9])", re.I)  # the parser takes its contents alone
_REFRESH = re.compile(r"url\s*+=\s*+['\"]?([^'\"]++)", re.I)


@dataclass(frozen=True, slots=True)
class Shown:
    """What a page comes to.

    Args:
        text: that is shown, with a break for each block.
        addresses: of links, pictures and forms, as they are written, references decoded.
        is_whole: the page was not cut.
    """

    text: str
    addresses: tuple[str, ...]
    is_whole: bool


def shown(page: str) -> Shown:
    """Return what a page shows; never raises, whatever it is."""
    source = _BODY.sub(r"<\1div", page[:PAGE_LENGTH_MAX])
    cleaned = nh3.clean(
        source,
        tags=_TAGS,
        clean_content_tags=_UNSEEN,
        attributes=_ATTRIBUTES,
        url_schemes={"http", "https", "ftp"},
        link_rel=None,
    )
    text: list[str] = []
    addresses: dict[str, None] = {}
    hidden = 0  # elements around us, from the one that hides on
    for close, tag, attributes, words in _PIECE.findall(cleaned):
        if words:
            if not hidden:
                text.append(unescape(words))
            continue
        if tag and tag not in _SPANS:
            text.append("\n")
        if close:
            hidden -= bool(hidden)
            continue
        said: dict[str, str] = {}
        if attributes:
            said = {name: unescape(value) for name, value in _ATTRIBUTE.findall(attributes)}
            addresses.update(dict.fromkeys(_addresses(said)))
        if tag not in _VOID and (hidden or _is_hidden(said)):
            hidden += 1
    addresses.update(dict.fromkeys(unescape("".join(one)) for one in _ANYWHERE.findall(source)))
    return Shown("".join(text), tuple(addresses), is_whole=len(page) <= PAGE_LENGTH_MAX)


def _addresses(said: dict[str, str]) -> list[str]:
    found = [said[name] for name in _ADDRESSES if name in said]
    if "srcset" in said:
        found += [
            candidate.split(None, 1)[0]
            for candidate in said["srcset"].split(",")
            if candidate.strip()
        ]
    if "style" in said:
        found += _STYLE_ADDRESS.findall(said["style"])
    if said.get("http-equiv", "").strip().lower() == "refresh":
        found += _REFRESH.findall(said.get("content", ""))
    return found


def _is_hidden(said: dict[str, str]) -> bool:
    if "hidden" in said:
        return True
    style = said.get("style")
    if not style:
        return False
    flat = "".join(_COMMENT.sub("", style).lower().split())
    return _HIDING.search(flat) is not None
