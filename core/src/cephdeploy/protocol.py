"""Requests as they travel: a batch into frames, a host's frames into answers.

Pure: the order of the fields is the one that ``payload`` takes and gives.
"""

from __future__ import annotations

import re
import shlex
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from .contents import Contents, digest_of, packed, unpacked
from .redaction import redacted
from .requests import (
    Answer,
    Chain,
    Chained,
    Dpkg,
    Group,
    Hold,
    Kept,
    Look,
    MakeDirectory,
    Ran,
    Remove,
    Request,
    Restart,
    Restore,
    Run,
    Seen,
    Unit,
    Write,
)
from .values import Secret
from .wire import WireError

__all__ = ["Batch", "Fields", "Parcel"]

#: One frame: what stands in it, as byte strings.
Fields = Sequence[bytes]


@dataclass(frozen=True)
class Parcel:
    """A batch as it travels: carried without knowing what is in it, and never shown.

    :param frames: groups, and their requests by keys.
    :param seconds: after which a host that is well has answered all of it.
    :param secret: whether there is a secret in it, which nobody but a host that has proved itself may get.
    :param looks: whether nothing in it changes anything, so that it may be asked twice.
    :param keep: whether the host's line must stay open from now on.
    """

    frames: Sequence[Fields] = field(repr=False)
    seconds: float
    secret: bool = False
    looks: bool = False
    keep: bool = False


#: A file's mode as it travels, in decimal digits.
_MODE = re.compile(rb"\d{1,4}")
#: Seconds that a host gets over the deadlines of what it was asked.
_SLACK = 30.0
#: Seconds for a request that has no deadline of its own: systemd and the file system answer within it.
_USUAL = 120.0


class Batch:
    """Groups of requests as the frames that carry them, and the way back.

    :param groups: what is asked of one host in one round trip.
    :param contents: what both ends may know of files.
    :param looks: whether nothing in it changes anything.
    """

    def __init__(self, groups: Sequence[Group], contents: Contents, *, looks: bool = False) -> None:
        self._contents = contents
        #: What the host need not send, by digest: it stays here until the answers are read.
        self._known: dict[str, bytes] = {}
        self._written: dict[str, str] = {}
        self._sizes = [len(group.requests) for group in groups]
        self._wanted: dict[bytes, Request] = {}
        #: Seconds by what they went into; known once the answers are.
        self.spent: defaultdict[str, float] = defaultdict(float)
        frames: list[Fields] = []
        for number, group in enumerate(groups):
            changes = 0 if looks else len(group.requests) - group.probes
            frames.append((b"group", b"%d" % group.parallel, b"%d" % group.gate, b"%d" % changes))
            for place, request in enumerate(group.requests):
                key = b"%d.%d" % (number, place)
                self._wanted[key] = request
                accept = ",".join(map(str, request.accept)) if isinstance(request, Run) else ""
                doer, *rest = _encoded(request)
                frames.append((key, doer, accept.encode(), *rest, *self._content(request)))
        #: What to send.
        self.parcel = Parcel(
            frames,
            seconds=_SLACK + sum(map(_budget, self._wanted.values())),
            secret=any(map(_is_secret, self._wanted.values())),
            looks=looks,
            keep=any(isinstance(request, Hold) and request.keep for request in self._wanted.values()),
        )

    def _content(self, request: Request) -> list[bytes]:
        """The last fields of a request that has to do with a file's content."""
        match request:
            case Write():
                content = _raw(request.content)
                self._written[request.path] = digest = digest_of(content)
                self._known[digest] = content
                return [packed(content, self._contents.at(request.path).get(request.expect)), request.run.encode()]
            case Look(content=True):
                return self._told(request.path)
            case Chain():
                return [digest for path in {request.path, *request.default} for digest in self._told(path)]
        return []

    def _told(self, path: str) -> list[bytes]:
        """The digests of what is known of a path, also of what is written to it in this batch."""
        known = self._contents.at(path)
        self._known.update(known)
        written = self._written.get(path)
        return [digest.encode() for digest in ([*known, written] if written else known)]

    def _came(self, path: str, digest: str, field: bytes) -> bytes:
        """A file's content: as it came, or as it was known.

        :param path: where it is remembered for other hosts; empty: nowhere.
        """
        content = unpacked(field) if field else self._known.get(digest, b"")
        if digest_of(content) != digest:
            raise WireError("a file's content is not what its digest says")
        self._known[digest] = content
        if path:
            self._contents.saw(path, digest, content)
        return content

    def answers(self, said: Mapping[bytes, Fields]) -> list[list[Answer]]:
        """The answers, in the groups' order.

        :param said: the frames of answers by their first field.
        :raises WireError: one is not what was asked for; a host may say anything.
        """
        try:
            return [
                [
                    self._answer(self._wanted[key], said[key])
                    for key in (b"%d.%d" % (number, place) for place in range(size))
                ]
                for number, size in enumerate(self._sizes)
            ]
        except WireError:
            raise
        except Exception as error:
            raise WireError("an answer of it can't be read") from error

    def _answer(self, request: Request, fields: Fields) -> Answer:
        status, _, spent = fields[1].partition(b":")
        self.spent[_sort_of_work(request)] += int(spent or 0) / 1000
        return self._decoded(request, int(status), fields[2:])

    def _decoded(self, request: Request, status: int, fields: Fields) -> Answer:
        """What a host said, as the request's answer; a failure is always a :class:`Ran`.

        :raises WireError: it is no answer to that request.
        """
        if status == 0 and isinstance(request, Look | Kept):
            if len(fields) < 7 or not _MODE.fullmatch(fields[1]):
                raise WireError("what it says of a file has not the form of it")
            sort, mode, owner, group, digest = map(_text, fields[:5])
            content, target, written = [*fields[5:], b""][:3]
            path = request.path if isinstance(request, Look) else ""
            return Seen(
                type=_sort(sort),
                mode=int(mode),
                owner=owner,
                group=group,
                digest=digest,
                content=self._came(path, digest, content) if request.content and sort == "file" else None,
                target=_text(target),
                written=_text(written),
            )
        if status == 0 and isinstance(request, Chain):
            if len(fields) % 3:
                raise WireError("what it says of files has not the form of it")
            files = zip(map(_text, fields[::3]), map(_text, fields[1::3]), fields[2::3], strict=True)
            return Chained(files=tuple((path, self._came(path, digest, content)) for path, digest, content in files))
        out, err = [*fields, b"", b""][:2]
        return Ran(status=status, out=out, err=err)

    def unknown(self, said: Mapping[bytes, Fields]) -> str:
        """Of which requests it is unknown what came, for an error."""
        missing = [_shown(request) for key, request in self._wanted.items() if key not in said]
        if not missing:
            return "all that was asked had been answered"
        more = f" and of {len(missing) - 1} more after it" if len(missing) > 1 else ""
        return f"what came of '{missing[0]}'{more} is unknown"


def _is_secret(request: Request) -> bool:
    return (isinstance(request, Run) and isinstance(request.stdin, Secret)) or (
        isinstance(request, Write) and isinstance(request.content, Secret)
    )


#: What programs belong to.
_WORK = {
    **dict.fromkeys(("ceph", "cephadm", "rbd", "rados"), "ceph"),
    **dict.fromkeys(("virsh", "qemu-img"), "libvirt"),
    **dict.fromkeys(("apt-get", "dnf", "yum", "zypper", "dpkg-query", "rpm"), "packages"),
}


def _sort_of_work(request: Request) -> str:
    """What a person would say that a request's time goes into."""
    match request:
        case Restart():
            return "restarts"
        case Run():
            return _WORK.get(request.argv[0].rpartition("/")[2], "other commands")
        case Dpkg():
            return "packages"
    return "files and units"


def _budget(request: Request) -> float:
    """Seconds after which a host that is well has answered."""
    match request:
        case Run():
            return request.timeout + 5
        case Restart():
            return request.timeout + request.settle + _USUAL
    return _USUAL


def _shown(request: Request) -> str:
    match request:
        case Run():
            # before it is cut: half a password looks like none
            return redacted(shlex.join(request.argv))[:80]
        case Write():
            return f"write {request.path}"
        case Restore():
            return f"put back {request.path}"
        case Kept():
            return f"look at what was kept of {request.name}"
        case Remove():
            return f"remove {request.path}"
        case Hold():
            return "hold the lock"
        case MakeDirectory():
            return f"make {request.path}"
        case Restart():
            return f"{request.verb} {request.name}"
        case Look():
            return f"look at {request.path}"
        case Unit():
            return f"look at {request.name}"
        case Dpkg():
            return f"read {request.record}"
    return f"read what {request.unit} reads"


def _raw(value: bytes | Secret) -> bytes:
    return value.reveal() if isinstance(value, Secret) else value


def _encoded(request: Request) -> list[bytes]:
    """The doer's name and its fields, in the order that ``payload`` takes them."""
    match request:
        case Run():
            pick = request.pick
            return [
                b"run",
                b"%g" % request.timeout,
                request.user.encode(),
                request.keep.encode(),
                request.until.encode(),
                _raw(request.stdin),
                "\0".join(pick.path).encode() if pick else b"",
                pick.key.encode() if pick else b"",
                "\0".join(pick.values).encode() if pick else b"",
                "\0".join(request.argv).encode(),
                request.save.encode() if request.run else b"",
                request.run.encode(),
                request.feed.run.encode() if request.feed else b"",
                request.feed.name.encode() if request.feed else b"",
            ]
        case Look():
            return [b"look", request.path.encode(), b"1" if request.content else b"0"]
        case Dpkg():
            return [b"dpkg", request.record.encode(), "\0".join(request.names).encode()]
        case Write():
            return [
                b"write",
                request.path.encode(),
                b"%d" % request.mode,
                request.owner.encode(),
                request.group.encode(),
                request.expect.encode(),
            ]
        case Kept():
            return [b"kept", request.run.encode(), request.name.encode(), b"%d" % request.content]
        case Restore():
            return [
                b"restore",
                request.path.encode(),
                request.kept.encode(),
                request.expect.encode(),
                request.run.encode(),
            ]
        case Remove():
            return [b"remove", request.path.encode(), request.expect.encode(), request.run.encode()]
        case Hold():
            return [b"hold", request.holder.encode()]
        case MakeDirectory():
            return [
                b"directory",
                request.path.encode(),
                b"%d" % request.mode,
                request.owner.encode(),
                request.group.encode(),
            ]
        case Unit():
            return [b"unit", request.name.encode()]
        case Restart():
            return [
                b"restart",
                request.name.encode(),
                b"%g" % request.settle,
                b"%g" % request.timeout,
                request.verb.encode(),
            ]
        case Chain():
            return [
                b"chain",
                request.unit.encode(),
                request.path.encode(),
                request.project.encode(),
                "\0".join(request.default).encode(),
            ]


def _text(field: bytes) -> str:
    return field.decode(errors="replace")


def _sort(sort: str) -> Literal["absent", "file", "directory", "other"]:
    for known in ("absent", "file", "directory"):
        if sort == known:
            return known
    return "other"
