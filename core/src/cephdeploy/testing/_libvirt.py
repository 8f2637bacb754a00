"""The libvirt of a fake host: its secrets, and ``virsh`` over them."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass, field

from ._disk import Disk
from ._programs import Said, Unscripted, Words

__all__ = ["FakeSecret", "Libvirt"]


@dataclass
class FakeSecret:
    """A secret of libvirt's. ``value`` is what it decodes to."""

    usage: str
    value: bytes | None = field(default=None, repr=False)
    ephemeral: bool = False
    private: bool = False
    type: str = "ceph"

    @property
    def base64(self) -> str | None:
        """What ``virsh secret-get-value`` prints."""
        return base64.b64encode(self.value).decode() if self.value is not None else None


class Libvirt:
    """Secrets by their UUIDs.

    :param host: the name of the host, for errors.
    """

    def __init__(self, host: str, disk: Disk) -> None:
        self._host = host
        self._disk = disk
        self.secrets: dict[str, FakeSecret] = {}

    def virsh(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        """The program."""
        if ";" in argv[-1]:
            said = [self.virsh((*argv[:-1], *one.split()), stdin, user) for one in argv[-1].split(";")]
            return said[-1][0], "".join(str(out) for _, out, _ in said), "".join(str(err) for _, _, err in said)
        given = Words(
            argv, self._host, valued=("-c", "--connect", "--secret", "--file"), flags=("-q", "--quiet", "--plain")
        )
        match given.words:
            case ["echo", *words]:
                return 0, " ".join(words) + "\n", ""
            case ["secret-list"]:
                lines = [f" {uuid}   {secret.type} {secret.usage}\n" for uuid, secret in sorted(self.secrets.items())]
                if not {"-q", "--quiet"} & set(given.options):
                    lines.insert(0, " UUID                                   Usage\n" + "-" * 60 + "\n")
                return 0, "".join(lines), ""
            case ["secret-dumpxml", uuid]:
                secret = self.secrets.get(uuid)
                return (0, _xml(uuid, secret), "") if secret else _no_secret(uuid)
            case ["secret-get-value", uuid]:
                secret = self.secrets.get(uuid)
                if secret is None:
                    return _no_secret(uuid)
                if secret.private:
                    return 1, "", "error: Invalid secret: secret is private\n"
                if secret.base64 is None:
                    return 1, "", f"error: Secret not found: secret '{uuid}' does not have a value\n"
                return 0, f"{secret.base64}\n", ""
            case ["secret-define", file]:
                return self._define(self._input(argv, file, stdin).decode())
            case ["secret-set-value", *more] if len(more) <= 1:
                uuid = more[0] if more else given.option("--secret") or ""
                if given.option("--file") is None:
                    raise Unscripted(argv, self._host, "a value on the command line is seen by every user; use --file")
                if uuid not in self.secrets:
                    return _no_secret(uuid)
                self.secrets[uuid].value = _decoded(self._input(argv, given.options["--file"], stdin))
                return 0, "Secret value set\n", ""
            case ["secret-undefine", uuid]:
                if self.secrets.pop(uuid, None) is None:
                    return _no_secret(uuid)
                return 0, f"Secret {uuid} deleted\n", ""
        raise Unscripted(argv, self._host)

    def _input(self, argv: tuple[str, ...], path: str, stdin: bytes) -> bytes:
        if path == "/dev/stdin":
            return stdin
        if path not in self._disk.files:
            raise Unscripted(argv, self._host, f"there is no {path}")
        return self._disk.files[path].content

    def _define(self, xml: str) -> Said:
        found = {name: re.search(rf"<{name}[^>]*>\s*([^<]*?)\s*</{name}>", xml, re.DOTALL) for name in ("uuid", "name")}
        uuid, usage = found["uuid"], found["name"]
        sort = re.search(r"<usage type='(\w+)'", xml)
        if uuid is None or usage is None or sort is None:
            raise Unscripted(("virsh", "secret-define"), self._host, "the xml has no uuid, or no usage with a name")
        failed = "error: Failed to set attributes from /dev/stdin\n"
        for other, secret in self.secrets.items():
            if (secret.usage == usage[1]) != (other == uuid[1]):
                why = f"a secret with UUID {other} already defined for use with {secret.usage}"
                return 1, "", f"{failed}error: internal error: {why}\n"
        secret = self.secrets.setdefault(uuid[1], FakeSecret(usage[1], type=sort[1]))
        private = "private='yes'" in xml
        if secret.private and not private:
            return 1, "", f"{failed}error: internal error: cannot change private flag on existing secret\n"
        secret.private, secret.ephemeral = private, "ephemeral='yes'" in xml
        return 0, f"Secret {uuid[1]} created\n", ""


def _no_secret(uuid: str) -> Said:
    said = f"error: failed to get secret '{uuid}'\nerror: Secret not found: no secret with matching uuid '{uuid}'\n"
    return 1, "", said


def _xml(uuid: str, secret: FakeSecret) -> str:
    def said(flag: bool) -> str:
        return "yes" if flag else "no"

    inner = {"ceph": "name", "volume": "volume", "iscsi": "target"}.get(secret.type, "name")
    return (
        f"<secret ephemeral='{said(secret.ephemeral)}' private='{said(secret.private)}'>\n  <uuid>{uuid}</uuid>\n"
        f"  <usage type='{secret.type}'>\n    <{inner}>{secret.usage}</{inner}>\n  </usage>\n</secret>\n\n"
    )


def _decoded(text: bytes) -> bytes:
    """As libvirt decodes base64: what does not belong is passed over, so garbage is taken, too."""
    kept = re.sub(rb"[^A-Za-z0-9+/]", b"", text)
    kept = kept[: len(kept) - 1] if len(kept) % 4 == 1 else kept
    return base64.b64decode(kept + b"=" * (-len(kept) % 4))
