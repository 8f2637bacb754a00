"""The files of a fake host, who may do what with them, and what runs kept of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..requests import ANY, CHANGED, NOTHING_KEPT, Kept, Look, MakeDirectory, Ran, Remove, Restore, Seen, Write
from ..values import Secret
from ._programs import Program, Said, Unscripted, Words

__all__ = ["Disk", "FakeDirectory", "FakeFile", "nobody"]


@dataclass
class FakeFile:
    """A file."""

    content: bytes = field(repr=False)
    mode: int = 0o644
    owner: str = "root"
    group: str = "root"

    @property
    def text(self) -> str:
        """The content as text."""
        return self.content.decode()

    @property
    def digest(self) -> str:
        return hashlib.sha256(self.content).hexdigest()


@dataclass
class FakeDirectory:
    """A directory; one that was never named but has a file in it is root's and open to read."""

    mode: int = 0o755
    owner: str = "root"
    group: str = "root"


def nobody(what: str, name: str) -> bytes:
    return f"there is no {what} '{name}' here; install the package that makes it".encode()


class Disk:
    """Files, directories, links and accounts; its attributes are those of :class:`~cephdeploy.testing.FakeHost`.

    :param host: the name of the host, for errors.
    """

    def __init__(self, host: str) -> None:
        self._host = host
        self.files: dict[str, FakeFile] = {}
        self.directories: dict[str, FakeDirectory] = {}
        self.acls: dict[str, dict[str, str]] = {}
        self.links: dict[str, str] = {}
        self.accounts: dict[str, tuple[str, ...]] = {"root": ("root",)}
        self.kept: dict[tuple[str, str], tuple[FakeFile | None, str]] = {}

    def real(self, path: str) -> str:
        """Where a path leads, through symbolic links."""
        for _ in range(40):
            if path not in self.links:
                return path
            path = self.links[path]
        raise AssertionError(f"{self._host}: {path}: too many links")

    def file(self, path: str) -> FakeFile | None:
        """The file that a path leads to."""
        return self.files.get(self.real(path))

    def contents(self) -> Mapping[str, bytes]:
        return {path: file.content for path, file in self.files.items()}

    def may(self, user: str, path: str, bit: int) -> bool:
        """Whether an account may read (4), write (2) or enter (1) what stands at a path; not what is above it."""
        real = self.real(path)
        found = self.files.get(real) or self.directories.get(real, FakeDirectory())
        if user in ("", "root"):
            return True
        if found.owner == user:
            return bool(found.mode & bit << 6)
        listed = self.acls.get(real, {})
        letter = {4: "r", 2: "w", 1: "x"}[bit]
        if f"user:{user}" in listed:
            return letter in listed[f"user:{user}"]
        if any(letter in listed.get(f"group:{group}", "") for group in self.accounts[user]):
            return True
        return bool(found.mode & (bit << 3 if found.group in self.accounts[user] else bit))

    def may_read(self, user: str, path: str) -> bool:
        return self.may(user, path, 4)

    # requests

    def look(self, request: Look) -> Seen:
        path = self.real(request.path)
        target = path if request.path in self.links else ""
        if file := self.files.get(path):
            return _seen(file, content=request.content, target=target)
        if self._is_directory(path):
            found = self.directories.get(path, FakeDirectory())
            return Seen(type="directory", mode=found.mode, owner=found.owner, group=found.group, target=target)
        return Seen(type="absent", target=target)

    def write(self, request: Write) -> Ran:
        if unknown := self._unknown(request.owner, request.group):
            return unknown
        path = self.real(request.path)
        if path != request.path and path not in self.files:
            return Ran(status=1, err=f"{request.path} is a link that leads nowhere".encode())
        if self._is_directory(path):
            return Ran(status=1, err=f"{path} is not a file; move it away".encode())
        present = self.files[path].digest if path in self.files else ""
        if request.expect not in (ANY, present):
            return Ran(status=CHANGED, err=b"the file is not what the plan saw")
        content = request.content.reveal() if isinstance(request.content, Secret) else request.content
        file = FakeFile(content, request.mode, request.owner, request.group)
        if request.run:
            self.keep(request.run, request.path, self.files.get(path), file.digest)
        self.files[path] = file
        return Ran(status=0)

    def remove(self, request: Remove) -> Ran:
        path = self.real(request.path)
        if path != request.path and path not in self.files:
            return Ran(status=1, err=f"{request.path} is a link that leads nowhere".encode())
        if path not in self.files:
            return Ran(status=0)
        if path != request.path:
            return Ran(status=1, err=f"{request.path} is a link to {path}, which others may need".encode())
        if request.expect not in (ANY, self.files[path].digest):
            return Ran(status=CHANGED, err=b"the file is not what the plan saw")
        if request.run:
            self.keep(request.run, request.path, self.files[path], "")
        del self.files[path]
        return Ran(status=0)

    def make_directory(self, request: MakeDirectory) -> Ran:
        path = self.real(request.path)
        if path in self.files:
            return Ran(status=1, err=f"{path} is not a directory; move it away".encode())
        if unknown := self._unknown(request.owner, request.group):
            return unknown
        self.directories[path] = FakeDirectory(request.mode, request.owner, request.group)
        return Ran(status=0)

    def keep(self, run: str, name: str, file: FakeFile | None, written: str) -> None:
        """Keep what is there for the rollback of a run, unless it has kept something under that name already."""
        self.kept.setdefault((run, name), (file, written))

    def look_at_kept(self, request: Kept) -> Seen | Ran:
        if (request.run, request.name) not in self.kept:
            return Ran(status=NOTHING_KEPT, err=f"run {request.run} kept nothing of {request.name} here".encode())
        file, written = self.kept[request.run, request.name]
        if file is None:
            return Seen(type="absent", written=written)
        return _seen(file, content=request.content, written=written)

    def restore(self, request: Restore) -> Ran:
        found = self.look_at_kept(Kept(run=request.kept, name=request.path))
        if isinstance(found, Ran):
            return found
        file, _ = self.kept[request.kept, request.path]
        if file is None:
            return self.remove(Remove(path=request.path, expect=request.expect, run=request.run))
        return self.write(
            Write(
                path=request.path,
                content=file.content,
                mode=file.mode,
                owner=file.owner,
                group=file.group,
                expect=request.expect,
                run=request.run,
            )
        )

    # programs

    def programs(self) -> dict[str, Program | None]:
        """Those that look at files and make them."""
        return {"systemd-tmpfiles": self._tmpfiles, "test": self._test}

    def _test(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        words = list(argv[1:])
        if "-a" in words:  # every part must hold
            at = words.index("-a")
            first = self._test(("test", *words[:at]), stdin, user)
            return first if first[0] else self._test(("test", *words[at + 1 :]), stdin, user)
        wanted = True
        while words[:1] == ["!"]:
            wanted, words = not wanted, words[1:]
        if len(words) != 2:
            raise Unscripted(argv, self._host)
        path = self.real(words[1])
        file = self.files.get(path)
        match words[0]:
            case "-e":
                found = file is not None or self._is_directory(path)
            case "-f":
                found = file is not None
            case "-d":
                found = self._is_directory(path)
            case "-s":
                found = file is not None and bool(file.content)
            case "-r" | "-w" | "-x":
                there = file is not None or self._is_directory(path)
                found = there and self.may(user, path, {"r": 4, "w": 2, "x": 1}[words[0][1]])
            case "-L" | "-h":
                found = words[1] in self.links
            case _:
                raise Unscripted(argv, self._host)
        return 0 if found == wanted else 1, "", ""

    def _tmpfiles(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        given = Words(argv, self._host, flags=("--create",))
        if "--create" not in given.options or not given.words:
            raise Unscripted(argv, self._host)
        for name in given.words:
            path = name if "/" in name else f"/etc/tmpfiles.d/{name}"
            if path not in self.files:
                return 1, "", f"Failed to open '{name}': No such file or directory\n"
            for line in self.files[path].text.splitlines():
                if not line.strip() or line.startswith("#"):
                    continue
                sort, made, mode, owner, group, _, argument, *_ = (*line.split(), *"-----")
                there = self.directories.get(made, FakeDirectory())  # what is '-' stays as it is
                owner = there.owner if owner == "-" else owner
                group = there.group if group == "-" else group
                if sort == "a+":
                    for entry in argument.split(","):
                        who, _, rights = entry.rpartition(":")
                        self.acls.setdefault(made, {})[who] = rights
                    continue
                if sort == "e" and mode == "-" and line.split()[3:5] == ["-", "-"]:
                    continue  # an age alone: for the cleaning, later
                if sort.rstrip("!") not in ("d", "D"):
                    raise Unscripted(argv, self._host, f"the fake does not know the line '{line}'")
                if self._unknown(owner, group):
                    return 73, "", f"{path}:1: Failed to resolve user '{owner}': Unknown user\n"
                self.directories[made] = FakeDirectory(there.mode if mode == "-" else int(mode, 8), owner, group)
        return 0, "", ""

    def _is_directory(self, path: str) -> bool:
        inside = path.rstrip("/") + "/"
        return path in self.directories or any(name.startswith(inside) for name in (*self.files, *self.directories))

    def _unknown(self, owner: str, group: str) -> Ran | None:
        """A failure if there is no such user or group."""
        if owner not in self.accounts and not owner.isdigit():
            return Ran(status=1, err=nobody("user", owner))
        groups = {name for names in self.accounts.values() for name in names}
        if group not in groups and not group.isdigit():
            return Ran(status=1, err=nobody("group", group))
        return None


def _seen(file: FakeFile, *, content: bool, target: str = "", written: str = "") -> Seen:
    return Seen(
        type="file",
        mode=file.mode,
        owner=file.owner,
        group=file.group,
        digest=file.digest,
        content=file.content if content else None,
        target=target,
        written=written,
    )
