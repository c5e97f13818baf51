"""A writer of compound files, as Office and Outlook write them.

Pure. Small streams go into the mini stream, large ones into sectors of their own; the directory is
a balanced tree in the order that the format asks for. Source: [MS-CFB] 2.2 to 2.6.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

SECTOR_BYTES = 512
MINI_BYTES = 64
CUTOFF = 4096
END, FREE, FAT_SECTOR = 0xFFFFFFFE, 0xFFFFFFFF, 0xFFFFFFFD

Tree = Mapping[str, "bytes | Tree"]


@dataclass(slots=True)
class _Node:
    name: str
    kind: int  # 1 a storage, 2 a stream, 5 the root
    content: bytes = b""
    left: int = FREE
    right: int = FREE
    child: int = FREE
    start: int = END
    size: int = 0


@dataclass(slots=True)
class _Writer:
    sectors: list[bytes] = field(default_factory=list)
    fat: list[int] = field(default_factory=list)

    def add(self, octets: bytes) -> int:
        """Write octets as a chain of sectors; return the first."""
        if not octets:
            return END
        first = len(self.sectors)
        pieces = [octets[n : n + SECTOR_BYTES] for n in range(0, len(octets), SECTOR_BYTES)]
        for number, piece in enumerate(pieces):
            self.sectors.append(piece.ljust(SECTOR_BYTES, b"\0"))
            self.fat.append(first + number + 1 if number + 1 < len(pieces) else END)
        return first


def compound_file(tree: Tree) -> bytes:
    """Return a compound file with these storages and streams."""
    nodes = [_Node("Root Entry", 5)]
    nodes[0].child = _grown(nodes, tree)
    writer = _Writer()
    mini, mini_fat = bytearray(), []
    for node in nodes:
        if node.kind != 2:
            continue
        node.size = len(node.content)
        if node.size >= CUTOFF:
            node.start = writer.add(node.content)
        elif node.size:
            node.start = len(mini) // MINI_BYTES
            count = -(-node.size // MINI_BYTES)
            mini_fat += [node.start + n + 1 for n in range(count - 1)] + [END]
            mini += node.content.ljust(count * MINI_BYTES, b"\0")
    nodes[0].start, nodes[0].size = writer.add(bytes(mini)), len(mini)
    first_mini_fat = writer.add(_numbers(mini_fat, pad=FREE))
    directory = b"".join(_entry(node) for node in nodes)
    first_directory = writer.add(directory.ljust(-(-len(directory) // 512) * 512, b"\0"))
    return _with_header(writer, first_directory, first_mini_fat, len(mini_fat))


def _grown(nodes: list[_Node], tree: Tree) -> int:
    """Add the entries of one storage; return the number of the middle one."""
    names = sorted(tree, key=lambda name: (len(name), name.upper()))

    def between(low: int, high: int) -> int:
        if low >= high:
            return FREE
        middle = (low + high) // 2
        value = tree[names[middle]]
        node = _Node(names[middle], 2 if isinstance(value, bytes) else 1)
        number = len(nodes)
        nodes.append(node)
        if isinstance(value, bytes):
            node.content = value
        else:
            node.child = _grown(nodes, value)
        node.left = between(low, middle)
        node.right = between(middle + 1, high)
        return number

    return between(0, len(names))


def _entry(node: _Node) -> bytes:
    name = (node.name + "\0").encode("utf-16-le")
    return (
        name.ljust(64, b"\0")
        + struct.pack("<HBB", len(name), node.kind, 1)
        + struct.pack("<III", node.left, node.right, node.child)
        + bytes(16 + 4 + 16)
        + struct.pack("<IQ", node.start, node.size)
    )


def _numbers(numbers: list[int], *, pad: int) -> bytes:
    padded = numbers + [pad] * (-len(numbers) % (SECTOR_BYTES // 4))
    return struct.pack(f"<{len(padded)}I", *padded)


def _with_header(writer: _Writer, directory: int, mini_fat: int, mini_sectors: int) -> bytes:
    count = 1
    while count * (SECTOR_BYTES // 4) < len(writer.fat) + count:
        count += 1
    assert count <= 109
    first = len(writer.sectors)
    fat = _numbers(writer.fat + [FAT_SECTOR] * count, pad=FREE)
    places = [*range(first, first + count)]
    header = (
        bytes.fromhex("D0CF11E0A1B11AE1")
        + bytes(16)
        + struct.pack("<HHHHH6x", 0x3E, 3, 0xFFFE, 9, 6)
        + struct.pack("<IIII", 0, count, directory, 0)
        + struct.pack("<IIIII", CUTOFF, mini_fat, -(-mini_sectors // 128), END, 0)
        + struct.pack("<109I", *(places + [FREE] * (109 - count)))
    )
    assert len(header) == SECTOR_BYTES
    return header + b"".join(writer.sectors) + fat
