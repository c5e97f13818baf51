"""Which gateways can be asked for by name?

Pure.
"""

from __future__ import annotations

from tests.bench.peers.amavis import Amavis
from tests.bench.peers.haraka import HarakaForward, HarakaQueue
from tests.bench.peers.peer import Peer
from tests.bench.peers.postfix import ClamavMilter, Postfix
from tests.bench.peers.rspamd import AuthenticatingRspamd, Rspamd
from tests.bench.peers.scout import AuthenticatingScout, QuietCoreScout, Scout

PEERS: dict[str, type[Peer]] = {
    kind.name: kind
    for kind in (
        Scout,
        QuietCoreScout,
        ClamavMilter,
        Postfix,
        Rspamd,
        HarakaForward,
        HarakaQueue,
        Amavis,
        AuthenticatingScout,
        AuthenticatingRspamd,
    )
}
