"""Whoever holds the core chooses no file and no program on a node."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from common.settings.satellite import SatelliteSettings
from common.settings.values import FilePath
from satellite.node.settings_fixed import FIXED, FOLDERS, fixed_complaints
from tests.support.node.shard import settings

FILE_MARKS = get_args(FilePath)[1:]


def files_of(model: type[BaseModel], below: str = "") -> Iterator[str]:
    """Yield the settings that name a file."""
    for name, field in model.model_fields.items():
        annotation = field.annotation
        inner = [one for one in (annotation, *get_args(annotation)) if isinstance(one, type)]
        if any(mark in field.metadata for mark in FILE_MARKS):
            yield f"{below}{name}"
        for one in inner:
            if issubclass(one, BaseModel):
                yield from files_of(one, f"{below}{name}.")


def test_every_setting_that_names_a_file_is_fixed() -> None:
    found = set(files_of(SatelliteSettings))

    assert {"state", "core.key", "definitions.folder"} <= found
    assert found == {*FIXED, *FOLDERS} - {"cluster", "node"}


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"node": "lon2"}, "node"),
        ({"cluster": "other"}, "cluster"),
        ({"state": "/var/lib/other"}, "state"),
        ({"smtp": {"listen": ["127.0.0.1:25"], "key": "/etc/shadow"}}, "smtp.key"),
        ({"delivery": {"authorities": "/tmp/mine.pem"}}, "delivery.authorities"),
        ({"definitions": [{"engine": "clamav", "folder": "/etc"}]}, "definitions.folder"),
        ({"mta_sts": {"listen": ["127.0.0.1:443"], "certificates": "/etc", "hosts": ["a.example"]}},
         "mta_sts.certificates"),
        ({"engines": [{"name": "x", "kind": "command", "options": {"own": {
            "programs": ["/bin/sh"]}}}]}, "the options of x"),
        ({"filters": [{"name": "f", "kind": "f", "options": {"a": [{"b": "/"}]}}]},
         "the options of f"),
    ],
)  # fmt: skip
def test_what_may_not_be_changed_is_named(more: dict[str, Any], what: str) -> None:
    [complaint] = fixed_complaints(settings(), settings(**more))

    assert what in complaint
    assert complaint.endswith("restart the node")


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("rspamd", {"controllers": ["192.0.2.66:11334"], "password_file": "../tls/node.key"}),
        ("pyzor", {"user": "u", "key_file": "node.key"}),
        ("trend-v1fs", {"api_key_file": "tls/smtp.key"}),
        ("trend-v1fs", {"tls_authorities": "mine.pem"}),
        ("yara", {"rules": ["../../etc/shadow"]}),
        ("yara", {"rules": ["mine.yar"]}),
    ],
)
def test_a_relative_path_is_a_path(kind: str, options: dict[str, Any]) -> None:
    engine = {"name": "x", "kind": kind, "address": "192.0.2.66:1", "options": options}

    [complaint] = fixed_complaints(settings(), settings(engines=[engine]))

    assert "the options of x name a path" in complaint


def test_what_is_in_a_file_goes_to_no_other_address() -> None:
    options = {"api_key_file": "/etc/borderscout/trend.key"}
    engine = {"name": "x", "kind": "trend-v1fs", "address": "127.0.0.1:1", "options": options}

    told = settings(engines=[{**engine, "address": "192.0.2.66:1"}])

    [complaint] = fixed_complaints(settings(engines=[engine]), told)
    assert "its address" in complaint


def test_networks_and_words_are_no_paths() -> None:
    options = {"own": ["10.0.0.0/8"], "key_file": "", "profile": "sophos", "report": True}
    engine = {"name": "x", "kind": "k", "options": options}

    assert list(fixed_complaints(settings(), settings(engines=[engine]))) == []


def test_all_else_may_be_changed() -> None:
    rules = {"name": "yara", "kind": "yara", "options": {"rules": ["/etc/rules/a.yar"]}}
    sts = {"listen": ["127.0.0.1:443"], "certificates": "sts", "hosts": ["a.example"]}
    running = settings(engines=[rules], mta_sts=sts)
    told = settings(
        engines=[{"name": "clamav", "kind": "clamd", "address": "127.0.0.1:3310"}, rules],
        workers=4,
        hostname="mx2.scout.example",
        metrics="127.0.0.1:10",
        smtp={"listen": ["127.0.0.1:26"]},
    )

    assert list(fixed_complaints(running, told)) == []
