"""Taking away what proofs made, and what a verify that was killed has left: found by its mark."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..errors import CephdeployError
from .marks import PREFIX, Mark

if TYPE_CHECKING:
    from .workbench import Workbench

__all__ = [
    "BASES",
    "CLONES",
    "IMAGES",
    "PROJECTS",
    "REST",
    "SERVERS",
    "SNAPSHOTS",
    "SORTS",
    "Thing",
    "left_behind",
    "purged",
    "removed",
    "worded",
]

#: When things are taken away: clones before what they are clones of.
SERVERS, CLONES, SNAPSHOTS, BASES, IMAGES, REST, PROJECTS = range(7)


@dataclass(frozen=True)
class Thing:
    sort: str
    id: str
    stage: int


@dataclass(frozen=True)
class _Sort:
    """How a sort of thing is found, looked at and taken away."""

    stage: int
    found: Callable[[Any, bool], Iterable[Any]]
    state: Callable[[Any, str], str]
    delete: Callable[[Any, str, bool], object]


SORTS: Final[Mapping[str, _Sort]] = {
    "server": _Sort(
        SERVERS,
        lambda c, every: c.compute.servers(
            details=True, name=f"^{PREFIX}", **({"all_projects": True} if every else {})
        ),
        lambda c, ident: str(c.compute.get_server(ident).task_state or ""),
        lambda c, ident, force: c.compute.delete_server(ident),
    ),
    "snapshot": _Sort(
        SNAPSHOTS,
        lambda c, every: c.block_storage.snapshots(details=True, all_projects=every),
        lambda c, ident: str(c.block_storage.get_snapshot(ident).status),
        lambda c, ident, force: c.block_storage.delete_snapshot(ident, force=force),
    ),
    "backup": _Sort(
        BASES,
        lambda c, every: c.block_storage.backups(details=True, **({"all_tenants": True} if every else {})),
        lambda c, ident: str(c.block_storage.get_backup(ident).status),
        lambda c, ident, force: c.block_storage.delete_backup(ident, force=force),
    ),
    "volume": _Sort(
        BASES,
        lambda c, every: c.block_storage.volumes(details=True, all_projects=every),
        lambda c, ident: str(c.block_storage.get_volume(ident).status),
        lambda c, ident, force: c.block_storage.delete_volume(ident, force=force),
    ),
    "image": _Sort(
        IMAGES,
        lambda c, every: c.image.images(limit=1000),
        lambda c, ident: str(c.image.get_image(ident).status),
        lambda c, ident, force: c.image.delete_image(ident),
    ),
    "flavor": _Sort(
        REST,
        lambda c, every: c.compute.flavors(**({"is_public": None} if every else {})),
        lambda c, ident: str(c.compute.get_flavor(ident).name),
        lambda c, ident, force: c.compute.delete_flavor(ident),
    ),
    "user": _Sort(
        REST,
        # by the names of the projects that are left, and not by all users: a directory may have very many
        lambda c, every: [
            user
            for project in _left_projects(c)
            for user in c.identity.users(name=project.name, domain_id=project.domain_id)
        ],
        lambda c, ident: str(c.identity.get_user(ident).name),
        lambda c, ident, force: c.identity.delete_user(ident),
    ),
    "project": _Sort(
        PROJECTS,
        lambda c, every: _left_projects(c),
        lambda c, ident: str(c.identity.get_project(ident).name),
        lambda c, ident, force: c.identity.delete_project(ident),
    ),
}


def _left_projects(cloud: Any) -> list[Any]:
    return [project for project in cloud.identity.projects() if str(project.name).startswith(PREFIX)]


def left_behind(bench: Workbench, wanted: Callable[[Mark], bool]) -> list[Thing]:
    """What has our name and a mark of a sort."""
    things = []
    for sort, how in SORTS.items():
        try:
            found = list(how.found(bench.cloud, bench.admin))
        except Exception:
            if sort in ("user", "project", "flavor", "backup"):
                continue  # not the operator's to see, or no such service: nothing of ours can be there
            raise
        for one in found:
            mark = Mark.within(getattr(one, "description", None) or (getattr(one, "properties", None) or {}))
            if not str(one.name).startswith(PREFIX) or mark is None or not wanted(mark):
                continue
            clone = getattr(one, "snapshot_id", None) if sort == "volume" else getattr(one, "is_incremental", False)
            things.append(Thing(sort, str(one.id), CLONES if clone and sort != "snapshot" else how.stage))
    return things


def removed(bench: Workbench, things: Sequence[Thing], timeout: float = 180) -> list[str]:
    """Take things away, stage by stage, those of one stage at once; what could not be, in sentences."""
    complaints: list[str] = []
    for stage in sorted({thing.stage for thing in things}):
        now = [thing for thing in things if thing.stage == stage]
        complaints += _stage_removed(bench, now, timeout)
    return complaints


def _stage_removed(bench: Workbench, things: Sequence[Thing], timeout: float) -> list[str]:
    left, said, asked = list(things), dict[Thing, str](), dict[Thing, float]()
    began = time.monotonic()
    while left:
        for thing in tuple(left):
            how, now = SORTS[thing.sort], time.monotonic()
            try:
                state = how.state(bench.cloud, thing.id) if thing in asked else ""
                if "deleting" in state and "error" not in state:
                    continue
                if now - asked.get(thing, -9) < 2:
                    continue
                asked[thing] = now
                said[thing] = f"is {state}" if state else "is still there"
                how.delete(bench.cloud, thing.id, now - began > 20)
            except Exception as error:
                if _gone(error):
                    left.remove(thing)
                else:
                    said[thing] = worded(error)
        if time.monotonic() - began > timeout:
            break
        if left:
            time.sleep(0.25)
    return [f"{thing.sort} {thing.id} does not go: {said.get(thing, '')}" for thing in left]


def _gone(error: Exception) -> bool:
    return getattr(error, "status_code", None) == 404 or type(error).__name__ in (
        "NotFoundException",
        "ResourceNotFound",
    )


def worded(error: Exception) -> str:
    """An error of openstacksdk's in one line, with what the service said of it."""
    details = getattr(error, "details", None)
    text = str(details or error) if not isinstance(error, CephdeployError) else str(error)
    return " ".join(text.split())[:400] or type(error).__name__


def purged(bench: Workbench, pools: Iterable[str], ids: Collection[str]) -> list[str]:
    """Empty the pools' trash of what was ours, and say what of ours still lies in the pools."""
    left = []
    admin, prefix = bench.site.ceph.admin, bench.site.ceph.prefix
    for pool in pools:
        listed = bench.attempt(admin, *prefix, "rbd", "trash", "ls", pool, "--format", "json")
        for one in json.loads(listed.text or "[]") if listed.status == 0 else []:
            if any(ident in one["name"] for ident in ids):
                bench.attempt(admin, *prefix, "rbd", "trash", "rm", "--force", "--no-progress", f"{pool}/{one['id']}")
        present = bench.attempt(admin, *prefix, "rbd", "ls", pool)
        left += [f"{pool}/{name}" for name in present.text.split() if any(ident in name for ident in ids)]
    return left
