"""Whether a host is as the job says: looked at from outside, with nobody's tools but oslo.config's own parser."""

from __future__ import annotations

from pathlib import Path

from oslo_config import iniparser

from . import job
from .farm import ACCOUNTS, Host

__all__ = ["faults"]

_ORIGINAL = Path(__file__).parent / "hosts/nova.conf"


class _Read(iniparser.BaseParser):  # type: ignore[misc]
    """Every value of every option, in order; the last one is the one in effect."""

    def __init__(self, lines: list[str]) -> None:
        self.values: dict[tuple[str, str], list[str]] = {}
        self._section = ""
        self.parse(line + "\n" for line in lines)

    def new_section(self, section: str) -> None:
        self._section = section

    def assignment(self, key: str, value: list[str]) -> None:
        self.values.setdefault((self._section, key), []).append("\n".join(value))

    def comment(self, comment: str) -> None:
        pass


def faults(host: Host, restarts: int) -> list[str]:
    """What is wrong with a host, a sentence each.

    :param restarts: how often nova-compute must have been restarted.
    """
    found = []
    for file in job.FILES:
        path = host.root / file.path[1:]
        if not path.is_file():
            found.append(f"there is no {file.path}")
            continue
        if path.read_text() != file.content:
            found.append(f"{file.path} has another content")
        found += _rights(path, file)
    for directory in job.DIRECTORIES:
        path = host.root / directory.path[1:]
        if not path.is_dir():
            found.append(f"there is no directory {directory.path}")
            continue
        found += _rights(path, directory)
    found += _options(host.root / job.NOVA_CONF[1:])
    stubs = host.root / "var/lib/stubs"
    for name, want in (("usage", job.SECRET_USAGE), ("value", job.SECRET_KEY)):
        path = stubs / f"secrets/{job.SECRET_UUID}.{name}"
        if not path.exists() or path.read_text().strip() != want:
            found.append(f"the {name} of libvirt's secret is not what it must be")
    log = stubs / "restarts"
    seen = len(log.read_text().splitlines()) if log.exists() else 0
    if seen != restarts:
        found.append(f"nova-compute was restarted {seen} times, not {restarts}")
    return found


def _rights(path: Path, want: job.File | job.Directory) -> list[str]:
    stat = path.stat()
    ids = {"root": 0} | ACCOUNTS
    found = []
    if (stat.st_uid, stat.st_gid) != (ids[want.owner], ids[want.group]):
        found.append(f"{want.path} belongs to {_name(stat.st_uid)}:{_name(stat.st_gid)}")
    if stat.st_mode & 0o7777 != want.mode:
        found.append(f"{want.path} has mode {stat.st_mode & 0o7777:04o}, not {want.mode:04o}")
    return found


def _name(number: int) -> str:
    names = {value: name for name, value in ACCOUNTS.items()} | {0: "root"}
    return names.get(number, str(number))


def _options(path: Path) -> list[str]:
    """The options are in effect, every other one is as it was, no line is lost, and the rights are as before."""
    before, after = _ORIGINAL.read_text().splitlines(), path.read_text().splitlines()
    found = []
    was, now = _Read(before).values, _Read(after).values
    ours = {(section, name): value for section, part in job.OPTIONS.items() for name, value in part.items()}
    for (section, name), value in ours.items():
        seen = now.pop((section, name), [""])[-1]
        if seen != value:
            found.append(f"nova.conf: [{section}] {name} is '{seen}', not '{value}'")
    if now != was:
        found.append("nova.conf: another option is not as it was")
    rest = iter(after)
    if not all(line in rest for line in before):
        found.append("nova.conf: a line of before is gone, or has moved")
    stat = path.stat()
    if (stat.st_uid, stat.st_mode & 0o7777) != (ACCOUNTS["nova"], 0o640):
        found.append("nova.conf: owner or mode are not as they were")
    return found
