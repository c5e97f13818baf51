"""Does the doctor tell of each server that a filter asks whether it answers?"""

from __future__ import annotations

from cli.filter_checks import servers_of_filters
from common.verdict import Verdict
from satellite.filtering.filter import FilterHealth, Mail
from satellite.filtering.filters import lists
from tests.support.network.ports import free_port
from tests.support.scanning.filtering import context
from tests.support.scanning.scorers import scorer


class Asking:
    """A filter with two servers."""

    name = "both"

    async def examine(self, mail: Mail) -> tuple[Verdict, ...]:
        return ()

    async def probe(self) -> tuple[FilterHealth, ...]:
        return (
            FilterHealth("one:1", is_answering=True, detail="answers"),
            FilterHealth("two:2", is_answering=False, detail="refuses"),
        )

    async def close(self) -> None: ...


def test_each_server_has_a_line_of_its_own() -> None:
    checks = list(servers_of_filters([lists.build(None, context()), Asking()]))

    assert [(check.name, check.ok, check.found) for check in checks] == [
        ("filter both at one:1", True, "answers"),
        ("filter both at two:2", False, "refuses"),
    ]


def test_a_server_that_is_down_is_a_fault_with_its_address() -> None:
    address = f"127.0.0.1:{free_port()}"

    (check,) = servers_of_filters([scorer("rspamd", address)])

    assert (check.name, check.ok) == (f"filter rspamd at {address}", False)
    assert address in check.found
