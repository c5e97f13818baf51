"""How are /metrics, /healthz and /readyz served?

Touches one port. ``/metrics`` are the workers' metrics, told apart by their shard; ``/healthz`` is
200 while the parent lives; ``/readyz`` is 200 when all shards listen and take mail, whether or not
the core is there.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from socketserver import TCPServer, ThreadingMixIn
from typing import Any, TypeVar
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector, CollectorRegistry

from common.errors import EnvironmentFailure
from common.settings.values import split_endpoint
from satellite.node.health import MetricsAnswer, MetricsQuestion, StatusAnswer, StatusQuestion
from satellite.node.parent import Workers
from satellite.node.question import ErrorAnswer, Question

ANSWER_S = 10.0

AnswerT = TypeVar("AnswerT")


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    allow_reuse_address = True

    def server_bind(self) -> None:
        """Bind, without the base's look into DNS for our own name: start-up waits for nobody."""
        TCPServer.server_bind(self)
        self.server_name = str(self.server_address[0])
        self.server_port = self.server_address[1]
        self.setup_environ()


class _ServerIPv6(_Server):
    address_family = socket.AF_INET6


class _QuietHandler(WSGIRequestHandler):
    timeout = ANSWER_S  # seconds of silence from a client, which holds a thread

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Requests for metrics are no diagnostics."""


class HttpServer:
    """The node's HTTP face, served from threads beside the parent's event loop."""

    def __init__(self, workers: Workers, endpoint: str, loop: asyncio.AbstractEventLoop) -> None:
        self._workers = workers
        self._loop = loop
        host, port = split_endpoint(endpoint)
        try:
            kind = _ServerIPv6 if ":" in host else _Server
            self._server = make_server(host, port, self._answer, kind, _QuietHandler)
        except OSError as error:
            raise EnvironmentFailure(
                f"cannot serve metrics on {endpoint}: {error.strerror}",
                hint="another program has the port",
            ) from error
        self._thread = threading.Thread(target=self._server.serve_forever, name="metrics")

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def _answer(
        self, environ: dict[str, Any], start: Callable[[str, list[tuple[str, str]]], Any]
    ) -> Iterable[bytes]:
        status, kind, body = self._page(str(environ.get("PATH_INFO", "")))
        start(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    def _page(self, path: str) -> tuple[str, str, bytes]:
        plain = "text/plain; charset=utf-8"
        match path:
            case "/healthz":
                return "200 OK", plain, b"alive\n"
            case "/readyz":
                missing = self._not_listening()
                if not missing:
                    return "200 OK", plain, b"ready\n"
                text = "".join(f"shard {shard}: {why}\n" for shard, why in missing.items())
                return "503 Service Unavailable", plain, text.encode()
            case "/metrics":
                return "200 OK", CONTENT_TYPE_LATEST, self._metrics()
            case _:
                return "404 Not Found", plain, b"there are /metrics, /healthz and /readyz\n"

    def _ask(self, question: Question[AnswerT]) -> Mapping[int, AnswerT | ErrorAnswer | None]:
        asked = asyncio.run_coroutine_threadsafe(self._workers.ask_each(question), self._loop)
        try:
            return asked.result(ANSWER_S)
        except FutureTimeout:
            return {worker.shard: None for worker in self._workers.all}

    def _not_listening(self) -> dict[int, str]:
        retiring = {worker.shard for worker in self._workers.all if worker.retiring}
        return {
            shard: why
            for shard, status in self._ask(StatusQuestion()).items()
            if shard not in retiring and (why := _why_not(status)) is not None
        }

    def _metrics(self) -> bytes:
        registry = CollectorRegistry()
        texts = {
            shard: answer.text
            for shard, answer in self._ask(MetricsQuestion()).items()
            if isinstance(answer, MetricsAnswer)
        }
        starts = {worker.shard: worker.starts for worker in self._workers.all}
        registry.register(ShardMetrics(texts, starts))
        return generate_latest(registry)


def _why_not(status: StatusAnswer | ErrorAnswer | None) -> str | None:
    """Return why a worker takes no mail, None when it does."""
    if status is None:
        return "not running"
    if isinstance(status, ErrorAnswer):
        return status.error
    if status.listening and not status.not_accepting_reason:
        return None
    return status.not_accepting_reason


class ShardMetrics(Collector):
    """The workers' metrics, each sample with its shard as a label."""

    def __init__(self, texts: dict[int, str], starts: dict[int, int]) -> None:
        self._texts = texts
        self._starts = starts

    def collect(self) -> Iterable[Metric]:
        families: dict[str, Metric] = {}
        for shard, text in self._texts.items():
            for family in text_string_to_metric_families(text):
                merged = families.setdefault(
                    family.name, Metric(family.name, family.documentation, family.type)
                )
                for sample in family.samples:
                    labels = {**sample.labels, "shard": str(shard)}
                    merged.add_sample(sample.name, labels, sample.value)
        started = Metric("borderscout_worker_starts", "Starts of the worker's process", "counter")
        for shard, count in self._starts.items():
            started.add_sample("borderscout_worker_starts_total", {"shard": str(shard)}, count)
        return [*families.values(), started]
