"""The packages of a fake host: what is installed and what could be, by dpkg and apt or by rpm and dnf."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..requests import Dpkg, Ran
from ._programs import Program, Said, Unscripted, Words

if TYPE_CHECKING:
    from ..distros import Distro

__all__ = ["Packages"]


class Packages:
    """Name to version.

    :param host: the name of the host, for errors.
    :param installed: told each package that was not there before.
    """

    def __init__(self, host: str, distro: Distro, installed: Callable[[str], None]) -> None:
        self._host = host
        self.distro = distro
        self._installed = installed
        self.there: dict[str, str] = {}
        self.available: dict[str, str] = {}

    def record(self, request: Dpkg) -> Ran:
        if request.record != self.distro.record:
            return Ran(status=1, err=f"{request.record}: No such file or directory".encode())
        there = [f"{name} {self.there[name]}\n" for name in request.names if name in self.there]
        return Ran(status=0, out="".join(there).encode())

    def programs(self) -> dict[str, Program | None]:
        """Those of either family; of one a host has none."""
        debian: dict[str, Program] = {"apt-get": self._apt, "dpkg-query": self._dpkg}
        redhat: dict[str, Program] = {"dnf": self._dnf, "rpm": self._rpm, "yum": self._dnf}
        ours, others = (debian, redhat) if self.distro.install[0] == "apt-get" else (redhat, debian)
        return ours | dict.fromkeys(others)

    def _dpkg(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        given = Words(argv, self._host, valued=("--showformat", "-f"), flags=("--show", "-W"))
        shape = given.option("--showformat", "-f")
        if shape is None:
            raise Unscripted(argv, self._host, "the fake wants --showformat")
        out = err = ""
        for name in given.words:
            if name not in self.there:
                err += f"dpkg-query: no packages found matching {name}\n"
                continue
            said = shape.replace("${Package}", name).replace("${Version}", self.there[name])
            out += said.replace("${db:Status-Status}", "installed").replace("\\n", "\n")
        return 1 if err else 0, out, err

    def _rpm(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        given = Words(argv, self._host, valued=("--queryformat", "--qf"), flags=("--query", "-q"))
        shape = given.option("--queryformat", "--qf") or "%{NAME}-%{VERSION}\\n"
        out, missing = "", 0
        for name in given.words:
            if name not in self.there:
                out += f"package {name} is not installed\n"
                missing += 1
                continue
            said = shape.replace("%{NAME}", name).replace("%{VERSION}", self.there[name])
            out += said.replace("\\n", "\n")
        return missing, out, ""

    def _apt(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        words = [word for word in argv[1:] if not word.startswith("-")]
        if words[:1] == ["update"]:
            return 0, "", ""
        if words[:1] != ["install"]:
            raise Unscripted(argv, self._host)
        if unknown := [name for name in words[1:] if not self._install(name)]:
            return 100, "", "".join(f"E: Unable to locate package {name}\n" for name in unknown)
        return 0, "", ""

    def _dnf(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        words = [word for word in argv[1:] if not word.startswith("-")]
        if words[:1] != ["install"]:
            raise Unscripted(argv, self._host)
        if unknown := [name for name in words[1:] if not self._install(name)]:
            return 1, "", f"Error: Unable to find a match: {' '.join(unknown)}\n"
        return 0, "", ""

    def _install(self, name: str) -> bool:
        if name in self.there:
            return True
        if name not in self.available:
            return False
        self.there[name] = self.available[name]
        self._installed(name)
        return True
