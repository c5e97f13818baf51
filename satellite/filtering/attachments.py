"""What is dangerous about a message's attachments, by what they are and by what they are called?

Pure. What a content is comes first: a program is one under any name. A name counts as well, since
its end picks what opens the file, and since it is meant to be read: an ending before the last one
is there to hide the last.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from common.frozen import dataclass
from common.preferences.risky_types import RiskyType
from satellite.filtering.inside import ContentPart

DOUBLE, DISGUISED = "double", "disguised"

# Endings that people take for something to read, listen to or look at.
_HARMLESS = (
    "avi bmp csv doc docx eml gif htm html jpeg jpg json mov mp3 mp4 mpeg mpg msg odp ods odt pages"
    " pdf png ppt pptx rtf svg tif tiff txt wav webp xls xlsx xml"
)
_DOUBLE = re.compile(rf"\.(?:{'|'.join(_HARMLESS.split())})[ ._-]*\.[^.]{{1,16}}$", re.I)
# What a name may stand for beside what the content is: a program may be called a script, and so on.
_ACTS = frozenset({RiskyType.PROGRAM, RiskyType.SCRIPT, RiskyType.SHORTCUT})


@dataclass(frozen=True, slots=True)
class Danger:
    """One thing that is dangerous about one part.

    Args:
        what: a risky type, ``double`` or ``disguised``.
        part: which.
    """

    what: str
    part: ContentPart


def dangers(
    parts: tuple[ContentPart, ...], *, types: frozenset[RiskyType], with_members: bool
) -> Iterator[Danger]:
    """Yield what is dangerous, part by part.

    Args:
        parts: of the message.
        types: the risky types that are meant.
        with_members: what lies in archives counts too.
    """
    for part in parts:
        if part.depth and not part.media_type and not with_members:
            continue
        by_content = types.intersection(part.kinds)
        if not part.name and part.media_type.startswith("text/"):
            by_content -= {RiskyType.PAGE}  # it is the text of the message, and nothing attached
        found = by_content | types.intersection([part.named_type])
        for risky in sorted(found):
            yield Danger(risky, part)
        if part.named_type in types and _DOUBLE.search(part.name.rstrip(" .")):
            yield Danger(DOUBLE, part)
        if by_content and _is_disguised(part, by_content):
            yield Danger(DISGUISED, part)


def _is_disguised(part: ContentPart, by_content: frozenset[str]) -> bool:
    """Say whether the name, where there is one, stands for something else."""
    if not part.name or part.named_type in by_content:
        return False
    return not (_ACTS.intersection(by_content) and part.named_type in _ACTS)
