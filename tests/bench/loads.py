"""Which loads are there, and how many messages make one run?

Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

WARM_UP_MESSAGES = 200  # before each load: it warms everything up, and says how fast it goes
MESSAGES_MAX = 60_000  # of one run
SENDERS_NET = "198.51.100.0"  # RFC 5737 section 3: nobody's; a /24
CALM_S = 20.0  # two hundred messages: fewer have no 99th percentile


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What arrives.

    Args:
        name: in options and tables.
        mix: of ``templates.MIXES``.
        sessions: open at the same time.
        per_session: messages of one connection.
        rate_per_s: messages a second, whatever the answers do; 0: each session as fast as it can.
        source_net: where its connections seem to come from; empty: the loopback network.
        meaning: for the reader of a table.
    """

    name: str
    mix: str
    sessions: int
    per_session: int = 1
    rate_per_s: float = 0.0
    source_net: str = ""
    meaning: str


# Of senders who publish SPF, DKIM and DMARC; for gateways that have somebody to ask about them.
SIGNED = Load(
    name="signed",
    mix="signed",
    sessions=20,
    source_net=SENDERS_NET,
    meaning="the mix of `iii`, signed, of 12 senders with SPF, DKIM and DMARC, 20 sessions",
)

LOADS = {
    load.name: load
    for load in (
        Load(
            name="i",
            mix="plain4k",
            sessions=20,
            meaning="4 KiB, 20 sessions, one message per connection",
        ),
        Load(
            name="ii",
            mix="plain4k",
            sessions=20,
            per_session=10,
            meaning="4 KiB, 20 sessions, ten messages per connection",
        ),
        Load(
            name="iii",
            mix="mix",
            sessions=20,
            meaning="80 % 4 KiB, 15 % 60 KiB, 4 % 500 KiB, 1 % EICAR, 20 sessions",
        ),
        Load(
            name="i200",
            mix="plain4k",
            sessions=200,
            meaning="4 KiB, 200 sessions, one message per connection",
        ),
        Load(
            name="calm",
            mix="plain4k",
            sessions=50,
            rate_per_s=10,
            meaning="4 KiB, ten messages a second",
        ),
        SIGNED,
    )
}
DEFAULT_LOADS = tuple(name for name in LOADS if name != SIGNED.name)

SOAK = Load(
    name="soak",
    mix="soak",
    sessions=20,
    meaning="97.9 % 4 KiB, 2 % 60 KiB, 0.1 % EICAR, 20 sessions",
)


def warm_up_of(load: Load) -> int:
    """Return how many messages go ahead of a run."""
    return 20 if load.rate_per_s else max(WARM_UP_MESSAGES, load.sessions)


def messages_of(load: Load, *, warm_rate: float, aim_s: float) -> int:
    """Return how many messages make a run.

    Args:
        load: the load.
        warm_rate: messages a second in the warm-up.
        aim_s: how long a run should take.
    """
    if load.rate_per_s:
        return int(load.rate_per_s * max(aim_s, CALM_S))
    return int(min(MESSAGES_MAX, max(WARM_UP_MESSAGES, warm_rate * aim_s)))
