"""Is exactly what we made changed in a zone that others use too, and what goes named?"""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from common.errors import LocalError
from inventory.mx.records import DnsZone, RecordSet
from inventory.mx.tsig_key import read_tsig_key
from inventory.mx.zone_changes import MARK, ZoneChange, ZoneConflict, changes_of, gone_share

ZONE = "mx.scout.example"
FIXED = f"p1-{'a' * 16}.{ZONE}"
KEY = 'key "scout" {\n\talgorithm hmac-sha256;\n\tsecret "c2VjcmV0LXRoYXQtbmV2ZXItc2hvd3M=";\n};\n'


def a(name: str, *values: str, ttl_s: int = 300) -> RecordSet:
    return RecordSet(name, "A", ttl_s, values or ("192.0.2.1",))


def zone(*sets: RecordSet) -> DnsZone:
    return DnsZone(ZONE, sets)


def applied(there: list[RecordSet], changes: list[ZoneChange]) -> list[RecordSet]:
    found = {(one.name, one.kind): one for one in there}
    for change in changes:
        found.pop((change.set.name, change.set.kind), None)
        if change.after is not None:
            found[change.set.name, change.set.kind] = change.after
    return list(found.values())


def test_a_second_time_there_is_nothing_to_change() -> None:
    wanted = zone(a(f"lon1.{ZONE}"), a(FIXED))
    there = applied([], changes_of(wanted, [], with_keys=False))

    assert changes_of(wanted, there, with_keys=False) == []


def test_a_name_that_nobody_marked_is_left() -> None:
    there = [a(f"www.{ZONE}"), a(ZONE), RecordSet(ZONE, "NS", 60, ("ns.example.",))]

    [mark] = changes_of(zone(), there, with_keys=True)
    assert mark.set.name == f"{MARK}.{ZONE}"


def test_a_text_that_somebody_put_at_a_name_of_ours_is_left() -> None:
    hosts = [f"lon1.{ZONE}", f"mx-london.{ZONE}", FIXED]
    texts = [RecordSet(name, "TXT", 300, ("v=spf1 a -all",)) for name in hosts]
    reports = RecordSet(f"_smtp._tls.{ZONE}", "TXT", 3600, ("v=TLSRPTv1; rua=mailto:a@b.example",))
    wanted = zone(*map(a, hosts), reports)
    there = [*applied([], changes_of(wanted, [], with_keys=False)), *texts]

    assert changes_of(wanted, there, with_keys=False) == []
    gone = [one.before for one in changes_of(zone(), there, with_keys=True) if one.after is None]
    assert reports in gone
    assert not set(texts) & set(gone)


def test_a_node_that_is_gone_is_known_by_the_mark() -> None:
    there = applied([], changes_of(zone(a(f"lon1.{ZONE}"), a(FIXED)), [], with_keys=False))
    changes = changes_of(zone(a(FIXED)), there, with_keys=False)

    assert [change.set.name for change in changes if change.after is None] == [f"lon1.{ZONE}"]


def test_what_was_there_before_us_and_is_ours_now_is_replaced() -> None:
    before = a(f"lon1.{ZONE}", "192.0.2.7")
    changes = changes_of(zone(a(f"lon1.{ZONE}")), [before], with_keys=False)

    assert ZoneChange(before, a(f"lon1.{ZONE}")) in changes


def test_without_keys_tlsa_records_stay() -> None:
    keys = RecordSet(f"_25._tcp.{FIXED}", "TLSA", 300, ("3 1 1 00",))
    gone = [
        change.set
        for change in changes_of(zone(a(FIXED)), [keys], with_keys=True)
        if change.after is None
    ]

    assert gone == [keys]
    assert keys not in [
        change.before for change in changes_of(zone(a(FIXED)), [keys], with_keys=False)
    ]


def test_an_alias_of_somebody_else_is_in_the_way() -> None:
    alias = RecordSet(f"lon1.{ZONE}", "CNAME", 60, ("www.example.",))

    with pytest.raises(ZoneConflict, match="has a CNAME record that is not ours"):
        changes_of(zone(a(f"lon1.{ZONE}")), [alias], with_keys=False)


def test_our_own_alias_goes_before_what_takes_its_place() -> None:
    name = f"_25._tcp.{FIXED}"
    alias = RecordSet(name, "CNAME", 300, (f"_25._tcp.{ZONE}.",))
    keys = RecordSet(name, "TLSA", 300, ("3 1 1 00",))
    changes = changes_of(zone(a(FIXED), keys), [a(FIXED), alias], with_keys=True)

    places = {(change.set.kind, change.after is None): at for at, change in enumerate(changes)}
    assert places["CNAME", True] < places["TLSA", False]


def test_each_record_that_goes_or_comes_is_a_line() -> None:
    change = ZoneChange(a(FIXED, "192.0.2.1", "192.0.2.2"), a(FIXED, "192.0.2.2", "192.0.2.3"))
    slower = ZoneChange(a(FIXED), a(FIXED, ttl_s=60))

    assert list(change.lines()) == [
        f"- {FIXED}. 300 A 192.0.2.1",
        f"+ {FIXED}. 300 A 192.0.2.3",
    ]
    assert list(slower.lines()) == [f"- {FIXED}. 300 A 192.0.2.1", f"+ {FIXED}. 60 A 192.0.2.1"]


def test_how_much_would_go_is_a_share_of_what_is_ours() -> None:
    ours = [a(f"p1-{letter * 16}.{ZONE}") for letter in "abc"]
    there = [*ours, a(f"www.{ZONE}")]
    changes = changes_of(zone(ours[0]), there, with_keys=False)

    assert gone_share(changes, there, zone(ours[0])) == pytest.approx(2 / 3)


def test_a_key_is_read_and_never_shown(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_text(KEY)
    key = read_tsig_key(path)

    assert (key.name, key.algorithm) == ("scout", "hmac-sha256")
    assert key.secret == b"secret-that-never-shows"
    assert "secret-that" not in repr(key)
    assert "c2Vj" not in repr(key)


def test_two_slashes_in_a_secret_begin_no_comment(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    secret = base64.b64encode(b"\xff" * 32).decode()
    lines = ["# of ours", 'key "scout" { // ours', "algorithm hmac-sha256;"]
    path.write_text("\n".join([*lines, f'secret "{secret}";', "}; // the end"]))

    assert "//" in secret
    assert read_tsig_key(path).secret == b"\xff" * 32


@pytest.mark.parametrize(
    ("content", "what"),
    [("", "holds no TSIG key"), (KEY * 40, "holds no"), (KEY.replace("=", "!"), "holds no TSIG")],
)
def test_what_is_no_key_is_refused_without_showing_it(
    tmp_path: Path, content: str, what: str
) -> None:
    path = tmp_path / "key"
    path.touch(mode=0o600)
    path.write_text(content)

    with pytest.raises(LocalError, match=what) as refused:
        read_tsig_key(path)
    assert "c2Vj" not in str(refused.value)
