"""The services of a fake host: systemd's units, and the configuration that a running one reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from posixpath import basename, dirname

from ..requests import KILLED, Chain, Chained, Ran, Restart, Unit
from ._disk import Disk
from ._programs import Program, Said, Unscripted, Words

__all__ = ["FakeUnit", "Systemd"]


@dataclass
class FakeUnit:
    """A systemd unit.

    :param argv: of its main process: where :class:`~cephdeploy.requests.Chain` finds its files.
    :param crashes: whether it dies soon after each start, for :class:`~cephdeploy.requests.Restart` to see;
        a callable is asked with the files that it starts with.
    :param stop_seconds: how long its stop takes.
    :param started_with: the files of the host as they were at its last start.
    """

    load: str = "loaded"
    active: str = "active"
    sub: str = "running"
    enabled: str = "enabled"
    argv: tuple[str, ...] = ()
    crashes: bool | Callable[[Mapping[str, bytes]], bool] = False
    stop_seconds: float = 1
    pid: int = 1000
    restarts: int = 0
    starts: int = 1
    started_with: Mapping[str, bytes] = field(default_factory=dict, repr=False)

    def stop(self) -> None:
        """As after ``systemctl stop``."""
        self.active, self.sub, self.pid = "inactive", "dead", 0


class Systemd:
    """Units by their names.

    :param host: the name of the host, for errors.
    """

    def __init__(self, host: str, disk: Disk) -> None:
        self._host = host
        self._disk = disk
        self._last_pid = 1000
        self.units: dict[str, FakeUnit] = {}

    def look(self, request: Unit) -> Ran:
        return Ran(status=0, out=self._shown(request.name).encode())

    def restart(self, request: Restart) -> Ran:
        unit = self.units.get(request.name)
        if unit is None:
            said = f"Failed to {request.verb} {request.name}: Unit {request.name} not found."
            return Ran(status=5, err=f"\n{said}".encode())
        if unit.stop_seconds > request.timeout:
            unit.active, unit.sub = "deactivating", "stop-sigterm"
            said = f"{request.name}: {request.verb} is not done after {request.timeout:g} seconds and goes on; "
            return Ran(status=KILLED, err=f"\n{said}it is deactivating".encode())
        self._last_pid += 1
        unit.pid = self._last_pid
        unit.starts += 1
        unit.restarts = 0
        unit.started_with = self._disk.contents()
        if unit.crashes(unit.started_with) if callable(unit.crashes) else unit.crashes:
            unit.active, unit.sub, unit.restarts, unit.pid = "activating", "auto-restart", 1, 0
            said = f"{request.name} did not stay up: activating (auto-restart), started 2 times"
            return Ran(status=1, err=f"Traceback: the service's last words\n{said}".encode())
        unit.active, unit.sub = "active", "running"
        return Ran(status=0, out=self._shown(request.name).encode())

    def chain(self, request: Chain) -> Chained:
        unit = self.units.get(request.unit)
        words = unit.argv if unit is not None and unit.pid else ()
        if not words and unit is not None and not request.default:
            words = unit.argv if any(word.startswith("--config-") for word in unit.argv) else ()
        names = self._reading_order(words, request) if words else [*request.default] or [request.path]
        known = [(name, self._disk.file(name)) for name in names]
        return Chained(files=tuple((name, file.content) for name, file in known if file is not None))

    def programs(self) -> dict[str, Program | None]:
        """``systemctl``."""
        return {"systemctl": self._systemctl}

    def _systemctl(self, argv: tuple[str, ...], stdin: bytes, user: str) -> Said:
        given = Words(argv, self._host, valued=("-p", "--property"), flags=("--value", "--quiet", "-q", "--no-pager"))
        match given.words:
            case ["daemon-reload"]:
                return 0, "", ""
            case ["is-active", name]:
                active = self._facts(name)["ActiveState"]
                return 0 if active == "active" else 3, f"{active}\n", ""
            case ["is-enabled", name]:
                enabled = self._facts(name)["UnitFileState"]
                if name not in self.units:
                    return 1, "", f"Failed to get unit file state for {name}: No such file or directory\n"
                return 0 if enabled == "enabled" else 1, f"{enabled}\n", ""
            case ["enable", name] if name in self.units:
                self.units[name].enabled = "enabled"
                return 0, "", ""
            case ["show", name]:
                wanted = (given.option("-p", "--property") or "").split(",")
                facts = {key: value for key, value in self._facts(name).items() if key in wanted or wanted == [""]}
                bare = "--value" in given.options
                return 0, "".join(f"{value}\n" if bare else f"{key}={value}\n" for key, value in facts.items()), ""
        raise Unscripted(argv, self._host)

    def _facts(self, name: str) -> dict[str, str]:
        unit = self.units.get(name)
        if unit is None:
            return {
                "Type": "simple",
                "ActiveState": "inactive",
                "LoadState": "not-found",
                "MainPID": "0",
                "NRestarts": "0",
                "Result": "success",
                "SubState": "dead",
                "UnitFileState": "",
            }
        return {
            "Type": "simple",
            "ActiveState": unit.active,
            "LoadState": unit.load,
            "MainPID": str(unit.pid),
            "NRestarts": str(unit.restarts),
            "Result": "exit-code" if unit.active == "failed" else "success",
            "SubState": unit.sub,
            "UnitFileState": unit.enabled,
        }

    def _shown(self, name: str) -> str:
        return "".join(f"{key}={value}\n" for key, value in sorted(self._facts(name).items()))

    def _reading_order(self, words: Sequence[str], request: Chain) -> list[str]:
        """The files that oslo.config reads for a command line; ``~`` and relative paths are not known here."""
        named: list[tuple[str, str]] = []
        for at, word in enumerate(words):
            option, equals, value = word.partition("=")
            if option in ("--config-file", "--config-dir") and (equals or at + 1 < len(words)):
                named.append((option, value if equals else words[at + 1]))
        program = next((basename(w) for w in words if not w.startswith("-") and "python" not in basename(w)), "")
        project = request.project
        own = basename(request.path).removesuffix(".conf")
        names = [name for name in dict.fromkeys((project, own, program)) if name]
        files: list[str] = []
        if "--config-file" not in dict(named):
            files += [f"/usr/share/{project}/{name}-dist.conf" for name in names]
            files += [f"/etc/{project}/{name}.conf" for name in names]
        if "--config-dir" not in dict(named):
            files += [path for name in names for path in self._conf_directory(f"/etc/{project}/{name}.conf.d")]
        for option, value in named:
            files += [value] if option == "--config-file" else self._conf_directory(value)
        return files

    def _conf_directory(self, path: str) -> list[str]:
        found = (name for name in self._disk.files if dirname(name) == path.rstrip("/") and name.endswith(".conf"))
        return sorted(name for name in found if not basename(name).startswith("."))
