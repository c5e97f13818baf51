"""What does a message's log records cost, in CPU, at the node and at the core?

A benchmark, run by hand: ``python -m tests.bench.intake_cost``. Messages pass through a real spool
as the stages of a satellite pass them, so that it writes their five records; a real link sends them
over gRPC with mutual TLS to a core in a process of its own, which commits them on SQLite with
``synchronous=FULL``. Then single stages run by themselves over the same records.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import structlog
import uvloop
from borderscout.v1 import records_pb2

from common import wire
from common.clock import SystemClock
from common.envelope import Envelope
from common.identity import ShardIdentity
from common.ids import MessageId, ulid
from common.link import Records
from common.records import AttemptedRecipient, AttemptedRecord, Event, LogRecord
from common.reports import NodeReport
from common.rpc import TlsFiles
from common.settings.core import CoreSettings
from common.settings.satellite import SatelliteSettings
from common.states import State
from common.verdict import Outcome, Test, Verdict
from core.custody.arrivals import Arrivals
from core.custody.bodies import BodyFolder
from core.custody.custody import Custody
from core.custody.release import Releases
from core.learning.learning import Learning
from core.link.service import LinkService
from core.store.database import Database
from satellite.link.client import Link
from satellite.spool.model.messages import Copy, Disposition, Judged, Judgement, Settled
from satellite.spool.store import Spool
from satellite.tallies.shared_tallies import SharedTallies
from tests.support.core.rooms import route
from tests.support.network.link import CLUSTER, Certificates, satellite_settings
from tests.support.network.ports import free_port
from tests.support.spool.listening import listen

BODY = b"Subject: Minutes of Tuesday\r\n\r\n" + b"The minutes are attached as text.\r\n" * 110
SESSIONS = 40  # messages that are on their way through the node at once
DOMAINS = 50
BATCH = 250  # records of one batch where a stage runs by itself; what a live stream brings
DEADLINE_S = 600.0


# --- the node -----------------------------------------------------------------------------------


def verdicts() -> tuple[Verdict, ...]:
    """Return what a node with two engines and two filters says of a clean message."""
    rule = Test(name="RULE_MINUTES", score=0.5, detail="rule minutes (cluster): subject")
    return (
        Verdict(by="clamav", outcome=Outcome.CLEAN, version="1.4.3", definitions="27807", ms=3),
        Verdict(by="yara", outcome=Outcome.CLEAN, version="1.23.0", definitions="f8d6ade4", ms=1),
        Verdict(by="lists", outcome=Outcome.SCORED),
        Verdict(by="rules", outcome=Outcome.SCORED, tests=(rule,)),
    )


async def pass_through(spool: Spool, number: int) -> None:
    """Take one message through all its stages, one commit each, as a satellite does."""
    recipient = f"user{number % 997}@d{number % DOMAINS}.example"
    entry = spool.begin()
    entry.write(BODY)
    envelope = Envelope(
        client_address="192.0.2.7",
        helo="mail.sender.example",
        sender=f"sender{number % 4999}@s{number % 211}.example",
        recipients=(recipient,),
    )
    await entry.commit(envelope=envelope, trace=b"Received: from mail.sender.example\r\n")
    judged = Judged(
        number=0,
        disposition=Disposition.DELIVER,
        reason="clean: score 0.5; policy score.mark=5.0 (default)",
        copy=Copy(head=b"X-BorderScout: id=1\r\n"),
        sending=True,
    )
    judgement = Judgement(
        revision=1,
        subject=f"Minutes of Tuesday, {number}",
        message_id_header=f"<{hashlib.sha256(str(number).encode()).hexdigest()[:24]}@sender.example>",
        recipients=(judged,),
        verdicts=verdicts(),
        score=0.5,
    )
    await spool.judge(entry.id, judgement)
    reply = "250 2.0.0 Ok: queued as 4XyZ12345"
    attempted = AttemptedRecord(
        destination=recipient.partition("@")[2],
        host="198.51.100.25:25",
        tls="TLSv1.3",
        tls_verified=False,
        recipients=(AttemptedRecipient(address=recipient, reply=reply),),
    )
    result = Settled(number=0, state=State.DELIVERED, reason="", reply=reply)
    await spool.settle(entry.id, [result], records=[attempted])


async def pass_all(spool: Spool, count: int, *, rate: float) -> None:
    """Take messages through the spool, at a rate, or as fast as it goes when it is 0."""
    began, numbers = time.monotonic(), iter(range(count))

    async def session() -> None:
        for number in numbers:
            if rate:
                await asyncio.sleep(began + number / rate - time.monotonic())
            await pass_through(spool, number)

    await asyncio.gather(*(session() for _ in range(SESSIONS)))


async def node_cpu_s(
    folder: Path, settings: SatelliteSettings, count: int, *, rate: float, linked: bool
) -> float:
    """Return the CPU seconds of a node that passes ``count`` messages, and sends what it has."""
    clock = SystemClock()
    spool = await Spool.open(folder, node="lon1", shard=0, clock=clock)
    link = Link(
        spool,
        settings,
        clock,
        version="1",
        shards=1,
        report=lambda: NodeReport(accepting=True),
        on_preferences=lambda: None,
        on_flush=lambda _: None,
        on_hint=lambda _: None,
        on_released=lambda _: None,
        on_definitions=lambda _: None,
        on_settings=lambda _: None,
        on_drain=lambda _: None,
        tallies=SharedTallies("bench", clock=clock, salt=1, life="0" * 16),
    )
    listen(spool, outgoing=link.outgoing if linked else lambda: None)
    before = time.process_time()
    running = asyncio.create_task(link.run() if linked else asyncio.sleep(DEADLINE_S))
    await pass_all(spool, count, rate=rate)
    while linked and spool.backlog_sizes()[0]:
        await asyncio.sleep(0.05)
    spent = time.process_time() - before
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await spool.close()
    return spent


# --- the core -----------------------------------------------------------------------------------


async def serve_core(folder: Path, tls: TlsFiles, *, port: int, already: int) -> None:
    """Serve a core; answer each line of the standard input with the CPU seconds spent so far."""
    clock = SystemClock()
    settings = CoreSettings.model_validate(
        {
            "cluster": CLUSTER,
            "name": "core",
            "http": "127.0.0.1:1",
            "grpc": f"127.0.0.1:{port}",
            "tls": {name: str(getattr(tls, name)) for name in ("certificate", "key", "authority")},
            "nodes": [{"name": "lon1", "site": "lon"}],
        }
    )
    database = await Database.open(folder / "core.db", clock=clock)
    routes = [route(f"d{number}.example") for number in range(DOMAINS)]
    await database.preferences.publish(routes, who="bench")
    await fill(database, already)
    bodies = await BodyFolder.open(folder / "bodies")
    custody = Custody(database=database, bodies=bodies, clock=clock)
    link = LinkService(
        settings=settings,
        database=database,
        arrivals=Arrivals(database=database, bodies=bodies, clock=clock),
        releases=Releases(database=database, bodies=bodies, clock=clock, claim_wait_s=30.0),
        lessons=Learning(database=database, custody=custody, clock=clock, bounds=settings.learning),
        clock=clock,
    )
    await link.start()
    while await asyncio.to_thread(sys.stdin.readline):
        total_s = time.process_time()
        store_s = await database.records._writer.run(lambda _: time.thread_time())
        print(json.dumps({"total": total_s, "store": store_s}), flush=True)
    await link.stop()
    await database.close()


async def fill(database: Database, count: int) -> None:
    """Take in messages of another node first: a database that is in use has indexes to look up."""
    identity = ShardIdentity("par1", 0, ulid(now_us=1, randomness=bytes(10)))
    sequence = 0
    for start in range(0, count, 1000):
        records = []
        for number in range(start, min(start + 1000, count)):
            records += made_records(number, sequence)
            sequence = records[-1].sequence
        await database.records.take(identity, records)


def made_records(number: int, sequence: int) -> list[LogRecord]:
    """Return records of one delivered message, much as the spool writes them."""
    now_us = 1_767_225_600_000_000 + number * 1000
    unlike = hashlib.sha256(str(number).encode())
    message = MessageId(ulid(now_us=now_us, randomness=unlike.digest()[:10]))
    address = f"user{number % 997}@d{number % DOMAINS}.example"
    told: list[tuple[Event, dict[str, Any]]] = [
        (
            Event.ACCEPTED,
            {"sender": f"sender{number % 4999}@s{number % 211}.example", "recipients": [address]},
        ),
        (
            Event.SCANNED,
            {
                "message_id": f"<{unlike.hexdigest()[:24]}@x.example>",
                "verdicts": [asdict(one) for one in verdicts()],
            },
        ),
        (Event.JUDGED, {"recipients": [{"address": address, "disposition": "deliver"}]}),
        (Event.ATTEMPTED, {"recipients": [{"address": address, "reply": "250 2.0.0 Ok"}]}),
        (Event.ENDED, {"recipients": [{"address": address, "outcome": "delivered"}]}),
    ]
    return [
        LogRecord(sequence + place, now_us, event, message, json.dumps(fields).encode())
        for place, (event, fields) in enumerate(told, 1)
    ]


class Core:
    """A core in a process of its own."""

    def __init__(self, folder: Path, tls: TlsFiles, port: int, already: int) -> None:
        files = (tls.certificate, tls.key, tls.authority)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.intake_cost", "--core", str(folder)]
            + [str(file) for file in files]
            + [str(port), str(already)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def cpu_s(self) -> dict[str, float]:
        """Return the CPU seconds that it has spent: ``total``, and ``store`` of these."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        spent: dict[str, float] = json.loads(self._process.stdout.readline())
        return spent

    def stop(self) -> None:
        """End it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(30)


# --- what is measured ---------------------------------------------------------------------------


def linked(folder: Path, certificates: Certificates, args: argparse.Namespace) -> dict[str, float]:
    """Return ms of CPU per message at both ends of a link."""
    port = free_port()
    core = Core(folder, certificates.issue("core", "core"), port, args.already)
    settings = satellite_settings(certificates.issue("satellite", "lon1"), port=port)
    per_message: float = 1000.0 / args.messages

    def node(name: str, count: int, *, linked: bool) -> float:
        work = node_cpu_s(folder / name, settings, count, rate=args.rate, linked=linked)
        spent_s: float = uvloop.run(work)
        return spent_s * per_message

    before = core.cpu_s()  # it answers once it listens
    live = node("live", args.messages, linked=True)
    spent = {name: (s - before[name]) * per_message for name, s in core.cpu_s().items()}
    alone = node("alone", args.messages, linked=False)
    drained = node("alone", 0, linked=True)  # what the node kept while there was no core
    core.stop()
    return {
        "node: link, live, less a node without one": live - alone,
        "node: link, of a full spool": drained,
        "core: all, live": spent["total"],
        "core: of it the store's thread": spent["store"],
    }


async def spooled(folder: Path, count: int) -> list[list[LogRecord]]:
    """Return batches of the records that a spool wrote for ``count`` messages."""
    spool = await Spool.open(folder, node="lon1", shard=0, clock=SystemClock())
    await pass_all(spool, count, rate=0.0)
    records = spool.records(after=0, limit=count * 5)
    await spool.close()
    assert len(records) == count * 5
    return [records[start : start + BATCH] for start in range(0, len(records), BATCH)]


def stages(folder: Path, count: int) -> Iterator[tuple[str, float]]:
    """Return the ms of CPU per message of each stage that can run by itself."""
    batches = asyncio.run(spooled(folder / "spool", count))

    def cost(work: Callable[[], object]) -> float:
        began = time.process_time()
        work()
        return (time.process_time() - began) * 1000.0 / count

    requests: list[bytes] = []
    yield "node: encoding", cost(lambda: requests.extend(encoded(batches)))
    yield "core: decoding", cost(lambda: decode(requests))
    yield "core: store.take", cost(lambda: asyncio.run(take(folder / "core.db", batches)))


def encoded(batches: Sequence[Sequence[LogRecord]]) -> Iterator[bytes]:
    """Return batches as they leave the node."""
    for batch in batches:
        yield wire.records_to_wire(Records(tuple(batch))).SerializeToString()


def decode(requests: Sequence[bytes]) -> None:
    """Read batches as the core does."""
    for request in requests:
        wire.records_from_wire(records_pb2.RecordsRequest.FromString(request))


async def take(path: Path, batches: Sequence[Sequence[LogRecord]]) -> None:
    """Make batches durable as the core does."""
    identity = ShardIdentity("lon1", 0, ulid(now_us=1, randomness=bytes(10)))
    async with await Database.open(path, clock=SystemClock()) as database:
        for batch in batches:
            await database.records.take(identity, batch)


def main() -> None:
    """Print the cost of each stage."""
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    if sys.argv[1:2] == ["--core"]:
        state, certificate, key, authority = (Path(argument) for argument in sys.argv[2:6])
        tls = TlsFiles(certificate=certificate, key=key, authority=authority)
        asyncio.run(serve_core(state, tls, port=int(sys.argv[6]), already=int(sys.argv[7])))
        return
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=4000)
    parser.add_argument(
        "--rate", type=float, default=300.0, help="messages a second; 0: as it goes"
    )
    parser.add_argument("--already", type=int, default=0, help="messages in the core before")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = linked(folder, Certificates(folder / "authority"), args)
        found |= dict(stages(folder / "stages", args.messages))
    print(f"{args.messages} messages at {args.rate:.0f}/s, {args.already} in the core before")
    for stage, ms in found.items():
        print(f"{stage:44}{ms:7.3f} ms CPU per message")


if __name__ == "__main__":
    main()
