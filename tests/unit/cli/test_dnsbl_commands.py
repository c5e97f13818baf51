"""What is an operator told who asks all DNS lists about somebody?"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from satellite.filtering.known_codes import meaning_of
from tests.support.cli.shell import Shell
from tests.support.core.face import Face
from tests.support.network.dns_server import DnsServer, Trouble, dns_server
from tests.support.node.sound_node import SETTINGS

CODES = {"127.0.0.2": 4.0, "127.0.0.10": 1.5}


@pytest.fixture
async def dns() -> AsyncIterator[DnsServer]:
    """Lists of clients, of which ``zen`` is sound, and a list of domains."""
    async with dns_server() as server:
        for zone in ("zen.spamhaus.org", "odd.example"):
            server.records[f"2.0.0.127.{zone}.", "A"] = ["127.0.0.2"]
        server.records["test.urls.example.", "A"] = ["127.0.0.2"]
        yield server


class Office:
    """A node's settings and a file of lists."""

    def __init__(self, folder: Path, dns: DnsServer, shell: Shell) -> None:
        self.config = folder / "satellite.yaml"
        self.config.write_text(f"{SETTINGS}resolver: 127.0.0.1:{dns.port}\n")
        self.documents = folder / "lists.json"
        self.shell = shell
        self.lists(zen={"zone": "zen.spamhaus.org"})

    def lists(self, **bodies: dict[str, Any]) -> None:
        known = [
            {"kind": "filter", "key": name, "body": {"kind": "dnsbl", "codes": CODES} | body}
            for name, body in bodies.items()
        ]
        self.documents.write_text(json.dumps(known))

    async def check(self, *words: str) -> Any:
        files = ("--config", self.config, "--documents", self.documents)
        return await self.shell("dnsbl", "check", *words, *files)


@pytest.fixture
def office(tmp_path: Path, dns: DnsServer, shell: Shell) -> Office:
    return Office(tmp_path, dns, shell)


async def test_an_address_that_is_listed_is_explained(office: Office, dns: DnsServer) -> None:
    name = "7.2.0.192.zen.spamhaus.org."
    dns.records[name, "A"] = ["127.0.0.2", "127.0.0.4"]
    dns.records[name, "TXT"] = ['"https://lists.example/query/\x1b[2J"']

    said = await office.check("192.0.2.7")

    assert said.status == 0, said
    words = " ".join(said.out.split())
    for fact in (
        "zen zen.spamhaus.org 192.0.2.7 listed 4",
        "127.0.0.2 (SBL: sends spam, or helps those who do)",
        "127.0.0.4 (XBL: an infected or abused machine)",
        "https://lists.example/query/?[2J",
    ):
        assert fact in words, fact


async def test_json_has_an_object_for_each_list_and_name(office: Office, dns: DnsServer) -> None:
    office.lists(
        zen={"zone": "zen.spamhaus.org"},
        urls={"zone": "urls.example", "options": {"asks": "url"}},
    )
    dns.records["evil.example.urls.example.", "A"] = ["127.0.0.10"]

    said = await office.check("https://www.evil.example/x", "--json")

    assert said.status == 0, said
    assert [(one["name"], one["subject"], one["says"], one["points"]) for one in said.lines] == [
        ("urls", "evil.example", "listed", 1.5),
        ("urls", "www.evil.example", "not listed", 0.0),
        ("zen", "", "not asked", 0.0),
    ]


async def test_json_is_what_the_page_for_other_programs_shows(office: Office) -> None:
    page = (Path(__file__).parents[3] / "docs" / "design" / "json.md").read_text(encoding="utf-8")
    text = page.partition("## `borderscout dnsbl check --json`\n")[2].partition("```json\n")[2]
    shown = json.loads(text.partition("```")[0])

    (one,) = (await office.check("192.0.2.7", "--json")).lines

    assert list(one) == list(shown)


@pytest.mark.parametrize(
    ("zone", "said"),
    [
        ({"2.0.0.127": []}, "odd.example does not list the test entry 127.0.0.2"),
        ({"1.0.0.127": ["127.0.0.2"]}, "odd.example lists the test entry 127.0.0.1"),
        ({"7.2.0.192": ["127.255.255.254"]}, "refuses queries through a public or open resolver"),
        ({"7.2.0.192": ["203.0.113.9"]}, "hijacked, or gone"),
        ({"7.2.0.192": ["127.0.0.1"]}, "it does not serve us"),
    ],
    ids=["dead", "lists all", "public resolver", "parked", "blocked"],
)
async def test_a_list_that_is_wrong_is_named_with_1(
    office: Office, dns: DnsServer, zone: dict[str, list[str]], said: str
) -> None:
    office.lists(odd={"zone": "odd.example"})
    for label, addresses in zone.items():
        dns.records[f"{label}.odd.example.", "A"] = addresses

    found = await office.check("192.0.2.7")

    assert found.status == 1
    assert "odd gives no points: " in found.out
    assert said in " ".join(found.out.split())


async def test_a_list_that_is_silent_is_no_answer_with_1(office: Office, dns: DnsServer) -> None:
    dns.trouble["7.2.0.192.zen.spamhaus.org."] = Trouble.SERVFAIL

    said = await office.check("192.0.2.7", "--json")

    assert said.status == 1
    assert said.lines[0]["says"] == "no answer"


async def test_a_document_that_makes_no_sense_is_told(office: Office) -> None:
    office.lists(zen={"zone": "zen.spamhaus.org", "options": {"asks": "everything"}})

    said = await office.check("192.0.2.7")

    assert said.status == 1
    assert "its options are wrong" in said.out


async def test_without_a_list_that_is_said(office: Office) -> None:
    office.lists()
    office.documents.write_text(json.dumps([{"kind": "engine", "key": "yara", "body": {}}]))

    said = await office.check("192.0.2.7")

    assert (said.status, said.out.split(";")[0]) == (0, "there is no DNS list")


@pytest.mark.parametrize("subject", ["not a domain", "a..b", "-", "300.1.1.1", "mail"])
async def test_what_is_neither_an_address_nor_a_domain_is_wrong_usage(
    office: Office, subject: str
) -> None:
    said = await office.check(subject)

    assert said.status == 2
    assert "is no address and no domain" in said.check_failed(2)


async def test_without_lists_or_a_core_the_remedy_is_told(shell: Shell) -> None:
    assert "--documents" in (await shell("dnsbl", "check", "192.0.2.7")).check_failed(2)


@pytest.mark.usefixtures("dns")
async def test_the_lists_are_those_of_the_core(office: Office, core: Face) -> None:
    body = {"kind": "dnsbl", "zone": "zen.spamhaus.org", "codes": CODES}
    documents = [{"kind": "filter", "key": "ours", "body": body}]
    await core.ask("POST", "/api/v1/documents", json={"documents": documents})

    said = await office.shell("dnsbl", "check", "192.0.2.9", "--config", office.config, "--json")

    assert said.status == 0, said
    assert (said.lines[0]["name"], said.lines[0]["says"]) == ("ours", "not listed")


@pytest.mark.parametrize(
    ("zone", "answer", "meaning"),
    [
        ("zen.spamhaus.org", "127.0.0.10", "PBL: its provider says that no mail comes from there"),
        ("k3y.zen.dq.spamhaus.net", "127.0.0.4", "XBL: an infected or abused machine"),
        ("dbl.spamhaus.org", "127.0.1.4", "phishing domain"),
        ("multi.surbl.org", "127.0.0.72", "phishing, abuse"),
        ("multi.uribl.com", "127.0.0.2", "black"),
        ("list.dnswl.org", "127.0.5.3", "trust: high"),
        ("list.dnswl.org", "127.0.0.255", ""),
        ("zen.spamhaus.org", "127.0.0.77", ""),
        ("spamhaus.org.example", "127.0.0.2", ""),
    ],
)
def test_what_well_known_lists_answer_is_put_in_words(zone: str, answer: str, meaning: str) -> None:
    assert meaning_of(zone, answer) == meaning
