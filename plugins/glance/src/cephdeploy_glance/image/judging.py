"""Which images can be cloned: by what Glance says of them, and by what lies in the pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cephdeploy import deployment
from cephdeploy.requests import Group, Ran, Run

from ..proof import snapshot_of
from . import cloud

if TYPE_CHECKING:
    from cephdeploy.settings import SiteSettings

__all__ = ["Cluster", "Judged", "audited", "why_never"]

#: Formats that are no disk: kernels and what belongs to them.
_NO_DISK = ("aki", "ari", "ami", "iso")


@dataclass(frozen=True)
class Judged:
    """An image, and why no disk is ever a clone of it; empty if it can be cloned."""

    id: str
    name: str
    format: str
    size: int
    why: str


@dataclass(frozen=True)
class Cluster:
    """What is known of Ceph: its fsid, and for each image in the pool whether it has the snapshot for clones."""

    fsid: str
    pool: str
    snapshots: Mapping[str, bool]


def audited(settings: SiteSettings | None) -> list[Judged]:
    """Every active image that the operator sees, those that can't be cloned first.

    :raises CloudError: OpenStack does not tell.
    """
    connection = cloud.connect(settings)
    try:
        images = [one for one in connection.image.images(limit=1000) if one.status == "active"]
    except Exception as error:  # openstacksdk's, keystoneauth's, or the HTTP library's
        raise cloud.CloudError(f"OpenStack does not list its images: {error}") from error
    images = [one for one in images if one.disk_format not in _NO_DISK]
    cluster = _asked(settings, [str(one.id) for one in images if one.disk_format == "raw"]) if settings else None
    judged = [
        Judged(str(one.id), str(one.name), str(one.disk_format), int(one.size or 0), why_never(one, cluster))
        for one in images
    ]
    return sorted(judged, key=lambda one: (not one.why, one.name, one.id))


def why_never(image: Any, cluster: Cluster | None) -> str:
    """Why no disk is a clone of an image.

    :param cluster: None: only what Glance says is looked at.
    """
    if image.disk_format != "raw":
        return f"is {image.disk_format}, and only raw can be cloned; cephdeploy image import makes it raw"
    where = str(getattr(image, "direct_url", None) or "")
    store = str(getattr(image, "store", None) or (getattr(image, "properties", None) or {}).get("stores") or "")
    if where and not where.startswith("rbd://"):
        return f"lies in {store or where.partition('://')[0]} and not in Ceph; import it again"
    if cluster is None:
        return ""
    if where and where.removeprefix("rbd://").split("/")[0] != cluster.fsid:
        return f"lies in another cluster, {where.removeprefix('rbd://').split('/')[0]}"
    if image.id not in cluster.snapshots:
        return f"does not lie in pool {cluster.pool}{f' but in store {store}' if store else ''}; import it again"
    if not cluster.snapshots[image.id]:
        return f"has no snapshot 'snap' in pool {cluster.pool}; import it again"
    return ""


def _asked(settings: SiteSettings, ids: Sequence[str]) -> Cluster:
    """What the admin host says, in two round trips for any number of images."""
    from cephdeploy.facts import gather

    admin = settings.ceph.admin
    host = deployment.connect(settings, admin)
    try:
        ceph = gather(settings, {admin: host}).ceph
        pool = (settings.pools["images"].name if "images" in settings.pools else None) or "images"
        groups = [
            Group(
                requests=(Run(argv=(*ceph.prefix, "rbd", "snap", "ls", f"{pool}/{one}", "--format", "json")),),
                parallel=True,
            )
            for one in ids
        ]
        answers = host.exchange(groups) if groups else []
    finally:
        host.close()
    snapshots = {
        ident: snapshot_of(ran.text) is not None
        for ident, (ran,) in zip(ids, answers, strict=True)
        if isinstance(ran, Ran) and ran.status == 0
    }
    return Cluster(ceph.fsid, pool, snapshots)
