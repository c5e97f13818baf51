"""Who gets definitions from the core, and which octets?

A real HTTPS server on loopback with certificates of a real authority, httpx, and freshclam where it
is installed.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import shutil
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from common.definitions import MANIFEST, Manifest
from common.issuing import Identity
from common.rpc import TlsFiles
from common.settings.core import NodeEntry
from core.definitions.door import CONNECTIONS_PER_NODE_MAX, Door, Visitors
from core.definitions.programs import BoundedProgram
from core.definitions.sets import DefinitionsSource, SetFolder, StoredSet
from core.fleet.roster import Roster
from tests.support.network.link import CLUSTER, Certificates

HDB = b"44d88612fea8a8f36de82e1278abb02f:68:Eicar\n"
LARGE = b"".join(b"%032x:%d:Test-%d\n" % (n, n, n) for n in range(1, 25_000))
SERIAL = 20260101000000
NODES = [NodeEntry(name=name, site="london") for name in ("lon1", "fra1")]
HOST = f"core.{CLUSTER}.borderscout.internal"
FIXED = f"/definitions/v1/clamav/{SERIAL}"


class Sets:
    """Two sets, of which the later one is in use."""

    def __init__(self, folder: Path) -> None:
        self._folder = SetFolder(folder / "sets")
        self._folder.open()
        self.current: StoredSet | None = None
        for serial, content in ((SERIAL, HDB), (SERIAL + 1, LARGE)):
            path = folder / "local.hdb"
            path.write_bytes(content)
            source = DefinitionsSource(name=path.name, path=path, is_custom=True)
            files = self._folder.stage([source], like=self.current)
            manifest = Manifest(
                family="clamav", serial=serial, made_us=7_000_000, version="v", files=files
            )
            self.current = self._folder.keep(manifest)

    async def stored_set(self, serial: int) -> StoredSet:
        return self._folder.stored(serial)


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "tls")


@pytest.fixture
async def door(tmp_path: Path, certificates: Certificates) -> AsyncIterator[Door]:
    made = Door(
        ("127.0.0.1", 0),
        tls=certificates.issue("core", "core"),
        visitors=Visitors(cluster=CLUSTER, roster=Roster(NODES)),
        sets=Sets(tmp_path),
    )
    await made.start()
    yield made
    await made.stop()


def context_of(files: TlsFiles | None, certificates: Certificates) -> ssl.SSLContext:
    authority = certificates.issue("core", "core").authority
    context = ssl.create_default_context(cafile=str(authority))
    if files is not None:
        context.load_cert_chain(files.certificate, files.key)
    return context


class Visitor:
    """Whoever asks, with one certificate."""

    def __init__(self, door: Door, context: ssl.SSLContext) -> None:
        self.http = httpx.AsyncClient(
            base_url=f"https://127.0.0.1:{door.port}", verify=context, trust_env=False
        )

    async def get(self, path: str, method: str = "GET", **headers: str) -> httpx.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.http.request(
            method, path, headers=named, extensions={"sni_hostname": HOST}
        )


@pytest.fixture
async def lon1(door: Door, certificates: Certificates) -> AsyncIterator[Visitor]:
    visitor = Visitor(door, context_of(certificates.issue("satellite", "lon1"), certificates))
    async with visitor.http:
        yield visitor


async def test_a_set_is_fetched_by_its_serial(lon1: Visitor) -> None:
    manifest = await lon1.get(f"{FIXED}/{MANIFEST}")
    file = await lon1.get(f"{FIXED}/local.hdb")

    assert (manifest.status_code, file.status_code) == (200, 200)
    assert file.content == HDB
    digest = hashlib.sha256(HDB).digest()
    assert file.headers["etag"] == f'"{digest.hex()}"'
    assert file.headers["repr-digest"] == f"sha-256=:{base64.b64encode(digest).decode()}:"
    assert manifest.headers["etag"] == f'"{hashlib.sha256(manifest.content).hexdigest()}"'
    assert "immutable" in file.headers["cache-control"]


async def test_the_set_in_use_is_found_by_the_name_of_its_file_alone(lon1: Visitor) -> None:
    answer = await lon1.get("/local.hdb")

    assert (answer.status_code, answer.content) == (200, LARGE)
    assert answer.headers["cache-control"] == "no-cache"


async def test_what_was_cut_off_goes_on_where_it_ended(lon1: Visitor) -> None:
    rest = await lon1.get("/local.hdb", range="bytes=1000000-")
    part = await lon1.get("/local.hdb", range="bytes=0-511")
    tail = await lon1.get("/local.hdb", range="bytes=-5")
    beyond = await lon1.get("/local.hdb", range=f"bytes={len(LARGE)}-")
    if_same = await lon1.get("/local.hdb", range="bytes=0-1", if_range='"of another"')

    assert (rest.status_code, rest.content) == (206, LARGE[1_000_000:])
    assert rest.headers["content-range"] == f"bytes 1000000-{len(LARGE) - 1}/{len(LARGE)}"
    assert (part.status_code, part.content) == (206, LARGE[:512])
    assert (tail.status_code, tail.content) == (206, LARGE[-5:])
    assert (beyond.status_code, beyond.headers["content-range"]) == (416, f"bytes */{len(LARGE)}")
    assert (if_same.status_code, if_same.content) == (200, LARGE)


@pytest.mark.parametrize("asked", ["bytes=0-1,3-4", "bytes=5-1", "bytes=-", "octets=1-2", "x"])
async def test_a_range_that_means_nothing_means_all(lon1: Visitor, asked: str) -> None:
    answer = await lon1.get("/local.hdb", range=asked)

    assert (answer.status_code, answer.content) == (200, LARGE)


async def test_who_has_it_already_gets_nothing(lon1: Visitor) -> None:
    first = await lon1.get("/local.hdb")

    by_tag = await lon1.get("/local.hdb", if_none_match=f'"x", {first.headers["etag"]}')
    by_time = await lon1.get("/local.hdb", if_modified_since=first.headers["last-modified"])
    older = await lon1.get("/local.hdb", if_modified_since="Thu, 01 Jan 1970 00:00:00 GMT")
    nonsense = await lon1.get("/local.hdb", if_modified_since="yesterday")
    another = await lon1.get("/local.hdb", if_none_match='"x"')

    assert [answer.status_code for answer in (by_tag, by_time)] == [304, 304]
    assert by_tag.content == b""
    assert [answer.status_code for answer in (older, nonsense, another)] == [200, 200, 200]


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/choice.json",
        "/../choice.json",
        "/%2e%2e%2fchoice.json",
        "/..%2f..%2fchoice.json",
        f"{FIXED}/other.hdb",
        f"{FIXED}/%2e%2e%2f{SERIAL + 1}%2flocal.hdb",
        f"{FIXED}/.",
        "/definitions/v1/clamav/staged/local.hdb",
        "/definitions/v1/clamav/5/local.hdb",
        f"/definitions/v1/clamav/{10**30}/local.hdb",
        "/definitions/v1/clamav/\u0661/local.hdb",
        f"/definitions/v1/other/{SERIAL}/local.hdb",
    ],
)
async def test_what_no_manifest_names_is_not_there(lon1: Visitor, path: str) -> None:
    assert (await lon1.get(path)).status_code == 404


async def test_nothing_is_changed_through_the_door(lon1: Visitor) -> None:
    for method in ("PUT", "POST", "DELETE", "PATCH"):
        assert (await lon1.get("/local.hdb", method)).status_code == 405


@pytest.mark.parametrize(
    ("role", "name", "cluster"),
    [
        ("satellite", "mallory1", CLUSTER),  # not in the settings
        ("core", "lon1", CLUSTER),
        ("satellite", "lon1", "other"),
    ],
)
async def test_another_certificate_opens_nothing(
    door: Door, certificates: Certificates, role: str, name: str, cluster: str
) -> None:
    files = certificates.issue(role, name, cluster=cluster)
    visitor = Visitor(door, context_of(files, certificates))

    async with visitor.http:
        with pytest.raises(httpx.TransportError):
            await visitor.get("/local.hdb")


async def test_without_a_certificate_or_with_one_of_others_there_is_no_handshake(
    door: Door, certificates: Certificates, tmp_path: Path
) -> None:
    others = Certificates(tmp_path / "others").issue("satellite", "lon1")
    for files in (None, others):
        visitor = Visitor(door, context_of(files, certificates))
        async with visitor.http:
            with pytest.raises(httpx.TransportError):
                await visitor.get("/local.hdb")


async def test_one_node_cannot_take_all_the_places(
    door: Door, certificates: Certificates, lon1: Visitor
) -> None:
    context = context_of(certificates.issue("satellite", "fra1"), certificates)

    async def open_one() -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(
            "127.0.0.1", door.port, ssl=context, server_hostname=HOST
        )

    kept = [await open_one() for _ in range(CONNECTIONS_PER_NODE_MAX)]
    for _, writer in kept:
        writer.write(b"GET /local.hdb HTTP/1.1\r\nHost: x\r\nRange: bytes=0-0\r\n\r\n")
    for reader, _ in kept:
        assert (await reader.readline()).startswith(b"HTTP/1.1 206")
    reader, writer = await open_one()
    writer.write(b"GET /local.hdb HTTP/1.1\r\nHost: x\r\n\r\n")
    try:
        told = await reader.read()
    except OSError:
        told = b""

    assert told == b""
    assert (await lon1.get("/local.hdb", range="bytes=0-0")).status_code == 206
    kept[0][1].transport.abort()
    for _, other in kept:
        other.close()
    writer.close()


async def test_connections_that_begin_no_tls_are_bounded(door: Door, lon1: Visitor) -> None:
    opened = [await asyncio.open_connection("127.0.0.1", door.port) for _ in range(100)]

    async with asyncio.timeout(5):  # before the time for a handshake is over
        for reader, _ in opened[:68]:
            with contextlib.suppress(ConnectionResetError):
                assert await reader.read(1) == b""

    assert (await lon1.get(f"{FIXED}/{MANIFEST}")).status_code == 200
    for _, writer in opened:
        writer.transport.abort()


async def test_a_certificate_that_the_settings_name_no_more_gets_nothing_on_an_open_connection(
    tmp_path: Path, certificates: Certificates
) -> None:
    roster = Roster(NODES)
    visitors = Visitors(cluster=CLUSTER, roster=roster)
    tls = certificates.issue("core", "core")
    door = Door(("127.0.0.1", 0), tls=tls, visitors=visitors, sets=Sets(tmp_path))
    await door.start()
    lon1 = Visitor(door, context_of(certificates.issue("satellite", "lon1"), certificates))
    try:
        assert (await lon1.get(f"{FIXED}/{MANIFEST}")).status_code == 200
        roster.take([NodeEntry(name="lon1", site="london", certificates=["1f"])])
        for _ in range(2):  # on its connection, and on one of its own
            with pytest.raises(httpx.TransportError):
                await lon1.get(f"{FIXED}/{MANIFEST}")
        roster.take(NODES)
        assert (await lon1.get(f"{FIXED}/{MANIFEST}")).status_code == 200
    finally:
        await lon1.http.aclose()
        await door.stop()


async def test_a_renewed_certificate_is_shown_from_the_next_handshake_on(
    tmp_path: Path, certificates: Certificates
) -> None:
    files = certificates.issue("core", "core")
    door = Door(
        ("127.0.0.1", 0),
        tls=files,
        visitors=Visitors(cluster=CLUSTER, roster=Roster(NODES)),
        sets=Sets(tmp_path),
    )
    await door.start()
    context = context_of(certificates.issue("satellite", "lon1"), certificates)

    async def shown() -> Any:
        _, writer = await asyncio.open_connection(
            "127.0.0.1", door.port, ssl=context, server_hostname=HOST
        )
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        writer.transport.abort()
        return certificate

    try:
        before = await shown()
        files.certificate.unlink()
        files.key.unlink()
        await door.renew()  # it is just being replaced
        assert await shown() == before
        certificates.issue("core", "core")
        await door.renew()
        assert await shown() != before
    finally:
        await door.stop()


@pytest.mark.skipif(shutil.which("freshclam") is None, reason="freshclam is not installed")
async def test_freshclam_fetches_from_the_core_with_a_nodes_certificate(
    certificates: Certificates, tmp_path: Path
) -> None:
    # It looks the core's name up, which no name server of a test machine has: for the test the
    # certificate is for loopback.
    core = Identity(
        name="core",
        uris=(f"borderscout://{CLUSTER}/core/core",),
        hosts=("localhost",),
        is_server=True,
        is_client=True,
    )
    visitors = Visitors(cluster=CLUSTER, roster=Roster(NODES))
    tls, sets = certificates.write("for-freshclam", core), Sets(tmp_path)
    door = Door(("127.0.0.1", 0), tls=tls, visitors=visitors, sets=sets)
    await door.start()
    node = certificates.issue("satellite", "lon1")
    folder = tmp_path / "database"
    folder.mkdir()
    config = tmp_path / "freshclam.conf"
    config.write_text(
        f"DatabaseDirectory {folder}\nDatabaseOwner root\nMaxAttempts 1\n"
        f"DatabaseMirror https://localhost:1\n"
        f"DatabaseCustomURL https://localhost:{door.port}/local.hdb\n"
    )
    program = BoundedProgram(
        [
            str(shutil.which("freshclam")),
            f"--config-file={config}",
            "--foreground",
            "--stdout",
            "--update-db=custom",
        ],
        memory_bytes=4 << 30,
        cpu_s=60,
        environment={
            "CURL_CA_BUNDLE": str(node.authority),
            "FRESHCLAM_CLIENT_CERT": str(node.certificate),
            "FRESHCLAM_CLIENT_KEY": str(node.key),
        },
    )
    await program.start()
    async with asyncio.timeout(60):
        status = await program.ended()
    await door.stop()

    assert status == 0, program.printed
    assert (folder / "local.hdb").read_bytes() == LARGE
