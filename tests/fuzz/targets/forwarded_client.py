"""Is what XFORWARD tells bounded, and nothing that could end a command or a line?

Pure. What a mail server says of its client goes on to the next hop, and to the filters.
"""

from __future__ import annotations

import ipaddress

from satellite.scan_server.forwarded_client import (
    LINE_LENGTH_MAX,
    NOBODY,
    VALUE_LENGTH_MAX,
    XFORWARD,
    ForwardedClient,
    told,
)

WORDS = (
    b"NAME=", b"ADDR=", b"192.0.2.1", b"IPV6:2001:db8::1", b"[UNAVAILABLE]", b"[TEMPUNAVAIL]",
    b" HELO=", b"+0D", b"+0A", b"+2B", b" PORT=25", b" PROTO=ESMTP", b" SOURCE=LOCAL", b"=", b"  ",
    b"name=", b" IDENT=4711", b"::ffff:192.0.2.1",
)  # fmt: skip


def target(data: bytes) -> None:
    """Read the argument of one XFORWARD, and another one behind it."""
    argument = data.decode("utf-8", "replace")
    found = told(NOBODY, argument, XFORWARD)
    if not isinstance(found, ForwardedClient):
        assert 400 <= found.code <= 599
        return
    if found.address:
        assert str(ipaddress.ip_address(found.address)) == found.address
    assert found.helo.isascii()
    assert len(found.helo) <= VALUE_LENGTH_MAX
    assert not found.helo or (found.helo.isprintable() and " " not in found.helo)
    again = NOBODY
    for command in found.commands():
        assert command.isascii()
        assert command.isprintable()
        assert command.startswith("XFORWARD ")
        assert len(command) <= LINE_LENGTH_MAX + 3 * VALUE_LENGTH_MAX + 20
        more = told(again, command.removeprefix("XFORWARD "), XFORWARD)
        assert isinstance(more, ForwardedClient)
        again = more
    assert again == found
