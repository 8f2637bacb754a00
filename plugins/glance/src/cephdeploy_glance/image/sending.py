"""An image's bytes on their way to Glance: counted, checksummed, and compared with what Glance has in the end."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from cephdeploy.errors import CephdeployError

from .source import Source

__all__ = ["Sent", "send"]

#: Those that Glance may be set to; it says which one only afterwards.
_DIGESTS: Final = ("sha512", "sha256")


@dataclass(frozen=True)
class Sent:
    """An image that is in Glance, byte for byte."""

    id: str
    name: str
    size: int
    digest: str


class _Body:
    """The body of the upload: read by the HTTP library, which needs its length to say so beforehand."""

    def __init__(self, source: Source, progress: Callable[[str, int, int], None]) -> None:
        self._source = source
        self._progress = progress
        self._rest = b""
        self.done = 0
        self.digests = {name: hashlib.new(name) for name in _DIGESTS}

    def __len__(self) -> int:
        return self._source.size

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.read(1 << 20):
            yield piece

    def read(self, size: int = -1) -> bytes:
        """The next bytes, at most ``size``."""
        if not self._rest:
            self._rest = next(self._source.pieces, b"")
        if not 0 < size < len(self._rest):
            size = len(self._rest)
        piece, self._rest = self._rest[:size], self._rest[size:]
        for digest in self.digests.values():
            digest.update(piece)
        self.done += len(piece)
        self._progress("uploading", self.done, self._source.size)
        return piece


def send(
    connection: Any,
    source: Source,
    *,
    name: str,
    properties: Mapping[str, str],
    visibility: str,
    progress: Callable[[str, int, int], None],
) -> Sent:
    """Upload an image as raw; if that fails in any way, or Glance has other bytes, nothing of it stays.

    :raises CephdeployError: with what Glance said.
    """
    glance = connection.image
    about = {"name": name, "disk_format": "raw", "container_format": "bare", "visibility": visibility, **properties}
    made = glance.post("/images", json=about)
    if made.status_code != 201:
        raise CephdeployError(f"Glance refuses the image: {_said(made)}")
    ident = str(made.json()["id"])
    body = _Body(source, progress)
    try:
        put = glance.put(
            f"/images/{ident}/file", data=body, headers={"Content-Type": "application/octet-stream"}, connect_retries=0
        )
        if put.status_code != 204:
            raise CephdeployError(f"Glance refuses the image's data after {body.done} bytes: {_said(put)}")
        return _compared(glance.get(f"/images/{ident}").json(), body)
    except BaseException as error:
        with contextlib.suppress(Exception):
            glance.delete(f"/images/{ident}")
        if isinstance(error, (CephdeployError, KeyboardInterrupt)) or not isinstance(error, Exception):
            raise
        raise CephdeployError(
            f"the upload broke off after {body.done} bytes, and the image is removed: {error}"
        ) from error


def _compared(image: Mapping[str, Any], body: _Body) -> Sent:
    if image["status"] != "active" or image["size"] != len(body):
        raise CephdeployError(
            f"Glance has {image['size']} of {len(body)} bytes, and the image is {image['status']}; it is removed"
        )
    digest = body.digests.get(str(image.get("os_hash_algo") or "sha512"))
    ours = digest.hexdigest() if digest is not None else ""
    theirs = str(image.get("os_hash_value") or "")
    if ours and theirs and ours != theirs:
        raise CephdeployError(
            f"what Glance has is not what was sent ({theirs[:16]}… and {ours[:16]}…); the image is removed"
        )
    return Sent(str(image["id"]), str(image["name"]), int(image["size"]), body.digests["sha512"].hexdigest())


def _said(answer: Any) -> str:
    """What Glance says, without the page around it."""
    import re

    text = re.sub(r"<[^>]*>", " ", str(answer.text))
    return f"{answer.status_code} {' '.join(text.split())[:300]}"
