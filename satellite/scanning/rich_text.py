"""Which objects lie in an RTF document?

Pure, and linear in its input. They are written in hexadecimal digits, as pictures are; programs
write nothing among these, and whatever stands there is taken for nothing by some reader, and for
digits by another.

Source: RTF 1.9.1 sections "Objects", "Pictures" and "Conventions of an RTF Reader".
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from satellite.scanning.limits import LimitExceeded
from satellite.scanning.ole_objects import files_of_object

HEX_DIGITS_MIN = 64

_CONTROL_WORD = re.compile(rb"\\([A-Za-z]{1,32})(?:-?[0-9]{1,10})? ?")
_BETWEEN_DIGITS = b"{}\\* \t\r\n"  # empty groups among them hide nothing
_DIGITS = re.compile(rb"(?<![0-9A-Fa-f])[0-9A-Fa-f]{%d,}+" % HEX_DIGITS_MIN)
_OBJECT_DATA = re.compile(rb"\\objdata(?![A-Za-z])")
_AS_DIGITS = re.compile(rb"\s*+[0-9A-Fa-f\s]*+\}")
_AS_OCTETS = re.compile(rb"\s*+\\bin([0-9]{1,9}) ")


def files(document: bytes) -> Iterator[bytes]:
    """Yield what the hexadecimal digits of an RTF document stand for, files of objects in them too.

    Raises:
        LimitExceeded: an object is written as no program writes it.
    """
    text = _CONTROL_WORD.sub(lambda word: b"|" if word[1] == b"objdata" else b"", document)
    for found in _DIGITS.finditer(text.translate(None, _BETWEEN_DIGITS)):
        digits = found[0]
        octets = bytes.fromhex(digits[: len(digits) // 2 * 2].decode("ascii"))
        yield octets
        yield from files_of_object(octets)
    is_odd = False
    for data in _OBJECT_DATA.finditer(document):
        if raw := _AS_OCTETS.match(document, data.end()):
            octets = document[raw.end() : raw.end() + int(raw[1])]
            yield octets
            yield from files_of_object(octets)
        elif not _AS_DIGITS.match(document, data.end()):
            is_odd = True
    if is_odd:
        raise LimitExceeded("an object in an RTF document that is written as by no program")
