"""How does a test have the three machines of docs/operating/first-cluster.md, and type it?

Touches namespaces, machines and servers; takes root. All machines are on one wire, each with the
address that the page gives it. ``outside`` is everybody else: the sender, the customer's mail
server, and the name server of our zone.
"""

from __future__ import annotations

import contextlib
import mailbox
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.cluster.commands import Said
from tests.support.machines.booted import HOME, BootedMachine, booted
from tests.support.network.hosts import Namespace, Namespaces
from tests.support.network.named import NAMED
from tests.support.network.primary import ALGORITHM, KEY_NAME, SECRET
from tests.support.our_files import ROOT

PAGE = ROOT / "docs" / "operating" / "first-cluster.md"
ADDRESSES = {"core": "192.0.2.1", "lon1": "198.51.100.10", "fra1": "203.0.113.10"}
OUTSIDE = "outside"
CUSTOMER, NAME_SERVER, SENDER = "192.0.2.25", "192.0.2.53", "192.0.2.200"
NODES = ("lon1", "fra1")

_PLACE = re.compile(r"(?:[Oo]n|such as) `(\w+)`(?: and `(\w+)`)?")
DNS_KEY = f'key "{KEY_NAME}" {{ algorithm {ALGORITHM}; secret "{SECRET}"; }};\n'
_NAMED = """
options {{
    directory "{folder}"; pid-file none; session-keyfile none; managed-keys-directory "{folder}";
    listen-on {{ {address}; }}; listen-on-v6 {{ none; }};
    recursion no; notify no; dnssec-validation no;
}};
controls {{ }};
zone "mx.scout.example" {{
    type primary; file "{folder}/zone";
    allow-transfer {{ key "{key}"; }}; allow-update {{ key "{key}"; }};
}};
"""
_ZONE = f"""$TTL 60
@ IN SOA ns host 1 3600 600 86400 45
@ IN NS ns
ns IN A {NAME_SERVER}
"""
_SEND = """
import hashlib, smtplib, sys
node, sender, first, count = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
for number in range(first, first + count):
    if (number - first) % 20 == 0:
        client = smtplib.SMTP(node, 25, source_address=(sender, 0), timeout=60)
    words = " ".join(hashlib.sha256(b"%d" % number).hexdigest()[at : at + 6] for at in range(58))
    client.sendmail("you@elsewhere.example", ["somebody@acme.example"],
        f"Subject: number {number}\\nMessage-ID: <{number}@elsewhere.example>\\n\\n{words}\\n")
"""


@dataclass(frozen=True)
class Typed:
    """A line of the page, and the machines that it is typed on."""

    machines: tuple[str, ...]
    line: str


def typed_on_the_page() -> list[Typed]:
    """Return what the page says to type, in its order."""
    found: list[Typed] = []
    machines: tuple[str, ...] = ()
    for text, kind, block in re.findall(
        r"(?ms)(.*?)^```(\w*)\n(.*?)^```$", PAGE.read_text(encoding="utf-8")
    ):
        for names in _PLACE.findall(text):
            machines = tuple(name for name in names if name)
        if not kind:
            found += [Typed(machines, line) for line in block.splitlines()]
    return found


def inventory_of_the_page() -> str:
    """Return the inventory that the page has whole."""
    (text,) = re.findall(r"(?ms)^```yaml\n(.*?)^```$", PAGE.read_text(encoding="utf-8"))
    return str(text)


@dataclass
class FirstCluster:
    """Three machines and the world around them."""

    machines: dict[str, BootedMachine]
    outside: Namespace
    folder: Path
    exports: dict[str, list[str]] = field(default_factory=dict)

    def type(self, machine: str, line: str, *, given: str = "") -> Said:
        """Type a line on a machine; what is exported there holds for the lines after it."""
        if machine == OUTSIDE:
            argv = self.outside.argv(*line.split())
            done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
            return Said(done.returncode, done.stdout, done.stderr)
        before = self.exports.setdefault(machine, [])
        if line.startswith("export "):
            before.append(line)
        return self.machines[machine].type("; ".join([*before, line]), given=given)

    def send(self, node: str, *, first: int, count: int) -> None:
        """Give numbered messages to a node, each of which it must take."""
        self.outside.run(
            *(sys.executable, "-c", _SEND, ADDRESSES[node], SENDER, str(first), str(count)),
            timeout_s=120,
        )

    @contextlib.contextmanager
    def customer(self) -> Iterator[None]:
        """Run the customer's server for the length of a block."""
        handler = ("-c", "aiosmtpd.handlers.Mailbox", str(self.folder / "mail"))
        listening = ("-l", f"{CUSTOMER}:25")
        # The handler's argument comes last.
        command = (sys.executable, "-m", "aiosmtpd", "-n", *listening, *handler)
        with _running(self.outside, command):
            yield

    def arrived(self) -> list[str]:
        """Return the subjects of what the customer got, sorted."""
        folder = self.folder / "mail"
        if not folder.exists():
            return []
        return sorted(str(message["subject"]) for message in mailbox.Maildir(folder))

    def copy(self, packages: Sequence[Path], machine: str) -> None:
        """Put packages into root's home folder, in the place of others."""
        target = self.machines[machine]
        target.done("rm -f *.deb")
        for package in packages:
            target.write(f"{HOME}/{package.name}", package.read_bytes())


@contextlib.contextmanager
def first_cluster(base: Path, laboratory: Namespaces, folder: Path) -> Iterator[FirstCluster]:
    """Have three machines, and the world around them, for the length of a block."""
    outside = laboratory.create(OUTSIDE)
    networks = {name: laboratory.create(name) for name in ADDRESSES}
    for name, network in networks.items():
        laboratory.cable(network, "eth0", outside, f"to-{name}")
    laboratory.bridge(outside, "wire", [f"to-{name}" for name in networks])
    outside.set_address("wire", *(f"{one}/32" for one in (SENDER, CUSTOMER, NAME_SERVER)))
    outside.run("ip", "route", "add", "default", "dev", "wire", "src", SENDER)
    with contextlib.ExitStack() as stack:
        machines = {}
        for name, network in networks.items():
            network.set_address("eth0", f"{ADDRESSES[name]}/32")
            network.run("ip", "route", "add", "default", "dev", "eth0")
            machines[name] = stack.enter_context(booted(base, network))
            machines[name].write("/etc/resolv.conf", f"nameserver {NAME_SERVER}\n")
        stack.enter_context(_running(outside, _name_server(folder)))
        yield FirstCluster(machines, outside, folder)


def _name_server(folder: Path) -> tuple[str, ...]:
    home = folder / "dns"
    home.mkdir()
    (home / "zone").write_text(_ZONE, encoding="utf-8")
    said = _NAMED.format(folder=home, address=NAME_SERVER, key=KEY_NAME)
    (home / "named.conf").write_text(DNS_KEY + said, encoding="utf-8")
    return (str(NAMED), "-f", "-c", str(home / "named.conf"))


@contextlib.contextmanager
def _running(host: Namespace, command: Sequence[str]) -> Iterator[None]:
    process = host.start(*command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)
