"""How does a command talk to the core?

Touches the network, over HTTP with a bearer token. An error ends the command with one line that
says what, where and what to do.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import httpx
import typer

from cli.output import fail

TIMEOUT_S = 60.0

Url = Annotated[
    str, typer.Option("--url", envvar="BORDERSCOUT_URL", help="The core, http://HOST:PORT.")
]
TokenFile = Annotated[
    Path | None,
    typer.Option("--token-file", help="File with the core's token.", show_default=False),
]


class Client:
    """A command's connection to the core."""

    def __init__(self, url: str, token_file: Path | None) -> None:
        if not url:
            fail("no core is named; use --url or set BORDERSCOUT_URL", status=2)
        self.url = url.rstrip("/")
        headers = {"Authorization": f"Bearer {_token(token_file)}"}
        self.http = httpx.Client(base_url=self.url, headers=headers, timeout=TIMEOUT_S)

    def ask(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: Any = None,
    ) -> Any:
        """Return the JSON answer; end the command when there is none."""
        asked = {name: value for name, value in (query or {}).items() if value is not None}
        try:
            answer = self.http.request(method, path, params=asked, json=body)
        except httpx.HTTPError as error:
            fail(f"{self.url}: {error or type(error).__name__}; is the core running?")
        if answer.is_error:
            fail(f"{self.url}{path}: {_problem(answer)}")
        return answer.json()

    def download(self, path: str, target: Path) -> None:
        """Write an answer's octets to a file."""
        try:
            with self.http.stream("GET", path) as answer:
                if answer.is_error:
                    answer.read()
                    fail(f"{self.url}{path}: {_problem(answer)}")
                with target.open("xb") as file:
                    for block in answer.iter_bytes():
                        file.write(block)
        except FileExistsError:
            fail(f"{target}: is there already; name another file")
        except (OSError, httpx.HTTPError) as error:
            fail(f"{target}: {error}")


def _token(file: Path | None) -> str:
    if file is not None:
        try:
            return file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            fail(f"{file}: {error}; name the core's token file")
    token = os.environ.get("BORDERSCOUT_TOKEN", "")
    if not token:
        fail("no token; use --token-file or set BORDERSCOUT_TOKEN", status=2)
    return token


def _problem(answer: httpx.Response) -> str:
    try:
        problem = answer.json()
    except ValueError:
        return f"HTTP {answer.status_code}"
    remedy = problem.get("remedy")
    return f"{problem.get('title', answer.status_code)}" + (f"; {remedy}" if remedy else "")
