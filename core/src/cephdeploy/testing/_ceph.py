"""A cluster as a dictionary: pools, users, images; and the ``ceph``, ``rbd`` and ``rados`` commands over it.

Its answers follow Ceph 16's: ``get-or-create`` with other caps than the user has is EINVAL, ``caps``
replaces them all, a client is judged by its key and by its caps.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ._programs import Said, Unscripted, Words

__all__ = ["FakeCeph", "FakeImage", "FakePool", "FakeUser", "cephx_key"]

EPERM, ENOENT, EACCES, EEXIST, EBUSY, EINVAL = 1, 2, 13, 17, 16, 22
_NAMES = {
    EPERM: "Operation not permitted",
    ENOENT: "No such file or directory",
    EACCES: "Permission denied",
    EEXIST: "File exists",
    EBUSY: "Device or resource busy",
    EINVAL: "Invalid argument",
}
_SERVICES = ("mon", "mgr", "osd", "mds")


def cephx_key(seed: str) -> str:
    """A key in cephx's own form (type, seconds, nanoseconds, length, 16 bytes), the same for one seed."""
    noise = hashlib.sha256(seed.encode()).digest()
    header = struct.pack("<hiih", 1, 1_700_000_000 + noise[30], 0, 16)
    return base64.b64encode(header + noise[:16]).decode()


@dataclass
class FakeImage:
    """An RBD image: what was imported, its snapshots (name to whether protected), its parent."""

    size: int = 1 << 30
    content: bytes = b""
    snapshots: dict[str, bool] = field(default_factory=dict)
    parent: str = ""


@dataclass
class FakePool:
    """A pool; ``applications`` are those that it is tagged with."""

    pg_num: int = 32
    size: int = 3
    autoscale: str = "on"
    bulk: bool = False
    applications: list[str] = field(default_factory=list)
    images: dict[str, FakeImage] = field(default_factory=dict)
    objects: dict[str, bytes] = field(default_factory=dict)


@dataclass
class FakeUser:
    """A cephx user."""

    key: str = field(repr=False)
    caps: dict[str, str] = field(default_factory=dict)


class _ErrnoError(Exception):
    """How a client's command fails."""

    def __init__(self, number: int, what: str) -> None:
        super().__init__(f"{what}: ({number}) {_NAMES[number]}")
        self.number = number


@dataclass
class FakeCeph:
    """The cluster that every host of a fake site shares."""

    fsid: str = "3f1b0a1e-7a64-4f0c-9b1d-6f3c2d5e8a90"
    mon_host: str = "[v2:10.77.0.11:3300/0,v1:10.77.0.11:6789/0]"
    version: str = "16.2.15"
    pools: dict[str, FakePool] = field(default_factory=dict)
    users: dict[str, FakeUser] = field(default_factory=dict)

    def __post_init__(self) -> None:
        everything = {"mds": "allow *", "mgr": "allow *", "mon": "allow *", "osd": "allow *"}
        self.add_user("client.admin", everything)
        self.add_user("osd.0", {"mon": "allow profile osd", "osd": "allow *"})

    def add_user(self, entity: str, caps: Mapping[str, str]) -> FakeUser:
        """A user that is there before; its key follows from its name."""
        user = FakeUser(cephx_key(f"{self.fsid} {entity}"), dict(caps))
        self.users[entity] = user
        return user

    def add_pool(self, name: str, *applications: str, pg_num: int = 32, size: int = 3) -> FakePool:
        """A pool that is there before."""
        pool = FakePool(pg_num=pg_num, size=size, applications=list(applications))
        self.pools[name] = pool
        return pool

    @property
    def secrets(self) -> frozenset[str]:
        """Every key: none may be seen in an argument, a plan or a log."""
        return frozenset(user.key for user in self.users.values())

    def keyring(self, entity: str) -> str:
        """The text of a keyring file as ``ceph auth get-or-create`` prints it."""
        return f"[{entity}]\n\tkey = {self.users[entity].key}\n"

    # the ceph command, as client.admin

    def ceph(self, argv: Sequence[str], where: str) -> Said:
        """The ``ceph`` command."""
        if "auth" in argv[1:3] and ("caps" in argv or "get-or-create" in argv):
            words = [word for word in argv[1:] if word not in ("-f", "json", "--format=json")]
            return self._set_caps(argv, words, where)
        given = Words(argv, where, valued=("-f", "--format", "--autoscale-mode"), flags=("--bulk",))
        as_json = given.option("-f", "--format") == "json"
        match given.words:
            case ["fsid"]:
                return 0, self.fsid + "\n", ""
            case ["version"]:
                text = f"ceph version {self.version} (618f440892089921c3e944a991122ddc44e60516) pacific (stable)"
                return 0, json.dumps({"version": text}) if as_json else text + "\n", ""
            case ["config", "generate-minimal-conf"]:
                return 0, self.minimal_conf(), ""
            case ["osd", "pool", "ls", "detail"] if as_json:
                return 0, json.dumps([self._pool_shown(at, name) for at, name in enumerate(self.pools, 1)]), ""
            case ["osd", "pool", "ls"]:
                names = list(self.pools)
                return 0, json.dumps(names) if as_json else "".join(f"{name}\n" for name in names), ""
            case ["osd", "pool", "create", name, *more] if len(more) < 2:
                return self._create_pool(name, more, given)
            case ["osd", "pool", "application", "enable", name, application]:
                return self._enable(name, application)
            case ["auth", "ls"] if as_json:
                return 0, json.dumps({"auth_dump": [self._user_shown(entity) for entity in sorted(self.users)]}), ""
            case ["auth", "get-key", entity]:
                if entity not in self.users:
                    return ENOENT, "", f"Error ENOENT: don't have {entity}\n"
                return 0, self.users[entity].key, ""
            case ["auth", "get", entity] if as_json:
                if entity not in self.users:
                    return ENOENT, "", f"Error ENOENT: failed to find {entity} in keyring\n"
                return 0, json.dumps([self._user_shown(entity)]), ""
        raise Unscripted(argv, where)

    def minimal_conf(self) -> str:
        """What ``ceph config generate-minimal-conf`` prints, tabs and all."""
        return f"# minimal ceph.conf for {self.fsid}\n[global]\n\tfsid = {self.fsid}\n\tmon_host = {self.mon_host}\n"

    def _pool_shown(self, number: int, name: str) -> dict[str, object]:
        pool = self.pools[name]
        return {
            "pool_id": number,
            "pool_name": name,
            "flags_names": "hashpspool,selfmanaged_snaps" + (",bulk" if pool.bulk else ""),
            "type": 1,
            "size": pool.size,
            "min_size": max(1, pool.size - 1),
            "pg_autoscale_mode": pool.autoscale,
            "pg_num": pool.pg_num,
            "options": {},
            "application_metadata": {application: {} for application in pool.applications},
        }

    def _create_pool(self, name: str, more: Sequence[str], given: Words) -> Said:
        if "--bulk" in given.options and int(self.version.split(".")[0]) < 17:
            return EINVAL, "", "Invalid command: unused arguments: ['--bulk']\nError EINVAL: invalid command\n"
        if name in self.pools:
            return 0, "", f"pool '{name}' already exists\n"
        self.pools[name] = FakePool(
            pg_num=int(more[0]) if more else 32,
            autoscale=given.option("--autoscale-mode") or "on",
            bulk="--bulk" in given.options,
        )
        return 0, "", f"pool '{name}' created\n"

    def _enable(self, name: str, application: str) -> Said:
        pool = self.pools.get(name)
        if pool is None:
            return ENOENT, "", f"Error ENOENT: unrecognized pool '{name}'\n"
        if pool.applications and application not in pool.applications:
            return EPERM, "", "Error EPERM: Are you SURE? Pool already has an enabled application\n"
        pool.applications = sorted({*pool.applications, application})
        return 0, "", f"enabled application '{application}' on pool '{name}'\n"

    def _user_shown(self, entity: str) -> dict[str, object]:
        user = self.users[entity]
        return {"entity": entity, "key": user.key, "caps": dict(user.caps)}

    def _set_caps(self, argv: Sequence[str], words: Sequence[str], where: str) -> Said:
        verb, entity, *given = words[1:]
        if words[0] != "auth" or len(given) % 2:
            raise Unscripted(argv, where)
        caps = dict(zip(given[::2], given[1::2], strict=True))
        for service, text in caps.items():
            if service not in _SERVICES:
                return EINVAL, "", f"Error EINVAL: unknown cap type '{service}'\n"
            if not all(re.match(r"\s*(allow|profile)\s+\S", grant) for grant in text.split(",")):
                return EINVAL, "", f"Error EINVAL: {service} capability parse failed, stopped at '{text}'\n"
        user = self.users.get(entity)
        if verb == "caps":
            if user is None:
                return ENOENT, "", f"Error ENOENT: couldn't find entry {entity}\n"
            user.caps = caps  # all of them: what is not named is gone
            return 0, "", f"updated caps for {entity}\n"
        if user is None:
            self.add_user(entity, caps)
            return 0, self.keyring(entity), ""
        for service, text in caps.items():
            if user.caps.get(service) != text:
                said = f"Error EINVAL: key for {entity} exists but cap {service} does not match\n"
                return EINVAL, "", said
        return 0, self.keyring(entity), ""

    # clients: rbd and rados

    def client(
        self,
        argv: Sequence[str],
        stdin: bytes,
        where: str,
        read: Callable[[str], bytes | None],
        *,
        trusted: bool = False,
    ) -> Said:
        """The ``rbd`` and ``rados`` commands.

        :param read: a file as the account sees it; None when there is none; raises PermissionError.
        :param trusted: inside ``cephadm shell``: no file of the host is read.
        """
        program = argv[0].rpartition("/")[2]
        given = Words(
            argv,
            where,
            valued=(
                *("--id", "--user", "-n", "--name", "--keyring", "-k", "--cluster", "-c", "--conf", "-p", "--pool"),
                *("--format", "--size", "-s", "--image", "--snap", "--dest-pool", "--image-format", "--image-feature"),
            ),
            flags=("--all", "--force", "--no-progress", "--quiet", "--pretty-format", "--rbd-default-clone-format"),
        )
        name = given.option("-n", "--name") or f"client.{given.option('--id', '--user') or 'admin'}"
        try:
            user = self.users[name] if trusted else self._connected(name, given, read)
        except _ErrnoError as error:
            last = "rbd: couldn't connect to the cluster!" if program == "rbd" else "couldn't connect to cluster"
            return 1, "", f"{error}\n{last}\n"
        work = _Client(self, user, given, stdin, read, Unscripted(argv, where))
        try:
            return 0, work.rbd() if program == "rbd" else work.rados(), ""
        except _ErrnoError as error:
            return error.number, "", f"{program}: {error}\n"

    def _connected(self, name: str, given: Words, read: Callable[[str], bytes | None]) -> FakeUser:
        """The user, if its keyring can be read and holds its key and ceph.conf leads here."""
        from ..dialects import DIALECTS

        cluster = given.option("--cluster") or "ceph"
        conf = _opened(given.option("-c", "--conf") or f"/etc/ceph/{cluster}.conf", read)
        mons = DIALECTS["ceph"].read(conf).get(("global", "mon_host"))
        if mons is None or not _addresses(mons.value) & _addresses(self.mon_host):
            raise _ErrnoError(EACCES, "monclient(hunting): no monitor of this cluster is in ceph.conf")
        path = given.option("--keyring", "-k") or f"/etc/ceph/{cluster}.{name}.keyring"
        keyring = _opened(path, read).decode(errors="replace")
        user = self.users.get(name)
        if user is None or key_in(keyring, name) != user.key:
            raise _ErrnoError(EACCES, "monclient(hunting): authenticate failed")
        if not any(re.match(r"(allow\s+(profile|r|\*)|profile\s)", grant) for grant in _grants(user.caps.get("mon"))):
            raise _ErrnoError(EACCES, "monclient: no right on the monitors")
        return user


def key_in(keyring: str, entity: str) -> str | None:
    """A user's key by the text of a keyring; None if it has none of that user."""
    held = re.search(rf"\[{re.escape(entity)}\][^\[]*?^\s*key\s*=\s*(\S+)", keyring, re.MULTILINE)
    return held[1] if held else None


def _addresses(mon_host: str) -> set[str]:
    return set(re.findall(r"\d+(?:\.\d+){3}|\[[0-9a-f:]+\]", mon_host))


def _opened(path: str, read: Callable[[str], bytes | None]) -> bytes:
    try:
        content = read(path)
    except PermissionError:
        raise _ErrnoError(EACCES, f"unable to read {path}") from None
    if content is None:
        raise _ErrnoError(ENOENT, f"unable to find {path}")
    return content


def _grants(caps: str | None) -> list[str]:
    return [grant.strip() for grant in (caps or "").split(",") if grant.strip()]


def _rights(caps: Iterable[str], pool: str) -> set[str]:
    """Which of r, w and x some osd grants give on a whole pool."""
    found: set[str] = set()
    for grant in caps:
        words = grant.split()
        # a grant on some objects or classes only does not open the pool
        if "object_prefix" in words or any(word.startswith("namespace=") for word in words):
            continue
        scope = next((word.partition("=")[2] for word in words if word.startswith("pool=")), None)
        if "pool" in words[:-1]:
            scope = words[words.index("pool") + 1]
        if scope is not None and scope != pool:
            continue
        if words[0] == "profile":
            found |= {"rbd": set("rwx"), "rbd-read-only": set("r")}.get(words[1], set())
            continue
        for word in words[1:]:
            if word == "*":
                found |= set("rwx")
            elif re.fullmatch("[rwx]+", word):
                found |= set(word)
    return found


class _Client:
    """One command of one connected user."""

    def __init__(
        self,
        ceph: FakeCeph,
        user: FakeUser,
        given: Words,
        stdin: bytes,
        read: Callable[[str], bytes | None],
        unknown: Unscripted,
    ) -> None:
        self._ceph = ceph
        self._user = user
        self._given = given
        self._stdin = stdin
        self._read = read
        self._unknown = unknown

    def _pool(self, name: str | None, rights: str) -> FakePool:
        if not name:
            raise self._unknown
        pool = self._ceph.pools.get(name)
        if pool is None:
            raise _ErrnoError(ENOENT, f"error opening pool '{name}'")
        if not set(rights) <= _rights(_grants(self._user.caps.get("osd")), name):
            raise _ErrnoError(EPERM, f"pool '{name}'")
        return pool

    def _spec(self, text: str) -> tuple[str, str, str]:
        """Pool, image and snapshot of ``pool/image@snap``; options stand in for what it leaves out."""
        pool, slash, rest = text.rpartition("/")
        image, _, snap = rest.partition("@")
        named = pool if slash else self._given.option("-p", "--pool") or "rbd"
        return named, image, snap or self._given.option("--snap") or ""

    def _image(self, text: str, rights: str) -> tuple[FakePool, str, FakeImage, str]:
        pool_name, name, snap = self._spec(text)
        pool = self._pool(pool_name, rights)
        if name not in pool.images:
            raise _ErrnoError(ENOENT, f"error opening image {name}")
        if snap and snap not in pool.images[name].snapshots:
            raise _ErrnoError(ENOENT, f"error setting snapshot context: {snap}")
        return pool, name, pool.images[name], snap

    def _new(self, text: str, image: FakeImage) -> None:
        pool_name, name, _ = self._spec(text)
        pool = self._pool(pool_name, "rwx")
        if name in pool.images:
            raise _ErrnoError(EEXIST, f"create error: {name}")
        pool.images[name] = image

    def _listed(self, names: Iterable[str]) -> str:
        found = sorted(names)
        return json.dumps(found) if self._given.option("--format") == "json" else "".join(f"{n}\n" for n in found)

    def rbd(self) -> str | bytes:
        """What ``rbd`` prints."""
        pool_option = self._given.option("-p", "--pool")
        match self._given.words:
            case ["ls" | "list"]:
                return self._listed(self._pool(pool_option or "rbd", "r").images)
            case ["ls" | "list", pool]:
                return self._listed(self._pool(pool, "r").images)
            case ["trash", "ls" | "list", pool]:
                self._pool(pool, "r")
                return self._listed({})  # the fake's images go at once
            case ["pool", "init", *more] if len(more) <= 1:
                pool_name = more[0] if more else pool_option
                found = self._pool(pool_name, "rwx")
                if found.applications and "rbd" not in found.applications and "--force" not in self._given.options:
                    raise _ErrnoError(EPERM, "failed to initialize the pool")
                found.applications = sorted({*found.applications, "rbd"})
                return ""
            case ["create", spec]:
                self._new(spec, FakeImage(_size(self._given.option("--size", "-s"), self._unknown)))
                return ""
            case ["import", "-" | "/dev/stdin", spec]:
                self._new(spec, FakeImage(len(self._stdin), self._stdin))
                return ""
            case ["export", spec, "-" | "/dev/stdout"]:
                return self._image(spec, "r")[2].content
            case ["info", spec]:
                _, name, image, _ = self._image(spec, "r")
                shown: dict[str, object] = {"name": name, "size": image.size}
                if image.parent:
                    pool_name, parent, snap = self._spec(image.parent)
                    shown["parent"] = {"pool": pool_name, "image": parent, "snapshot": snap}
                return json.dumps(shown) if self._given.option("--format") == "json" else f"rbd image '{name}':\n"
            case ["rm" | "remove", spec]:
                holder, name, image, _ = self._image(spec, "rwx")
                if image.snapshots:
                    raise _ErrnoError(EBUSY, "image has snapshots")
                del holder.images[name]
                return ""
            case ["snap", "create", spec]:
                pool_name, name, snap = self._spec(spec)
                self._image(f"{pool_name}/{name}", "rwx")[2].snapshots[snap] = False
                return ""
            case ["snap", "protect" | "unprotect" as verb, spec]:
                _, _, image, snap = self._image(spec, "rwx")
                image.snapshots[snap] = verb == "protect"
                return ""
            case ["snap", "ls", spec]:
                snapshots = self._image(spec, "r")[2].snapshots
                if self._given.option("--format") != "json":
                    return self._listed(snapshots)
                each = enumerate(snapshots.items(), 1)
                return json.dumps([{"id": n, "name": name, "protected": str(p).lower()} for n, (name, p) in each])
            case ["snap", "rm", spec]:
                _, _, image, snap = self._image(spec, "rwx")
                if image.snapshots[snap]:
                    raise _ErrnoError(EBUSY, f"snapshot '{snap}' is protected")
                del image.snapshots[snap]
                return ""
            case ["clone", parent, child]:
                pool_name, name, snap = self._spec(parent)
                _, _, image, _ = self._image(parent, "rx" if self._legacy(pool_name) else "r")
                if not snap or not image.snapshots[snap]:
                    raise _ErrnoError(EINVAL, "parent snapshot must be protected")
                self._new(child, FakeImage(image.size, image.content, parent=f"{pool_name}/{name}@{snap}"))
                return ""
        raise self._unknown

    def _legacy(self, pool: str) -> bool:
        """Whether the rights on a pool come from 'allow' grants, which need x for librbd's classes."""
        return not any(grant.startswith("profile rbd") for grant in _grants(self._user.caps.get("osd")))

    def rados(self) -> str | bytes:
        """What ``rados`` prints."""
        pool_option = self._given.option("-p", "--pool")
        match self._given.words:
            case ["lspools"]:
                return "".join(f"{name}\n" for name in self._ceph.pools)
            case ["ls"]:
                return self._listed(self._pool(pool_option, "r").objects)
            case ["put", name, file]:
                content = self._stdin if file in ("-", "/dev/stdin") else _opened(file, self._read)
                self._pool(pool_option, "w").objects[name] = content
                return ""
            case ["get" | "stat" as verb, name, *_]:
                objects = self._pool(pool_option, "r").objects
                if name not in objects:
                    raise _ErrnoError(ENOENT, f"error {verb}ting {pool_option}/{name}")
                return objects[name] if verb == "get" else f"{pool_option}/{name} size {len(objects[name])}\n"
            case ["rm", name]:
                objects = self._pool(pool_option, "w").objects
                if name not in objects:
                    raise _ErrnoError(ENOENT, f"error removing {pool_option}>{name}")
                del objects[name]
                return ""
        raise self._unknown


def _size(text: str | None, unknown: Unscripted) -> int:
    """Bytes of rbd's ``--size``: megabytes unless a letter says otherwise."""
    found = re.fullmatch(r"(\d+)([BKMGT]?)B?", text or "", re.IGNORECASE)
    if found is None:
        raise unknown
    return int(found[1]) << {"B": 0, "K": 10, "M": 20, "G": 30, "T": 40}[found[2].upper() or "M"]
