"""How does a command talk to the core?

Touches the network, over HTTP with a bearer token. What goes wrong is one line that says what,
where and what to do.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from cli.output import complain, fail
from common.errors import EnvironmentFailure

TIMEOUT_S = 60.0
_UNSURE = "interrupted while the core was told; it may have done it: look before you say it again"
CONNECT_S = 10.0  # a machine that is there accepts sooner, however long its answer takes

Url = Annotated[
    str, typer.Option("--url", envvar="BORDERSCOUT_URL", help="The core, http://HOST:PORT.")
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", help="File with the core's token.", show_default=False),
]


class CoreFailure(EnvironmentFailure):
    """The core is not there, or refuses what it was asked.

    Args:
        what: what is wrong.
        hint: what to do about it.
        status: of its answer, as HTTP has it; 0: there is none.
    """

    def __init__(self, what: str, *, hint: str = "", status: int = 0) -> None:
        super().__init__(what, hint=hint)
        self.status = status


class Client:
    """A command's connection to the core.

    Args:
        url: where the core is.
        token_file: with the core's token; None: it is in the environment.
        timeout_s: seconds without a word from the core.
    """

    def __init__(self, url: str, token_file: Path | None, *, timeout_s: float = TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        if not url:
            fail("no core is named; use --url or set BORDERSCOUT_URL", status=2)
        self.url = url.rstrip("/")
        if not _is_address(self.url):
            fail(f"--url {url!r} is no address; write http://HOST:PORT", status=2)
        self._headers = {"Authorization": f"Bearer {_token(token_file)}"}

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: Any = None,
        parts: Iterable[bytes] | None = None,
    ) -> Any:
        """Return the core's answer, a JSON object.

        Args:
            body: what is sent, as JSON.
            parts: instead of it, JSON that is sent as it is made, since it may be long.

        Raises:
            CoreFailure: there is none.
            KeyboardInterrupt: somebody does not wait for it; what he should know is said.
        """
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            with self._open() as http:
                if parts is None:
                    answer = http.request(method, path, params=asked, json=body)
                else:
                    kind = {"Content-Type": "application/json"}
                    answer = http.request(method, path, params=asked, content=parts, headers=kind)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None
        except KeyboardInterrupt:
            if method != "GET":
                complain(_UNSURE)
            raise
        if answer.is_error:
            raise self._refused(path, answer)
        found = _json(answer)
        if found is None:
            raise CoreFailure(
                f"{self.url}{path}: the answer is not the core's", hint="is this its address?"
            )
        return found

    def read(self, path: str, query: dict[str, Any]) -> Iterator[str]:
        """Yield the text of an answer as it comes, since it may be long.

        Raises:
            CoreFailure: the core does not give it, or not to its end.
        """
        try:
            with self._open() as http, http.stream("GET", path, params=query) as answer:
                if answer.is_error:
                    answer.read()
                    raise self._refused(path, answer)
                yield from answer.iter_text()
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None

    def download(self, path: str, target: Path) -> None:
        """Write an answer's octets to a new file, all of them or none.

        Raises:
            CoreFailure: the core does not give them.
            FileExistsError, OSError: the file cannot be written.
        """
        try:
            with self._open() as http, http.stream("GET", path) as answer:
                if answer.is_error:
                    answer.read()
                    raise self._refused(path, answer)
                _write_new(target, answer)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None

    def _open(self) -> httpx.Client:
        # A proxy of the environment would be handed the token, and is not on the way to the core.
        timeout = httpx.Timeout(self._timeout_s, connect=min(CONNECT_S, self._timeout_s))
        return httpx.Client(
            base_url=self.url, headers=self._headers, timeout=timeout, trust_env=False
        )

    def _unreachable(self, error: httpx.HTTPError) -> CoreFailure:
        what = str(error) or type(error).__name__
        return CoreFailure(f"{self.url}: {what}", hint="is the core running there?")

    def _refused(self, path: str, answer: httpx.Response) -> CoreFailure:
        problem = _json(answer) or {}
        what = problem.get("title") or f"HTTP {answer.status_code}"
        # Every problem of the core's has a remedy: without one, something else has answered.
        hint = problem.get("remedy") or "is this the core's address, or a proxy before it?"
        return CoreFailure(f"{self.url}{path}: {what}", hint=str(hint), status=answer.status_code)


def _is_address(text: str) -> bool:
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return False
    return url.scheme in ("http", "https") and bool(url.host)


def _write_new(target: Path, answer: httpx.Response) -> None:
    with target.open("xb") as file:
        try:
            for block in answer.iter_bytes():
                file.write(block)
        except (OSError, httpx.HTTPError):
            target.unlink(missing_ok=True)  # half a message is not the message
            raise


def _json(answer: httpx.Response) -> dict[str, Any] | None:
    try:
        found = answer.json()
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _token(file: Path | None) -> str:
    if file is None:
        token = os.environ.get("BORDERSCOUT_TOKEN", "").strip()
        if not token:
            fail("no token; use --token-file or set BORDERSCOUT_TOKEN", status=2)
        source = "BORDERSCOUT_TOKEN"
    else:
        source = str(file)
        try:
            token = file.read_text(encoding="utf-8").strip()
        except OSError as error:
            fail(f"{file}: {error.strerror}; name the core's token file")
        except UnicodeDecodeError:
            token = ""
    if not token or not token.isascii() or not token.isprintable():
        fail(f"{source} holds no token; name the core's token file")
    return token
