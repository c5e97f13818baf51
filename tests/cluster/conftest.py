"""What the cluster's tests share: one running town for each module."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.cluster.cluster import cluster
from tests.support.cluster.town import Town, tree
from tests.support.smtp.sink import Sink

QUICK = {"waiting_retry_s": 0.5}  # the delivery's waits stay as they are: a flush must do its part


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def town(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Town]:
    """Give three sites with their customers, running."""
    folder = tmp_path_factory.mktemp("town")
    async with Sink() as sink:
        inventory = tree(f"127.0.0.1:{sink.port}")
        async with cluster(folder, inventory, settings={"*": QUICK}) as running:
            yield Town(running, sink, folder)
