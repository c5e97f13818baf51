"""How does a set of definitions come from the core to this disk?

Touches the network and the disk. The manifest's octets must have the digest that was offered; each
file must have the size and the digest that stand in it, and is asked for from where an earlier try
ended. A file that a kept set has already is linked. Nothing that is not whole and on the disk
becomes a set.

Source: RFC 9110 sections 14.2 (Range), 15.3.7 (206) and 15.5.17 (416).
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import file_digest, sha256
from pathlib import Path
from types import MappingProxyType

import httpx

from common.definitions import (
    MANIFEST,
    MANIFEST_BYTES_MAX,
    DefinitionsFile,
    Manifest,
    read_manifest,
)
from common.durable import disk, write_all, write_file
from common.errors import DiskFull, EnvironmentFailure, PeerError
from common.tasks import finish
from satellite.definitions.kept_sets import KeptSets
from satellite.definitions.marker import MARKER, marker_octets
from satellite.definitions.set_name import SetName

CONNECT_S = 10.0
SILENT_S = 30.0  # without an octet
FILE_BYTES_PER_S_MIN = 20_000  # a slower core is given up; what came is kept
FILE_S_MIN = 120.0
CHUNK_BYTES = 262_144  # written in one call, in a thread of its own
MARGIN_BYTES = 1_048_576  # for the folders and the marker
MODE = 0o644  # the engine runs as somebody else

_CONTENT_RANGE = re.compile(r"bytes ([0-9]{1,19})-[0-9]{1,19}/(?:[0-9]{1,19}|\*)")


class NotWhatWasOffered(PeerError):
    """What the core gave has not the digest or the size that it was to have."""


class NotGiven(EnvironmentFailure):
    """The core did not give it; it may later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSource:
    """Where the core serves its sets.

    Args:
        family: whose definitions they are.
        url: of the family, without a slash at the end.
        host: for which the core's certificate must be.
        context: makes what both sides show their certificates with.
    """

    family: str
    url: str
    host: str
    context: Callable[[], ssl.SSLContext]


class SetFetching:
    """Fetches sets of one family.

    Args:
        sets: where they are put together.
        reserve_bytes: what must stay free on their disk.
        free_bytes: returns what is free there.
    """

    def __init__(
        self,
        sets: KeptSets,
        *,
        reserve_bytes: int,
        free_bytes: Callable[[Path], int] | None = None,
    ) -> None:
        self._sets = sets
        self._reserve_bytes = reserve_bytes
        self._free_bytes = free_bytes or _free_bytes

    async def fetch(self, name: SetName, source: SetSource) -> None:
        """Return once a set is here, whole and durable.

        Cancelled or failed it leaves what has come, for the next try.

        Raises:
            NotWhatWasOffered, ManifestBroken: the core gave something else.
            NotGiven: the core cannot be reached, or does not have it.
            DiskFull: there is no room beside the reserve; what has come is removed.
            EnvironmentFailure: the disk failed.
        """
        incoming = self._sets.incoming(name)
        try:
            await self._fetch(name, source, incoming)
        except OSError as error:
            await asyncio.to_thread(self._sets.forget, incoming)
            raise EnvironmentFailure(f"the disk of definitions: {error.strerror}") from None
        except DiskFull:
            await asyncio.to_thread(self._sets.forget, incoming)
            raise

    async def _fetch(self, name: SetName, source: SetSource, incoming: Path) -> None:
        async with _core_at(source) as core:
            octets = await _manifest_octets(core, name)
            manifest = read_manifest(octets)
            if (manifest.family, manifest.serial) != (source.family, name.serial):
                raise NotWhatWasOffered(f"the manifest of the set {name.serial} is of another one")
            await finish(asyncio.to_thread(self._begin, incoming, manifest))
            for file in manifest.files:
                if not (incoming / file.name).exists():
                    await self._file(core, name, file, incoming)
        await finish(asyncio.to_thread(self._accept, name, octets))

    def _accept(self, name: SetName, manifest: bytes) -> None:
        incoming = self._sets.incoming(name)
        write_file(incoming / MARKER, marker_octets(name), mode=MODE)
        write_file(incoming / MANIFEST, manifest, mode=MODE)
        self._sets.accept(name)

    def _begin(self, incoming: Path, manifest: Manifest) -> None:
        """Link what is here already, and see that there is room for the rest."""
        incoming.mkdir(exist_ok=True, mode=0o755)
        for file in manifest.files:
            if not (incoming / file.name).exists():
                self._link_from_kept(file, incoming)
        missing_bytes = MARGIN_BYTES + sum(
            file.size - _size(_partial(incoming, file))
            for file in manifest.files
            if not (incoming / file.name).exists()
        )
        free = self._free_bytes(incoming)
        if free - missing_bytes < self._reserve_bytes:
            raise DiskFull(
                f"no room for definitions: {missing_bytes} octets are to come, {free} are free,"
                f" of which {self._reserve_bytes} are the reserve"
            )

    def _link_from_kept(self, file: DefinitionsFile, incoming: Path) -> None:
        for name in self._sets.fetched():
            kept = self._sets.path_of(name) / file.name
            if _size(kept) == file.size and _is_right(kept, file):
                _partial(incoming, file).unlink(missing_ok=True)
                os.link(kept, incoming / file.name)
                return

    async def _file(
        self, core: _Asking, name: SetName, file: DefinitionsFile, incoming: Path
    ) -> None:
        partial = _partial(incoming, file)
        have = _size(partial)
        if have > file.size:
            partial.unlink()
            have = 0
        if have < file.size or not partial.exists():
            seconds = max(FILE_S_MIN, file.size / FILE_BYTES_PER_S_MIN)
            try:
                async with asyncio.timeout(seconds):
                    await _download(core, f"{name.serial}/{file.name}", file, partial, have)
            except TimeoutError:
                raise NotGiven(f"{file.name} did not come within {seconds:.0f} s") from None
        if not await asyncio.to_thread(_is_right, partial, file):
            partial.unlink()
            raise NotWhatWasOffered(f"{file.name} has not the digest of its manifest")
        disk.rename(partial, incoming / file.name)


@dataclass(frozen=True, slots=True)
class _Asking:
    """The core, reached by its address and known by its name in the cluster, as on the link."""

    client: httpx.AsyncClient
    host: str

    @asynccontextmanager
    async def get(
        self, path: str, headers: Mapping[str, str] = MappingProxyType({})
    ) -> AsyncIterator[httpx.Response]:
        wanted = {"Accept-Encoding": "identity", **headers}
        known_as = {"sni_hostname": self.host}
        try:
            async with self.client.stream(
                "GET", path, headers=wanted, extensions=known_as
            ) as response:
                yield response
        except (httpx.HTTPError, ssl.SSLError) as error:
            why = str(error) or type(error).__name__
            raise NotGiven(f"the core gives no definitions: {why[:200]}") from None


@asynccontextmanager
async def _core_at(source: SetSource) -> AsyncIterator[_Asking]:
    timeout = httpx.Timeout(SILENT_S, connect=CONNECT_S)
    context = await asyncio.to_thread(source.context)
    async with httpx.AsyncClient(
        base_url=f"{source.url}/", verify=context, timeout=timeout, trust_env=False
    ) as client:
        yield _Asking(client, source.host)


async def _manifest_octets(core: _Asking, name: SetName) -> bytes:
    octets = bytearray()
    async with core.get(f"{name.serial}/{MANIFEST}") as response:
        if response.status_code != httpx.codes.OK:
            raise NotGiven(f"the core answered {response.status_code} for the set {name.serial}")
        async for part in response.aiter_raw():
            octets += part
            if len(octets) > MANIFEST_BYTES_MAX:
                raise NotWhatWasOffered("the manifest is too large")
    if sha256(octets).hexdigest() != name.digest:
        raise NotWhatWasOffered(f"the manifest of the set {name.serial} has not its digest")
    return bytes(octets)


async def _download(
    core: _Asking, path: str, file: DefinitionsFile, partial: Path, have: int
) -> None:
    """Bring what is missing of a file, and no more than belongs to it."""
    headers = {"Range": f"bytes={have}-"} if have else {}
    async with core.get(path, headers) as response:
        begin = _begins_at(response, have)
        descriptor = _opened(partial, begin)
        try:
            left = file.size - begin
            async for part in response.aiter_raw(CHUNK_BYTES):
                left -= len(part)
                if left < 0:
                    raise NotWhatWasOffered(f"{file.name} is longer than its manifest says")
                # To its end, whoever cancels: the thread's descriptor must not become another file.
                await finish(asyncio.to_thread(write_all, descriptor, part))
            await finish(asyncio.to_thread(disk.sync, descriptor))
        finally:
            os.close(descriptor)
    if left:
        raise NotGiven(f"{file.name} ended {left} octets too early")


def _begins_at(response: httpx.Response, have: int) -> int:
    """Return with which octet of the file an answer begins."""
    if response.status_code == httpx.codes.OK:
        return 0
    found = _CONTENT_RANGE.fullmatch(response.headers.get("content-range", ""))
    if response.status_code == httpx.codes.PARTIAL_CONTENT and found and int(found[1]) == have:
        return have
    raise NotGiven(f"the core answered {response.status_code} for {response.url.path[-100:]}")


def _partial(incoming: Path, file: DefinitionsFile) -> Path:
    return incoming / f"_{file.name}"  # a name that no file of a set has


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def _is_right(path: Path, file: DefinitionsFile) -> bool:
    try:
        with path.open("rb") as content:
            return file_digest(content, "sha256").hexdigest() == file.sha256
    except OSError:
        return False


def _opened(partial: Path, begin: int) -> int:
    """Return a descriptor for what follows the first octets of a file."""
    descriptor = disk.create(partial, 0, MODE)
    os.fchmod(descriptor, MODE)
    os.ftruncate(descriptor, begin)
    os.lseek(descriptor, begin, os.SEEK_SET)
    return descriptor


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free
