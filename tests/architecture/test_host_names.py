"""Is a host name looked up anywhere by a call that holds a thread?

The few threads of a process that serve ``getaddrinfo`` are shared by all that it does: forty names
that do not answer stopped the mail of every customer.
"""

from __future__ import annotations

import re

from tests.support.our_files import ROOT, name_of, python_files

# What resolves by itself, with ``getaddrinfo`` in a thread or in the loop's own.
RESOLVES = re.compile(r"\b(?:getaddrinfo|gethostbyname\w*|create_connection|open_connection)\(")
# Where it is given an address or an open socket, never a name.
GIVEN_AN_ADDRESS = {
    "satellite/app/worker.py",
    "satellite/delivery/hop/wire.py",
    "satellite/delivery/published/sts_fetch.py",
    "satellite/filtering/servers/server_stream.py",
    "satellite/node/channel.py",
    "satellite/scanning/clamd/control.py",
}

# A process of its own, which has nothing else to do; the node's parent asks one at a time.
ALONE = {
    "common/wireguard/tunnel_interface.py",
    "satellite/joining/door_client.py",
    "satellite/joining/key_renewal.py",
}


def test_no_part_of_a_satellite_looks_names_up_in_a_thread() -> None:
    found = {
        name_of(path)
        for path in python_files("satellite", "common")
        if RESOLVES.search(path.read_text(encoding="utf-8"))
    }

    assert found == GIVEN_AN_ADDRESS | ALONE
    assert (ROOT / "satellite" / "names").is_dir()
