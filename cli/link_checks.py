"""Does a node hear its core, and is it up to date?

Pure, of what a running node tells of its link. A node without a core does its work; what it lacks
are the changes, and what the core lacks are its records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cli.checks import SKEW_S_MAX, DoctorCheck, judged
from common.identity import RENEW
from satellite.link.status import LinkStatus

LOOK = (
    "mail goes on meanwhile; look at the tunnel: wg show, and at the core:"
    " borderscout doctor --url URL --token-file FILE"
)
TIME = "run an NTP client; nothing is ordered by this clock, but screens are"


def link_of_the_node(links: Mapping[int, LinkStatus]) -> Iterator[DoctorCheck]:
    """Yield what is known of each shard's link.

    Args:
        links: by shard, the link as its worker sees it.
    """
    if not links:
        return
    unheard = set[int]()
    for shard, link in links.items():
        why = link.forked or next((one for one in link.problems if RENEW in one), "")
        if why:
            unheard.add(shard)
            what = why.replace(f"; {RENEW}", "")
            yield DoctorCheck(name=f"spool of shard {shard}", ok=False, found=what, remedy=RENEW)
    silent = [
        _in_words(shard, link)
        for shard, link in links.items()
        if not link.connected and shard not in unheard
    ]
    yield judged("link", tuple((True, words) for words in silent), LOOK)
    for shard, link in links.items():
        if link.core_refused:
            found = (
                f"shard {shard} refuses the core that is there, and keeps what is its own core's"
            )
            yield DoctorCheck(name="core", ok=False, found=found, remedy=link.core_refused)
        lag, skew_us = link.lag, link.skew_us
        if link.connected and lag != 0:
            behind = "an unknown number of" if lag is None else str(lag)
            found = f"shard {shard} is {behind} revisions behind the core"
            yield DoctorCheck(name="lag", ok=True, note=True, found=found)
        if skew_us is not None and abs(skew_us) > SKEW_S_MAX * 1e6:
            found = f"is {skew_us / 1e6:+.1f} s off the core's"
            yield DoctorCheck(name="clock", ok=False, found=found, remedy=TIME)


def _in_words(shard: int, link: LinkStatus) -> str:
    age_s = link.age_s
    heard = "never heard the core" if age_s is None else f"heard the core {age_s:.0f} s ago"
    why = f" ({link.problems[0]})" if link.problems else ""
    return f"shard {shard} is not connected, and {heard}{why}"
