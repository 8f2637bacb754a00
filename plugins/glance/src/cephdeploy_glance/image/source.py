"""An image to be imported as a stream of its raw bytes, whatever its format, without a second full copy on disk.

qemu-img can't write raw to a pipe, and converting to a file first would cost a second copy. So it is asked for one
window of the disk after another: QEMU's own raw driver, laid over the format's driver, has an offset and a size. Each
window lands in one small sparse file and is read from there. ``qemu-img dd`` with skip and count would be shorter and
is not used: what its count counts from differs between releases. qemu-nbd would need a server and a client beside it.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

from cephdeploy.errors import CephdeployError, UsageError

__all__ = ["Source", "format_of", "opened"]

#: Bytes of a window: large enough that starting qemu-img is nothing, small enough for any temporary folder.
WINDOW: Final = 256 << 20
#: Bytes that are read at once.
PIECE: Final = 1 << 20

#: What a file begins with, to the format that it is. Where none fits it is taken for raw.
_MAGIC: Final = {
    b"QFI\xfb": "qcow2",
    b"KDMV": "vmdk",
    b"# Disk DescriptorFile": "vmdk",
    b"COWD": "vmdk",
    b"vhdxfile": "vhdx",
    b"conectix": "vpc",
    b"<<< ": "vdi",
    b"QED\0": "qed",
    b"WithoutFreeSpace": "parallels",
    b"WithouFreSpacExt": "parallels",
    b"LUKS\xba\xbe": "luks",
}
_PACKED: Final = {
    b"\x1f\x8b": "gzip",
    b"\xfd7zXZ\0": "xz",
    b"BZh": "bzip2",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"PK\3\4": "zip",
}

#: Called with what is under way, how much of it is done, and how much there is (0: not known).
Step = Callable[[str, int, int], None]


class Readable(Protocol):
    """What gives bytes."""

    def read(self, size: int = -1, /) -> bytes: ...


@dataclass(frozen=True)
class Source:
    """An image that can be read once, as raw.

    :param size: of the disk, in bytes.
    """

    name: str
    format: str
    size: int
    pieces: Iterator[bytes] = field(repr=False)


def format_of(head: bytes) -> str:
    """The format of a disk by its first bytes.

    :raises UsageError: it is packed.
    """
    for magic, name in _PACKED.items():
        if head.startswith(magic):
            raise UsageError(f"the image is packed by {name}; unpack it first")
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), "raw")


@contextlib.contextmanager
def opened(where: str, *, progress: Step) -> Iterator[Source]:
    """An image from a file or an ``http(s)`` URL; what was made for it on disk is gone afterwards.

    A URL of a raw image is passed on as it comes. Of another format it is downloaded first, since qemu-img has to
    seek in it: that file is the only copy.

    :raises UsageError: it can't be read, is packed, or is made of several files.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cephdeploy-image-")))
        if urllib.parse.urlsplit(where).scheme in ("http", "https"):
            yield _of_url(where, folder, stack, progress)
        elif "://" in where:
            raise UsageError(f"{where}: an image comes from a file or from an http or https URL")
        else:
            yield _of_file(Path(where), folder, stack)


def _of_file(path: Path, folder: Path, stack: contextlib.ExitStack, *, name: str = "") -> Source:
    try:
        file = stack.enter_context(path.open("rb"))
        size = path.stat().st_size
        head = file.read(PIECE)
        file.seek(0)
    except OSError as error:
        raise UsageError(f"can't read {path}: {error.strerror}") from error
    name, found = name or path.stem, format_of(head)
    if found == "raw":
        return Source(name, found, size, _read(file, size, str(path)))
    size = _inspected(path, found)
    return Source(name, found, size, _windows(path, found, size, folder))


def _of_url(url: str, folder: Path, stack: contextlib.ExitStack, progress: Step) -> Source:
    name = Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path)).stem or "image"
    try:
        answer = stack.enter_context(urllib.request.urlopen(url, timeout=60))
        size = int(answer.headers.get("Content-Length") or 0)
        head = answer.read(PIECE)
        if format_of(head) == "raw" and size:
            return Source(name, "raw", size, _read(answer, size, url, head))
        path = folder / "downloaded"
        with path.open("wb") as file:
            done = 0
            while head:
                file.write(head)
                done += len(head)
                progress("downloading", done, size)
                head = answer.read(PIECE)
    except (OSError, urllib.error.URLError) as error:
        raise CephdeployError(f"can't get {url}: {error}") from error
    if size and done != size:
        raise CephdeployError(f"{url} ended after {done} of {size} bytes; try again")
    return _of_file(path, folder, stack, name=name)


def _read(file: Readable, size: int, where: str, head: bytes = b"") -> Iterator[bytes]:
    left = size
    while left:
        piece = head or file.read(min(PIECE, left))
        head = b""
        if not piece:
            raise CephdeployError(f"{where} ended {left} bytes before its end; try again")
        left -= len(piece)
        yield piece


def _inspected(path: Path, name: str) -> int:
    """The size of the disk in an image, once it is sure that it is all in this one file."""
    about = json.loads(_qemu_img("info", "--output", "json", "-f", name, str(path)))
    data = about.get("format-specific", {}).get("data", {})
    other = about.get("backing-filename") or data.get("data-file")
    if other:
        # nor would it be safe: whoever made the image would choose what is read from this machine
        raise UsageError(f"{path} is only a part, of which the rest is in {other}; merge them by qemu-img convert")
    extents = data.get("extents") or []
    if name == "vmdk" and any(Path(str(one.get("filename", path))).name != path.name for one in extents):
        raise UsageError(f"{path} only describes its parts; merge them by qemu-img convert")
    return int(about["virtual-size"])


def _windows(path: Path, name: str, size: int, folder: Path) -> Iterator[bytes]:
    piece = folder / "window"
    for offset in range(0, size, WINDOW):
        length = min(WINDOW, size - offset)
        _qemu_img("convert", "--image-opts", _window(path, name, offset, length), "-O", "raw", str(piece))
        with piece.open("rb") as file:
            yield from _read(file, length, str(path))


def _window(path: Path, name: str, offset: int, length: int) -> str:
    """QEMU's words for a part of a disk; a comma in a path is written twice."""
    file = str(path.absolute()).replace(",", ",,")
    return (
        f"driver=raw,offset={offset},size={length},file.driver={name},file.file.driver=file,file.file.filename={file}"
    )


def _qemu_img(*words: str) -> str:
    program = shutil.which("qemu-img")
    if program is None:
        raise CephdeployError("there is no qemu-img here; install qemu-utils (Debian) or qemu-img (RHEL)")
    try:
        ended = subprocess.run(
            [program, *words], capture_output=True, text=True, timeout=3600, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        raise CephdeployError(f"qemu-img {words[0]} did not end within an hour") from None
    if ended.returncode != 0:
        raise CephdeployError(f"qemu-img {words[0]}: {' '.join(ended.stderr.split()).removeprefix('qemu-img: ')}")
    return ended.stdout
