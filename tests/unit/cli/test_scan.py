"""What is said of files on disk, by the engines of a settings file, and with which exit code?

No helper is started: plain mail is answered at once, and an engine that nobody runs is away.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app_for
from tests.support.cli.json_page import example
from tests.support.node.sound_node import SETTINGS

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
HEAD = b"From: a@sender.example\r\nSubject: hi\r\n\r\n"
YARA = "{name: yara, kind: yara}"
AWAY = "{name: clamav, kind: clamd, address: 'unix:/nowhere/clamd'}"


class Bench:
    """A settings file, and mail beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.engines(YARA)
        (folder / "clean.eml").write_bytes(HEAD + b"hello\r\n")
        (folder / "virus.eml").write_bytes(HEAD + EICAR + b"\r\n")

    def engines(self, *engines: str) -> None:
        (self.folder / "satellite.yaml").write_text(f"{SETTINGS}engines: [{', '.join(engines)}]\n")

    def path(self, name: str) -> str:
        return str(self.folder / name)

    def scan(self, *words: str, stdin: bytes = b"") -> Any:
        command = ["scan", "--config", self.path("satellite.yaml"), *words]
        return CliRunner().invoke(app_for(command), command, input=stdin)

    def said(self, *words: str, stdin: bytes = b"") -> list[dict[str, Any]]:
        found = self.scan("--json", *words, stdin=stdin)
        return [json.loads(line) for line in found.stdout.splitlines()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_clean_mail_is_said_to_be_clean_with_0(bench: Bench) -> None:
    found = bench.scan(bench.path("clean.eml"))

    assert found.exit_code == 0, found.output
    assert "yara clean" in " ".join(found.output.split())
    assert "deliver: clean: score 0.0" in found.output


def test_a_threat_is_named_with_what_would_be_done_and_1(bench: Bench) -> None:
    found = bench.scan(bench.path("clean.eml"), bench.path("virus.eml"))

    assert found.exit_code == 1, found.output
    assert "quarantine: virus: yara Eicar" in found.output


def test_json_is_one_object_for_each_file_in_their_order_and_nothing_else(bench: Bench) -> None:
    names = [bench.path(name) for name in ("virus.eml", "clean.eml") * 6]

    found = bench.said(*names)

    assert [one["file"] for one in found] == names
    virus = found[0]
    assert (virus["disposition"], virus["cause"]) == ("quarantine", "virus")
    assert [one["kind"] for one in virus["found"]] == ["virus"]
    assert virus["verdicts"][0]["outcome"] == "infected"


def test_json_is_what_the_page_for_other_programs_shows(bench: Bench) -> None:
    shown = example("`borderscout scan --json`")

    virus, gone = bench.said(bench.path("virus.eml"), bench.path("gone.eml"))

    assert list(virus) == list(shown)
    assert list(virus["found"][0]) == list(shown["found"][0])
    assert list(virus["verdicts"][0]) == list(shown["verdicts"][0])
    assert list(gone) == ["file", "error"]


def test_what_an_engine_could_not_scan_is_2_and_would_wait(bench: Bench) -> None:
    bench.engines(YARA, AWAY)

    found = bench.scan(bench.path("clean.eml"))

    assert found.exit_code == 2, found.output
    assert "wait: unavailable: clamav" in found.output


def test_a_threat_is_1_even_where_another_file_or_engine_is_away(bench: Bench) -> None:
    bench.engines(YARA, AWAY)

    assert bench.scan(bench.path("virus.eml"), bench.path("gone.eml")).exit_code == 1


def test_a_file_that_cannot_be_read_is_named_and_the_others_are_scanned(bench: Bench) -> None:
    found = bench.scan(bench.path("gone.eml"), bench.folder.as_posix(), bench.path("clean.eml"))

    assert found.exit_code == 2
    assert "gone.eml: not scanned: No such file or directory" in found.stderr
    assert "not scanned: Is a directory" in found.stderr
    assert "deliver: clean" in found.stdout


def test_a_dash_is_the_standard_input(bench: Bench) -> None:
    (found,) = bench.said("-", stdin=HEAD + EICAR)

    assert (found["file"], found["cause"]) == ("-", "virus")


def test_a_file_larger_than_any_mail_is_not_scanned(bench: Bench) -> None:
    settings = SETTINGS.replace(
        'smtp: {listen: ["127.0.0.1:2525"]}',
        'smtp: {listen: ["127.0.0.1:2525"], message_bytes_max: 65536}',
    )
    (bench.folder / "satellite.yaml").write_text(f"{settings}engines: [{YARA}]\n")
    (bench.folder / "large").write_bytes(b"x" * 65_536)

    found = bench.scan(bench.path("large"))

    assert found.exit_code == 2
    assert "larger than 65536 octets" in found.stderr


def test_settings_without_an_engine_scan_nothing_and_say_so(bench: Bench) -> None:
    bench.engines()

    found = bench.scan(bench.path("clean.eml"))

    assert found.exit_code == 2
    assert "there is no engine" in found.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--config", "wrong.yaml"), "unknown key 'engnes'"),
        (("--config", "gone.yaml"), "no such file"),
        (("--documents", "gone.json"), "gone.json"),
    ],
)
def test_what_is_wrong_before_anything_is_scanned_is_2_and_never_found(
    bench: Bench, words: tuple[str, str], said: str
) -> None:
    (bench.folder / "wrong.yaml").write_text(f"{SETTINGS}engnes: []\n")

    found = bench.scan(words[0], bench.path(words[1]), bench.path("clean.eml"))

    assert found.exit_code == 2, found.output
    assert said in found.output


def test_the_settings_of_a_scanning_server_do_as_well_with_its_preferences(bench: Bench) -> None:
    body = {"kind": "policy", "key": "cluster", "body": {"virus": "drop"}}
    (bench.folder / "said.json").write_text(json.dumps([body]))
    (bench.folder / "scan.yaml").write_text(
        "hostname: scan.example.net\nnext_hop: 127.0.0.1:10026\n"
        "smtp: {listen: ['127.0.0.1:10025'], message_bytes_max: 65536}\n"
        f"preferences: said.json\nengines: [{YARA}]\n"
    )
    (bench.folder / "large.eml").write_bytes(HEAD + b"x" * 70 + b"\r\n" * 40_000)
    own = ("--config", bench.path("scan.yaml"))

    found = bench.scan(*own, bench.path("virus.eml"))

    assert (found.exit_code, "drop: virus" in found.output) == (1, True), found.output
    assert bench.scan(*own, bench.path("large.eml")).exit_code == 2


def test_preferences_from_a_file_say_what_would_be_done_for_a_recipient(bench: Bench) -> None:
    documents = [
        {"kind": "policy", "key": "domain/acme.example", "body": {"virus": "drop"}},
        {"kind": "threat", "key": "yara/Nothing.*", "body": {"action": "ignore"}},
    ]
    (bench.folder / "documents.json").write_text(json.dumps(documents))
    more = ("--documents", bench.path("documents.json"), "--recipient", "x@acme.example")

    (found,) = bench.said(*more, bench.path("virus.eml"))

    assert found["disposition"] == "drop"
    assert "policy virus=drop (domain/acme.example)" in found["reason"]


def test_copies_do_not_stay(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = bench.folder / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))

    bench.scan(bench.path("virus.eml"))

    assert list(temporary.iterdir()) == []


def test_the_terminal_is_told_nothing_that_a_name_would_have_it_obey(bench: Bench) -> None:
    name = "a\x1b[2J.eml"
    (bench.folder / name).write_bytes(HEAD)

    assert "\x1b[2J" not in bench.scan(bench.path(name)).output
