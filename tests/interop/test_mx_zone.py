"""Do our records get into a real name server: by our own updates, by nsupdate and by octoDNS?"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import cli.mx
from inventory.load import load_inventory
from inventory.mx.known_formats import rendered
from inventory.mx.names import Naming
from inventory.mx.plan import make_plan
from inventory.mx.records import MxRecords, RecordSet, Whose, records_of
from inventory.mx.tsig_key import read_tsig_key
from inventory.mx.zone_changes import ZoneChange
from inventory.mx.zone_update import ZoneChanged, ZoneServer
from tests.support.network.named import NAMED
from tests.support.network.primary import ALGORITHM, KEY_NAME, SECRET, Primary, primary

pytestmark = pytest.mark.skipif(not NAMED, reason="named is not installed (apt-get install bind9)")

ZONE = "mx.scout.example"
KEYS = {"lon1": ["1" * 64, "2" * 64], "par1": ["3" * 64, "4" * 64]}
INVENTORY = """\
cluster:
  name: example
  mail_domain: mx.scout.example
  vpn: 10.77.0.0/16
  mta_sts: {certificates: /etc/borderscout/mta-sts}
  tls_reports: mailto:tls@scout.example
core: {name: core, public: core.scout.example, vpn_address: 10.77.0.1}
sites:
  - name: london
    location: [51.5072, -0.1276]
    nodes:
      - {name: lon1, public: 192.0.2.10, vpn_address: 10.77.1.1}
  - name: paris
    location: [48.8566, 2.3522]
    nodes:
      - {name: par1, public: ["2001:db8:2::10", 198.51.100.10], vpn_address: 10.77.2.1}
customers:
  - name: acme
    domains:
      - {name: acme.example, deliver_to: ["mail.acme.example:25"], location: [52.37, 4.89]}
"""
THEIRS = 'www IN A 192.0.2.80\n@ IN TXT "v=spf1 -all"\nother IN CNAME www\n'


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "inventory.yaml"
    path.write_text(INVENTORY)
    return path


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Primary]:
    folder = tmp_path / "named"
    folder.mkdir()
    acme = "@ IN MX 10 old.acme.example.\nold IN A 192.0.2.25\n"
    async with primary(folder, {ZONE: THEIRS, "acme.example": acme}) as running:
        yield running


async def apply(server: Primary, file: Path, *options: str) -> Result:
    arguments = ["apply", str(file), "--server", server.endpoint, "--tsig-file"]
    runner = CliRunner()
    return await asyncio.to_thread(
        runner.invoke, cli.mx.app, [*arguments, str(server.key_file), *options]
    )


def reader(server: Primary, zone: str = ZONE) -> ZoneServer:
    return ZoneServer(server.endpoint, zone, read_tsig_key(server.key_file))


def of_theirs(sets: list[RecordSet]) -> set[tuple[str, str]]:
    names = {f"www.{ZONE}", f"other.{ZONE}", ZONE}
    return {(one.name, one.kind) for one in sets if one.name in names}


def everything(file: Path) -> MxRecords:
    inventory = load_inventory(file)
    return records_of(inventory, make_plan(inventory), naming=Naming.FIXED, keys=KEYS)


def stands_there(there: list[RecordSet], wanted: tuple[RecordSet, ...]) -> bool:
    found = {(one.name, one.kind): (one.ttl_s, sorted(one.values)) for one in there}
    return all(found.get((one.name, one.kind)) == (one.ttl_s, sorted(one.values)) for one in wanted)


async def test_apply_brings_the_zone_to_the_inventory_and_a_second_time_changes_nothing(
    server: Primary, file: Path
) -> None:
    before = await asyncio.to_thread(reader(server).read)
    tried = await apply(server, file, "--dry-run")
    untouched = await asyncio.to_thread(reader(server).read)
    done = await apply(server, file)
    there = await asyncio.to_thread(reader(server).read)
    again = await apply(server, file, "--json")

    assert tried.exit_code == 2
    assert sorted(map(str, untouched)) == sorted(map(str, before))
    assert done.exit_code == 0, done.output
    assert f"+ lon1.{ZONE}. 300 A 192.0.2.10" in done.stdout.splitlines()
    assert of_theirs(there) == of_theirs(before)
    wanted = records_of(
        load_inventory(file), make_plan(load_inventory(file)), naming=Naming.FIXED
    ).ours.sets
    assert stands_there(there, wanted)
    assert again.exit_code == 0
    assert json.loads(again.stdout) == {"changes": [], "gone_share": 0.0, "is_done": True}
    assert SECRET not in tried.output + done.output + again.output


async def test_what_is_gone_from_the_inventory_goes_from_the_zone_and_is_named(
    server: Primary, file: Path
) -> None:
    assert (await apply(server, file)).exit_code == 0
    site = INVENTORY[INVENTORY.index("  - name: paris") : INVENTORY.index("customers:")]
    file.write_text(INVENTORY.replace(site, ""))
    refused = await apply(server, file)
    kept = await asyncio.to_thread(reader(server).read)
    forced = await apply(server, file, "--force")
    there = await asyncio.to_thread(reader(server).read)

    assert refused.exit_code == 1
    assert "nothing was changed: " in refused.stderr
    assert f"- par1.{ZONE}. 300 A 198.51.100.10" in refused.stdout.splitlines()
    assert f"par1.{ZONE}" in {one.name for one in kept}
    assert forced.exit_code == 0, forced.output
    names = {one.name for one in there}
    assert f"par1.{ZONE}" not in names
    assert f"www.{ZONE}" in names


async def test_a_change_of_somebody_else_is_not_lost(server: Primary, file: Path) -> None:
    assert (await apply(server, file)).exit_code == 0
    at = reader(server)
    there = await asyncio.to_thread(at.read)
    [before] = [one for one in there if (one.name, one.kind) == (f"lon1.{ZONE}", "A")]
    theirs = RecordSet(before.name, "A", 300, ("192.0.2.99",))
    await asyncio.to_thread(at.change, [ZoneChange(before, theirs)])

    with pytest.raises(ZoneChanged):
        ours = RecordSet(before.name, "A", 300, ("192.0.2.77",))
        await asyncio.to_thread(at.change, [ZoneChange(before, ours)])
    after = await asyncio.to_thread(at.read)
    assert theirs.values in [one.values for one in after if one.name == before.name]


async def test_more_than_fits_in_one_message_is_sent_in_several(server: Primary) -> None:
    many = [
        ZoneChange(None, RecordSet(f"p1-{number:016}.{ZONE}", "A", 300, ("192.0.2.1",)))
        for number in range(3000)
    ]
    at = reader(server)
    told: list[int] = []
    await asyncio.to_thread(at.change, many, lambda _what, done, _all: told.append(done))

    assert len(told) > 1
    assert len(await asyncio.to_thread(at.read)) >= 3000


async def test_who_interrupts_an_update_is_told_that_a_part_may_stand_in_the_zone(
    server: Primary, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_asked: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(ZoneServer, "change", interrupted)
    said = await apply(server, file)

    assert said.exit_code == 130
    assert "what was sent may stand in the zone: run it again" in said.stderr


async def test_a_wrong_key_is_said_in_one_line(server: Primary, file: Path) -> None:
    server.key_file.write_text(server.key_file.read_text().replace("Zm9y", "Zm9z"))
    result = await apply(server, file)

    assert result.exit_code == 1
    assert f"{server.endpoint} does not take the key {KEY_NAME}" in result.stderr
    assert len(result.stderr.splitlines()) == 1


async def test_a_key_that_others_may_read_is_not_used(server: Primary, file: Path) -> None:
    server.key_file.chmod(0o640)
    result = await apply(server, file)

    assert result.exit_code == 1
    assert "others may read it (mode 0640); chmod 600 it" in result.stderr


async def test_another_zone_than_ours_is_an_error(server: Primary, file: Path) -> None:
    result = await apply(server, file, "--zone", "acme.example")

    assert result.exit_code == 1
    assert "does not lie in the zone acme.example" in result.stderr


async def test_nsupdate_takes_our_scripts(server: Primary, file: Path, tmp_path: Path) -> None:
    tool = shutil.which("nsupdate")
    if tool is None:
        pytest.skip("nsupdate is not installed (apt-get install bind9-dnsutils)")
    records = everything(file)
    for whose in Whose:
        for name, text in rendered("nsupdate", records, whose=whose).files.items():
            script = tmp_path / name
            script.write_text(f"server 127.0.0.1 {server.port}\n{text}")
            for _ in range(2):  # a second time changes nothing
                await asyncio.to_thread(
                    subprocess.run,
                    [tool, "-k", str(server.key_file), str(script)],
                    check=True,
                    timeout=60,
                )
    ours = await asyncio.to_thread(reader(server).read)
    acme = await asyncio.to_thread(reader(server, "acme.example").read)

    assert stands_there(ours, records.ours.sets)
    assert stands_there(acme, records.customers[0].sets)
    assert of_theirs(ours) >= {(f"www.{ZONE}", "A"), (ZONE, "TXT")}


async def test_nsupdate_touches_no_alias(server: Primary, file: Path, tmp_path: Path) -> None:
    tool = shutil.which("nsupdate")
    if tool is None:
        pytest.skip("nsupdate is not installed (apt-get install bind9-dnsutils)")
    at = reader(server)
    alias = RecordSet(f"lon1.{ZONE}", "CNAME", 60, (f"www.{ZONE}.",))
    await asyncio.to_thread(at.change, [ZoneChange(None, alias)])
    [text] = rendered("nsupdate", everything(file), whose=Whose.OURS).files.values()
    (tmp_path / "script").write_text(f"server 127.0.0.1 {server.port}\n{text}")
    ended = await asyncio.to_thread(
        subprocess.run, [tool, "-k", str(server.key_file), str(tmp_path / "script")], timeout=60
    )
    applied = await apply(server, file)

    assert ended.returncode == 2
    assert applied.exit_code == 1
    assert f"lon1.{ZONE} has a CNAME record that is not ours" in applied.stderr


async def octodns(folder: Path, server: Primary, program: str, *options: str) -> str:
    environment = {
        "DNS_SERVER": "127.0.0.1",
        "DNS_PORT": str(server.port),
        "DNS_KEY_NAME": KEY_NAME,
        "DNS_KEY_SECRET": SECRET,
        "DNS_KEY_ALGORITHM": ALGORITHM,
    }
    command = [str(Path(sys.executable).parent / program), "--config-file", "config.yaml", *options]
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(("whose", "zone"), [(Whose.OURS, ZONE), (Whose.CUSTOMERS, "acme.example")])
async def test_octodns_validates_and_applies_our_zones(
    server: Primary, file: Path, tmp_path: Path, whose: Whose, zone: str
) -> None:
    folder = tmp_path / "octodns"
    folder.mkdir()
    records = everything(file)
    for name, text in rendered("octodns", records, whose=whose).files.items():
        (folder / name).write_text(text)
    before = await asyncio.to_thread(reader(server, zone).read)
    await octodns(folder, server, "octodns-validate")
    await octodns(folder, server, "octodns-sync", "--doit", "--force")
    there = await asyncio.to_thread(reader(server, zone).read)
    again = await octodns(folder, server, "octodns-sync")

    [sets] = [one.sets for one in records.of(whose)]
    kinds = {"MX"} if whose is Whose.CUSTOMERS else {one.kind for one in sets}
    assert stands_there(there, tuple(one for one in sets if one.kind in kinds))
    if whose is Whose.OURS:
        assert of_theirs(there) == of_theirs(before)
    else:
        assert ("old.acme.example", "A") in {(one.name, one.kind) for one in there}
    assert "No changes were planned" in again


async def test_tools_take_a_zone_whose_name_is_longer_than_a_files_beside_the_others(
    file: Path, tmp_path: Path
) -> None:
    tool = shutil.which("nsupdate")
    if tool is None:
        pytest.skip("nsupdate is not installed (apt-get install bind9-dnsutils)")
    # No longer: the server of this test has a file, and a journal beside it, named after the zone.
    domain = f"{'a' * 61}.{'b' * 61}.{'c' * 61}.{'d' * 52}.example"
    more = f"  - name: long\n    domains: [{{name: {domain}, deliver_to: mail.other.example}}]\n"
    file.write_text(INVENTORY + more)
    records = everything(file)
    for format_name in ("octodns", "nsupdate"):
        folder, zones = tmp_path / format_name, tmp_path / f"zones-{format_name}"
        folder.mkdir()
        zones.mkdir()
        files = rendered(format_name, records, whose=Whose.CUSTOMERS).files
        for name, text in files.items():
            (folder / name).write_text(text)
        async with primary(zones, {"acme.example": "", domain: ""}) as server:
            if format_name == "octodns":
                await octodns(folder, server, "octodns-validate")
                await octodns(folder, server, "octodns-sync", "--doit", "--force")
            for name, text in files.items() if format_name == "nsupdate" else ():
                (folder / name).write_text(f"server 127.0.0.1 {server.port}\n{text}")
                command = [tool, "-k", str(server.key_file), str(folder / name)]
                await asyncio.to_thread(subprocess.run, command, check=True, timeout=60)
            for zone in records.customers:
                there = await asyncio.to_thread(reader(server, zone.name).read)
                wanted = [one for one in zone.sets if one.kind == "MX" or format_name != "octodns"]
                assert stands_there(there, tuple(wanted)), (format_name, zone.name)
