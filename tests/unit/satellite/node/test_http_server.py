"""The node answers over HTTP for all of its shards, and leaves out who does not answer."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import httpx
import pytest
import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from common.loop_lag import LoopLag
from satellite.node import health_pages
from satellite.node.channel import JsonObject
from satellite.node.http_server import HttpServer
from satellite.node.service_unavailable import WITHOUT_WORKER_S_MAX, ServiceUnavailable
from tests.support.clock import FakeClock
from tests.support.network.ports import free_port
from tests.support.node.shard import AnsweringWorker, status_json, workers_of

LISTENING = status_json()


def serve(endpoint: str, *workers: AnsweringWorker, clock: FakeClock | None = None) -> HttpServer:
    asked, clock = workers_of(*workers), clock or FakeClock()
    return HttpServer(
        asked,
        endpoint,
        asyncio.get_running_loop(),
        loop_lag=LoopLag(clock),
        service_unavailable=ServiceUnavailable(asked, sockets=[], clock=clock),
    )


@asynccontextmanager
async def serving(
    *workers: AnsweringWorker, host: str = "127.0.0.1"
) -> AsyncIterator[httpx.AsyncClient]:
    endpoint = f"{host}:{free_port(host.strip('[]'))}"
    served = serve(endpoint, *workers)
    served.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://{endpoint}", trust_env=False) as client:
            yield client
    finally:
        await asyncio.to_thread(served.stop)


def metrics_of(factor: float) -> JsonObject:
    """Return a worker's answer with one metric of each kind, its values times ``factor``."""
    registry = CollectorRegistry()
    seen = Counter("borderscout_seen", "Messages seen", ["result"], registry=registry)
    seen.labels("clean").inc(10 * factor)
    seen.labels('odd "name"\\with\nall').inc(factor)
    Gauge("borderscout_open", "Connections open", registry=registry).set(2 * factor)
    took = Histogram("borderscout_took_seconds", "Time", buckets=(0.1, 1.0), registry=registry)
    for _ in range(int(factor)):
        took.observe(0.5)
    return {"text": generate_latest(registry).decode()}


def status(worker: AnsweringWorker, answer: JsonObject | None) -> AnsweringWorker:
    worker.answers["status"] = answer
    return worker


async def test_the_parents_own_event_loop_stands_beside_those_of_its_workers() -> None:
    registry = CollectorRegistry()
    registry.register(LoopLag(FakeClock()))
    worker = AnsweringWorker(0, {"metrics": {"text": generate_latest(registry).decode()}})

    async with serving(worker) as client:
        answer = await client.get("/metrics")

    families = {family.name: family for family in text_string_to_metric_families(answer.text)}
    samples = families["borderscout_loop_lag_max_seconds"].samples
    assert [sample.labels["shard"] for sample in samples] == ["0", "parent"]


async def test_two_shards_metrics_become_one_text_with_the_shard_as_a_label() -> None:
    workers = [AnsweringWorker(n, {"metrics": metrics_of(n + 1)}) for n in range(2)]

    async with serving(*workers) as client:
        answer = await client.get("/metrics")

    assert answer.headers["content-type"].startswith("text/plain; version=")
    families = list(text_string_to_metric_families(answer.text))
    names = [family.name for family in families]
    assert len(names) == len(set(names)), "each family stands once, else Prometheus refuses all"
    kinds = {family.name: family.type for family in families}
    assert kinds["borderscout_seen"] == "counter"
    assert kinds["borderscout_open"] == "gauge"
    assert kinds["borderscout_took_seconds"] == "histogram"
    values = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }
    for shard, factor in (("0", 1), ("1", 2)):
        mine = ("shard", shard)
        clean, odd = ("result", "clean"), ("result", 'odd "name"\\with\nall')
        assert values["borderscout_seen_total", (clean, mine)] == 10 * factor
        assert values["borderscout_seen_total", (odd, mine)] == factor
        assert values["borderscout_open", (mine,)] == 2 * factor
        assert values["borderscout_took_seconds_bucket", (("le", "0.1"), mine)] == 0
        assert values["borderscout_took_seconds_bucket", (("le", "1.0"), mine)] == factor
        assert values["borderscout_took_seconds_bucket", (("le", "+Inf"), mine)] == factor
        assert values["borderscout_took_seconds_count", (mine,)] == factor
        assert values["borderscout_took_seconds_sum", (mine,)] == 0.5 * factor
        assert values["borderscout_worker_starts_total", (mine,)] == 0
    helps = {family.name: family.documentation for family in families}
    assert helps["borderscout_seen"] == "Messages seen"


async def test_a_shard_that_does_not_answer_is_left_out_and_its_starts_are_not() -> None:
    gone = AnsweringWorker(1, {})
    gone.starts, gone.failures = 7, 6
    ill = AnsweringWorker(2, {"metrics": {"error": "no descriptor"}})

    async with serving(AnsweringWorker(0, {"metrics": metrics_of(1)}), gone, ill) as client:
        answer = await client.get("/metrics")

    assert answer.status_code == 200
    found = {
        (sample.name, sample.labels["shard"]): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }
    assert {shard for name, shard in found if name == "borderscout_seen_total"} == {"0"}
    assert found["borderscout_worker_starts_total", "1"] == 7
    assert found["borderscout_worker_failures_total", "1"] == 6


async def test_a_node_is_ready_when_all_its_shards_listen() -> None:
    workers = [status(AnsweringWorker(n, {}), LISTENING) for n in range(2)]

    async with serving(*workers) as client:
        answer = await client.get("/readyz")

    assert (answer.status_code, answer.text) == (200, "ready\n")


async def test_a_node_that_is_not_ready_names_each_shard_and_why() -> None:
    waiting = status_json(listening=False, not_accepting_reason="no preferences yet")
    workers = [
        status(AnsweringWorker(0, {}), LISTENING),
        status(AnsweringWorker(1, {}), waiting),
        status(AnsweringWorker(2, {}), None),
        status(AnsweringWorker(3, {}), {"error": "the spool cannot be read"}),
    ]

    async with serving(*workers) as client:
        answer = await client.get("/readyz")

    assert answer.status_code == 503
    assert answer.text == (
        "shard 1: no preferences yet\nshard 2: not running\nshard 3: the spool cannot be read\n"
    )


async def test_a_node_that_refuses_mail_is_not_ready_though_it_listens() -> None:
    draining = status_json(not_accepting_reason="draining")

    async with serving(status(AnsweringWorker(0, {}), draining)) as client:
        answer = await client.get("/readyz")

    assert (answer.status_code, answer.text) == (503, "shard 0: draining\n")


async def test_a_node_is_not_ready_while_its_parent_turns_senders_away() -> None:
    clock = FakeClock()
    worker = status(AnsweringWorker(0, {}), LISTENING)
    endpoint = f"127.0.0.1:{free_port('127.0.0.1')}"
    served = serve(endpoint, worker, clock=clock)
    await clock.advance(WITHOUT_WORKER_S_MAX)
    served.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://{endpoint}", trust_env=False) as client:
            answer = await client.get("/readyz")
            assert (answer.status_code, answer.text) == (503, "the parent answers 421\n")

            worker.answers["listening"] = {"listening": True}
            assert (await client.get("/readyz")).status_code == 200
    finally:
        await asyncio.to_thread(served.stop)


@pytest.mark.parametrize("answer", [None, status_json(listening=False, not_accepting_reason="x")])
async def test_a_shard_that_retires_does_not_count_for_readiness(
    answer: JsonObject | None,
) -> None:
    retiring = status(AnsweringWorker(1, {}, retiring=True), answer)

    async with serving(status(AnsweringWorker(0, {}), LISTENING), retiring) as client:
        assert (await client.get("/readyz")).status_code == 200


async def test_the_parent_is_alive_whatever_its_shards_do() -> None:
    async with serving(AnsweringWorker(0, {})) as client:
        answer = await client.get("/healthz")

    assert (answer.status_code, answer.text) == (200, "alive\n")


async def test_another_path_is_told_which_there_are() -> None:
    async with serving(AnsweringWorker(0, {})) as client:
        answer = await client.get("/metrics/../../etc/passwd")

    assert answer.status_code == 404
    assert answer.text == "there are /metrics, /healthz and /readyz\n"


async def test_it_serves_over_ipv6_as_well() -> None:
    async with serving(AnsweringWorker(0, {}), host="[::1]") as client:
        assert (await client.get("/healthz")).text == "alive\n"


async def test_starting_asks_dns_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object) -> str:
        raise AssertionError("a node starts with DNS away")

    monkeypatch.setattr(socket, "getfqdn", asked)

    async with serving(AnsweringWorker(0, {})) as client:
        assert (await client.get("/healthz")).status_code == 200


async def test_a_port_in_use_is_named_and_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health_pages, "BIND_S", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as other, structlog.testing.capture_logs() as logs:
        endpoint = f"127.0.0.1:{other.getsockname()[1]}"
        served = serve(endpoint, AnsweringWorker(0, {}))
        served.start()
    try:
        async with httpx.AsyncClient(base_url=f"http://{endpoint}", trust_env=False) as client:
            assert (await asks_until_it_is_there(client)).status_code == 200
    finally:
        await asyncio.to_thread(served.stop)

    [line] = [line for line in logs if line["event"] == "metrics.not_served"]
    assert line["endpoint"] == endpoint
    assert line["hint"].startswith("another program has the port; it is tried again")


async def asks_until_it_is_there(client: httpx.AsyncClient) -> httpx.Response:
    async with asyncio.timeout(10):
        while True:
            with suppress(httpx.ConnectError):
                return await client.get("/healthz")
            await asyncio.sleep(0.01)


async def test_an_address_that_never_comes_stops_no_end() -> None:
    with structlog.testing.capture_logs() as logs:
        served = serve("192.0.2.1:9200", AnsweringWorker(0, {}))
        served.start()
        await asyncio.to_thread(served.stop)

    assert "a tunnel that is not up?" in logs[0]["hint"]
