"""Which storms must a node stand?

Pure. A storm is what a few messages, a few peers or somebody else's outage do to everybody else's
mail. A test of one names it with ``@pytest.mark.storm("…")``; ``make storms`` reports each, and a
storm without a test that passed fails that run.
"""

from __future__ import annotations

from collections.abc import Mapping

STORMS: Mapping[str, str] = {
    "full disk": "the disk was full once, and is empty again",
    "silent DSN hosts": "DSNs lead to hundreds of silent MX hosts",
    "silent customers": "thousands of destinations take no connection, or say nothing",
    "crafted header": "one large header field, for many recipients",
    "much held": "very many messages are held; drain, freeze and list are asked",
    "silent DNS": "the names of many customers' servers are not answered",
    "many domains": "one message for hundreds of domains that defer it",
    "hung engine": "an engine takes every message and never answers",
    "slow list": "a DNS list takes half a second for each answer",
    "costly messages": "messages that are small to send and long to read",
    "large messages": "large and costly messages come as fast as loopback brings them",
    "endless message": "messages that one engine cannot finish",
    "silent clients": "clients take every connection and say nothing",
    "many recipients": "many sessions name as many recipients as they may",
    "silent primary": "the first of a customer's servers takes connections and says nothing",
}
