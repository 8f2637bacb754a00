"""Files and directories that are ours as a whole, and a block of ours in a file that is not."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Self

from ..requests import ANY, Answer, Look, MakeDirectory, Ran, Request, Seen, Write
from ..resource import Clash, Resource, State, Unfit, Upstream, Value
from ..values import Ref, Secret, Text, Unknown, references
from .names import named

if TYPE_CHECKING:
    from ..site import Host, Site

__all__ = ["Block", "Directory", "File", "Keyring"]


def seen(answer: Answer, path: str) -> Seen:
    """The answer to a :class:`Look`; raises Unfit when the host could not look."""
    if isinstance(answer, Ran):
        raise Unfit(f"can't look at {path}: {answer.reason}")
    assert isinstance(answer, Seen)
    return answer


def _mode(mode: int) -> str:
    return f"{mode:04o}"


@dataclass(frozen=True, kw_only=True)
class Directory(Resource):
    """A directory with its owner and mode; what is in it is not looked at."""

    kind: ClassVar[str] = "directory"

    path: str
    mode: int = 0o755
    owner: str = "root"
    group: str = "root"

    def __post_init__(self) -> None:
        named("path", "RemotePath", self.path)

    @property
    def name(self) -> str:
        return self.path

    def probe(self) -> Sequence[Request]:
        return (Look(path=self.path),)

    def read(self, answers: Sequence[Answer]) -> State | None:
        found = seen(answers[0], self.path)
        if found.type == "absent":
            return None
        if found.type != "directory":
            raise Unfit(f"{self.path} is a {found.type}, not a directory; move it away")
        return State({"owner": f"{found.owner}:{found.group}", "mode": _mode(found.mode)})

    def want(self, have: State | None, upstream: Upstream) -> State:
        return State({"owner": f"{self.owner}:{self.group}", "mode": _mode(self.mode)})

    def change(self, have: State | None, want: State) -> Sequence[Request]:
        return (MakeDirectory(path=self.path, mode=self.mode, owner=self.owner, group=self.group),)


@dataclass(frozen=True, kw_only=True)
class File(Resource):
    """A whole file. Content with a secret in it is compared by fingerprint and never shown."""

    kind: ClassVar[str] = "file"

    path: str
    content: str | Secret | Text | Ref | Unknown = field(repr=False)
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"
    #: Never bring the file's present content to the controller, even where ours is no secret.
    sensitive: bool = False

    def __post_init__(self) -> None:
        named("path", "RemotePath", self.path)
        # a text that waits for nothing is what it says: nobody would render it later
        if isinstance(self.content, Text) and not any(references(self.content)):
            object.__setattr__(self, "content", self.content.render())

    @property
    def name(self) -> str:
        return self.path

    def probe(self) -> Sequence[Request]:
        return (Look(path=self.path, content=isinstance(self.content, str) and not self.sensitive),)

    def read(self, answers: Sequence[Answer]) -> State | None:
        found = seen(answers[0], self.path)
        if found.type == "absent":
            return None
        if found.type != "file":
            raise Unfit(f"{self.path} is a {found.type}, not a file; move it away")
        content = f"sha256:{found.digest[:12]}" if isinstance(self.content, str) else found.fingerprint
        values: dict[str, Value] = {
            "content": content,
            "owner": f"{found.owner}:{found.group}",
            "mode": _mode(found.mode),
        }
        return State(values, raw={"digest": found.digest, "text": found.content})

    def want(self, have: State | None, upstream: Upstream) -> State:
        content: Value
        if isinstance(self.content, str):
            content = f"sha256:{hashlib.sha256(self.content.encode()).hexdigest()[:12]}"
        elif isinstance(self.content, Secret):
            content = self.content.fingerprint
        else:
            assert isinstance(self.content, Unknown)
            content = self.content
        return State({"content": content, "owner": f"{self.owner}:{self.group}", "mode": _mode(self.mode)})

    def change(self, have: State | None, want: State) -> Sequence[Request]:
        content = self.content
        assert isinstance(content, str | Secret)
        return (
            Write(
                path=self.path,
                content=content.encode() if isinstance(content, str) else content,
                mode=self.mode,
                owner=self.owner,
                group=self.group,
                expect=str(have.raw["digest"]) if have is not None else "",
            ),
        )

    def text(self, have: State | None, want: State) -> tuple[bytes, bytes] | None:
        if not isinstance(self.content, str) or self.sensitive:
            return None
        before = have.raw.get("text") if have is not None else b""
        return (before if isinstance(before, bytes) else b"", self.content.encode())


@dataclass(frozen=True, kw_only=True)
class Keyring(File):
    """A cephx keyring file, readable by the service that uses it and by nobody else.

    The format is what ``ceph auth get-or-create`` prints, so that a keyring made by hand from it is
    taken over as it is.
    """

    kind: ClassVar[str] = "keyring"

    @classmethod
    def of(cls, site: Site, host: Host, entity: str, service: str, *, group: str = "") -> Self:
        """The keyring of ``entity`` where librados looks for it, owned by the account of ``service``.

        :param group: where it is not the account's own.
        """
        account = host.distro.account(service)
        return cls(
            host=host.name,
            path=f"/etc/ceph/{site.ceph.cluster}.{entity}.keyring",
            content=Text("[{entity}]\n\tkey = {key}\n", {"entity": entity, "key": site.key(entity)}),
            owner=account.user,
            group=group or account.group,
            mode=0o640,
        )

    def merged(self, other: Self) -> Self:
        """Two services of one host that share a key: root's, and readable by a group that both are in."""
        if (self.content, self.path) != (other.content, other.path):
            raise Clash("they hold different keys")
        if (self.owner, self.group, self.mode) != (other.owner, other.group, other.mode):
            raise Clash(
                f"one wants it for {self.owner}:{self.group} and the other for {other.owner}:{other.group}; "
                "give one of them a cephx user of its own, as nova: {user: nova} does in the site file"
            )
        return replace(self, after=tuple(dict.fromkeys((*self.after, *other.after))))


@dataclass(frozen=True, kw_only=True)
class Block(Resource):
    """A block of lines of ours in a file that belongs to others, between two marker lines."""

    kind: ClassVar[str] = "block"

    path: str
    label: str
    lines: tuple[str, ...]

    def __post_init__(self) -> None:
        named("path", "RemotePath", self.path)

    @property
    def name(self) -> str:
        return f"{self.path}#{self.label}"

    @property
    def _markers(self) -> tuple[bytes, bytes]:
        return (f"# begin {self.label}".encode(), f"# end {self.label}".encode())

    def probe(self) -> Sequence[Request]:
        return (Look(path=self.path, content=True),)

    def read(self, answers: Sequence[Answer]) -> State | None:
        found = seen(answers[0], self.path)
        if found.type != "file" or found.content is None:
            raise Unfit(f"{self.path} is {found.type}, not a file")
        block = _between(found.content, *self._markers)
        if block is None and self._markers[0] in found.content.split(b"\n"):
            raise Unfit(f"{self.path} has a line '# begin {self.label}' without its '# end {self.label}'; put it right")
        raw = {"seen": found}
        return State({"lines": block.decode(errors="replace") if block is not None else None}, raw=raw)

    def want(self, have: State | None, upstream: Upstream) -> State:
        return State({"lines": "\n".join(self.lines)})

    def change(self, have: State | None, want: State) -> Sequence[Request]:
        assert have is not None
        found = have.raw["seen"]
        assert isinstance(found, Seen)
        return (
            Write(
                path=self.path,
                content=self._with_block(found.content or b""),
                mode=found.mode,
                owner=found.owner,
                group=found.group,
                expect=found.digest or ANY,
            ),
        )

    def text(self, have: State | None, want: State) -> tuple[bytes, bytes] | None:
        assert have is not None
        found = have.raw["seen"]
        assert isinstance(found, Seen)
        before = found.content or b""
        return before, self._with_block(before)

    def _with_block(self, before: bytes) -> bytes:
        begin, end = self._markers
        block = b"\n".join([begin, *(line.encode() for line in self.lines), end])
        lines = before.split(b"\n")
        if begin in lines and end in lines[lines.index(begin) :]:
            first = lines.index(begin)
            last = lines.index(end, first)
            return b"\n".join([*lines[:first], block, *lines[last + 1 :]])
        return before + (b"" if before.endswith(b"\n") or not before else b"\n") + block + b"\n"


def _between(content: bytes, begin: bytes, end: bytes) -> bytes | None:
    lines = content.split(b"\n")
    if begin not in lines or end not in lines[lines.index(begin) :]:
        return None
    first = lines.index(begin)
    return b"\n".join(lines[first + 1 : lines.index(end, first)])
