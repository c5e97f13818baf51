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

from prometheus_client.exposition import CONTENT_TYPE_LATEST

from common.errors import EnvironmentFailure
from common.settings.values import split_endpoint

ANSWER_S = 10.0


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


class HealthPages:
    """Three pages of one program.

    Args:
        endpoint: where they are served.
        metrics: returns the metrics in Prometheus' text format; called in a thread.
        why_not_ready: returns the reasons why it is not ready, a line each; called in a thread.

    Raises:
        EnvironmentFailure: the port cannot be had.
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
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer no more."""
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
                lines = self._why_not_ready()
                if not lines:
                    return "200 OK", plain, b"ready\n"
                text = "".join(f"{line}\n" for line in lines)
                return "503 Service Unavailable", plain, text.encode()
            case "/metrics":
                return "200 OK", CONTENT_TYPE_LATEST, self._metrics()
            case _:
                return "404 Not Found", plain, b"there are /metrics, /healthz and /readyz\n"
