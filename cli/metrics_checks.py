"""Is the page of metrics of a running node served?

Touches that page. A node whose address for it is not there, or is another program's, does its work
and waits for the address: nobody else would tell.
"""

from __future__ import annotations

from http.client import HTTPConnection, HTTPException

from cli.checks import DoctorCheck, judged
from common.settings.values import split_endpoint

ANSWER_S = 3.0
ALIVE = b"alive\n"
ADDRESS = (
    "see who has the port: ss -ltnp, and whether the address is this machine's: ip -br address;"
    " the node takes it as soon as it is free, and mail goes on meanwhile"
)


def page_of_the_node(endpoint: str) -> DoctorCheck:
    """Return whether ``/healthz`` of a node that runs is answered by it.

    Args:
        endpoint: as its settings name it.
    """
    host, port = split_endpoint(endpoint)
    found = ""
    connection = HTTPConnection(host, port, timeout=ANSWER_S)
    try:
        connection.request("GET", "/healthz")
        if connection.getresponse().read(len(ALIVE) + 1) != ALIVE:
            found = f"another program answers at {endpoint}"
    except (OSError, HTTPException) as error:
        found = f"is not served at {endpoint}: {getattr(error, 'strerror', None) or error!r}"
    finally:
        connection.close()
    return judged("metrics page", ((bool(found), found),), ADDRESS)
