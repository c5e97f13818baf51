"""Do the list commands take, find, explain and give out entries as they promise?"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli import list_file
from core.web.api import lists
from tests.support.cli.shell import Shell
from tests.support.core.face import Face
from tests.support.core.rooms import document, route

TYPED = """
# partners, by sales
white domain/acme.example partner.example a partner of sales
black cluster 203.0.113.0/24
white recipient/x@acme.example .news.example  she wants it
black cluster header:List-Id:<junk\\.[a-z]+>
"""


async def test_a_search_without_a_hit_says_so(core: Face, shell: Shell) -> None:
    said = await shell("list", "search", "nowhere")
    of_scope = await shell("list", "search", "nowhere", "--scope", "domain/acme.example")

    assert (said.status, said.out) == (0, "no entry has 'nowhere' in its pattern or reason\n")
    assert of_scope.out.startswith("no entry in domain/acme.example has 'nowhere'")
    assert (await shell("list", "search", "nowhere", "--json")).out == ""


async def test_a_file_is_imported_and_comes_out_as_it_may_go_in_again(
    core: Face, shell: Shell, tmp_path: Path
) -> None:
    await core.database.preferences.publish([route()], who="test")
    file = tmp_path / "lists.txt"
    file.write_text(TYPED)

    said = await shell("list", "import", file, "--reason", "as agreed", "--until", "2030-12-31")
    out = (await shell("list", "export")).out
    again_file = tmp_path / "again.jsonl"
    again_file.write_text(out)
    again = await shell("list", "import", again_file, "--json")

    assert (said.status, said.out) == (0, "revision 2: 4 added, 0 replaced, 0 unchanged\n")
    entries = [json.loads(line) for line in out.splitlines()]
    assert {one["pattern"]: one["reason"] for one in entries} == {
        "203.0.113.0/24": "as agreed",
        "header:list-id:<junk\\.[a-z]+>": "as agreed",
        "partner.example": "a partner of sales",
        ".news.example": "she wants it",
    }
    assert {one["until_us"] for one in entries} == {1_924_992_000_000_000}
    assert {one["by"] for one in entries} == {"admin"}
    assert again.lines == [{"revision": 2, "added": 0, "replaced": 0, "unchanged": 4}]


async def test_a_large_file_is_imported_in_parts_and_shown_in_pages(
    core: Face, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(list_file, "BATCH_ENTRIES", 40)
    monkeypatch.setattr(lists, "PAGE_MAX", 30)
    file = tmp_path / "lists.txt"
    file.write_text("".join(f"black cluster d{n:03}.example\n" for n in range(100)))

    (said,) = (await shell("list", "import", file, "--json")).lines
    shown = (await shell("list", "show", "black", "--json")).lines

    assert said == {"revision": 3, "added": 100, "replaced": 0, "unchanged": 0}
    assert [one["pattern"] for one in shown] == [f"d{n:03}.example" for n in range(100)]


def test_parts_stay_below_what_a_request_may_hold() -> None:
    entries = ["x" * 600] * 4_000

    parts = list(list_file.batches(entries))

    assert sum(map(len, parts)) == 4_000
    assert max(sum(len(one) + 1 for one in part) for part in parts) <= 900_000
    assert list(list_file.batches(["a"] * 5_001)) == [["a"] * 5_000, ["a"]]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "there is no entry"),
        ("# nothing\n\n", "there is no entry"),
        ("white cluster\n", ":1: an entry has three words"),
        ("\nwhite cluster a b c\nwhite cluster @x\n", ":3: '@x' is no"),
        ("grey cluster a.example", ":1: 'grey' is neither black nor white"),
        ("white nowhere a.example", ":1: 'nowhere' is no scope"),
        ("white cluster header:subject:(a", "missing )"),
        ('{"colour": "white"}', ":1: colour, scope or pattern is missing"),
        ('{"colour": "white", "scope": 7, "pattern": "a.example"}', "is missing"),
        ('{"colour": "white", "wrong": 1}', ":1: there is no 'wrong'"),
        ('{"colour": ', ":1:11: "),
        ('{"a":' * 100_000, ":1: "),
        ("white cluster \udcff.example", "no UTF-8 at byte 14"),
        ("white cluster a.example\nwhite cluster \x1b[2J\n", ":2: "),
    ],
)
async def test_a_file_with_a_wrong_line_changes_nothing(
    core: Face, shell: Shell, tmp_path: Path, text: str, complaint: str
) -> None:
    file = tmp_path / "lists.txt"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))

    line = (await shell("list", "import", file)).check_failed()

    assert complaint in line
    assert line.strip().isprintable()
    assert core.database.preferences.position.revision == 0


async def test_a_file_that_is_not_there_is_said(core: Face, shell: Shell, tmp_path: Path) -> None:
    assert "No such file" in (await shell("list", "import", tmp_path / "none")).check_failed()


async def test_entries_are_found_by_a_part_of_pattern_or_reason(core: Face, shell: Shell) -> None:
    await core.database.preferences.publish(
        [
            route(),
            document("list", "black/cluster/bad.example", {"reason": "ticket 17"}),
            document("list", "white/domain/acme.example/good.example", {"by": "joe"}),
        ],
        who="test",
    )

    assert [one["pattern"] for one in (await shell("list", "search", "EXAMPLE", "--json")).lines] \
        == ["bad.example", "good.example"]  # fmt: skip
    assert [one["pattern"] for one in (await shell("list", "search", "et 17", "--json")).lines] \
        == ["bad.example"]  # fmt: skip
    assert " joe " in (await shell("list", "show", "white")).out


async def test_it_is_explained_which_entry_decides(core: Face, shell: Shell) -> None:
    await core.database.preferences.publish(
        [
            route(),
            document("list", "white/domain/acme.example/.s.example", {"reason": "a partner"}),
            document("list", "black/cluster/192.0.2.0/24", {"reason": "junk"}),
        ],
        who="test",
    )
    from_s = ("--sender", "a@mail.s.example")

    both = await shell("list", "explain", "x@acme.example", *from_s, "--client", "192.0.2.7")
    network = await shell("list", "explain", "x@acme.example", "--client", "192.0.2.7")
    proof = await shell("list", "explain", "x@acme.example", *from_s)
    nothing = await shell("list", "explain", "x@acme.example")

    assert both.out.splitlines()[0] == (
        "white domain/acme.example .s.example decides if SPF, DKIM or DMARC prove the sender"
        " (whitelist.proof=required); else black cluster 192.0.2.0/24"
    )
    assert "a partner" in both.out
    assert network.out.splitlines()[0] == "black cluster 192.0.2.0/24 decides"
    assert proof.out.splitlines()[0].endswith("; else no entry")
    assert nothing.out == "no entry is about such mail\n"


@pytest.mark.parametrize(
    "wrong", [("x",), ("x@a.example", "--sender", "y"), ("x@a.example", "--client", "1.2.3")]
)
async def test_what_is_no_address_is_wrong_usage(
    core: Face, shell: Shell, wrong: tuple[str, ...]
) -> None:
    assert (await shell("list", "explain", *wrong)).status == 2
