"""Is a difference between the inventory and the world found: in DNS, at a node, in a policy?"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import pytest
from aiosmtpd.smtp import SMTP
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from typer.testing import CliRunner, Result

import cli.mx
from common.clock import SystemClock
from common.settings.satellite import MtaStsSettings
from inventory.load import load_inventory
from inventory.mx import live_dns, live_smtp
from inventory.mx.known_formats import rendered
from inventory.mx.live_smtp import certificate_problems
from inventory.mx.names import Naming
from inventory.mx.plan import make_plan
from inventory.mx.records import Whose, records_of
from satellite.node.policy_host import PolicyHost
from tests.support.network.authority import Authority
from tests.support.network.named import NAMED, named
from tests.support.network.ports import free_port

pytestmark = pytest.mark.skipif(not NAMED, reason="named is not installed (apt-get install bind9)")

ZONE, NODES = "mx.scout.example", {"lon1": "127.0.0.2", "par1": "127.0.0.3"}
INVENTORY = """\
cluster:
  name: example
  mail_domain: mx.scout.example
  vpn: 10.77.0.0/16
  mta_sts: {certificates: /c}
  tls_reports: mailto:tls@scout.example
core: {name: core, public: core.scout.example, vpn_address: 10.77.0.1}
sites:
  - name: london
    location: [51.5072, -0.1276]
    nodes:
      - {name: lon1, public: 127.0.0.2, vpn_address: 10.77.1.1}
  - name: paris
    location: [48.8566, 2.3522]
    nodes:
      - {name: par1, public: 127.0.0.3, vpn_address: 10.77.2.1}
customers:
  - name: acme
    domains:
      - {name: acme.example, deliver_to: ["mail.acme.example:25"], location: [52.37, 4.89]}
"""


class World:
    """What the inventory describes, on loopback."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "inventory.yaml"
        self.file.write_text(INVENTORY)
        self.folder = folder
        self.authority = Authority(folder)
        self.smtp, self.https = free_port(), free_port()
        self.shown = self.authority.issue(f"*.{ZONE}")
        self.mode = "testing"
        self.changed: dict[str, str] = {}
        self.without_node = ""

    @property
    def digest(self) -> str:
        key = x509.load_pem_x509_certificate(self.shown.read_bytes()).public_key()
        der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return hashlib.sha256(der).hexdigest()

    def zones(self) -> dict[str, str]:
        inventory = load_inventory(self.file)
        keys = {node: [self.digest] for node in NODES}
        records = records_of(inventory, make_plan(inventory), naming=Naming.FIXED, keys=keys)
        found = {
            name.removesuffix(".zone"): text
            for whose in Whose
            for name, text in rendered("bind", records, whose=whose).files.items()
        }
        for zone, text in found.items():
            for old, new in self.changed.items():
                found[zone] = found[zone].replace(old, new) if old in text else found[zone]
        return found

    @contextlib.asynccontextmanager
    async def verified(self, *options: str) -> AsyncIterator[Result]:
        async with contextlib.AsyncExitStack() as stack:
            for node, address in NODES.items():
                if node != self.without_node:
                    await self._mail_server(stack, node, address)
            await self._policy_host(stack)
            folder = self.folder / "named"
            folder.mkdir()
            server = await stack.enter_async_context(named(folder, self.zones()))
            port = server.endpoint.rpartition(":")[2]
            yield await asyncio.to_thread(
                CliRunner().invoke,
                cli.mx.app,
                [
                    *("verify", str(self.file), "--resolver", server.endpoint),
                    *("--dns-port", port, "--smtp-port", str(self.smtp)),
                    *("--https-port", str(self.https), "--authorities", str(self.authority.path)),
                    *options,
                ],
            )

    async def _mail_server(self, stack: contextlib.AsyncExitStack, node: str, address: str) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.shown)
        sessions: list[SMTP] = []

        def session() -> SMTP:
            sessions.append(SMTP(object(), hostname=f"{node}.{ZONE}", tls_context=context))
            return sessions[-1]

        server = await asyncio.get_running_loop().create_server(session, address, self.smtp)
        stack.push_async_callback(ended, server, sessions)

    async def _policy_host(self, stack: contextlib.AsyncExitStack) -> None:
        folder = self.folder / "certificates"
        folder.mkdir()
        content = self.authority.issue("mta-sts.acme.example").read_bytes()
        for kind in ("crt", "key"):
            (folder / f"mta-sts.acme.example.{kind}").write_bytes(content)
        settings = MtaStsSettings.model_validate(
            {
                "listen": [f"{address}:{self.https}" for address in NODES.values()],
                "certificates": str(folder),
                "mode": self.mode,
                "hosts": [f"*.{ZONE}"],
            }
        )
        running = asyncio.create_task(PolicyHost(settings, SystemClock()).run())
        stack.push_async_callback(asyncio.wait, [running])
        stack.callback(running.cancel)


async def ended(server: asyncio.Server, sessions: list[SMTP]) -> None:
    """Close a server with the sessions that it still has."""
    server.close()
    for session in sessions:
        if session.transport is not None:
            cast("asyncio.WriteTransport", session.transport).abort()
    await asyncio.sleep(0)  # what is aborted closes its socket in the loop's next turn


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    monkeypatch.setattr(live_smtp, "SOON", timedelta(minutes=1))  # a test's certificates live a day
    monkeypatch.setattr(live_dns, "ANSWER_S", 1.0)
    return World(tmp_path)


def drift(result: Result) -> list[str]:
    return [f"{one['where']}: {one['what']}" for one in json.loads(result.stdout)["drift"]]


async def test_a_world_as_the_inventory_says_is_no_drift(world: World) -> None:
    async with world.verified() as result:
        assert (result.exit_code, result.stdout) == (0, "all is as the inventory says\n")


async def test_what_differs_in_dns_is_named_at_each_server(world: World) -> None:
    world.changed = {
        "lon1 IN A 127.0.0.2": "lon1 IN A 127.0.0.9",
        "@ IN MX 20 p2": "@ IN MX 30 old.acme.example.\n@ IN MX 25 p2",
    }
    async with world.verified("--json") as result:
        found = drift(result)

    assert result.exit_code == 2
    for server in ("ns.mx.scout.example (127.0.0.1)", "resolver 127.0.0.1:"):
        assert any(f"lon1.{ZONE}: {server}" in one and "no A 127.0.0.2" in one for one in found)
    assert any("another MX '30 old.acme.example.': what comes by it" in one for one in found)
    assert any("no MX 20 p2-" in one for one in found)


async def test_an_mx_that_is_an_alias_is_named(world: World) -> None:
    world.changed = {"par1 IN A 127.0.0.3": "par1 IN CNAME lon1", "_25._tcp.par1 ": "x "}
    async with world.verified("--json") as result:
        assert any(f"is an alias of lon1.{ZONE}." in one for one in drift(result))


async def test_a_node_that_takes_no_mail_is_named(world: World) -> None:
    world.without_node = "par1"
    async with world.verified("--json") as result:
        [only] = drift(result)

    assert result.exit_code == 2
    assert only.startswith(f"par1.{ZONE} (127.0.0.3): takes no mail: ")


async def test_a_key_that_dns_does_not_name_is_named(world: World) -> None:
    world.changed = {world.digest: "0" * 64}
    async with world.verified("--json") as result:
        assert sum("TLSA records do not name" in one for one in drift(result)) == 2


async def test_another_policy_is_named(world: World) -> None:
    world.mode = "none"
    async with world.verified("--json") as result:
        [only] = drift(result)

    assert only == (
        "acme.example: mta-sts.acme.example gives another policy than the inventory says"
    )


async def test_a_server_that_keeps_silent_beside_others_is_a_warning(world: World) -> None:
    async with world.verified("--resolver", f"127.0.0.1:{free_port()}") as result:
        assert result.exit_code == 0
        assert all(line.startswith("warning: ") for line in result.stdout.splitlines())
        assert "does not answer" in result.stdout


def test_a_certificate_of_another_name_or_at_its_end_is_named(tmp_path: Path) -> None:
    pem = Authority(tmp_path).issue("mail.elsewhere.example").read_bytes()
    octets = x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    later = datetime.now(UTC) + timedelta(days=4000)
    found = list(certificate_problems(octets, host=f"lon1.{ZONE}", keys=[], now=later))

    assert found[0].startswith("shows a certificate for mail.elsewhere.example, not for lon1.")
    assert found[1].startswith("shows a certificate that ends at ")
