"""The proofs that guests run from Ceph: Nova's own word, disks whose parents are looked at, and their consoles."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from typing import Any

from cephdeploy import Host
from cephdeploy.errors import ProofError
from cephdeploy.verify import Workbench, why_not_cloned

__all__ = [
    "attached_by",
    "compute_is_up",
    "guest_from_image",
    "guest_from_volume",
    "guest_moves",
    "how_it_went",
    "snapshot_of_a_guest",
    "volume_is_attached",
]

ROLE = "nova-compute"
#: What libvirt says where one compute is not let into the other: that is the cloud's own to set up.
_NOT_LET_IN = r"onnection refused|authentication|ermission denied|Host key verification|Cannot recv data|certificate"


def compute_is_up(bench: Workbench, host: Host) -> str:
    """Nova's own word, and a process that lives."""

    def state() -> tuple[str, str | None]:
        for service in bench.cloud.compute.services(binary=ROLE, host=host.name):
            if service.host == host.name:
                word = f"{service.state}" if service.status == "enabled" else f"{service.state} and {service.status}"
                return word, service.updated_at
        return "not known", None

    return bench.service_is_up(host, ROLE, state, name=f"{ROLE} on {host.name}")


def guest_from_image(bench: Workbench, pool: str, images: str, user: str) -> str:
    """A guest whose disk is a clone of the image, and that really runs: its console says so."""
    image = bench.share(bench.image())
    try:
        server = bench.guest()
    except ProofError as error:
        why = why_not_cloned(bench, image, user, images)
        raise ProofError(f"{error}{'; ' if why else ''}{why}") from error
    seconds = bench.took("a guest")
    disk = f"{server.id}_disk"
    admin, prefix = bench.site.ceph.admin, bench.site.ceph.prefix
    if bench.attempt(admin, *prefix, "rbd", "info", f"{pool}/{disk}").status != 0:
        raise ProofError(
            f"the disk of guest {server.id} does not lie in pool {pool}: {_told(bench, server, 'images_type')}"
        )
    parent = bench.parent(pool, disk)
    if parent is None:
        why = why_not_cloned(bench, image, user, images) or _told(bench, server, "images_type")
        raise ProofError(f"the disk of guest {server.id} is a full copy ({seconds:.1f} s): {why}")
    if (parent.pool, parent.image) != (images, str(image.id)):
        raise ProofError(f"the disk of guest {server.id} is a clone of {parent}, not of {images}/{image.id}@snap")
    bench.console(server)
    return (
        f"runs on {server.compute_host}, its disk is a clone of {parent}, started in {seconds:.1f} s, {bench.member_is}"
    )


def guest_from_volume(bench: Workbench) -> str:
    """A guest that starts from a volume."""
    volume, began = bench.volume(), time.monotonic()
    mapping = {"boot_index": 0, "uuid": volume.id, "source_type": "volume", "destination_type": "volume"}
    server = bench.boot("guest-of-volume", block_device_mapping_v2=[mapping])
    seconds = time.monotonic() - began
    bench.console(server)
    return f"runs on {server.compute_host}, started in {seconds:.1f} s"


def volume_is_attached(bench: Workbench) -> str:
    """Attach a volume to a guest that runs: QEMU logs in with the key that libvirt's secret holds.

    It is not taken off again by itself, which would need a guest that answers: it goes with the guest.
    """
    server, volume, began = bench.guest(), bench.make_volume("attached"), time.monotonic()
    answer = bench.member.compute.post(
        f"/servers/{server.id}/os-volume_attachments", json={"volumeAttachment": {"volumeId": volume.id}}
    )
    if answer.status_code not in (200, 202):
        raise ProofError(f"Nova refuses to attach volume {volume.id}: {answer.text}")

    def ended() -> Any:
        now = bench.cloud.block_storage.get_volume(volume.id)
        return now if now.status in ("in-use", "available", "error") else None

    state = bench.wait(ended, timeout=120)
    if state is None or state.status != "in-use":
        said = bench.last_words(ROLE, about=volume.id) or bench.last_words("cinder-volume", about=volume.id)
        raise ProofError(f"volume {volume.id} is not attached to guest {server.id}: {said or 'no log says why'}")
    seconds = time.monotonic() - began
    where = bench.cloud.compute.get_server(server.id)
    xml = bench.run(where.compute_host, "virsh", "dumpxml", where.instance_name)
    found = attached_by(xml, str(volume.id))
    if found is None:
        raise ProofError(f"volume {volume.id} is in use, and QEMU on {where.compute_host} does not have it")
    user, named = found
    wanted = bench.site.secret_uuid(f"client.{user}")
    if named != wanted:
        raise ProofError(
            f"volume {volume.id} is attached as client.{user} by libvirt's secret {named or '(none)'}, and "
            f"{wanted} is what cephdeploy keeps; look at rbd_secret_uuid in cinder.conf, or ceph.secret_uuids"
        )
    return (
        f"to a running guest on {where.compute_host}, as client.{user} by libvirt's secret {named[:8]}…, "
        f"in {seconds:.1f} s"
    )


def attached_by(xml: str, volume: str) -> tuple[str, str] | None:
    """The cephx user and the secret's uuid by which a domain has a volume; None: it does not have it."""
    for disk in re.findall(r"<disk .*?</disk>", xml, re.DOTALL):
        if volume in disk:
            user = re.search(r"<auth username='([^']*)'", disk)
            uuid = re.search(r"<secret type='ceph' uuid='([0-9a-f-]+)'", disk)
            return (user[1] if user else "", uuid[1] if uuid else "")
    return None


def guest_moves(bench: Workbench) -> str:
    """Live migration to another compute host and back, with all that is attached."""
    computes = [service.host for service in bench.cloud.compute.services(binary=ROLE) if service.state == "up"]
    if not bench.admin or len(computes) < 2:
        return "left out: " + ("there is one compute host only" if bench.admin else "only admin may migrate guests")
    home = bench.cloud.compute.get_server(bench.guest().id).compute_host
    began = time.monotonic()
    try:
        away = _moved(bench, home, None)
        _moved(bench, away, home)
    except _NotAllowed as error:
        return f"not proved: the compute hosts don't let each other in ({error})"
    state = bench.cloud.compute.get_server(bench.guest().id).power_state
    if str(state) != "1":
        raise ProofError(f"guest {bench.guest().id} moved to {away} and back, and does not run (power state {state})")
    return f"{home} to {away} and back, {time.monotonic() - began:.1f} s"


class _NotAllowed(Exception):
    """Live migration is not set up in this cloud."""


def _moved(bench: Workbench, source: str, target: str | None) -> str:
    """Where the guest is after a live migration.

    Nova calls a migration that failed done: what counts is where the guest is.
    """
    ident, compute = bench.guest().id, bench.cloud.compute
    bench.doing(f"live migration from {source}{f' to {target}' if target else ''}")
    body = {"os-migrateLive": {"host": target, "block_migration": "auto"}}
    # 2.30: the target is checked by the scheduler
    answer = compute.post(f"/servers/{ident}/action", json=body, microversion="2.30")
    if answer.status_code != 202:
        raise ProofError(f"Nova refuses to migrate guest {ident} from {source}: {answer.text}")

    def ended() -> Any:
        found = compute.get_server(ident)
        return found if found.task_state is None and found.status in ("ACTIVE", "ERROR") else None

    # the answer is there before the conductor begins
    bench.wait(lambda: compute.get_server(ident).task_state, timeout=2, every=0.1)
    found = bench.wait(ended, timeout=180)
    if found is not None and found.status == "ACTIVE" and found.compute_host != source:
        return str(found.compute_host)
    said = bench.last_words(ROLE, host=source if source in bench.site.hosts else "", about=ident)
    said = said or bench.last_words(ROLE, about=ident)
    if re.search(_NOT_LET_IN, said):
        raise _NotAllowed(said)
    state = "is still migrating after 180 s" if found is None else f"is {found.status} and still on {source}"
    raise ProofError(f"guest {ident} {state}: {said or 'no log of nova-compute says why'}")


def snapshot_of_a_guest(bench: Workbench, images: str, *, direct: bool) -> str:
    """A snapshot of a running guest, and whether the guest was suspended for it.

    :param direct: whether Nova may write to the images' pool, which is what saves it from being suspended.
    """
    server = bench.guest()
    began = time.monotonic()
    bench.doing("a snapshot of a guest")
    compute = bench.member.compute
    body = {"createImage": {"name": bench.name("snapshot"), "metadata": {"description": str(bench.mark)}}}
    # 2.45: the answer names the image
    answer = compute.post(f"/servers/{server.id}/action", json=body, microversion="2.45")
    if answer.status_code != 202:
        raise ProofError(f"Nova refuses a snapshot of guest {server.id}: {answer.text}")
    ident = str(answer.json()["image_id"])
    bench.made("image", ident)
    states: set[str] = set()

    def ended() -> Any:
        now = bench.cloud.compute.get_server(server.id)
        image = bench.cloud.image.find_image(ident, ignore_missing=True)
        # 1: running; while it is being saved and restored Nova sees it shut down
        states.add(str(now.power_state))
        over = now.task_state is None and (image is None or image.status not in ("queued", "saving"))
        return (image,) if over else None

    found = bench.wait(ended, timeout=300, every=0.2)
    seconds = time.monotonic() - began
    if found is None or found[0] is None or found[0].status != "active":
        said = bench.last_words(ROLE, about=server.id)
        raise ProofError(
            f"the snapshot of guest {server.id} is no image after {seconds:.0f} s: {said or 'no log says why'}"
        )
    host = bench.cloud.compute.get_server(server.id).compute_host
    reason, cold = "", False
    if host in bench.site.hosts:
        log = bench.attempt(host, "tail", "-n", "600", "/var/log/nova/nova-compute.log").text
        reason, cold = how_it_went(log.splitlines(), str(server.id))
    suspended = cold or bool(states - {"1", "None"})
    if direct and (suspended or reason):
        grants = bench.caps(f"client.{_user(bench)}").get("osd", "")
        raise ProofError(
            f"Nova made a full copy of the guest's disk ({seconds:.1f} s), though nova: {{direct_snapshots: true}}: "
            f"{reason or 'no log says why'}; the osd caps are '{grants}'"
        )
    copied = f"a full copy ({reason}); nova: {{direct_snapshots: true}} spares it" if reason or cold else "no copy"
    ran = "the guest was suspended meanwhile" if suspended else "the guest ran on and was not suspended"
    return f"{seconds:.1f} s, {ran}; {copied}"


def how_it_went(lines: Sequence[str], guest: str) -> tuple[str, bool]:
    """Why nova-compute's last snapshot of a guest was no direct one, and whether it was a cold one."""
    began = [number for number, line in enumerate(lines) if guest in line and "instance snapshotting" in line]
    after = lines[began[-1] :] if began else []
    reasons = [
        line.partition("direct snapshot failed:")[2].strip() for line in after if "direct snapshot failed:" in line
    ]
    return (reasons[0] if reasons else ""), any("Beginning cold snapshot process" in line for line in after)


def _user(bench: Workbench) -> str:
    from . import NovaSettings

    return bench.site.component(NovaSettings).user


def _told(bench: Workbench, server: Any, option: str) -> str:
    host = bench.site.hosts.get(server.compute_host)
    if host is None:
        return f"{server.compute_host} is no host of the site"
    return f"{bench.configuration(host, ROLE).told('libvirt', option)} on {host.name}; cephdeploy run puts it right"
