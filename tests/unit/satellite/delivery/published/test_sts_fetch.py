"""A policy is fetched from its own host by HTTPS alone, whole and within bounds."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from satellite.delivery.published import sts_fetch
from satellite.delivery.published.mta_sts import POLICY_BYTES_MAX
from satellite.delivery.published.sts_fetch import CHUNKS_MAX, StsFetchFailed, fetch
from tests.support.network.authority import Authority
from tests.support.network.policy_host import PolicyHost

HOST = "mta-sts.strangers.example"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def trusting(authority: Authority) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(authority.path))


@pytest.fixture
async def server(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[PolicyHost]:
    async with PolicyHost(authority.server(HOST)) as server:
        monkeypatch.setattr(sts_fetch, "HTTPS_PORT", server.port)
        server.document = "version: STSv1\nmode: none\nmax_age: 1\n"
        yield server


@pytest.mark.parametrize("is_chunked", [False, True])
async def test_a_document_is_fetched_whole(
    server: PolicyHost, trusting: ssl.SSLContext, is_chunked: bool
) -> None:
    server.is_chunked = is_chunked

    assert await fetch(HOST, ["127.0.0.1"], trusting) == server.document.encode()


async def test_a_document_in_very_many_chunks_is_none(
    server: PolicyHost, trusting: ssl.SSLContext
) -> None:
    server.is_chunked, server.chunk_bytes = True, 1
    server.document += "#" * CHUNKS_MAX

    with pytest.raises(StsFetchFailed, match="too many chunks"):
        await fetch(HOST, ["127.0.0.1"], trusting)


async def test_the_next_address_is_tried_and_no_third(
    server: PolicyHost, trusting: ssl.SSLContext
) -> None:
    assert await fetch(HOST, ["127.0.0.2", "127.0.0.1"], trusting)
    with pytest.raises(StsFetchFailed, match="no connection"):
        await fetch(HOST, ["127.0.0.2", "127.0.0.3", "127.0.0.1"], trusting)
    with pytest.raises(StsFetchFailed, match="no address"):
        await fetch(HOST, [], trusting)


@pytest.mark.parametrize(
    ("status", "kind", "document", "complaint"),
    [
        ("404 Not Found", "text/plain", "x", "answered 404"),
        ("301 Moved", "text/plain", "x", "answered 301"),
        ("200 OK", "text/html", "x", "not text/plain"),
        ("200 OK", "text/plain", "x" * (POLICY_BYTES_MAX + 1), "too large"),
        ("200 OK", "text/plain", "x" * (10 * POLICY_BYTES_MAX), "cut off"),
    ],
)
async def test_what_is_no_document_is_none(
    server: PolicyHost,
    trusting: ssl.SSLContext,
    status: str,
    kind: str,
    document: str,
    complaint: str,
) -> None:
    server.status, server.kind, server.document = status, kind, document

    with pytest.raises(StsFetchFailed, match=complaint):
        await fetch(HOST, ["127.0.0.1"], trusting)


async def test_a_host_that_nobody_vouches_for_has_no_policy(server: PolicyHost) -> None:
    with pytest.raises(StsFetchFailed, match="tls with"):
        await fetch(HOST, ["127.0.0.1"], ssl.create_default_context())

    with pytest.raises(StsFetchFailed, match="tls with"):
        await fetch("mta-sts.other.example", ["127.0.0.1"], ssl.create_default_context())

    assert server.asked == []
