"""Which measurement is asked for, and with what?

Touches standard output and the results' folder.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import FrameType

from tests.bench import groups, speed
from tests.bench.loads import LOADS
from tests.bench.peers.catalogue import PEERS

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / ".bench"
WORK = Path("/var/tmp/borderscout-bench")  # on a disk, and where the peers' users may read
DEFAULT_PEERS = ["postfix", "clamilter-unix", "scout", "scout-quiet-core"]


def main(arguments: Sequence[str]) -> int:
    """Run a measurement; return the exit status."""
    signal.signal(signal.SIGTERM, _leave)
    chosen = _parser().parse_args(arguments)
    if os.geteuid() != 0:
        print("control groups and Postfix need root", file=sys.stderr)
        return 1
    groups.remove_leftovers()
    what: Callable[[argparse.Namespace], int] = chosen.what
    return what(chosen)


def _speed(chosen: argparse.Namespace) -> int:
    failed = speed.run(
        speed.Plan(
            peers=chosen.peers,
            loads=chosen.loads,
            rounds=chosen.rounds,
            aim_s=chosen.aim,
            work=chosen.work,
            results=chosen.results,
            is_resumed=chosen.resume,
            profiles=RESULTS / "profiles" if chosen.profile else None,
        )
    )
    if failed:
        print(f"failed: {'; '.join(failed)}; what is missing: the same with --resume")
    return 1 if failed else 0


def _hold(chosen: argparse.Namespace) -> int:
    peer = PEERS[chosen.peer](chosen.work)
    try:
        peer.start()
        for name, group in peer.parts.groups.items():
            print(f"{name}: {' '.join(map(str, group.pids()))}")
        print(f"{peer.name} takes mail at {peer.target}; Enter ends it", flush=True)
        sys.stdin.readline()
    finally:
        peer.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    commands = parser.add_subparsers(required=True)
    for name, what, about in (
        ("speed", _speed, "alternate gateways under the same loads"),
        ("hold", _hold, "start one gateway and keep it, for a look at it"),
    ):
        command = commands.add_parser(name, help=about, description=about)
        command.set_defaults(what=what)
        command.add_argument("--work", type=Path, default=WORK, help="folder, on a disk")
        if what is _speed:
            _add_speed(command)
        else:
            command.add_argument("peer", choices=list(PEERS))
    return parser


def _add_speed(command: argparse.ArgumentParser) -> None:
    command.add_argument("--peers", type=_names(PEERS), default=DEFAULT_PEERS, metavar="A,B")
    command.add_argument("--loads", type=_names(LOADS), default=list(LOADS), metavar="A,B")
    command.add_argument("--rounds", type=int, default=3)
    command.add_argument("--aim", type=float, default=6.0, help="seconds of one run")
    command.add_argument("--results", type=Path, default=RESULTS / "speed.jsonl")
    command.add_argument("--resume", action="store_true", help="keep what is measured already")
    command.add_argument("--profile", action="store_true", help="py-spy on our own processes")


def _names(known: Iterable[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = text.split(",")
        if wrong := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"{wrong[0]}: there are {', '.join(known)}")
        return names

    return parse


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(1)
