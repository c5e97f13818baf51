"""A node that starts with very many waiting messages is soon there and storms nobody."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import pytest

from common.clock import SystemClock, new_id
from common.envelope import Envelope
from common.ids import MessageId
from common.states import State
from satellite.spool.disk.rows import INSERT_MESSAGE, INSERT_RECIPIENT, message_row, recipient_row
from satellite.spool.disk.schema import open_writer
from satellite.spool.model.messages import Origin, Recipient, Stored
from tests.support.cluster.cluster import cluster
from tests.support.cluster.inventories import customer, inventory, site
from tests.support.cluster.town import Town
from tests.support.smtp.sink import Sink

NODE = "one1"
MESSAGES, MESSAGES_THOROUGH = 20_000, 100_000
BODY = b"Subject: waiting\r\n\r\n" + b"x" * 2000 + b"\r\n"
HOUR_US = 3_600_000_000
READY_S = 30.0  # the benchmark measures it; here only that nothing takes minutes
RESIDENT_MIB = 400
CONNECTIONS_MAX = 10  # of the node's settings, at once to one destination


def fill(spool: Path, count: int) -> None:
    """Write deferred messages into the spool of a node that is stopped, due hours from now."""
    clock = SystemClock()
    now_us = clock.now_us()
    digest = hashlib.sha256(BODY).digest()
    connection = open_writer(spool)
    connection.execute("BEGIN IMMEDIATE")
    for number in range(count):
        message = MessageId(new_id(clock))
        recipient = Recipient(
            number=0,
            address=f"w{number}@fjord.example",
            state=State.DEFERRED,
            disposition="deliver",
            decided="clean",
            reason="451 later",
            copy=0,
        )
        stored = Stored(
            id=message,
            origin=Origin.SMTP,
            envelope=Envelope(
                client_address="192.0.2.7",
                helo="h",
                sender="a@sender.example",
                recipients=(recipient.address,),
            ),
            received_us=now_us,
            age_us=0,
            size=len(BODY),
            sha256=digest,
            trace=b"",
            revision=1,
            subject="waiting",
            scans=1,
            recipients=(recipient,),
            copies=(),
            in_file=False,
        )
        connection.execute(INSERT_MESSAGE, message_row(stored))
        connection.execute(INSERT_RECIPIENT, recipient_row(stored, recipient))
        connection.execute("INSERT INTO copy VALUES (?,0,?,0)", (message, b"X-Copy: 1\r\n"))
        connection.execute("INSERT INTO body VALUES (?,?)", (message, BODY))
    connection.execute("UPDATE recipient SET attempts=1, next_us=?", (now_us + 2 * HOUR_US,))
    connection.execute("COMMIT")
    connection.close()


def resident_mib(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmRSS:")]
    return int(line.split()[1]) / 1024


@pytest.mark.scenario(
    row=61, checks="ready soon, memory bounded, others' mail at once, no storm when all is due"
)
async def test_a_restart_with_very_many_waiting_messages(tmp_path: Path, thorough: bool) -> None:
    async with Sink() as fjord, Sink() as tiber:
        tree = inventory(
            name="many",
            sites=[site("one", NODE, number=1)],
            customers=[
                customer("fjord", [f"127.0.0.1:{fjord.port}"], "fjord.example"),
                customer("tiber", [f"127.0.0.1:{tiber.port}"], "tiber.example"),
            ],
        )
        async with cluster(tmp_path, tree) as running:
            await running.stop(NODE)
            fill(
                running.state(NODE) / "shard-0" / "spool.db",
                MESSAGES_THOROUGH if thorough else MESSAGES,
            )

            began_s = time.monotonic()
            await running.restart(NODE)
            ready_s = time.monotonic() - began_s
            town = Town(running, tiber, tmp_path)
            await town.deliver(NODE, "x@tiber.example")

            (worker,) = running.shards(NODE).values()
            print(f"ready after {ready_s:.1f} s, {resident_mib(worker):.0f} MiB")
            assert ready_s < READY_S
            assert resident_mib(worker) < RESIDENT_MIB
            assert fjord.sessions == 0, "what is not due was tried"

            await running.run("spool", "flush", "--config", running.config(NODE))
            await town.deliver(NODE, "y@tiber.example")
            await fjord.wait_for(500)
            assert fjord.sessions_at_once <= CONNECTIONS_MAX
