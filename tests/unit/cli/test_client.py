"""Does a command speak to the core that it was told, and to nobody else?"""

from __future__ import annotations

import socket
from pathlib import Path

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
