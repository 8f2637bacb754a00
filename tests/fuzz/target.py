"""Coverage-guided fuzzing of what reads strangers' bytes: ``python -m tests.fuzz.target frames|site [OPTION...]``.

Needs atheris, which is libFuzzer for Python; the options are libFuzzer's, such as ``-max_total_time=600`` and a folder
for the corpus. Anything but the error that is meant for it is a finding, and its bytes are left beside.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import cache

__all__ = ["SEEDS", "TARGETS", "frames", "site"]

NONCE = b"0123456789abcdef"
#: A stream may hold no larger frame here, so that a found size takes no memory.
LIMIT = 1 << 20


def frames(data: bytes) -> None:
    """A stream of bytes that a host says, cut as its first bytes tell: frames come out, or a WireError."""
    from cephdeploy.frames import FrameReader
    from cephdeploy.wire import WireError, encode

    count = min(len(data), 1 + (data[0] if data else 0) % 8)
    widths, stream = data[1:count] or b"\xff", data[count:]
    at = step = 0

    def read(most: int) -> bytes:
        nonlocal at, step
        width = min(most, 1 + widths[step % len(widths)])
        piece = stream[at : at + width]
        at, step = at + width, step + 1
        return piece

    reader = FrameReader(NONCE, read, LIMIT)
    found = []
    try:
        while (fields := reader.frame()) is not None:
            found.append(fields)
    except WireError:
        pass
    again = FrameReader(NONCE, _whole(b"".join(encode(NONCE, fields) for fields in found)), LIMIT)
    for fields in found:
        assert again.frame() == fields, "a frame is not what its own encoding says"
    assert again.frame() is None


def _whole(data: bytes) -> Callable[[int], bytes]:
    left = [data]

    def read(most: int) -> bytes:
        piece, left[0] = left[0][:most], left[0][most:]
        return piece

    return read


@cache
def _components() -> tuple[object, ...]:
    from cephdeploy.deployment import components

    return tuple(components())


def site(data: bytes) -> None:
    """A site file: settings come out, or a SiteFileError whose every line names the file and is one line."""
    from cephdeploy import sitefile
    from cephdeploy.errors import SiteFileError

    try:
        sitefile.load(data, _components())  # type: ignore[arg-type]
    except SiteFileError as error:
        lines = str(error).split("\n")
        assert lines and all(lines), "a fault without a word"


TARGETS: dict[str, Callable[[bytes], None]] = {"frames": frames, "site": site}
#: What the search begins with.
SEEDS: dict[str, tuple[bytes, ...]] = {
    "frames": (
        b"\x02\x05" + NONCE + b" 3,0,2\nabcde" + NONCE + b" \n",
        b"\x00Welcome\n" + NONCE + b" 12\n" + NONCE,
        b"\x01" + NONCE + b" 99999999999\n",
    ),
    "site": (
        b"ceph: {admin: ceph1}\nhosts:\n  ceph1: {address: 10.77.0.10}\n"
        b"  compute[1-2]: {address: '10.77.0.2[1-2]', roles: [nova-compute]}\n",
        b"ceph:\n  admin: a\n  caps: exact\nhosts: &h\n  a: {address: '::1', roles: [glance-api, cinder-volume]}\n"
        b"serial: {nova-compute: [1, 25%]}\npools: {images: {name: img, pg_num: 64}}\nssh: {user: root}\n",
        b"x-a: &a [1, 0640, no]\nglance: {user: glance, chunk_size: 8}\nglance: *a\n",
    ),
}


def main() -> None:
    """Fuzz one target until libFuzzer's options say that it is enough."""
    import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

    name = sys.argv.pop(1)
    with atheris.instrument_imports(include=["cephdeploy", "yaml"]):
        import cephdeploy.deployment
        import cephdeploy.frames
        import cephdeploy.sitefile  # noqa: F401
    _components()
    atheris.Setup(sys.argv, TARGETS[name])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
