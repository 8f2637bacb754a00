"""The small disk that the proofs use: it greets on the serial console, and halts."""

from __future__ import annotations

from functools import cache
from typing import Final

__all__ = ["GREETING", "image", "qcow2"]

#: What it prints on the serial console when a guest boots from it.
GREETING: Final = "cephdeploy: this guest runs from its disk in Ceph"


def _boot_sector() -> bytes:
    """An x86 boot sector that greets on the serial port and halts, with one partition.

    Newer Glances refuse a disk that has no partition. The code sends the text after it, byte by byte.
    """
    code = bytes.fromhex("31c08ed8be157cac84c07406baf803eeebf5f4ebfd")
    text = f"\r\n{GREETING}\r\n".encode() + b"\0"
    partition = bytes.fromhex("80000100830001000100000001000000")
    return (code + text).ljust(446, b"\0") + partition.ljust(64, b"\0") + bytes.fromhex("55aa")


@cache
def image() -> bytes:
    """The disk as raw, 8 MiB: two objects of RBD, and quick to send."""
    return _boot_sector().ljust(8 * 2**20, b"\0")


def qcow2(size: int = 2**20) -> bytes:
    """An empty disk as qcow2 version 3: four clusters of 64 KiB.

    Source: QEMU's docs/interop/qcow2.rst.
    """
    cluster = 1 << 16
    numbers = (
        (0x514649FB, 4), (3, 4), (0, 8), (0, 4), (16, 4), (size, 8), (0, 4),
        (1, 4), (3 * cluster, 8),  # the first-level table: one entry, in the fourth cluster
        (cluster, 8), (1, 4),  # the table of reference counts
        (0, 4), (0, 8), (0, 8), (0, 8), (0, 8), (4, 4), (104, 4),
    )  # fmt: skip
    header = b"".join(value.to_bytes(width, "big") for value, width in numbers)
    table = (2 * cluster).to_bytes(8, "big")
    counts = b"\0\1" * 4
    return b"".join(part.ljust(cluster, b"\0") for part in (header, table, counts, b""))
