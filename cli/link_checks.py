"""Does a node hear its core, and is it up to date?

Pure, of what a running node tells of its link. A node without a core does its work; what it lacks
are the changes, and what the core lacks are its records.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from cli.checks import SKEW_S_MAX, DoctorCheck, judged
from common.counted import counted
from common.identity import JOIN_AGAIN, RENEW
from satellite.link.status import LinkStatus

LOOK = (
    "mail goes on meanwhile; look at the tunnel: borderscout wireguard status, and at the core:"
    " borderscout doctor --url URL --token-file FILE"
)
NOT_LET_IN = "PERMISSION_DENIED"
ENTER = (
    "the core is there, and does not let this node in: mail goes on meanwhile; put the node in the"
    " inventory, and type: borderscout inventory apply FILE; where its keys were rendered:"
    " borderscout inventory render FILE --out DIR, and copy the folders, the core's first: it takes"
    " its own over by itself (after borderscout inventory revoke: this node's folder alone)"
)
REJOIN = (
    "the core is there, and does not let this node in: mail goes on meanwhile; let it join again:"
    " borderscout inventory join-token NODE at the core, and here: borderscout satellite join"
)
STREAMS_NEEDED = ("preferences", "records", "quarantine")
WAITS = (
    "what it carries waits, and nothing is lost; it is tried again by itself, and the core says"
    " more: borderscout doctor --url URL --token-file FILE"
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
    is_refused = any(NOT_LET_IN in words for words in silent)
    enter = REJOIN if any(JOIN_AGAIN in words for words in silent) else ENTER
    yield judged("link", tuple((True, words) for words in silent), enter if is_refused else LOOK)
    for shard, link in links.items():
        yield from _closed_streams(shard, link)
        if link.core_refused:
            found = (
                f"shard {shard} refuses the core that is there, and keeps what is its own core's"
            )
            yield DoctorCheck(name="core", ok=False, found=found, remedy=link.core_refused)
        for other in link.other_cores:
            found, _, remedy = other.partition("; ")
            yield DoctorCheck(name="core", ok=False, found=found, remedy=remedy)
        if link.connected and link.is_standby:
            found = f"shard {shard} has found it at {link.core}, which is not its first address"
            yield DoctorCheck(name="core", ok=True, note=True, found=found)
        lag, skew_us = link.lag, link.skew_us
        if link.connected and lag != 0:
            behind = "an unknown number of revisions" if lag is None else counted(lag, "revision")
            found = f"shard {shard} is {behind} behind the core"
            yield DoctorCheck(name="lag", ok=True, note=True, found=found)
        if skew_us is not None and abs(skew_us) > SKEW_S_MAX * 1e6:
            found = f"is {skew_us / 1e6:+.1f} s off the core's"
            yield DoctorCheck(name="clock", ok=False, found=found, remedy=TIME)


def _closed_streams(shard: int, link: LinkStatus) -> Iterator[DoctorCheck]:
    """Yield the streams that are closed while the core is heard on another one."""
    for problem in link.problems if link.connected else ():
        name, _, why = problem.partition(": ")
        if name in STREAMS_NEEDED and name in link.reconnects and RENEW not in why:
            found = f"stream of shard {shard} is closed: {why}"
            yield DoctorCheck(name=name, ok=False, found=found, remedy=WAITS)


def _in_words(shard: int, link: LinkStatus) -> str:
    age_s = link.age_s
    heard = "never heard the core" if age_s is None else f"heard the core {age_s:.0f} s ago"
    problems = [one for one in link.problems if one.startswith("control: ")] or link.problems
    why = f" ({problems[0]})" if problems else ""
    return f"shard {shard} is not connected, and {heard}{why}"
