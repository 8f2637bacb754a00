"""The proof that images are kept in Ceph: one goes in through the API, and is looked for in the pool."""

from __future__ import annotations

import json

from cephdeploy.errors import ProofError
from cephdeploy.verify import Configuration, Workbench

__all__ = ["hint_of", "image_is_in_ceph", "snapshot_of", "wrong_place"]


def image_is_in_ceph(bench: Workbench, pool: str, *, shows_location: bool) -> str:
    """Upload a small raw image, and find it in the pool with the snapshot that clones are made from.

    :param shows_location: whether the site wants Glance to tell where images lie.
    """
    image = bench.image()
    seconds = bench.took("a raw image")
    looked = bench.attempt(bench.site.ceph.admin, *bench.site.ceph.prefix, *_snapshots(f"{pool}/{image.id}"))
    if looked.status != 0:
        raise ProofError(
            f"image {image.id} does not lie in pool {pool}; {_told(bench, 'glance_store', 'default_backend')}"
        )
    kept = snapshot_of(looked.text)
    if kept is None:
        raise ProofError(f"image {image.id} is in pool {pool} but has no snapshot 'snap'; it can't be cloned")
    where = str(getattr(image, "direct_url", None) or "")
    if shows_location and not where:
        option = _told(bench, "DEFAULT", "show_image_direct_url")
        raise ProofError(f"Glance does not tell where images lie, so that nothing is cloned: {option}")
    fault = wrong_place(where, bench.site.ceph.fsid)
    if fault:
        raise ProofError(fault)
    hint = hint_of(bench.ceph("ceph", "osd", "get-require-min-compat-client").strip())
    return f"{pool}/{image.id}@snap, {kept}, uploaded in {seconds:.1f} s{'; ' if hint else ''}{hint}"


def hint_of(oldest: str) -> str:
    """What a cluster gives away that still lets clients in which know only the first sort of clones.

    :param oldest: the release of Ceph that clients must at least have. Releases go by the alphabet.
    """
    if oldest >= "mimic":
        return ""
    return (
        f"hint: an image can't go before its clones while clients of {oldest} are let in "
        "(ceph osd set-require-min-compat-client mimic)"
    )


def _snapshots(image: str) -> tuple[str, ...]:
    return ("rbd", "snap", "ls", image, "--format", "json")


def snapshot_of(listed: str) -> str | None:
    """What the JSON of ``rbd snap ls`` says of the snapshot for clones; None: there is none.

    Whether it is protected depends on the sort of clones that the cluster makes: the second needs no protection.
    """
    found = [one for one in json.loads(listed) if one.get("name") == "snap"]
    if not found:
        return None
    return "protected" if str(found[0].get("protected")).lower() == "true" else "not protected"


def wrong_place(url: str, fsid: str) -> str:
    """What is wrong with the location that Glance tells of an image; empty: nothing, or none is told."""
    if url and not url.startswith("rbd://"):
        return f"its location {url.partition('://')[0]}://… is not in Ceph"
    if url and url.removeprefix("rbd://").split("/")[0] != fsid:
        return f"its location {url} names another cluster than {fsid}; clones of it will be full copies"
    return ""


def _told(bench: Workbench, section: str, name: str) -> str:
    """What every glance-api reads for an option; hosts that say the same stand together."""
    said: dict[str, list[str]] = {}
    for host in bench.site.with_role("glance-api"):
        configuration: Configuration = bench.configuration(host, "glance-api")
        said.setdefault(configuration.told(section, name), []).append(host.name)
    found = "; ".join(f"{text} on {', '.join(hosts)}" for text, hosts in said.items())
    return f"{found}; cephdeploy run puts it right"
