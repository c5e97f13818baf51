"""Does every mistake in an inventory give its own complaint, at its own place?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import SettingsError
from common.settings.reading import Source
from inventory.load import counts_of, examine, load_inventory
from inventory.model import Inventory

GOLDEN = Path(__file__).parents[2] / "golden" / "inventory"

Change = Callable[..., Path]


def complaints(path: Path) -> list[str]:
    """Return errors, without the folder that the file is in."""
    return [str(one).removeprefix(f"{path.parent}/") for one in examine(path).errors]


def test_the_example_has_nothing_wrong_with_it(example: Inventory) -> None:
    assert counts_of(example) == {"sites": 3, "nodes": 4, "customers": 4, "domains": 5}


def test_a_file_full_of_mistakes_gets_every_complaint_at_once(
    golden: Callable[[str, str], None],
) -> None:
    found = examine(GOLDEN / "wrong.yaml")

    lines = [f"error {one}" for one in found.errors] + [f"warning {one}" for one in found.warnings]
    golden("wrong.txt", "".join(line.replace(f"{GOLDEN}/", "") + "\n" for line in lines))
    assert found.inventory is None


def test_the_loader_raises_all_errors_and_no_warning() -> None:
    with pytest.raises(SettingsError) as raised:
        load_inventory(GOLDEN / "wrong.yaml")

    assert raised.value.complaints == [str(one) for one in examine(GOLDEN / "wrong.yaml").errors]
    assert "warning" not in str(raised.value)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("name: paris", "name: london", ":9:5: site 'london' stands twice"),
        ("name: par1", "name: lon1", ":12:10: node 'lon1' stands twice"),
        ("name: par1", "name: core", ":12:10: node 'core' stands twice"),
        ("name: par1", "name: authority", ":12:10: 'authority' is taken"),
        ("name: par1", "name: mx-london", ":12:10: 'mx-london' looks like a name that the MX plan"),
        ("10.77.2.1", "10.77.1.1", ":12:65: vpn_address 10.77.1.1 is that of lon1 too"),
        ("10.77.2.1", "10.77.0.1", ":12:65: vpn_address 10.77.0.1 is that of core too"),
        ("10.77.2.1", "10.78.2.1", ":12:65: vpn_address 10.78.2.1 lies outside the VPN"),
        ("10.77.2.1", "10.77.255.255", ":12:65: vpn_address 10.77.255.255 is the network's own"),
        ("198.51.100.10", "192.0.2.10", ":12:49: public address 192.0.2.10 is that of lon1 too"),
        ("198.51.100.10", "10.77.9.9", ":12:49: public address 10.77.9.9 lies in the VPN"),
        ("10.77.0.0/16}", "[10.77.0.0/16, 10.77.4.0/24]}", "VPN 10.77.4.0/24 overlaps 10.77.0.0"),
        ("10.77.0.0/16", "10.77.0.1/16", ":1:57: cluster.vpn: 10.77.0.1/16 has host bits set"),
        ("51.5072", "90.1", ":5:16: sites.location: input should be less than or equal to 90"),
        ("-0.1276", "-180.5", ":5:25: sites.location: input should be greater than or equal"),
        ("[51.5072, -0.1276]", "[51.5072]", ":5:5: sites.location: is no place"),
        ("51.5072", ".nan", ":5:16: sites.location: input should be a finite number"),
        ("capacity: 200", "capacity: 0", ":6:5: sites.capacity: input should be greater"),
        ("capacity: 200", "capacity: 1.5", ":6:5: sites.capacity: input should be a valid integer"),
        ("capacity: 200", "capacity: 1000001", ":6:5: sites.capacity: input should be less"),
        ("capacity: 200", "capcity: 200", ":6:5: unknown key 'capcity'; remove it"),
        ("capacity: 200", "workers: 9", ":6:5: sites.workers: input should be less than or equal"),
        ("capacity: 200", "engines: []", ":6:5: sites.engines: is empty; add one"),
        ("capacity: 200", "state: away", ":6:5: sites.state: input should be 'active', 'drain'"),
        ("mail.acme.example:25", "mail.acme.example:0", ":16:43: domains.deliver_to: "),
        ("mail.acme.example:25", "192.0.2.10:25", "deliver_to 192.0.2.10 is our own node lon1"),
        ("mail.acme.example:25", "[2001:db8:2:0::10]:25", "2001:db8:2::10 is our own node par1"),
        ("mail.acme.example:25", "10.77.0.1", "deliver_to 10.77.0.1 is our own node core"),
        ("mail.acme.example:25", "acme.example/mx", "is the MX of the domain itself, which is us"),
        ("mail.acme.example:25", "lmtp:mail.acme.example", "LMTP is never at port 25"),
        ("mail.acme.example:25", "p1-x.mx.scout.example:25", "is one of our own names"),
        ("name: acme.example", "name: mx.scout.example", "is the cluster's own mail_domain"),
        ("name: acme.example", "name: a..b", ":16:10: domains.name: 'a..b' is no domain name"),
        ("location: [52.37", "hold_days: 31, location: [52.37", "domains.hold_days: input should"),
        ("name: acme\n", "name: Acme Ltd\n", ":14:5: name: 'Acme Ltd' is no customer's name"),
        ("customers:\n", "colour: red\ncustomers:\n", ":13:1: unknown key 'colour'"),
        ("customers:\n", "workers: 0\ncustomers:\n", ":13:1: workers: input should be greater"),
        ("customers:\n", "resolver: here\ncustomers:\n", ":13:1: resolver: 'here' is no resolver"),
        ("core: {name: core", "core: {nam: core", ":2:1: missing key 'name'; add it"),
        ("public: core.scout.example", 'public: "2001:db8::1"', ":8:22: lon1 has IPv4 alone and"),
        ("198.51.100.10]", "198.51.100.10, 224.0.0.1]", ":12:64: public 224.0.0.1 is no address"),
        ("192.0.2.10", '"::ffff:192.0.2.10"', "is IPv4 in IPv6's form; write 192.0.2.10"),
        ("192.0.2.10", '"fe80::1%eth0"', ":8:22: public fe80::1%eth0 is no address by which"),
        ("vpn: 10.77.0.0/16", "vpn: 0.0.0.0/0", ":1:57: VPN 0.0.0.0/0 is no network of our own"),
        ("10.77.1.1", "[10.77.1.1, 10.77.1.1]", ":8:67: vpn_address 10.77.1.1 is that of lon1"),
        ("name: london", f"name: {'l' * 61}", ":4:5: site 'lll"),
        ("mx.scout.example", f"{'a' * 63}." * 3 + "b" * 42, ":1:26: mail_domain has 234 charact"),
        ("mx.scout.example", "192.0.2.1", ":1:26: mail_domain '192.0.2.1' is no domain in which"),
        ("mx.scout.example", "scout", ":1:26: mail_domain 'scout' is no domain in which"),
        ("vpn:", "postmaster: p@mx.scout.example, vpn:", "postmaster is in our own mx.scout.ex"),
        ("vpn:", "smarthost: '192.0.2.10:25', vpn:", "smarthost 192.0.2.10 is our own: a loop"),
        ("core.scout.example", "lon1.mx.scout.example", ":2:20: core.public lon1.mx.scout.examp"),
        ("core.scout.example", "mx-x.mx.scout.example", ":2:20: core.public mx-x.mx.scout.examp"),
        ("mail.acme.example:25", "core.scout.example", "core.scout.example is our own node core"),
        ('mail.acme.example:25"', 'mail.acme.example:25", mail.acme.example', "stands twice; rem"),
        ("name: acme.example", "name: 192.0.2.77", ":16:10: domain '192.0.2.77' is an address"),
        (
            "customers:\n",
            "filters: [{name: a, kind: dnsbl, zone: x.y}, {name: b, kind: dnsbl, zone: X.y.}]\n"
            "customers:\n",
            ":13:69: zone 'x.y' stands twice",
        ),
    ],
)
def test_one_mistake_gets_its_complaint(
    changed: Change, old: str, new: str, complaint: str
) -> None:
    found = complaints(changed((old, new)))

    assert any(complaint in line for line in found), found
    assert all(line.startswith("inventory.yaml:") and "; " in line for line in found)


def test_a_wrong_field_hides_no_complaint_about_a_pair_of_values(changed: Change) -> None:
    found = complaints(changed(("capacity: 200", "capacity: no"), ("10.77.2.1", "10.77.1.1")))

    assert [line.split(":")[1] for line in found] == ["6", "12"]


def test_a_domain_stands_twice_however_it_is_written(changed: Change, small: Path) -> None:
    other = "  - {name: b, domains: [{name: ACME.example., deliver_to: x.y}]}\n"
    found = complaints(changed(("  - name: acme\n", f"{other}  - name: acme\n")))

    first = f"first at {small}:14"
    assert found == [
        f"inventory.yaml:17:10: domain 'acme.example' stands twice, {first}; remove or rename one"
    ]


def test_families_that_cannot_meet_are_told_of_either_side(changed: Change) -> None:
    path = changed(
        ("public: core.scout.example", "public: 203.0.113.1"),
        ('["2001:db8:2::10", 198.51.100.10]', '"2001:db8:2::10"'),
    )

    assert complaints(path) == [
        "inventory.yaml:12:22: par1 has IPv6 alone and the core IPv4: WireGuard cannot connect "
        "them; add an address of IPv4 here, or of IPv6 to core.public"
    ]


def test_a_core_of_both_families_and_one_known_by_name_are_met_by_all(changed: Change) -> None:
    path = changed(('["2001:db8:2::10", 198.51.100.10]', '"2001:db8:2::10"'))
    assert complaints(path) == []

    changed(("public: core.scout.example", 'public: [203.0.113.1, "2001:db8::1"]'))
    assert complaints(path) == []


def test_a_link_leads_to_a_vpn_address_of_a_family_that_the_node_has(changed: Change) -> None:
    path = changed(
        ("vpn: 10.77.0.0/16", 'vpn: [10.77.0.0/16, "2001:db8:77::/48"]'),
        ("vpn_address: 10.77.1.1", 'vpn_address: "2001:db8:77::5"'),
    )

    assert complaints(path) == [
        "inventory.yaml:8:42: lon1 has no vpn_address of IPv4, and its link leads to the core's "
        "first, 10.77.0.1; add one of IPv4 from cluster.vpn"
    ]


def test_what_works_and_is_hardly_meant_is_a_warning(changed: Change) -> None:
    engine = "kind: clamd, address: 'h.example:1'"
    found = examine(
        changed(
            ("mail.acme.example:25", "10.77.9.9"),
            (
                "customers:\n",
                f"engines: [{{name: a, {engine}}}, {{name: b, {engine}}}]\ncustomers:\n",
            ),
        )
    )

    assert found.errors == []
    assert [one.what.partition(",")[0] for one in found.warnings] == [
        "engine 'b' asks the server that another asks",
        "deliver_to 10.77.9.9 lies in the VPN",
    ]


def test_what_a_file_says_does_not_steer_the_terminal(changed: Change) -> None:
    path = changed(("name: lon1", 'name: "a\\e[31m"'), ("10.77.2.1", "10.77.1.1"))

    assert all(line.isprintable() for line in complaints(path))


def test_a_bomb_of_aliases_is_refused_before_its_values_are_looked_at(small: Path) -> None:
    rows = "".join(f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 9)}]\n" for n in range(1, 9))
    small.write_text(f"k0: &k0 [{', '.join('x' * 9)}]\n{rows}sites: *k8\n")

    (found,) = complaints(small)
    assert "its aliases have no end, or nearly" in found


def test_sites_that_share_a_prefix_are_a_warning(changed: Change) -> None:
    found = examine(changed(("198.51.100.10", "192.0.2.99")))

    assert found.inventory is not None
    assert [one.what for one in found.warnings] == ["site paris shares 192.0.2.0/24 with london"]


def test_a_server_for_a_trial_may_stand_on_this_machine(changed: Change) -> None:
    path = changed(("mail.acme.example:25", "127.0.0.1:2525"), ("192.0.2.10", "127.0.0.1"))
    found = examine(path)
    assert (found.errors, found.warnings) == ([], [])

    changed(("127.0.0.1:2525", "127.0.0.1:25"))
    assert [one.what for one in examine(path).warnings] == [
        "deliver_to 127.0.0.1:25 is the satellite itself"
    ]


def test_one_site_is_valid(changed: Change) -> None:
    path = changed()
    text = path.read_text()
    start, end = text.index("  - name: paris"), text.index("customers:")
    path.write_text(text[:start] + text[end:])

    assert len(load_inventory(path).sites) == 1


def test_a_cluster_with_no_active_site_is_an_error(changed: Change) -> None:
    path = changed(
        ("capacity: 200", "state: drain"),
        ("[48.8566, 2.3522]", "[48.8566, 2.3522]\n    state: off"),
    )

    assert "inventory.yaml:3:1: no site is active" in complaints(path)[0]


def test_a_single_value_may_stand_where_a_list_may(changed: Change) -> None:
    inventory = load_inventory(changed(('["mail.acme.example:25"]', "mail.acme.example")))

    assert inventory.customers[0].domains[0].deliver_to == ("mail.acme.example",)
    assert inventory.sites[0].nodes[0].public == ("192.0.2.10",)


def test_the_nearer_list_of_engines_wins(changed: Change) -> None:
    path = changed(
        ("capacity: 200", "engines: [{name: site, kind: yara}]"),
        ("customers:\n", "engines: [{name: all, kind: yara}]\ncustomers:\n"),
    )
    inventory = load_inventory(path)

    names = [[e.name for e in inventory.engines_of(site, n)] for site, n in inventory.nodes()]
    assert names == [["site"], ["all"]]


def test_without_engines_a_node_has_yara_alone(small: Path) -> None:
    inventory = load_inventory(small)
    site, node = inventory.nodes()[0]

    assert [engine.kind for engine in inventory.engines_of(site, node)] == ["yara"]


def test_filters_that_need_no_server_are_there_beside_the_others(changed: Change) -> None:
    path = changed(
        ("customers:\n", "filters: [{name: z, kind: dnsbl, zone: z.example}]\ncustomers:\n")
    )

    assert [item.kind for item in load_inventory(path).all_filters()] == ["lists", "rules", "dnsbl"]


def test_a_filter_that_needs_no_server_can_be_switched_off(changed: Change) -> None:
    path = changed(
        ("customers:\n", "filters: [{name: rules, kind: rules, enabled: false}]\ncustomers:\n")
    )

    found = {item.name: item.enabled for item in load_inventory(path).all_filters()}
    assert found == {"lists": True, "rules": False}


def test_a_missing_file_is_one_complaint(tmp_path: Path) -> None:
    assert complaints(tmp_path / "no.yaml") == ["no.yaml:1:1: no such file; check the name"]


def test_text_that_is_no_yaml_is_a_complaint_with_its_place(changed: Change) -> None:
    (line,) = complaints(changed(("{name: core,", "{name: [core,")))

    assert line.startswith("inventory.yaml:2:")


def with_files(path: Path, names: str) -> Path:
    text = path.read_text()
    path.write_text(text[: text.index("customers:")] + f"customers: [{names}]\n")
    return path


CSV = """\
customer,domain,deliver_to,latitude,longitude,hold_days
acme,acme.example,mail.acme.example:25 mx2.acme.example:26,52.37,4.89,9
globex,globex.example,mail.globex.example:25,,,
acme,shop.acme.example,mail.acme.example:25,,,
"""


def test_customers_from_csv_are_those_from_yaml(small: Path, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(CSV)
    (tmp_path / "c.yaml").write_text(
        "customers:\n"
        "  - name: acme\n    domains:\n"
        "      - {name: acme.example,\n"
        "         deliver_to: ['mail.acme.example:25', 'mx2.acme.example:26'],\n"
        "         location: [52.37, 4.89], hold_days: 9}\n"
        "      - {name: shop.acme.example, deliver_to: 'mail.acme.example:25'}\n"
        "  - name: globex\n    domains:\n"
        "      - {name: globex.example, deliver_to: 'mail.globex.example:25'}\n"
    )

    from_csv = load_inventory(with_files(small, "c.csv"))
    from_yaml = load_inventory(with_files(small, "c.yaml"))
    assert from_csv == from_yaml


def test_customers_may_stand_here_and_in_files(small: Path, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(CSV.replace("acme", "initech"))
    text = small.read_text() + "  - c.csv\n"
    small.write_text(text)

    assert [one.name for one in load_inventory(small).customers] == ["acme", "initech", "globex"]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("hold_days\n", "hold_days,colour\n", "c.csv:1:57: unknown column 'colour'"),
        ("customer,domain", "customer,name", "c.csv:1:1: missing column 'domain'"),
        ("52.37", "north", "c.csv:2:60: domains.location: input should be a valid number"),
        ("4.89", "181", "c.csv:2:66: domains.location: input should be less than or equal to 180"),
        (",9\n", ",31\n", "c.csv:2:71: domains.hold_days: input should be less than or equal to"),
        ("globex.example,mail", "a..b,mail", "c.csv:3:8: domains.name: 'a..b' is no domain name"),
        ("globex,globex", "Globex!,globex", "c.csv:3:1: name: 'Globex!' is no customer's name"),
        ("globex.example,mail", "acme.example,mail", "c.csv:3:8: domain 'acme.example' stands tw"),
        ("mail.globex.example:25", "", "c.csv:3:23: domains.deliver_to: is empty"),
        ("mail.globex.example:25", "192.0.2.10", "c.csv:3:23: deliver_to 192.0.2.10 is our own"),
        (",,,\n", ",,\n", "c.csv:3:1: 5 columns where the header has 6"),
        ("globex,globex", '"globex,globex', "c.csv:3:1: not valid CSV"),
        (CSV, "", "c.csv:1:1: no header"),
    ],
)
def test_a_mistake_in_a_csv_file_gets_its_line_and_column(
    small: Path, tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    assert old in CSV
    (tmp_path / "c.csv").write_text(CSV.replace(old, new, 1))

    found = complaints(with_files(small, "c.csv"))
    assert any(line.startswith(complaint) for line in found), found


def test_mistakes_in_several_files_are_all_reported(small: Path, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV.replace(",9\n", ",99\n"))
    (tmp_path / "b.yaml").write_text("customers: [{name: x}]\ncolour: red\n")
    found = complaints(with_files(small, "a.csv, b.yaml, gone.csv, a.csv"))

    assert [line.partition(": ")[0] for line in found] == [
        "inventory.yaml:13:28",
        "inventory.yaml:13:38",
        "a.csv:2:71",
        "b.yaml:1:13",
        "b.yaml:2:1",
    ]


def test_a_broken_file_of_customers_is_a_complaint_about_that_file(
    small: Path, tmp_path: Path
) -> None:
    (tmp_path / "a.yaml").write_text("customers: [\n")
    (tmp_path / "b.csv").write_bytes(b"customer,domain,deliver_to\n\xff\xfe,x,y\n")
    found = complaints(with_files(small, "a.yaml, b.csv"))

    assert [line.partition(":")[0] for line in found] == ["a.yaml", "b.csv"]


def test_a_csv_file_may_be_quoted_and_may_come_from_a_spreadsheet(
    small: Path, tmp_path: Path
) -> None:
    rows = [line.split(",") for line in CSV.splitlines()]
    text = "\r\n".join(",".join(f'"{value}"' for value in row) for row in rows)
    (tmp_path / "c.csv").write_text(f"\ufeff{text}\r\n", encoding="utf-8", newline="")
    quoted = load_inventory(with_files(small, "c.csv"))
    (tmp_path / "c.csv").write_text(CSV)

    assert load_inventory(small) == quoted


def test_twenty_thousand_domains_from_csv_never_meet_the_yaml_parser(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [f"c{n // 3},d{n}.example,mail.d{n}.example:25" for n in range(20_000)]
    (tmp_path / "c.csv").write_text("customer,domain,deliver_to\n" + "\n".join(rows) + "\n")
    path = with_files(small, "c.csv")
    parsed: list[Path] = []
    read = Source.read

    def noted(file: Path) -> Source:
        parsed.append(file)
        return read(file)

    monkeypatch.setattr(Source, "read", noted)
    steps: list[tuple[str, int, int]] = []
    inventory = load_inventory(path, progress=lambda *step: steps.append(step))

    assert counts_of(inventory)["domains"] == 20_000
    assert parsed == [path]
    assert steps[0] == ("reading customers", 0, 6667)


def in_files(small: Path) -> Path:
    """Put the sites, the engines and the customers of the small inventory into files."""
    text = small.read_text()
    sites, rest = text[text.index("sites:") :].split("customers:")
    london, paris = sites.split("  - name: paris")
    folder = small.parent / "sites"
    folder.mkdir()
    (folder / "london.yaml").write_text(london)
    (folder / "paris.yaml").write_text(f"sites:\n  - name: paris{paris}")
    (small.parent / "engines.yaml").write_text("engines: [{name: yara, kind: yara}]\n")
    (small.parent / "customers.yaml").write_text(f"customers:{rest}")
    small.write_text(
        text[: text.index("sites:")] + "sites: [sites/london.yaml, sites/paris.yaml]\n"
        "engines: engines.yaml\ncustomers: customers.yaml\n"
    )
    return small


def test_sites_engines_and_customers_may_stand_in_files(small: Path) -> None:
    whole = load_inventory(small)
    parts = load_inventory(in_files(small))

    assert (parts.sites, parts.customers) == (whole.sites, whole.customers)
    assert [one.name for one in parts.engines or ()] == ["yara"]


def test_a_complaint_names_the_included_file(small: Path) -> None:
    in_files(small)
    paris = small.parent / "sites" / "paris.yaml"
    paris.write_text(paris.read_text().replace("10.77.2.1", "10.77.1.1").replace("location", "loc"))

    assert complaints(small) == [
        "sites/paris.yaml:2:5: missing key 'location'; add it",
        "sites/paris.yaml:3:5: unknown key 'loc'; remove it or correct its spelling",
        "sites/paris.yaml:5:65: vpn_address 10.77.1.1 is that of lon1 too; correct one",
    ]


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("../outside.yaml", "'../outside.yaml' is not in the inventory's folder"),
        ("sites/../../outside.yaml", "is not in the inventory's folder"),
        ("/etc/passwd", "'/etc/passwd' is not in the inventory's folder"),
        ("link.yaml", "'link.yaml' is a link out of the inventory's folder"),
        ("round.yaml", "no such file 'round.yaml'"),
        ("inventory.yaml", "'inventory.yaml' is the inventory itself"),
        ("./sites/paris.yaml", "stands twice"),
        ("sites", "no such file 'sites'"),
        ('"a\\0b"', "is no file's name"),
        ("c.csv", "sites cannot be read from CSV"),
        ("more.yaml", "more.yaml:1:9: 'sites/paris.yaml' stands in an included file"),
    ],
)
def test_only_files_of_the_inventorys_folder_are_read(
    small: Path, tmp_path: Path, name: str, complaint: str
) -> None:
    in_files(small)
    outside = tmp_path.parent / f"{tmp_path.name}-outside.yaml"
    outside.write_text("sites: []\n")
    (tmp_path / "link.yaml").symlink_to(outside)
    (tmp_path / "round.yaml").symlink_to("round.yaml")
    (tmp_path / "c.csv").write_text("name\n")
    (tmp_path / "more.yaml").write_text("sites: [sites/paris.yaml]\n")
    small.write_text(small.read_text().replace("paris.yaml]", f"paris.yaml, {name}]"))

    (found,) = complaints(small)
    assert complaint in found
    outside.unlink()


def test_what_is_no_text_is_told_with_its_place(small: Path) -> None:
    small.write_bytes(small.read_bytes() + b"# caf\xe9\n")

    assert complaints(small) == ["inventory.yaml:17:6: no text in UTF-8; save it as that"]
