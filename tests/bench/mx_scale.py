"""What does the MX plan of very many domains cost, and how evenly does it share them?

Touches files in a temporary folder, and its own memory: each measurement is a process of its own.
``python -m tests.bench mx_scale`` prints the figures; docs/benchmarks.md has them, and the goals.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from inventory.model import Location, MailDomain, Node, Site
from inventory.mx.planner import Planner

DOMAINS = 1_000_000
SMALL = (100_000, 3)  # domains and sites
SITES = 20
BATCH = 10_000  # domains that are made, and then put in order
CAPACITIES = (100, 200, 400)
T = TypeVar("T")

HEAD = {
    "cluster": {"name": "bench", "mail_domain": "mx.scout.example", "vpn": "10.64.0.0/10"},
    "core": {"name": "core", "public": "core.scout.example", "vpn_address": "10.64.0.1"},
}


def run(*, domains: int = DOMAINS) -> dict[str, dict[str, float]]:
    """Return the figures of a ``small`` plan and a ``large`` one, which is of so many domains."""
    found: dict[str, dict[str, float]] = {}
    for size, (count, sites) in (("small", SMALL), ("large", (domains, SITES))):
        found[size] = {"domains": count, "sites": sites}
        for key, value in _alone(whole_command, count, sites).items():
            found[size][key] = value
            _say(f"mx plan --json of {count} domains, {sites} sites: {key}", value)
        for key, value in _alone(shares, count, sites).items():
            found[size][key] = value
            _say(f"{count} domains, {sites} equally good sites: {key}", value)
    return found


def whole_command(count: int, site_count: int) -> dict[str, float]:
    """Return time and memory of the command, reading the inventory and writing all."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        inventory = _written(folder, count, site_count)
        program = [sys.executable, "-m", "cli", "mx", "plan", str(inventory), "--json"]
        began_s = time.perf_counter()
        with (folder / "plan.json").open("wb") as target:
            subprocess.run(program, stdout=target, check=True, cwd=Path(__file__).parents[2])
        wall_s = time.perf_counter() - began_s
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {
            "wall_s": wall_s,
            "cpu_s": used.ru_utime + used.ru_stime,
            "peak_mib": used.ru_maxrss / 1024,
            "file_mib": (folder / "plan.json").stat().st_size / (1 << 20),
        }


def shares(count: int, site_count: int) -> dict[str, float]:
    """Return how far sites are from their part by capacity, as planned and with each one off.

    Domains have no location, so that all sites are equally good for them. ``off`` is what a site
    has when another is off; ``took`` is its part of what that one had. ``took_sigmas`` is how far
    that is, in standard deviations of as many independent choices: of all pairs the most, and the
    root of the mean square, which is 1 where nothing but chance is at work.
    """
    sites = _sites(random.Random(1), site_count)
    planner = Planner(sites)
    plain = MailDomain(name="x.example", deliver_to=("mail.x.example:25",))
    firsts = dict.fromkeys((site.name for site in sites), 0)
    seconds = {(a, b): 0 for a in firsts for b in firsts}
    ranking_s = 0.0
    for begin in range(0, count, BATCH):
        numbers = range(begin, min(count, begin + BATCH))
        domains = [replace(plain, name=f"d{number}.example") for number in numbers]
        began_s = time.process_time()
        ranked = [planner.ranked(domain) for domain in domains]
        ranking_s += time.process_time() - began_s
        for (_, first), (_, second), *_ in ranked:
            firsts[first] += 1
            seconds[first, second] += 1
    capacities = {site.name: site.capacity for site in sites}
    total = sum(capacities.values())
    found = {
        "ranking_cpu_s": ranking_s,
        "share_off_pct": max(
            _off_pct(firsts[name], count * capacities[name] / total) for name in firsts
        ),
        "share_off_when_one_is_off_pct": 0.0,
        "took_off_points": 0.0,
        "took_off_pct": 0.0,
        "took_sigmas": 0.0,
    }
    squares = []
    fewest = float(count)
    for away in firsts:
        left = total - capacities[away]
        for name in firsts.keys() - {away}:
            took = seconds[away, name]
            part = capacities[name] / left
            fewest = min(fewest, firsts[away] * part)
            sigma = math.sqrt(firsts[away] * part * (1 - part))
            squares.append(((took - firsts[away] * part) / sigma) ** 2)
            for key, value in (
                ("share_off_when_one_is_off_pct", _off_pct(firsts[name] + took, count * part)),
                ("took_off_points", abs(took / firsts[away] - part) * 100),
                ("took_off_pct", _off_pct(took, firsts[away] * part)),
                ("took_sigmas", math.sqrt(squares[-1])),
            ):
                found[key] = max(found[key], value)
    mean = sum(squares) / len(squares)
    return found | {"took_sigmas_mean": math.sqrt(mean), "took_fewest": fewest}


def _off_pct(value: float, expected: float) -> float:
    return abs(value - expected) / expected * 100


def _sites(chance: random.Random, count: int) -> Sequence[Site]:
    return [
        Site(
            name=f"site{number}",
            location=Location(chance.uniform(-35, 60), chance.uniform(-180, 180)),
            capacity=CAPACITIES[number % len(CAPACITIES)],
            nodes=(
                Node(
                    name=f"n{number}",
                    public=(f"192.{number}.2.1",),
                    vpn_address=(f"10.64.1.{number + 1}",),
                ),
            ),
        )
        for number in range(count)
    ]


def _written(folder: Path, count: int, site_count: int) -> Path:
    """Write an inventory; a third of the domains has no location, each other one its own."""
    chance = random.Random(2)
    sites = [site.model_dump(mode="json", exclude_none=True) for site in _sites(chance, site_count)]
    per_file = 500_000  # a file of more is refused
    names = [f"c{number}.csv" for number in range((count + per_file - 1) // per_file)]
    for number, name in enumerate(names):
        rows = _rows(chance, range(number * per_file, min(count, (number + 1) * per_file)))
        with (folder / name).open("w", encoding="utf-8") as file:
            file.write("customer,domain,deliver_to,latitude,longitude\n")
            file.writelines(rows)
    path = folder / "inventory.yaml"
    path.write_text(json.dumps({**HEAD, "sites": sites, "customers": names}), encoding="utf-8")
    return path


def _rows(chance: random.Random, numbers: range) -> Iterator[str]:
    for number in numbers:
        place = ","
        if number % 3:
            place = f"{chance.uniform(-35, 60):.4f},{chance.uniform(-180, 180):.4f}"
        # A customer of each file has an end there: a name may stand in one file alone.
        yield f"c{number // 100},d{number}.example,mail.d{number}.example:25,{place}\n"


def _alone(what: Callable[[int, int], T], count: int, sites: int) -> T:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(what, count, sites).result()


def _say(what: str, figure: float) -> None:
    print(f"{what:90} {figure:10.2f}", flush=True)
