"""Does a command speak to the core that it was told, and to nobody else?"""

from __future__ import annotations

import socket
from pathlib import Path

import httpx
import pytest

from cli.client import Client, CoreFailure
from tests.support.network.ports import free_port


def test_the_token_is_never_handed_to_a_proxy_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("secret-token\n")
    token_file.chmod(0o600)
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.setblocking(False)
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        client = Client(f"http://127.0.0.1:{free_port()}", token_file, timeout_s=5)

        with pytest.raises(CoreFailure):
            client.ask("GET", "/api/v1/status")

        with pytest.raises(BlockingIOError):
            proxy.accept()


def test_a_machine_that_is_not_there_is_not_waited_for_as_long_as_an_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("secret-token\n")
    asked: list[httpx.Timeout] = []

    def open_nothing(**settings: object) -> None:
        assert isinstance(settings["timeout"], httpx.Timeout)
        asked.append(settings["timeout"])
        raise httpx.ConnectTimeout("timed out")

    monkeypatch.setattr(httpx, "Client", open_nothing)
    with pytest.raises(CoreFailure, match="timed out; is the core running there"):
        Client("http://192.0.2.1:8080", token_file, timeout_s=600).ask("GET", "/api/v1/status")

    assert (asked[0].connect, asked[0].read) == (10, 600)


@pytest.mark.parametrize(("method", "is_warned"), [("GET", False), ("POST", True)])
def test_who_does_not_wait_for_a_change_is_told_that_it_may_be_done(
    method: str,
    is_warned: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    token_file = tmp_path / "token"
    token_file.write_text("secret-token\n")

    def interrupted(*_asked: object, **_more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(httpx.Client, "request", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Client("http://127.0.0.1:1", token_file).ask(method, "/api/v1/documents")

    assert ("it may have done it: look before" in capsys.readouterr().err) is is_warned
