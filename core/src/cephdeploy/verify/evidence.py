"""Why something failed, from what is effective on the hosts: options, caps, keys and logs."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..dialects import DIALECTS, Refused
from ..redaction import redacted
from ..requests import MISSING, Look, Ran, Run, Seen
from ..values import Fingerprint

if TYPE_CHECKING:
    from ..site import Host
    from .workbench import Workbench

__all__ = ["Configuration", "log_line", "why_no_refusal", "why_no_use", "why_not_cloned"]


@dataclass(frozen=True)
class Configuration:
    """What the files of a service say, in the order in which it reads them."""

    files: tuple[tuple[str, bytes], ...] = field(repr=False)

    def value(self, section: str, name: str) -> str | None:
        """The value that the service has; None if no file sets it."""
        found = [value for value, at, _ in self._each(name) if at == section]
        return found[-1] if found else None

    def told(self, section: str, name: str) -> str:
        """The value with its place, or where an option stands that looks like it and does nothing."""
        places = list(self._each(name))
        right = [f"{value} ({place})" for value, at, place in places if at == section]
        said = f"[{section}] {name} is {right[-1]}" if right else f"[{section}] {name} is not set"
        # oslo.config takes dashes on a command line, and never in a file
        dashed = [place for _, at, place in self._each(name.replace("_", "-")) if at == section and "_" in name]
        if dashed and not right:
            return f"{said}; {name.replace('_', '-')} ({dashed[-1]}) is no option of a file and is ignored"
        # only of what has one right place: every backend has a section with the same names in it
        wrong = [f"[{at}] ({place})" for _, at, place in places if at != section] if section == "DEFAULT" else []
        return f"{said}; under {' and '.join(wrong)} it is ignored" if wrong else said

    def _each(self, name: str) -> Iterator[tuple[str, str, str]]:
        for path, content in self.files:
            try:
                found = DIALECTS["oslo"].read(content)
            except Refused:
                continue
            for (at, option), assigned in found.items():
                if option == name:
                    yield redacted(assigned.value), at, f"{path}:{assigned.line}"


def why_not_cloned(bench: Workbench, image: Any, user: str, pool: str) -> str:
    """Why a disk made from an image was copied, by what the image, Glance's options and the caps say.

    :param image: as the one sees it that the disk was made for.
    :param user: whose key had to open the image, without ``client.``.
    :param pool: where images lie.
    """
    if image.disk_format != "raw":
        return f"the image is {image.disk_format}, and only raw can be cloned; cephdeploy image import makes it raw"
    if bench.attempt(bench.site.ceph.admin, *bench.site.ceph.prefix, "rbd", "info", f"{pool}/{image.id}").status != 0:
        stores = [_told(bench, host, "glance-api", ("glance_store", "default_backend")) for host in _glances(bench)]
        return f"the image does not lie in pool {pool}: {'; '.join(stores)}"
    where = str(getattr(image, "direct_url", None) or "")
    if where and bench.site.ceph.fsid not in where:
        return f"its location {where} names another cluster than {bench.site.ceph.fsid}"
    grants = bench.caps(f"client.{user}").get("osd", "")
    if not _mentions(grants, pool):
        return f"client.{user} may not read pool {pool}: its osd caps are '{grants}'; cephdeploy run widens them"
    if not where:
        options = [_told(bench, host, "glance-api", ("DEFAULT", "show_image_direct_url")) for host in _glances(bench)]
        return f"Glance does not say where the image lies: {'; '.join(options)}; cephdeploy run puts it right"
    return ""


def _glances(bench: Workbench) -> Sequence[Host]:
    return bench.site.with_role("glance-api")[:4]


def _told(bench: Workbench, host: Host, service: str, option: tuple[str, str]) -> str:
    return f"{bench.configuration(host, service).told(*option)} on {host.name}"


def _mentions(grants: str, pool: str) -> bool:
    """Whether osd caps say anything of a pool, or are for all pools."""
    return any(f"pool={pool}" in grant.split() or "pool=" not in grant for grant in grants.split(",") if grant.strip())


def why_no_use(bench: Workbench, host: Host, user: str, pool: str, service: str) -> str:
    """Why a service's account can't use its pool: its ceph.conf, its keyring, the key in it, or the caps.

    :param pool: empty: whatever the pool is.
    """
    site, entity, account = bench.site, f"client.{user}", host.distro.account(service).user
    keyring = f"/etc/ceph/{site.ceph.cluster}.{entity}.keyring"
    mon, seen, readable, key = bench.ask(
        host.name,
        Run(argv=("ceph-conf", "--conf", site.ceph.conf, "--lookup", "mon_host")),
        Look(path=keyring),
        Run(argv=("test", "-r", keyring), user=account),
        Run(argv=("ceph-authtool", keyring, "--name", entity, "--print-key"), keep="digest"),
    )
    assert isinstance(mon, Ran) and isinstance(readable, Ran) and isinstance(key, Ran)
    present = mon.text.strip()
    if mon.status == 0 and not _monitors(present) & _monitors(site.ceph.mon_host):
        return (
            f"mon_host in {site.ceph.conf} is {present}, and the cluster's monitors are {site.ceph.mon_host}; "
            "cephdeploy run puts it right"
        )
    if mon.status not in (0, MISSING):
        return f"{site.ceph.conf} names no monitors: {mon.reason}; cephdeploy run puts it right"
    if isinstance(seen, Seen) and seen.type == "absent":
        return f"there is no {keyring}; cephdeploy run puts it there"
    if readable.status != 0 and isinstance(seen, Seen):
        mode = f"{seen.owner}:{seen.group} {seen.mode:04o}"
        return f"{account} can't read {keyring}, which is {mode}; cephdeploy run puts it right"
    real = bench.key(entity)
    if real is None:
        return f"Ceph has no {entity}; cephdeploy run makes it"
    if key.status == 0 and Fingerprint(key.text) != real:
        return (
            f"the key in {keyring} is {Fingerprint(key.text)} and {entity}'s in Ceph is {real}: it was changed there; "
            "cephdeploy run hands the new one out"
        )
    grants = bench.caps(entity).get("osd", "")
    if pool and not _mentions(grants, pool):
        return f"{entity} may not use pool {pool}: its osd caps are '{grants}'; cephdeploy run widens them"
    return ""


def why_no_refusal(bench: Workbench, user: str) -> str:
    grants = bench.caps(f"client.{user}").get("osd", "")
    return f"client.{user}'s osd caps are '{grants}'; ceph: {{caps: exact}} takes away what nobody asks for"


def _monitors(mon_host: str) -> frozenset[str]:
    return frozenset(re.findall(r"\[[0-9a-fA-F:.]+\]|[0-9]+(?:\.[0-9]+){3}|(?<![\w.])[A-Za-z][\w.-]*(?!:)", mon_host))


_LOGGED = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d)\S* \d+ (ERROR|CRITICAL) (\S+) (?:\[[^\]]*\] ?){0,2}(.*)$")
_RAISED = re.compile(r"^[A-Za-z_][\w.]*(?:Error|Exception|Failed|NotFound|Invalid\w*|Busy|Denied|Timeout)\w*: \S")


def log_line(lines: Sequence[str], *, since: str, about: str = "") -> str:
    """The one line of a service's log that says best what went wrong.

    :param since: ``YYYY-MM-DD HH:MM:SS``; what is older is of another day's trouble.
    :param about: what it should be about; an exception logged after a line with it counts as about it.
    """
    errors = []
    near = not about
    for line in lines:
        found = _LOGGED.match(line)
        if found is None or found[1] < since:
            continue
        near = near or about in line
        message = found[4].strip()
        if near and message and not message.startswith(("Traceback", "File ", "^")):
            errors.append(message)
    raised = [message for message in errors if _RAISED.match(message)]
    if raised or errors:
        return _cut((raised or errors)[-1])
    if about or any(_LOGGED.match(line) or re.match(r"\d{4}-\d\d-\d\d ", line) for line in lines):
        return ""
    # no log of oslo's: a journal, whose last line is the interpreter's own
    plain = [line.strip() for line in lines if line.strip()]
    raised = [line for line in plain if _RAISED.match(line)]
    return _cut((raised or plain or [""])[-1])


def _cut(message: str) -> str:
    """Without the traceback that some exceptions carry in their text."""
    return message.partition(" (['Traceback")[0][:400]
