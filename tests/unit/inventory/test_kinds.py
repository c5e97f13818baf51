"""Does an inventory's check know which engines and filters the nodes could build?"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError
from pathlib import Path

import pytest

from inventory.load import examine

Change = Callable[..., Path]


def with_entries(changed: Change, entries: str) -> Path:
    return changed(("customers:\n", f"{entries}\ncustomers:\n"))


def complaints(path: Path) -> list[str]:
    return [str(one).removeprefix(f"{path}:") for one in examine(path).errors]


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("{name: a, kind: norton}", "21: no engine of kind 'norton' is installed; there are brok"),
        ("{name: a, kind: broken}", "21: the engine outside_kinds:gone cannot be loaded: "),
        ("{name: a, kind: yara, options: {speed: 3}}", "43: unknown option 'speed'; there are rul"),
        ("{name: a, kind: yara, options: {shipped: [1]}}", "43: options.shipped: input should be"),
        ("{name: a, kind: yara, profile: x}", "33: unknown option 'profile'; there are rules"),
        (
            "{name: a, kind: gate, profile: x, options: {preview: 1}}",
            "55: unknown option 'previ",
        ),
        ("{name: a, kind: gate, options: 5}", "33: engines.options: input should be a mapping"),
        ("{name: a, kind: gate, options: {profile: 1}}", "43: options.profile: input should be a"),
    ],
)
def test_a_kind_or_an_option_that_cannot_be_is_told_at_its_key(
    changed: Change, entry: str, complaint: str
) -> None:
    (line,) = complaints(with_entries(changed, f"engines: [{entry}]"))

    assert line.startswith(f"13:{complaint}"), line


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("kind: command", "options: there must be either `profile` or `own`; set one of them"),
        ("kind: trend-v1fs", "engine of kind 'trend-v1fs' needs an address or a region, one of"),
        (
            "kind: trend-v1fs, address: 'a.example:443', options: {region: us-east-1,"
            " api_key_file: k}",
            "engine of kind 'trend-v1fs' needs an address or a region, one of the two; write",
        ),
        (
            "kind: trend-v1fs, options: {region: us-east-1}",
            "options: the cloud wants TLS and an API key; name options.api_key_file",
        ),
        (
            "kind: trend-v1fs, address: 'a.example:443', options: {tls: false, tls_authorities: f}",
            "options: tls_authorities without tls: all goes in the clear; say tls: true",
        ),
        (
            "kind: icap, address: '10.0.0.5:1344', options: {tls_authorities: f}",
            "options: tls_authorities without tls: all goes in the clear; say tls: true",
        ),
        ("kind: icap, address: 'unix:/i'", "engine of kind 'icap' is asked over the network; wri"),
    ],
)
def test_an_engine_that_no_node_could_build_is_told_here(
    changed: Change, entry: str, complaint: str
) -> None:
    (line,) = complaints(with_entries(changed, f"engines: [{{name: a, {entry}}}]"))

    assert line.partition(": ")[2].startswith(complaint), line


@pytest.mark.parametrize(
    ("engine", "node", "found"),
    [
        ("clamav", "", []),
        ("yara", "", ["'yara' is no engine of the kind clamd at lon1"]),
        ("clamd", "", ["'clamd' is no engine of the kind clamd at lon1"]),
        (
            "clamav",
            "engines: [{name: yara, kind: yara}], ",
            ["'clamav' is no engine of the kind clamd at par1"],
        ),
        (
            "clamav",
            "engines: [{name: yara, kind: yara}], settings: {definitions: []}, ",
            [],
        ),
    ],
)
def test_definitions_are_for_an_engine_that_each_node_has(
    changed: Change, engine: str, node: str, found: list[str]
) -> None:
    path = changed(
        (
            "customers:\n",
            "engines: [{name: yara, kind: yara}, {name: clamav, kind: clamd, address: 'unix:/c'}]\n"
            f"settings: {{definitions: [{{engine: {engine}, folder: /db}}]}}\ncustomers:\n",
        ),
        ("vpn_address: 10.77.2.1", f"{node}vpn_address: 10.77.2.1"),
    )

    said = [line.partition(": ")[2].partition(";")[0] for line in complaints(path)]

    assert said == found


def test_the_core_has_definitions_from_one_place(changed: Change) -> None:
    both = "settings: {definitions: {mirror: /srv/x, freshclam: {}}}, vpn_address: 10.77.0.1"

    (line,) = complaints(changed(("vpn_address: 10.77.0.1", both)))

    assert "freshclam would write into the mirror, which somebody else fills" in line


def test_it_is_told_wherever_the_list_stands(changed: Change) -> None:
    path = changed(
        ("capacity: 200", "engines: [{name: a, kind: norton}]"),
        ("vpn_address: 10.77.2.1", "engines: [{name: b, kind: norton}], vpn_address: 10.77.2.1"),
    )

    assert [line.split(":")[0] for line in complaints(path)] == ["6", "12"]


@pytest.mark.usefixtures("packages")
@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        ("{name: a, kind: red}", "21: no filter of kind 'red' is installed; there are "),
        ("{name: a, kind: colour, options: {hue: 1}}", "45: unknown option 'hue'; there are col"),
        ("{name: a, kind: rules, options: {hue: 1}}", "44: unknown option 'hue'; there are none"),
        ("{name: a, kind: dnsbl, zone: z.example, options: {famly: 6}}", "61: unknown option 'fam"),
        ("{name: a, kind: dnsbl, zone: z.example, options: {family: 5}}", "61: options.family: "),
        ("{name: a, kind: volume, options: {limit: 0}}", "45: options.limit: "),
        ("{name: a, kind: volume, options: {score: 1}}", "35: options: there is neither a limit"),
    ],
)
def test_a_filters_kind_and_options_are_looked_at_too(
    changed: Change, entry: str, complaint: str
) -> None:
    found = complaints(with_entries(changed, f"filters: [{entry}]"))

    assert any(line.startswith(f"13:{complaint}") for line in found), found


RSPAMD = "name: a, kind: rspamd, address: 'h:1'"


@pytest.mark.parametrize(
    ("entry", "complaint"),
    [
        (
            "{name: a, kind: content, options: {types: program}}",
            "unknown option 'types'; write it under weights",
        ),
        ("{name: a, kind: content, options: {typs: x}}", "unknown option 'typs'; there are none"),
        ("{name: a, kind: volume, options: {weight: 1}}", "unknown option 'weight'; there are"),
        (f"{{{RSPAMD}, weights: {{factr: 2}}}}", "unknown weight 'factr'; there are factor,"),
        (f"{{{RSPAMD}, weights: {{factor: -1}}}}", "weights.factor: "),
        (f"{{{RSPAMD}, options: {{factor: 1}}}}", "unknown option 'factor'; write it under"),
        ("{name: a, kind: rspamd}", "filter of kind 'rspamd' has no address; add one"),
        (
            "{name: a, kind: dnsbl, zone: z.example, weights: {family: 6}}",
            "filter of kind 'dnsbl' has no weights; write them under options",
        ),
        (
            "{name: a, kind: cloudmark, address: 'h:1', weights: {steps: '90'}}",
            "weights.steps: '90' are no steps",
        ),
    ],
)
def test_what_a_filter_weighs_is_looked_at_too(changed: Change, entry: str, complaint: str) -> None:
    found = complaints(with_entries(changed, f"filters: [{entry}]"))

    assert any(f": {complaint}" in line for line in found), found


@pytest.mark.usefixtures("packages")
def test_a_profile_that_is_said_twice_is_a_complaint(changed: Change) -> None:
    path = with_entries(
        changed, "engines: [{name: a, kind: gate, profile: x, options: {profile: y}}]"
    )

    assert complaints(path) == ["13:55: options.profile is profile once more; remove one"]


def test_a_time_that_holds_for_no_list_is_told(changed: Change) -> None:
    path = with_entries(
        changed,
        "filters:\n- {name: a, kind: dnsbl, zone: a.example, timeout_s: 2}\n"
        "- {name: b, kind: dnsbl, zone: b.example, timeout_s: 2}\n"
        "- {name: c, kind: dnsbl, zone: c.example, timeout_s: 9}\n",
    )

    (warning,) = examine(path).warnings

    assert str(warning) == f"{path}:16:43: timeout_s of a holds for all lists; set it there"


@pytest.mark.usefixtures("packages")
def test_what_is_right_is_no_complaint(changed: Change) -> None:
    path = with_entries(
        changed,
        "engines:\n- {name: a, kind: gate, profile: x, options: {previews: 2}}\n"
        "- {name: b, kind: loose, options: {anything: [1, {deep: true}]}}\n"
        "- {name: c, kind: clamd, address: 'unix:/run/c', options: {sessions_max: 3}}\n"
        "filters:\n- {name: d, kind: colour, options: {colour: red}}\n"
        "- {name: e, kind: dnsbl, zone: six.example, options: {family: 6}}\n"
        "- {name: f, kind: volume, options: {per: sender, limit: 20}}\n",
    )

    assert (examine(path).errors, examine(path).warnings) == ([], [])


def test_where_no_satellite_is_installed_nothing_is_complained_about_and_that_is_said(
    changed: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(package: str) -> None:
        raise PackageNotFoundError(package)

    monkeypatch.setattr("common.kinds.distribution", missing)
    path = with_entries(
        changed, "engines: [{name: a, kind: norton}]\nfilters: [{name: b, kind: red}]"
    )

    examined = examine(path)

    assert examined.errors == []
    (warning,) = examined.warnings
    assert (warning.line, warning.column) == (13, 11)
    assert "are not checked" in warning.what


def test_without_lists_nothing_has_to_be_looked_at(
    small: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("inventory.kinds.satellite_is_installed", lambda: False)

    assert examine(small).warnings == []
