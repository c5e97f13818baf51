"""How long do the commands of an inventory of very many domains take, and how much memory?

Touches a temporary folder, and starts ``borderscout`` for each command: its time, its processor's
time and its peak are those of the command alone. ``python -m tests.bench inventory_scale`` prints
the figures of docs/inventory.md.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

DOMAINS = 100_000
OF_ONE_CUSTOMER = 3
HEADER = "customer,domain,deliver_to,latitude,longitude,hold_days,recipients"
EXAMPLE = Path(__file__).parents[2] / "inventory" / "example.yaml"
COMMANDS = {
    "check": ("inventory", "check", "FILE"),
    "render": ("inventory", "render", "FILE", "--out", "DIR", "--loopback"),
    "plan": ("mx", "plan", "FILE"),
}


def run(*, domains: int) -> dict[str, Any]:
    """Return for each form of the customers and each command what it used."""
    record: dict[str, Any] = {"domains": domains}
    head = EXAMPLE.read_text(encoding="utf-8").partition("\ncustomers:")[0]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for form, lines in (("csv", _csv(domains)), ("yaml", _yaml(domains))):
            customers = folder / f"customers.{form}"
            customers.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
            inventory = folder / f"{form}.yaml"
            text = f"{head}\ncustomers: [{customers.name}]\n"
            inventory.write_text(text, encoding="utf-8")
            places = {"FILE": str(inventory), "DIR": str(folder / form)}
            for command, words in COMMANDS.items():
                used = _used([places.get(word, word) for word in words])
                record[f"{command} {form}"] = used
                print(
                    f"  {command:8}{form:6}{used['wall_s']:7.1f} s, of a processor "
                    f"{used['cpu_s']:6.1f} s, peak {used['peak_mib']:5} MiB",
                    flush=True,
                )
    return record


def _used(words: list[str]) -> dict[str, Any]:
    """Run a command in a process of its own, and return what it used."""
    program = (sys.executable, "-c", "from cli.main import main; main()")
    began_s = time.monotonic()
    process = subprocess.Popen((*program, *words), stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(words)} ended with {process.returncode}")
    return {
        "wall_s": time.monotonic() - began_s,
        "cpu_s": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss // 1024,
    }


def _rows(domains: int) -> Iterator[tuple[str, str, list[str], tuple[float, float] | None]]:
    """Yield customer, domain, servers and place: every second has one, every fourth two servers."""
    chance = random.Random(14)
    for number in range(domains):
        domain = f"domain-{number:06}.example"
        servers = [f"mail.{domain}:25"]
        if number % 4 == 0:
            servers.append(f"192.168.{number % 250}.{number // 250 % 250}:2525")
        place = round(chance.uniform(36, 60), 4), round(chance.uniform(-9, 25), 4)
        customer = f"customer-{number // OF_ONE_CUSTOMER:05}"
        yield customer, domain, servers, place if number % 2 else None


def _csv(domains: int) -> Iterator[str]:
    yield HEADER
    for customer, domain, servers, place in _rows(domains):
        north, east = place or ("", "")
        yield f"{customer},{domain},{' '.join(servers)},{north},{east},7,any"


def _yaml(domains: int) -> Iterator[str]:
    yield "customers:"
    before = ""
    for customer, domain, servers, place in _rows(domains):
        if customer != before:
            yield f"  - name: {customer}"
            yield "    domains:"
            before = customer
        yield f"      - name: {domain}"
        yield f"        deliver_to: {servers}"
        if place is not None:
            yield f"        location: {list(place)}"
