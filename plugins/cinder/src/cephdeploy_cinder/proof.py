"""The proofs that cinder-volume works on Ceph: its own word, and volumes whose parents are looked at."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

from cephdeploy import Host, Release
from cephdeploy.errors import ProofError
from cephdeploy.verify import Workbench, why_not_cloned

__all__ = ["backend_is_up", "backend_of", "copy_is_a_copy", "life_of_a_volume", "volume_is_a_clone"]

ROLE = "cinder-volume"


def backend_is_up(bench: Workbench, host: Host, backend: str) -> str:
    """Cinder's own word, and a process that lives: a backend that did not start keeps the others' process alive."""
    name = f"{host.name}@{backend}"

    def state() -> tuple[str, str | None]:
        for service in bench.cloud.block_storage.services(binary=ROLE):
            if service.host == name:
                return str(service.state), service.updated_at
        return "not known", None

    try:
        return bench.service_is_up(host, ROLE, state, name=name)
    except ProofError as error:
        why = _lacking(bench, host, backend)
        raise ProofError(f"{error}{'; ' if why else ''}{why}") from error


def _lacking(bench: Workbench, host: Host, backend: str) -> str:
    """Which of the options is not set that no backend on Ceph can do without."""
    configuration = bench.configuration(host, ROLE)
    for option in ("volume_driver", "rbd_pool", "rbd_user", "rbd_ceph_conf"):
        if configuration.value(backend, option) is None:
            return f"{configuration.told(backend, option)} on {host.name}; cephdeploy run puts it right"
    return ""


def backend_of(bench: Workbench, volume: Any, pools: Mapping[str, str]) -> str:
    """The backend that Cinder put a volume on, as its section is called.

    :param pools: of each of our backends.
    :raises ProofError: it is none of ours.
    """
    # such as controller1@ceph#ceph; only admin is told
    host = str(getattr(bench.cloud.block_storage.get_volume(volume.id), "host", None) or "")
    backend = host.partition("@")[2].partition("#")[0] or next(iter(pools))
    if backend not in pools:
        raise ProofError(
            f"Cinder put volume {volume.id} on {host}, which is not in Ceph: it chooses among all backends, as there "
            "is no default volume type that names one"
        )
    return backend


def volume_is_a_clone(bench: Workbench, pools: Mapping[str, str], images: str, users: Mapping[str, str]) -> str:
    """Make a volume from a raw image as a member, and read its parent from RBD: the one thing that can't lie.

    :param pools: where each backend's volumes lie.
    :param users: each backend's cephx user.
    """
    image = bench.share(bench.image())
    try:
        volume = bench.volume()
    except ProofError as error:
        why = why_not_cloned(bench, image, next(iter(users.values())), images)
        raise ProofError(f"{error}{'; ' if why else ''}{why}") from error
    seconds = bench.took("a volume")
    backend = backend_of(bench, volume, pools)
    pool, user = pools[backend], users[backend]
    parent = bench.parent(pool, f"volume-{volume.id}")
    if parent is None:
        why = _glance_section(bench) or why_not_cloned(bench, image, user, images) or "its log may say why"
        raise ProofError(
            f"volume {volume.id} has no parent: it is a full copy ({seconds:.1f} s, {bench.member_is}). {why}"
        )
    if (parent.pool, parent.image) != (images, str(image.id)):
        raise ProofError(f"volume {volume.id} is a clone of {parent}, not of {images}/{image.id}@snap")
    used = json.loads(bench.ceph("rbd", "du", f"{pool}/volume-{volume.id}", "--format", "json"))
    size = sum(one["used_size"] for one in used["images"])
    if size > 2 * 2**20:
        raise ProofError(f"volume {volume.id} is a clone of {parent} and takes {size >> 20} MiB of its own already")
    return f"clone of {parent}, {size >> 10} KiB of its own, in {seconds:.1f} s, {bench.member_is}"


def _glance_section(bench: Workbench) -> str:
    """Cinder asks Glance for locations in its own name from 2025.2 on."""
    if bench.site.release("cinder") < Release(2025, 2):
        return ""
    for host in bench.site.with_role(ROLE):
        configuration = bench.configuration(host, ROLE)
        if configuration.value("glance", "auth_type") is None:
            return (
                f"{configuration.told('glance', 'auth_type')} on {host.name}: from 2025.2 on, Cinder asks where an "
                "image lies in its own name, which has to have the role service"
            )
    return ""


def copy_is_a_copy(bench: Workbench, pools: Mapping[str, str], images: str) -> str:
    """The control: what can't be cloned has no parent among the images, or the proof before proves nothing."""
    image = bench.share(bench.image("qcow2"))
    began = time.monotonic()
    volume = bench.make_volume("copy", image_id=image.id)
    seconds = time.monotonic() - began
    pool = pools[backend_of(bench, volume, pools)]
    parent = bench.parent(pool, f"volume-{volume.id}")
    if parent is not None and parent.pool == images:
        raise ProofError(f"volume {volume.id} of a qcow2 image is a clone of {parent}, which can't be")
    how = f"clone of {parent}, from Cinder's own cache" if parent else "full copy, as it must be"
    return f"{how}, in {seconds:.1f} s: import images as raw"


def life_of_a_volume(bench: Workbench, pools: Mapping[str, str]) -> str:
    """A snapshot, a clone of it that grows, and nothing left of them in the pool or in its trash."""
    source, block = bench.volume(), bench.member.block_storage
    pool = pools[backend_of(bench, source, pools)]
    bench.doing("a snapshot of a volume")
    snapshot = block.create_snapshot(
        volume_id=source.id, name=bench.name("snapshot"), description=str(bench.mark), is_forced=True
    )
    bench.made("snapshot", snapshot.id)
    bench.settled("snapshot", snapshot.id, "available", service=ROLE, timeout=90)
    clone = bench.make_volume("clone", snapshot_id=snapshot.id)
    bench.doing("a clone that grows")
    block.extend_volume(clone.id, 2)
    bench.settled("volume", clone.id, "available", service=ROLE, timeout=90)
    size = json.loads(bench.ceph("rbd", "info", f"{pool}/volume-{clone.id}", "--format", "json"))["size"]
    if size != 2 * 2**30:
        raise ProofError(f"volume {clone.id} was extended to 2 GiB, and is {size >> 20} MiB in pool {pool}")
    bench.doing("deleting them")
    bench.remove("volume", clone.id)
    bench.remove("snapshot", snapshot.id)
    left = bench.left_in([pool], [clone.id, snapshot.id])
    if left:
        raise ProofError(f"Cinder deleted a volume and its snapshot, and Ceph still has {', '.join(left)}")
    return "snapshot, clone of it, extended, deleted; nothing left in the pool or its trash"
