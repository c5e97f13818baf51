"""What the docs tell an operator to type for NOD32 and Trend Micro is what he has to type.

The block of the page is put into the example inventory, checked and rendered by the commands that
it names, and a message is scanned with what was rendered, against peers that give the documented
answers of the products.
"""

from __future__ import annotations

import re
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.cluster.commands import Said, run
from tests.support.our_files import ROOT
from tests.support.scanning.clamd import EICAR
from tests.support.scanning.messages import plain
from tests.support.scanning.scripted_clamd import ScriptedClamd
from tests.support.scanning.scripted_icap import CLEAN, ScriptedIcap, icap

PAGE = ROOT / "docs" / "engines.md"
# As in the tables of documented answers; the test file has another name with each vendor.
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Type: text/html\r\nContent-Length: 0\r\n\r\n"
ESET = icap(
    "200 OK",
    "X-Infection-Found: Type=0; Resolution=0; Threat=Eicar;",
    "X-Virus-ID: Testdatei",
    "X-Response-Info: Blocked",
    b"X-Response-Description: Gel\xc3\xb6scht",
    http=FORBIDDEN,
    body=b"",
)
TREND = icap(
    "200 OK",
    "X-Virus-ID: Eicar_test_file",
    "X-Infection-Found: Type=0; Resolution=2; Threat=Eicar_test_file;",
    http=b"HTTP/1.1 403 Forbidden (TMWS Blocked)\r\n\r\n",
    body=b"<html>blocked</html>",
)


def typed() -> list[dict[str, Any]]:
    """Return the engines of the page's first block."""
    block = re.search(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert block is not None
    engines: list[dict[str, Any]] = yaml.safe_load(block[1])["engines"]
    return engines


async def rendered(folder: Path) -> Path:
    """Return the settings file of a node, rendered with these engines as the page says."""
    tree = yaml.safe_load((ROOT / "inventory" / "example.yaml").read_text(encoding="utf-8"))
    tree["engines"] = typed()
    file, out = folder / "inventory.yaml", folder / "out"
    file.write_text(yaml.safe_dump(tree))
    checked = await run("inventory", "check", file)
    assert (checked.status, checked.err) == (0, ""), checked
    said = await run("inventory", "render", file, "--out", out)
    assert said.status == 0, said
    return out / "lon1" / "satellite.yaml"


async def scanned(settings: Path, message: bytes) -> tuple[Said, dict[str, Any]]:
    """Return how the command ended, and each engine's verdict."""
    file = settings.parent / "message.eml"
    file.write_bytes(message)
    said = await run("scan", "--config", settings, "--json", file)
    assert said.out, said
    (found,) = [yaml.safe_load(line) for line in said.out.splitlines()]
    return said, {one["by"]: one for one in found["verdicts"]}


@pytest.mark.parametrize("profile", ["trend-iwsva", "trend-webgateway"])
async def test_what_is_typed_is_checked_rendered_and_finds_the_test_file(
    tmp_path: Path, profile: str
) -> None:
    settings = await rendered(tmp_path)
    tree = yaml.safe_load(settings.read_text(encoding="utf-8"))
    engines = {engine["name"]: engine for engine in tree["engines"]}
    assert list(engines) == ["yara", "clamav", "nod32", "trend"]
    assert engines["nod32"]["options"] == {"profile": "eset"}
    assert engines["trend"]["options"] == {"profile": "trend-iwsva"}
    engines["trend"]["options"]["profile"] = profile  # as the page says of the other product

    def clamav(content: bytes) -> bytes:
        return b"stream: Eicar-Test-Signature FOUND" if EICAR in content else b"stream: OK"

    async with AsyncExitStack() as stack:
        eset = await stack.enter_async_context(
            ScriptedIcap(lambda content: ESET if EICAR in content else CLEAN)
        )
        trend = await stack.enter_async_context(
            ScriptedIcap(lambda content: TREND if EICAR in content else CLEAN)
        )
        clamd = await stack.enter_async_context(ScriptedClamd(tmp_path / "clamd", clamav))
        for name, peer in (("nod32", eset), ("trend", trend), ("clamav", clamd)):
            engines[name]["address"] = peer.address
        settings.write_text(yaml.safe_dump(tree))
        bad, found = await scanned(settings, plain(EICAR))
        good, clean = await scanned(settings, plain(b"hello"))

    assert bad.status == 1
    assert {name: found[name]["outcome"] for name in engines} == dict.fromkeys(engines, "infected")
    assert found["nod32"]["threats"] == ["Eicar"]
    assert found["trend"]["threats"] == ["Eicar_test_file"]
    assert good.status == 0
    assert {name: clean[name]["outcome"] for name in engines} == dict.fromkeys(engines, "clean")
    asked = {"trend-iwsva": "avscan", "trend-webgateway": "interscan"}[profile]
    assert eset.requests[0].startswith(f"RESPMOD icap://{eset.address}/scan ICAP/1.0".encode())
    assert trend.requests[0].startswith(f"RESPMOD icap://{trend.address}/{asked} ICAP".encode())
    assert b"rspamd" not in eset.requests[0].lower()  # ESET refuses who calls himself so
