"""Which measurement is asked for, and with what?

Touches standard output, the results' folder and the documentation.

Long because every measurement has its options here.
"""

from __future__ import annotations

import argparse
import os
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import FrameType

from tests.bench import (
    authenticated,
    drain,
    engines,
    filters,
    groups,
    inventory_scale,
    list_scale,
    mx_scale,
    overload,
    soak,
    speed,
    stages,
    store_scale,
)
from tests.bench.alone import alone
from tests.bench.generator import GeneratorFailed
from tests.bench.loads import DEFAULT_LOADS, LOADS, SIGNED
from tests.bench.parts import PeerFailed
from tests.bench.peers import clamd
from tests.bench.peers.catalogue import PEERS
from tests.bench.peers.scout import Scout
from tests.bench.results import FOLDER, PAGE, Results

WORK = Path("/var/tmp/borderscout-bench")  # on a disk, and where the peers' users may read
LOCK = WORK.with_suffix(".lock")
DEFAULT_PEERS = ["postfix", "clamilter-unix", "scout", "scout-quiet-core"]
OURS = [name for name, kind in PEERS.items() if issubclass(kind, Scout)]
HELD_MESSAGES = 100_000
SOAK_MESSAGES = 1_000_000


def main(arguments: Sequence[str]) -> int:
    """Run a measurement; return the exit status."""
    signal.signal(signal.SIGTERM, _leave)
    os.environ["PATH"] += os.pathsep + "/usr/sbin"  # where servers are, for users without it
    chosen = _parser().parse_args(arguments)
    # What ``make`` was called with is what a reader can type.
    chosen.command = os.environ.get("BENCH_COMMAND") or (
        f"python -m tests.bench {shlex.join(arguments)}"
    )
    if chosen.needs_root and os.geteuid() != 0:
        print("control groups and Postfix need root", file=sys.stderr)
        return 1
    what: Callable[[argparse.Namespace], int] = chosen.what
    if not chosen.needs_root:
        return what(chosen)
    chosen.work.mkdir(parents=True, exist_ok=True)
    try:
        with alone(LOCK):
            groups.remove_leftovers()
            clamd.remove_leftovers()
            return what(chosen)
    except (PeerFailed, GeneratorFailed, TimeoutError) as error:
        print(error, file=sys.stderr)
        return 1


def _all(chosen: argparse.Namespace) -> int:
    status = _speed(chosen)
    begun = str((Results(chosen.results).speed()[0] or {}).get("when", ""))
    for kind, measure in (
        ("stages", _stages),
        ("engines", _engines),
        ("filters", _filters),
        ("lists", _lists),
        ("store", _store),
        ("drain", _drain),
        ("overload", _overload),
    ):
        kept = Results(chosen.results).kept(kind)
        # Of the run that is resumed, and not of one before it.
        if not (chosen.resume and kept is not None and kept["when"] >= begun):
            status |= measure(chosen)
    return status | _report(chosen)


def _speed(chosen: argparse.Namespace) -> int:
    results = Results(chosen.results)
    header = results.header(chosen.command, chosen.work)
    results.begin_speed(header, is_resumed=chosen.resume)
    failed = speed.run(
        speed.Plan(
            peers=chosen.peers,
            loads=chosen.loads,
            rounds=chosen.rounds,
            aim_s=chosen.aim,
            work=chosen.work,
            results=results,
            profiles=chosen.results / "profiles" if chosen.profile else None,
        )
    )
    if failed:
        print(f"failed: {'; '.join(failed)}; measure only what is missing with --resume")
    return 1 if failed else 0


def _authenticated(chosen: argparse.Namespace) -> int:
    """Measure both by turns, in a folder of their own, and keep what came of it."""
    results, own = Results(chosen.results), Results(chosen.results / "authenticated")
    chosen.peers = [authenticated.THEIRS.name, authenticated.OURS.name]
    chosen.loads = [SIGNED.name]
    kept, chosen.results = chosen.results, own.folder
    status = _speed(chosen)
    chosen.results = kept
    header, records = own.speed()
    results.keep("authenticated", {**(header or {}), "records": records})
    print(authenticated.said_of(records), flush=True)
    return status


def _stages(chosen: argparse.Namespace) -> int:
    results = Results(chosen.results)
    header = results.header(chosen.command, chosen.work)
    print(f"what each stage of {chosen.node} uses", flush=True)
    try:
        record = stages.run(
            chosen.work, name=chosen.node, loads=chosen.stage_loads, aim_s=chosen.stage_aim
        )
    except (PeerFailed, GeneratorFailed) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    results.keep("stages", header | record)
    print(f"  {record}", flush=True)
    return 0


def _engines(chosen: argparse.Namespace) -> int:
    results = Results(chosen.results)
    header = results.header(chosen.command, chosen.work)
    print("scanning with three engines", flush=True)
    try:
        record = engines.run(count=chosen.scans, repeats=chosen.scans * 10)
    except engines.NotScanned as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    results.keep("engines", header | record)
    print(f"  {record}", flush=True)
    return 0


def _filters(chosen: argparse.Namespace) -> int:
    results = Results(chosen.results)
    header = results.header(chosen.command, chosen.work)
    print("filters alone and together", flush=True)
    try:
        record = filters.run(rounds=chosen.filter_rounds)
    except filters.NotFiltered as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    results.keep("filters", header | record)
    print(f"  {record}", flush=True)
    return 0


def _lists(chosen: argparse.Namespace) -> int:
    results = Results(chosen.results)
    header = results.header(chosen.command, chosen.work)
    print(f"lists of {chosen.entries} entries", flush=True)
    results.keep("lists", header | list_scale.run(entries=chosen.entries))
    return 0


def _mx_scale(chosen: argparse.Namespace) -> int:
    results = Results(chosen.results)
    header = results.header(chosen.command, chosen.work)
    print(f"MX plans of up to {chosen.domains} domains", flush=True)
    results.keep("plans", header | mx_scale.run(domains=chosen.domains))
    return 0


def _inventory(chosen: argparse.Namespace) -> int:
    results = Results(chosen.results)
    header = results.header(chosen.command, chosen.work)
    print(f"check, render and plan of {chosen.domains} domains", flush=True)
    results.keep("inventory", header | inventory_scale.run(domains=chosen.domains))
    return 0


def _store(chosen: argparse.Namespace) -> int:
    results = Results(chosen.results)
    header = results.header(chosen.command, chosen.work)
    print(f"look-ups among {chosen.records} records and {chosen.cases} cases", flush=True)
    figures = store_scale.run(records=chosen.records, cases=chosen.cases)
    results.keep("store", header | figures)
    return 0


def _drain(chosen: argparse.Namespace) -> int:
    results = Results(chosen.results)
    header = results.header(chosen.command, chosen.work)
    print(f"holding {chosen.held} messages at {chosen.node}, and letting them go", flush=True)
    try:
        record = drain.run(chosen.work, name=chosen.node, messages=chosen.held)
    except (PeerFailed, GeneratorFailed) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    results.keep("drain", header | record)
    print(f"  {record}", flush=True)
    return 0


def _overload(chosen: argparse.Namespace) -> int:
    results = Results(chosen.results)
    header = results.header(chosen.command, chosen.work)
    print(f"twice the load that {chosen.node} keeps up", flush=True)
    try:
        record = overload.run(chosen.work, name=chosen.node)
    except (PeerFailed, GeneratorFailed) as error:
        print(f"failed: {error}", file=sys.stderr)
        return 1
    results.keep("overload", header | record)
    print(f"  {record}", flush=True)
    return 0


def _soak(chosen: argparse.Namespace) -> int:
    results = Results(chosen.results)
    header = results.header(chosen.command, chosen.work)
    record = soak.run(
        chosen.work,
        name=chosen.node,
        messages=chosen.messages,
        rate_per_s=chosen.rate,
        sample_s=chosen.sample,
    )
    results.keep("soak", header | record)
    for complaint in record["complaints"]:
        print(f"  wrong: {complaint}", flush=True)
    return _report(chosen) or (1 if record["complaints"] else 0)


def _report(chosen: argparse.Namespace) -> int:
    Results(chosen.results).publish(chosen.page)
    print(f"written: {chosen.page}")
    return 0


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
    for name, what, options, about in (
        (
            "all",
            _all,
            (
                _add_speed,
                _add_stages,
                _add_engines,
                _add_filters,
                _add_lists,
                _add_store,
                _add_drain,
                _add_node,
            ),
            "speed, stages, engines, filters, lists, store, drain, overload, report",
        ),
        ("speed", _speed, (_add_speed,), "alternate gateways under the same loads"),
        (
            "authenticated",
            _authenticated,
            (_add_rounds,),
            "a node and Postfix + rspamd by turns, both with SPF, DKIM and DMARC",
        ),
        ("stages", _stages, (_add_stages, _add_node), "what each stage of a node uses"),
        ("engines", _engines, (_add_engines,), "scanning with three engines, and from the cache"),
        ("filters", _filters, (_add_filters,), "filters together and each alone"),
        ("lists", _lists, (_add_lists,), "lists of a million entries"),
        ("mx_scale", _mx_scale, (_add_mx_scale,), "MX plans of a million domains"),
        ("store", _store, (_add_store,), "look-ups of a core with millions of records"),
        (
            "inventory_scale",
            _inventory,
            (_add_inventory,),
            "check, render and plan of very many domains",
        ),
        ("overload", _overload, (_add_node,), "twice the load that a node keeps up"),
        ("drain", _drain, (_add_drain, _add_node), "hold mail, start anew, and let it go"),
        (
            "soak",
            _soak,
            (_add_soak, _add_node),
            "let very many messages pass, and account for each",
        ),
        ("hold", _hold, (_add_hold,), "start one gateway and keep it, for a look at it"),
        ("report", _report, (), "write the documentation from the results"),
    ):
        command = commands.add_parser(name, help=about, description=about)
        command.set_defaults(
            what=what,
            needs_root=what
            not in (_report, _engines, _filters, _lists, _mx_scale, _store, _inventory),
        )
        command.add_argument("--work", type=Path, default=WORK, help="folder, on a disk")
        command.add_argument("--results", type=Path, default=FOLDER, help="folder")
        command.add_argument("--page", type=Path, default=PAGE, help="the documentation")
        for add in options:
            add(command)
    return parser


def _add_speed(command: argparse.ArgumentParser) -> None:
    command.add_argument("--peers", type=_names(PEERS), default=DEFAULT_PEERS, metavar="A,B")
    command.add_argument("--loads", type=_names(LOADS), default=list(DEFAULT_LOADS), metavar="A,B")
    _add_rounds(command)


def _add_rounds(command: argparse.ArgumentParser) -> None:
    command.add_argument("--rounds", type=int, default=3)
    command.add_argument("--aim", type=float, default=6.0, help="seconds of one run")
    command.add_argument("--resume", action="store_true", help="keep what is measured already")
    command.add_argument("--profile", action="store_true", help="py-spy on our own processes")


def _add_stages(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--stage-loads", type=_names(LOADS), default=["i", "ii", "iii"], metavar="A,B"
    )
    command.add_argument("--stage-aim", type=float, default=15.0, help="seconds of one load")


def _add_engines(command: argparse.ArgumentParser) -> None:
    command.add_argument("--scans", type=int, default=1000, help="messages for each engine")


def _add_filters(command: argparse.ArgumentParser) -> None:
    command.add_argument("--filter-rounds", type=int, default=15, help="of all filters")


def _add_lists(command: argparse.ArgumentParser) -> None:
    command.add_argument("--entries", type=int, default=list_scale.ENTRIES, help="of the lists")


def _add_mx_scale(command: argparse.ArgumentParser) -> None:
    command.add_argument("--domains", type=int, default=mx_scale.DOMAINS, help="of the largest")


def _add_inventory(command: argparse.ArgumentParser) -> None:
    command.add_argument("--domains", type=int, default=inventory_scale.DOMAINS, help="in it")


def _add_store(command: argparse.ArgumentParser) -> None:
    command.add_argument("--records", type=int, default=store_scale.RECORDS, help="at the core")
    command.add_argument("--cases", type=int, default=store_scale.CASES, help="in its quarantine")


def _add_drain(command: argparse.ArgumentParser) -> None:
    command.add_argument("--held", type=int, default=HELD_MESSAGES, help="messages")


def _add_soak(command: argparse.ArgumentParser) -> None:
    command.add_argument("--messages", type=int, default=SOAK_MESSAGES)
    command.add_argument("--rate", type=float, help="messages a second; left out: measured")
    command.add_argument("--sample", type=float, default=60.0, help="seconds between samples")


def _add_node(command: argparse.ArgumentParser) -> None:
    command.add_argument("--node", choices=OURS, default=OURS[0], help="beside the loads")


def _add_hold(command: argparse.ArgumentParser) -> None:
    command.add_argument("peer", choices=list(PEERS))


def _names(known: Iterable[str]) -> Callable[[str], list[str]]:
    def parse(text: str) -> list[str]:
        names = list(known) if text == "all" else text.split(",")
        if wrong := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"{wrong[0]}: there are {', '.join(known)}")
        return names

    return parse


def _leave(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(1)
