"""Which files make up a rendered cluster?

Touches the folder that it renders into. Everything is worked out before the first file is written,
and nothing is written that is there already. What is made once (keys, certificates, ports, the
token) is kept until it is due; ``state`` folders are never looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path
from typing import Any

from common.collector import uncollected
from common.errors import EnvironmentFailure, LocalError
from common.issuing import Credential, Identity, KeyKind
from common.preferences.documents import Document, DocumentRefused, check_document
from common.settings.core import CoreSettings
from common.wireguard.tunnel_bounds import NETWORKS_FILE, networks_text
from common.wireguard.tunnel_rules import FIREWALL_FILE, firewall_text
from common.wireguard_text import wireguard_text
from inventory.addressing import (
    Ports,
    core_links,
    core_places,
    join_doors,
    node_places,
    other_cores,
    peers_of_core,
    peers_of_satellite,
    wanted_ports,
)
from inventory.certificates import (
    AUTHORITY_CERTIFICATE,
    AUTHORITY_KEY,
    ISSUER_CERTIFICATE,
    ISSUER_KEY,
    authority,
    credential,
    issuer,
    next_key,
)
from inventory.documents import documents_of_scan_server, each_document, to_json
from inventory.identities import (
    core_identity,
    issuer_hosts,
    satellite_identity,
    smtp_identity,
)
from inventory.keys import KEY_FILE, TOKEN_FILE, api_token, public_key, wireguard_key
from inventory.let_in import BOOK_FILE, CertificateBook, certificate_book, shown_serial
from inventory.load import Progress, no_progress
from inventory.model import CORE_FOLDER, CoreMachine, Inventory, Node, ScanServerEntry, Site
from inventory.node_documents import node_documents
from inventory.ports import ENDPOINTS_FILE, PORTS_FILE, complete, known_ports
from inventory.render.ansible_files import ansible_files
from inventory.render.endpoints import endpoints_of
from inventory.render.firewall import (
    CORE_OPEN_PORTS,
    NODE_OPEN_PORTS,
)
from inventory.render.folder_check import check_folder
from inventory.render.machine_file import (
    PUBLIC,
    SECRET,
    File,
    json_file,
    pair,
    text_file,
    write,
)
from inventory.render.machine_units import machine_units
from inventory.render.node import (
    PREFERENCES_FILE,
    TLS,
    core_settings,
    satellite_settings,
    scan_server_settings,
    text_of,
)
from inventory.render.node_freshclam import (
    FRESHCLAM_FILE,
    freshclam_text,
    freshclam_units,
    wants_freshclam,
)
from inventory.render.systemd import UnitRole, unit_name, unit_text
from inventory.render.validating_resolver import RESOLVER_FILE, is_own_resolver, resolver_text
from inventory.smtp_keys import SMTP_KEYS, next_name

SCAN_FILE = "scan.yaml"
STEP = 5000  # documents between two reports of progress


def render_folder(
    inventory: Inventory,
    out: Path,
    *,
    loopback: bool,
    now_us: int,
    elsewhere: Path | None = None,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Write a folder for each node, and return the content of ``endpoints.json``.

    Args:
        out: is made when it is not there.
        loopback: everything listens on 127.0.0.1, on ports that are free now.
        now_us: decides which certificates are due, microseconds since the epoch.
        elsewhere: the folder that has the authority's key; nothing is written there, and the key
            not into ``out``.

    Raises:
        LocalError: the preferences cannot be taken by a core, a kept file is damaged, or the
            folder is one that ``check_folder`` refuses; nothing was written.
        EnvironmentFailure: the folder cannot be written.
    """
    out = out.resolve()
    try:
        check_folder(inventory, out, now_us=now_us, elsewhere=elsewhere)
        ports, book = _ports(inventory, out, loopback), certificate_book(out)
        rendering = _Rendering(inventory, out, now_us, loopback, ports, book, elsewhere)
        with uncollected():
            files = list(rendering.files(progress))
        for file in files:
            write(out, file)
    except OSError as error:
        raise EnvironmentFailure(
            f"{error.filename or out}: {error.strerror}", hint="name another folder or make room"
        ) from None
    return rendering.endpoints()


def strangers(inventory: Inventory, out: Path) -> list[str]:
    """Return folders of nodes that the inventory no longer has; they are left as they are."""
    names = {node.name for _, node in inventory.nodes()}
    names |= {server.name for server in inventory.scan_servers} | set(inventory.core.machines())
    files = ("core.yaml", "satellite.yaml", SCAN_FILE)
    found = [path for file in files for path in out.glob(f"*/{file}")]
    return sorted({path.parent.name for path in found} - names)


def _ports(inventory: Inventory, out: Path, loopback: bool) -> dict[str, dict[str, int]] | None:
    if not loopback:
        return None
    return complete(known_ports(out / PORTS_FILE), wanted_ports(inventory))


@dataclass(slots=True)
class _Rendering:
    """One rendering: what it is made from."""

    inventory: Inventory
    out: Path
    now_us: int
    loopback: bool
    ports: Ports | None
    book: CertificateBook
    authority: Path | None
    links: dict[str, Credential] = field(default_factory=dict)
    public: dict[str, str] = field(default_factory=dict)  # folder → WireGuard's public key
    settings: dict[str, CoreSettings] = field(default_factory=dict)  # of the core's machines

    def endpoints(self) -> dict[str, Any]:
        return endpoints_of(self.inventory, out=self.out, ports=self.ports)

    def files(self, progress: Progress) -> Iterator[File]:
        """Yield all files; kept secrets come first, so that a torn rendering keeps them."""
        preferences = self._preferences(progress)
        signer = authority(
            self.out,
            cluster=self.inventory.cluster.name,
            now_us=self.now_us,
            elsewhere=self.authority,
        )
        if signer.key and self.authority is None:
            yield File(AUTHORITY_KEY, signer.key, SECRET)
        yield File(AUTHORITY_CERTIFICATE, signer.certificate, PUBLIC)
        if self.ports is not None:
            yield json_file(PORTS_FILE, self.ports)
        cores = self.inventory.core.machines()
        folders = [*cores, *(node.name for _, node in self.inventory.nodes())]
        self._make_links(signer)
        private = {
            name: wireguard_key(self.out / name, revoked=self.book.of(name).revoked_keys)
            for name in folders
        }
        self.public = {name: public_key(key) for name, key in private.items()}
        for name, key in private.items():
            yield File(f"{name}/{KEY_FILE}", f"{key}\n".encode(), SECRET)
        self.settings = {folder: self._core_settings(folder) for folder in cores}
        shared = list(self._shared(signer))
        for folder, machine in cores.items():
            yield from (replace(file, name=f"{folder}/{file.name}") for file in shared)
            yield from self._core(folder, machine, signer, private[folder])
            yield File(f"{folder}/{PREFERENCES_FILE}", preferences, PUBLIC)
        for number, (site, node) in enumerate(self.inventory.nodes()):
            progress("rendering nodes", number, len(folders) - len(cores))
            yield from self._satellite(site, node, signer, private[node.name])
        for server in self.inventory.scan_servers:
            yield from self._scan_server(server)
        if not self.loopback:
            yield from ansible_files(self.inventory)
        yield json_file(BOOK_FILE, self.book.as_json())
        yield json_file(ENDPOINTS_FILE, self.endpoints())

    def _preferences(self, progress: Progress) -> bytes:
        """Return the first revision; one document is made, looked at and written at a time."""
        return to_json(self._checked_documents(progress))

    def _checked_documents(self, progress: Progress) -> Iterator[Document]:
        count = self.inventory.domains_count
        every = chain(each_document(self.inventory), node_documents(self.inventory, self.ports))
        for number, document in enumerate(every):
            if number % STEP == 0:
                progress("checking preferences", number, count)
            try:
                check_document(document)
            except DocumentRefused as refused:
                raise LocalError(str(refused), hint="correct it in the inventory") from None
            yield document

    def _core(
        self, folder: str, machine: CoreMachine, signer: Credential, key: str
    ) -> Iterator[File]:
        """Yield what a machine of the core has alone."""
        inventory = self.inventory
        core = inventory.core
        identity = core_identity(inventory.cluster, core, loopback=self.loopback, machine=machine)
        yield from self._tls(folder, "node", identity, signer)
        yield File(f"{folder}/{TLS}/{AUTHORITY_CERTIFICATE}", signer.certificate, PUBLIC)
        settings = self.settings[folder]
        # The URL of a database may hold a password.
        mode = SECRET if settings.database else PUBLIC
        yield File(f"{folder}/core.yaml", text_of(settings).encode(), mode)
        text = wireguard_text(
            private_key=key,
            vpn_addresses=machine.vpn_address,
            port=inventory.cluster.vpn_port,
            peers=peers_of_core(inventory, self.public, machine),
        )
        yield File(f"{folder}/wg0.conf", text.encode(), SECRET)
        rules = firewall_text(machine.vpn_address, ports=CORE_OPEN_PORTS)
        yield text_file(f"{folder}/{FIREWALL_FILE}", rules)
        yield text_file(f"{folder}/{NETWORKS_FILE}", self._networks())
        runs_here = machine.name == core.running
        yield from machine_units(folder, UnitRole.CORE, settings="core.yaml", starts=runs_here)

    def _networks(self) -> str:
        return networks_text([str(network) for network in self.inventory.cluster.vpn])

    def _core_settings(self, folder: str) -> CoreSettings:
        """Return the core's settings on one of its machines."""
        machines = self.inventory.core.machines()
        return core_settings(
            self.inventory,
            places=core_places(machines[folder], self.ports, folder=folder),
            machine=machines[folder],
            others=other_cores(self.inventory, folder, self.ports, self.public),
            doors=join_doors(self.inventory, folder, self.ports),
            loopback=self.loopback,
            certificates={name: list(book.let_in) for name, book in self.book.nodes.items()},
        )

    def _shared(self, signer: Credential) -> Iterator[File]:
        """Yield what the core has on each of its machines: its token, and its issuer.

        The issuer is the authority below ours that it signs with, for nodes that join. Both are the
        core's wherever it runs, so that what it gave to others is good after it has moved.
        """
        token = api_token(self.out / CORE_FOLDER)
        yield File(TOKEN_FILE, token.encode(), SECRET)
        found = issuer(
            self.out / CORE_FOLDER,
            cluster=self.inventory.cluster.name,
            hosts=issuer_hosts(self.inventory.cluster),
            signer=signer,
            now_us=self.now_us,
        )
        yield File(ISSUER_KEY, found.key, SECRET)
        if found.certificate:
            yield File(ISSUER_CERTIFICATE, found.certificate, PUBLIC)

    def _satellite(self, site: Site, node: Node, signer: Credential, key: str) -> Iterator[File]:
        inventory = self.inventory
        cluster = inventory.cluster
        yield from pair(node.name, "node", self.links[node.name])
        shown = smtp_identity(cluster, node)
        for name, kind in SMTP_KEYS.items():
            yield from self._smtp(node.name, name, shown, signer, kind)
        yield File(f"{node.name}/{TLS}/{AUTHORITY_CERTIFICATE}", signer.certificate, PUBLIC)
        settings = satellite_settings(
            inventory,
            site,
            node,
            places=node_places(node, self.ports),
            links=core_links(inventory, self.ports),
            loopback=self.loopback,
        )
        yield text_file(f"{node.name}/satellite.yaml", text_of(settings))
        folders = [one.folder for one in settings.definitions if Path(one.folder).is_absolute()]
        text = wireguard_text(
            private_key=key,
            vpn_addresses=node.vpn_address,
            port=cluster.vpn_port,
            peers=peers_of_satellite(inventory, node, self.public),
        )
        yield File(f"{node.name}/wg0.conf", text.encode(), SECRET)
        rules = firewall_text(node.vpn_address, ports=NODE_OPEN_PORTS)
        yield text_file(f"{node.name}/{FIREWALL_FILE}", rules)
        yield text_file(f"{node.name}/{NETWORKS_FILE}", self._networks())
        if inventory.resolver is not None and is_own_resolver(inventory.resolver):
            said = resolver_text(inventory.resolver, node.public)
            yield text_file(f"{node.name}/{RESOLVER_FILE}", said)
        freshclam = {}
        definitions, *others = [one.definitions for one in self.settings.values()]
        if not self.loopback and wants_freshclam(settings, definitions):
            text = freshclam_text(definitions, others=[one.listen for one in others])
            yield text_file(f"{node.name}/{FRESHCLAM_FILE}", text)
            freshclam = freshclam_units()
        yield from machine_units(
            node.name,
            UnitRole.SATELLITE,
            settings="satellite.yaml",
            folders=folders,
            listen=settings.smtp.listen,
            more=freshclam,
        )

    def _scan_server(self, server: ScanServerEntry) -> Iterator[File]:
        settings = scan_server_settings(self.inventory, server, loopback=self.loopback)
        yield text_file(f"{server.name}/{SCAN_FILE}", text_of(settings))
        documents = documents_of_scan_server(self.inventory, server)
        yield File(f"{server.name}/{PREFERENCES_FILE}", to_json(documents), PUBLIC)
        yield text_file(f"{server.name}/{unit_name(UnitRole.SCAN)}", unit_text(UnitRole.SCAN))

    def _tls(
        self, folder: str, name: str, identity: Identity, signer: Credential
    ) -> Iterator[File]:
        found = self._credential(folder, name, identity, signer, KeyKind.ECDSA)
        yield from pair(folder, name, found)

    def _smtp(
        self, folder: str, name: str, identity: Identity, signer: Credential, key_kind: KeyKind
    ) -> Iterator[File]:
        """Yield a certificate for STARTTLS, and the key of the next one.

        That key is made now, so that DNS has named it long before a sender sees it.
        """
        kept = self.out / folder / TLS / f"{next_name(name)}.key"
        found = self._credential(folder, name, identity, signer, key_kind, next_key_file=kept)
        key = next_key(kept, used=found, key_kind=key_kind)
        yield from pair(folder, name, found)
        yield File(f"{folder}/{TLS}/{kept.name}", key, SECRET)

    def _make_links(self, signer: Credential) -> None:
        """Make the nodes' certificates for the link, and enter them in the book.

        What a node has by now is entered as well: it shows that until the new one is there.
        """
        for _, node in self.inventory.nodes():
            identity = satellite_identity(self.inventory.cluster, node)
            file = self.out / node.name / TLS / "node.crt"
            before = [file.read_bytes()] if shown_serial(file) else []
            made = self._credential(node.name, "node", identity, signer, KeyKind.ECDSA)
            self.links[node.name] = made
            self.book.made(node.name, *before, made.certificate, now_us=self.now_us)

    def _credential(
        self,
        folder: str,
        name: str,
        identity: Identity,
        signer: Credential,
        key_kind: KeyKind,
        *,
        next_key_file: Path | None = None,
    ) -> Credential:
        path = self.out / folder / TLS
        return credential(
            path / f"{name}.crt",
            path / f"{name}.key",
            identity=identity,
            signer=signer,
            now_us=self.now_us,
            key_kind=key_kind,
            revoked=self.book.of(folder).revoked,
            next_key_file=next_key_file,
        )
