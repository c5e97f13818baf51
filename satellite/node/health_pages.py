"""How are /metrics, /healthz and /readyz served?

Touches one port, from threads beside the event loop of the program. ``/healthz`` is 200 while that
lives, ``/readyz`` while it says no reason why it is not ready.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterable, Sequence
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import structlog
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from common.binding import bind_hint
from common.settings.values import split_endpoint

log = structlog.get_logger()

ANSWER_S = 10.0
BIND_S = 1.0  # between tries to have the address
TOLD_EACH = 60  # of them a line in the log


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    allow_reuse_address = True
    timeout = 0.2  # seconds until it is looked whether to stop

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


class HealthPages:
    """Three pages of one program.

    While their address cannot be had, they wait for it: a tunnel that is not up, or another program
    with the port, stops nobody's mail (P4).

    Args:
        endpoint: where they are served.
        metrics: returns the metrics in Prometheus' text format; called in a thread.
        why_not_ready: returns the reasons why it is not ready, a line each; called in a thread.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        metrics: Callable[[], bytes],
        why_not_ready: Callable[[], Sequence[str]],
    ) -> None:
        self._metrics = metrics
        self._why_not_ready = why_not_ready
        self._endpoint = endpoint
        self._host, self._port = split_endpoint(endpoint)
        self._server: WSGIServer | None = None
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="metrics")

    @property
    def is_served(self) -> bool:
        """Whether there is the address, so that whoever asks is answered."""
        return self._server is not None

    def start(self) -> None:
        """Begin to answer, at once or as soon as there is the address."""
        self._bind(is_told=True)
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
        self._is_stopping.set()
        self._thread.join()

    def _serve(self) -> None:
        tries = 0
        while self._server is None and not self._is_stopping.wait(BIND_S):
            tries += 1
            self._bind(is_told=tries % TOLD_EACH == 0)
        if self._server is None:
            return
        with self._server:
            while not self._is_stopping.is_set():
                self._server.handle_request()

    def _bind(self, *, is_told: bool) -> None:
        kind = _ServerIPv6 if ":" in self._host else _Server
        try:
            self._server = make_server(self._host, self._port, self._answer, kind, _QuietHandler)
        except OSError as error:
            if is_told:
                log.error(
                    "metrics.not_served",
                    endpoint=self._endpoint,
                    reason=error.strerror,
                    hint=f"{bind_hint(error)}; it is tried again, and mail goes on meanwhile",
                )

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
                lines = self._why_not_ready()
                if not lines:
                    return "200 OK", plain, b"ready\n"
                text = "".join(f"{line}\n" for line in lines)
                return "503 Service Unavailable", plain, text.encode()
            case "/metrics":
                return "200 OK", CONTENT_TYPE_LATEST, self._metrics()
            case _:
                return "404 Not Found", plain, b"there are /metrics, /healthz and /readyz\n"
