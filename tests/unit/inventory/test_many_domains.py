"""Does a large inventory leave only what is needed behind, domain by domain?"""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from inventory.load import load_inventory
from inventory.model import Inventory

EXAMPLE = Path(__file__).parents[3] / "inventory" / "example.yaml"
CUSTOMERS = 1000
OF_EACH = 3
DOMAINS = CUSTOMERS * OF_EACH


def _csv() -> Iterator[str]:
    yield "customer,domain,deliver_to,latitude,longitude,hold_days,recipients"
    for number in range(DOMAINS):
        customer = f"customer-{number // OF_EACH:05}"
        yield f"{customer},domain-{number:06}.example,mail.domain-{number:06}.example:25,52,4,7,any"


def _yaml() -> Iterator[str]:
    yield "customers:"
    for number in range(DOMAINS):
        if number % OF_EACH == 0:
            yield f"  - name: customer-{number // OF_EACH:05}"
            yield "    domains:"
        yield f"      - name: domain-{number:06}.example"
        yield f"        deliver_to: ['mail.domain-{number:06}.example:25']"
        yield "        location: [52, 4]"


@pytest.fixture(params=["csv", "yaml"])
def many(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    head = EXAMPLE.read_text(encoding="utf-8").partition("\ncustomers:")[0]
    lines = _csv() if request.param == "csv" else _yaml()
    customers = tmp_path / f"customers.{request.param}"
    customers.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    path = tmp_path / "inventory.yaml"
    path.write_text(f"{head}\ncustomers: [{customers.name}]\n", encoding="utf-8")
    return path


def test_what_is_read_is_let_go_while_it_is_checked(many: Path) -> None:
    """Octets for each domain: what stays, and the most at once, rows and trees that wait included.

    Lines and columns are of no use as long as nothing is wrong.
    """
    load_inventory(many)  # what is made once is no part of it
    kept, most = _traced(many)

    assert kept < 550
    assert most < 900


def _traced(path: Path) -> tuple[float, float]:
    def begun(_what: str, done: int, _total: int) -> None:
        if not done:
            tracemalloc.reset_peak()  # of the file's buffer, which nobody fills

    found: list[Inventory] = []
    tracemalloc.start()
    try:
        found.append(load_inventory(path, progress=begun))
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found[0].domains_count == DOMAINS
    return kept / DOMAINS, most / DOMAINS
