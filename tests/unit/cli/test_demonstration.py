"""What the demonstration shows, and what is told of a process of it that did not live."""

from __future__ import annotations

import io
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from rich.console import Console

from cli.demonstration.cluster import DemoCluster
from cli.demonstration.display import display
from cli.demonstration.process import DemoProcess
from cli.demonstration.run import picture
from common.errors import EnvironmentFailure


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("print('one'); print('port taken'); print(); exit(3)", "it said last: port taken; "),
        ("exit(3)", "it said nothing; "),
    ],
)
async def test_who_dies_is_told_with_its_last_words_since_its_log_may_be_gone(
    tmp_path: Path, script: str, said: str
) -> None:
    process = DemoProcess("core", [sys.executable, "-c", script], tmp_path / "core.log")
    await process.start()
    assert process.process is not None
    await process.process.wait()

    with pytest.raises(EnvironmentFailure) as caught:
        process.check()

    assert str(caught.value).startswith(f"core ended with status 3; {said}")
    assert "borderscout demo --keep DIR" in caught.value.hint


@dataclass
class SeenCluster:
    """A cluster as far as its picture asks it, with large numbers."""

    url: str = "http://127.0.0.1:24234"
    token_file: Path = Path("/tmp/borderscout-a1b2c3d4/cluster/core/token")
    satellites: tuple[str, ...] = ("lon1",)
    mailbox: Any = field(default_factory=lambda: type("Box", (), {"total": 9, "marked": Counter()}))
    endpoints: dict[str, Any] = field(
        default_factory=lambda: {"satellites": {"lon1": {"smtp": "127.0.0.1:24750"}}}
    )

    engines: Any = field(
        default_factory=lambda: type("Engines", (), {"names": ["yara", "clamav", "c-icap"]})
    )

    async def ask(self, method: str, path: str, **more: Any) -> Any:
        if path.endswith("messages"):
            return {"messages": [VIRUS] * 5}
        if path.endswith("status"):
            node = {"node": "lon1", "site": "london", "state": "catching up", "lag": None}
            return {"revision": 2, "nodes": [node]}
        outcomes = ("delivered", "quarantined", "dropped", "in_progress")
        return {"groups": [{"name": "london", **dict.fromkeys(outcomes, 123_456)}]}


VIRUS = {
    "sender": "virus@sender.example",
    "node": "lon1",
    "recipients": [{"state": "quarantined", "reason": "virus: yara Eicar-Test-Signature"}],
    "verdicts": [
        {"by": "yara", "outcome": "infected", "threats": ["Eicar-Test-Signature"]},
        {"by": "clamav", "outcome": "infected", "version": "1.4.6/1"},
        {"by": "c-icap", "outcome": "unavailable"},
        {"by": "rules", "outcome": "scored"},
    ],
}


async def test_each_message_is_shown_with_what_each_engine_said_of_it() -> None:
    out = io.StringIO()

    picture = await display(cast("DemoCluster", SeenCluster()), {}, seconds=1.0)
    Console(file=out, width=80, force_terminal=False).print(picture)

    lines = [line.split() for line in out.getvalue().splitlines()]
    assert ["Message", "At", "yara", "clamav", "c-icap", "Outcome"] in lines
    shown = ["virus", "lon1", "infected", "infected", "unavailable", "quarantined"]
    assert lines.count(shown) == 5


async def test_on_eighty_columns_nothing_that_is_to_be_typed_is_cut_off() -> None:
    cluster = SeenCluster()
    out = io.StringIO()

    picture = await display(cast("DemoCluster", cluster), {}, seconds=1.0)
    Console(file=out, width=80, force_terminal=False).print(picture)

    lines = out.getvalue().splitlines()
    assert "export BORDERSCOUT_URL=http://127.0.0.1:24234" in lines
    assert f"export BORDERSCOUT_TOKEN=$(cat {cluster.token_file})" in lines
    assert [line for line in lines if line.endswith("borderscout track anna@acme.example")]
    assert "…" not in out.getvalue()


async def test_a_core_that_is_killed_ends_no_demonstration_since_mail_goes_on() -> None:
    class Coreless(SeenCluster):
        async def ask(self, method: str, path: str, **more: Any) -> Any:
            raise httpx.ConnectError("All connection attempts failed")

    shown = await picture(cast("DemoCluster", Coreless()), {}, seconds=1.0)

    assert str(shown) == (
        "the core does not answer at http://127.0.0.1:24234; mail goes on, and"
        " 9 messages have come to the customers' server"
    )
