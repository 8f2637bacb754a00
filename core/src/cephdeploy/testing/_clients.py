"""Ceph's programs on a fake host: which of its files they read, and what the cluster answers."""

from __future__ import annotations

from ._ceph import FakeCeph, key_in
from ._disk import Disk
from ._programs import Program, Said, Unscripted, Words

__all__ = ["Clients"]

_ADMIN = ("/etc/ceph/ceph.conf", "/etc/ceph/ceph.client.admin.keyring")


class Clients:
    """A client of the cluster is who its keyring says, as far as the account may read it.

    :param host: the name of the host, for errors.
    """

    def __init__(self, host: str, disk: Disk, ceph: FakeCeph) -> None:
        self._host = host
        self._disk = disk
        self.cluster = ceph

    def programs(self, *, installed: bool) -> dict[str, Program | None]:
        """Those of ceph-common, and cephadm where its file is."""
        common: dict[str, Program] = {
            "ceph": self._ceph,
            "ceph-authtool": self._authtool,
            "ceph-conf": self._conf,
            "rados": self._client,
            "rbd": self._client,
        }
        cephadm = self._cephadm if "/usr/sbin/cephadm" in self._disk.files else None
        return {**(common if installed else dict.fromkeys(common)), "cephadm": cephadm}

    def _ceph(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        if not all(path in self._disk.files and self._disk.may_read(user, path) for path in _ADMIN):
            return 1, "", "[errno 13] RADOS permission denied (error connecting to the cluster)\n"
        return self.cluster.ceph(argv, self._host)

    def _conf(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        """One option as a client sees it."""
        from ..dialects import DIALECTS

        valued = ("-c", "--conf", "-n", "--name", "--lookup")
        given = Words(argv, self._host, valued=valued)
        option, name = given.option("--lookup"), given.option("-n", "--name") or "client.admin"
        path = given.option("-c", "--conf") or "/etc/ceph/ceph.conf"
        if option is None or given.words:
            raise Unscripted(argv, self._host)
        file = self._disk.file(path)
        if file is None or not self._disk.may_read(user, path):
            return 1, "", f"global_init: unable to open config file from search list {path}\n"
        found = DIALECTS["ceph"].read(file.content)
        for section in (name, name.partition(".")[0], "global"):
            if assigned := found.get((section, option)):
                return 0, f"{assigned.value}\n", ""
        return 1, "", ""

    def _authtool(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        """The key that a keyring file has for a user."""
        given = Words(argv, self._host, valued=("-n", "--name"), flags=("-p", "--print-key"))
        entity = given.option("-n", "--name") or "client.admin"
        if len(given.words) != 1 or not {"-p", "--print-key"} & set(given.options):
            raise Unscripted(argv, self._host)
        (path,) = given.words
        file = self._disk.file(path)
        if file is None:
            return 1, "", f"can't open {path}: (2) No such file or directory\n"
        if not self._disk.may_read(user, path):
            return 1, "", f"can't open {path}: (13) Permission denied\n"
        key = key_in(file.text, entity)
        return (1, "", f"entity {entity} not found\n") if key is None else (0, f"{key}\n", "")

    def _cephadm(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        if argv[1:3] != ("shell", "--") or len(argv) < 4:
            raise Unscripted(argv, self._host)
        if argv[3] == "ceph":
            return self.cluster.ceph(argv[3:], self._host)
        if argv[3] in ("rbd", "rados"):
            return self.cluster.client(argv[3:], stdin, self._host, lambda path: None, trusted=True)
        raise Unscripted(argv, self._host)

    def _client(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        def read(path: str) -> bytes | None:
            file = self._disk.file(path)
            if file is None:
                return None
            if not self._disk.may_read(user, path):
                raise PermissionError(path)
            return file.content

        return self.cluster.client(argv, stdin, self._host, read)
