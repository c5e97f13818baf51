"""A DNS list that goes wrong costs no mail at a node, and the node says which one it is."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.clock import SystemClock
from common.loop_lag import LoopLag
from common.preferences import Kind
from common.records import Event
from common.settings.satellite import SatelliteSettings
from common.states import State
from satellite.app.shard import Shard
from satellite.spool.store import Spool
from tests.support.core.preferences import at, document, preferences, route
from tests.support.network.dns_server import DnsServer, Trouble, dns_server
from tests.support.network.link import Certificates, satellite_settings
from tests.support.network.ports import free_port
from tests.support.node.shard import until
from tests.support.smtp.front_end import Talk
from tests.support.smtp.sink import Sink
from tests.support.spool.open_spool import SMALL, TRACE, envelope

ZONE = "zen.test"
LISTED = "7.2.0.192.zen.test."


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    """A list that is sound."""
    async with dns_server() as server:
        server.records[f"2.0.0.127.{ZONE}.", "A"] = ["127.0.0.2"]
        server.records[LISTED, "A"] = ["127.0.0.2"]
        yield server


class NodeWithList:
    """A shard at work, whose one DNS list weighs as much as it takes to keep mail back."""

    def __init__(self, shard: Shard, port: int) -> None:
        self.shard = shard
        self.port = port

    async def reply_to_rcpt(self, sender: str, recipient: str = "x@acme.example") -> str:
        """Return what a client on loopback, which no list has, hears at RCPT."""
        await until(lambda: self.shard.listening, "it listens")
        talk = await Talk.connect("127.0.0.1", self.port)
        await talk.greet()
        await talk.ask(f"MAIL FROM:<{sender}>")
        reply = await talk.ask(f"RCPT TO:<{recipient}>")
        await talk.close()
        return reply[:9]

    async def outcome(self, client: str) -> tuple[str, str]:
        """Return how the mail of a client ended, and what was said of it."""
        entry = self.shard.spool.begin()
        entry.write(SMALL)
        await entry.commit(envelope=replace(envelope(), client_address=client), trace=TRACE)
        found: dict[str, Any] = {}

        def has_ended() -> bool:
            for record in self.shard.spool.records(after=0, limit=1_000):
                if record.message_id == entry.id:
                    found[record.event] = json.loads(record.fields)
            return Event.ENDED in found

        await until(has_ended, "the mail has ended")
        verdicts = {one["by"]: one for one in found[Event.SCANNED]["verdicts"]}
        (recipient,) = found[Event.ENDED]["recipients"]
        return recipient["outcome"], verdicts["zen"]["outcome"]

    @property
    def problems(self) -> list[str]:
        return [one for one in self.shard.report().problems if "DNS list" in one]


@asynccontextmanager
async def node(
    folder: Path, dns: DnsServer, *, timeout_s: float = 5.0, **options: str
) -> AsyncIterator[NodeWithList]:
    tls = Certificates(folder / "authority").issue("satellite", "lon1")
    settings = satellite_settings(tls, port=free_port()).model_dump()
    settings |= {
        "resolver": f"127.0.0.1:{dns.port}",
        "filters": [{"name": "lists", "kind": "dnsbl", "timeout_s": timeout_s}],
    }
    clock = SystemClock()
    (folder / "shard-0").mkdir()
    spool = await Spool.open(folder / "shard-0", node="lon1", shard=0, clock=clock)
    made = SatelliteSettings.model_validate(settings)
    door = socket.create_server(("127.0.0.1", 0))
    shard = Shard(
        spool,
        made,
        sockets=[door],
        on_broken=lambda: None,
        on_renewal=lambda: None,
        loop_lag=LoopLag(clock),
    )
    async with Sink() as sink:
        documents = [
            route("acme.example", deliver_to=[f"127.0.0.1:{sink.port}"]),
            document(
                Kind.FILTER,
                "zen",
                kind="dnsbl",
                zone=ZONE,
                codes={"127.0.0.2": 50},
                options=options,
            ),
            document(Kind.POLICY, "cluster", **{"dnsbl.reject": 40}),
        ]
        digest = preferences(*documents).digest
        await spool.apply_preferences(documents, position=at(1), digest=digest, snapshot=True)
        run = asyncio.create_task(shard.run())
        try:
            yield NodeWithList(shard, door.getsockname()[1])
        finally:
            await shard.drain(turns_away=True)
            run.cancel()
            await asyncio.gather(run, return_exceptions=True)
            await shard.close()
            await spool.close()


async def test_a_list_that_begins_to_answer_an_error_to_everything_keeps_no_mail_back(
    tmp_path: Path, dns: DnsServer
) -> None:
    async with node(tmp_path, dns) as one:
        assert await one.outcome("192.0.2.7") == (State.QUARANTINED, "scored")
        assert one.problems == []

        dns.wildcards[f".{ZONE}."] = ["127.255.255.254"]

        assert await one.outcome("192.0.2.8") == (State.DELIVERED, "error")
        # Not that of a client either who is known to be listed from before.
        assert await one.outcome("192.0.2.7") == (State.DELIVERED, "error")
        assert one.problems == [
            "the DNS list zen is not asked: zen.test answers 127.255.255.254:"
            " it refuses queries through a public or open resolver"
        ]


async def test_a_list_that_is_asked_at_rcpt_refuses_while_it_is_sound(
    tmp_path: Path, dns: DnsServer
) -> None:
    dns.records[f"test.{ZONE}.", "A"] = ["127.0.0.2"]
    dns.wildcards[f"spammer.test.{ZONE}."] = ["127.0.0.2"]
    async with node(tmp_path, dns, asks="sender-domain", at="rcpt") as one:
        assert await one.reply_to_rcpt("a@spammer.test") == "550 5.7.1"
        assert await one.reply_to_rcpt("a@spammer.test", "abuse@acme.example") == "250 2.1.5"
        assert await one.reply_to_rcpt("a@sender.test") == "250 2.1.5"

        dns.wildcards.clear()
        dns.wildcards[f".{ZONE}."] = ["127.255.255.254"]

        assert await one.reply_to_rcpt("a@other.test") == "250 2.1.5"
        assert await one.reply_to_rcpt("a@spammer.test") == "250 2.1.5"
        assert len(one.problems) == 1


async def test_a_node_tells_of_a_wrong_list_before_the_first_mail_comes(
    tmp_path: Path, dns: DnsServer
) -> None:
    dns.records.clear()

    async with node(tmp_path, dns) as one:
        await until(lambda: bool(one.problems), "the list is tested")
        assert one.problems == [
            "the DNS list zen is not asked: zen.test does not list the test entry 127.0.0.2"
        ]


@pytest.mark.parametrize(
    ("wrong", "said", "problem"),
    [
        (["127.0.0.2"], "error", "zen.test lists"),
        (["203.0.113.80"], "error", "hijacked, or gone"),
        (["127.0.0.1"], "error", "it does not serve us"),
        (Trouble.SERVFAIL, "unavailable", "no answer for"),
        (Trouble.RUBBISH, "unavailable", "no answer for"),
        ([], "error", "does not list the test entry 127.0.0.2"),
    ],
    ids=["lists everybody", "parked", "blocked", "down", "garbage", "empty"],
)
async def test_a_list_that_was_wrong_from_the_start_keeps_no_mail_back(
    tmp_path: Path, dns: DnsServer, wrong: list[str] | Trouble, said: str, problem: str
) -> None:
    if isinstance(wrong, Trouble):
        dns.trouble_below[f".{ZONE}."] = wrong
    elif wrong:
        dns.wildcards[f".{ZONE}."] = wrong
    else:
        dns.records.clear()

    timeout_s = 0.2 if said == "unavailable" else 5.0
    async with node(tmp_path, dns, timeout_s=timeout_s) as one:
        assert await one.outcome("192.0.2.7") == (State.DELIVERED, said)
        (told,) = one.problems

    assert told.startswith("the DNS list zen is not asked: ")
    assert problem in told
