"""What is a message like whose bare CR, bare LF and NUL were mended?

Pure. For devices that cannot do better, where an operator says so (``smtp.clients``): a bare LF
ends a line as CR LF does, a bare CR becomes a blank, a NUL goes. Pieces of unstuffed data go in, of
which none ends in the middle of a CR LF; the result is the same however they are cut. The end of
the data is found before, and is CR LF . CR LF alone: what is mended is content, a dot on a line of
its own is sent on doubled, and so nothing is smuggled either way.

Source: RFC 5321 section 2.3.8; Postfix's ``smtpd_forbid_bare_newline = normalize`` and
``cleanup_replace_stray_cr_lf``.
"""

from __future__ import annotations

import re

_ODD = re.compile(rb"\r\n|\n\.\.|[\r\n\0]")
# The second of two dots behind a bare LF was put there by a sender that takes it for a line's end.
_MENDED = {b"\r\n": b"\r\n", b"\n..": b"\r\n.", b"\n": b"\r\n", b"\r": b" ", b"\0": b""}
_OPEN = re.compile(rb"(?<!\r)\n\.?\Z")  # two dots may follow


class NewlineMender:
    """One message on its way in.

    Attributes:
        has_mended: something was not as it should be.
    """

    __slots__ = ("_open", "has_mended")

    def __init__(self) -> None:
        self._open = b""
        self.has_mended = False

    def mend(self, piece: bytes, *, ended: bool) -> bytes:
        """Return the next octets.

        Args:
            piece: of the message.
            ended: no more will come.
        """
        data = self._open + piece
        self._open = b""
        pairs = data.count(b"\r\n")
        if data.count(b"\n") == pairs == data.count(b"\r") and b"\0" not in data:
            return data
        self.has_mended = True
        unclear = None if ended else _OPEN.search(data)
        if unclear is not None:
            self._open = unclear.group()
            data = data[: unclear.start()]
        return _ODD.sub(lambda found: _MENDED[found.group()], data)
