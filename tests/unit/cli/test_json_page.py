"""What docs/design/json.md promises of commands that ask a core is what they print."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from common.identity import LifeOrigin
from common.records import LogRecord
from common.reports import DefinitionsReport, DefinitionsState
from core.definitions.choice import ContentRefusal
from tests.support.cli.json_page import example, shape
from tests.support.cli.shell import Shell
from tests.support.core.face import Face
from tests.support.core.rooms import accepted, ended, identity, made_id, record, route

SERIAL = 20260101000000  # the time of the fake clock


async def with_definitions(core: Face, shell: Shell, folder: Path) -> None:
    """Let there be definitions in use, some that are refused, and a problem."""
    own = folder / "own.hdb"
    for content in (b"mine", b"worse"):
        own.write_bytes(content)
        await shell("definitions", "add", own)
    await shell("definitions", "rollback")
    said = DefinitionsReport(
        family="clamav",
        serial=SERIAL,
        offered=SERIAL,
        state=DefinitionsState.FAILED,
        detail="clamd was killed",
        version="1.4.6",
        made_us=5,
    )
    core.hear("lon1", definitions=(said,))
    await shell("definitions", "rollback", "--to", str(SERIAL))  # the sites are looked at anew
    keeper = core.services.definitions._keeper
    refusal = ContentRefusal(content="ab" * 32, version="27808", reason="too few", time_us=5)
    await keeper._choose(keeper.choice.with_refusal(refusal), keeper.current)


async def with_looks(core: Face, _shell: Shell, _folder: Path) -> None:
    """Let two engines have looked at mail, and disagreed."""
    clean = {"by": "clamav", "outcome": "clean", "ms": 5, "threats": []}
    bad = {"by": "nod32", "outcome": "infected", "ms": 7, "threats": ["New.A"]}
    both = [bad | {"by": "clamav"}, bad]
    await core.database.records.take(
        identity(),
        [
            record(1, "scanned", made_id(1), verdicts=[clean, bad]),
            record(2, "scanned", made_id(2), verdicts=both),
        ],
    )


async def with_late_mail(core: Face, _shell: Shell, _folder: Path) -> None:
    """Let mail have been delivered before it was known what it holds."""
    await core.database.preferences.publish([route()], who="test")
    named = {"engine": "clamav", "threat": "New.Threat", "definitions": "27808"}
    records: list[LogRecord] = [
        accepted(1, made_id(1)),
        record(2, "scanned", made_id(1), verdicts=[], digests=["ab" * 32]),
        ended(3, made_id(1), "delivered"),
        record(4, "condemned", made_id(2), digests=["ab" * 32], **named),
    ]
    await core.database.records.take(identity(), records)


async def with_lost_mail(core: Face, _shell: Shell, _folder: Path) -> None:
    """Let mail be held on a disk that another one has replaced."""
    await core.database.preferences.publish([route()], who="test")
    await core.database.records.take(identity(), [accepted(1, made_id(1))])
    rebuilt = replace(identity(life=2), origin=LifeOrigin(former=""))
    await core.database.fleet.note_hello(rebuilt, {})
    await core.database.lost.settle(rebuilt)


@pytest.mark.parametrize(
    ("command", "happened"),
    [
        ("definitions status", with_definitions),
        ("report engines", with_looks),
        ("report late", with_late_mail),
        ("report lost", with_lost_mail),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
async def test_a_command_prints_what_the_page_promises(
    core: Face, shell: Shell, tmp_path: Path, command: str, happened: Any
) -> None:
    await happened(core, shell, tmp_path)

    (found,) = (await shell(*command.split(), "--json")).lines

    assert shape(found) == shape(example(f"`borderscout {command} --json`"))


async def test_lost_mail_is_a_fault_until_somebody_has_seen_it(
    core: Face, shell: Shell, tmp_path: Path
) -> None:
    await with_lost_mail(core, shell, tmp_path)
    for command in ("doctor", "status"):
        said = (await shell(command)).out
        assert "lost mail of lon1/0: 1 accepted copy died with its spool" in said
    assert "x@acme.example" in (await shell("report", "lost")).out

    assert "NODE/SHARD" in (await shell("report", "lost", "--seen", "lon1")).check_failed(2)
    nobody = await shell("report", "lost", "--seen", "lon9/0")
    assert "there is no node lon9" in nobody.check_failed()
    assert "1 copy of lon1/0 seen" in (await shell("report", "lost", "--seen", "lon1/0")).out

    assert "lost mail" not in (await shell("doctor")).out
    assert "admin" in (await shell("report", "lost")).out


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"a": 1}, {"b": 1}),
        ({"a": 1}, {"a": "1"}),
        ({"a": 1}, {"a": 1, "b": 2}),
        ({"a": [{"b": 1}]}, {"a": [{"c": 1}]}),
        ({"a": [{"b": 1}]}, {"a": []}),
        ({"a": {"b": 1}}, {"a": {"b": 1.5}}),
    ],
    ids=str,
)
def test_another_shape_is_seen(one: Any, other: Any) -> None:
    assert shape(one) != shape(other)
