"""The proofs that cinder-backup works: its own word, and a volume that comes back equal to the last byte."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from cephdeploy import Host
from cephdeploy.errors import ProofError
from cephdeploy.verify import Workbench

__all__ = ["restore_is_equal", "service_is_up"]

ROLE = "cinder-backup"


def service_is_up(bench: Workbench, host: Host) -> str:
    """Cinder's own word, and a process that lives: systemd calls a crash loop active."""

    def state() -> tuple[str, str | None]:
        for service in bench.cloud.block_storage.services(binary=ROLE):
            if service.host == host.name:
                return str(service.state), service.updated_at
        return "not known", None

    return bench.service_is_up(host, ROLE, state, name=f"{ROLE} on {host.name}")


def restore_is_equal(bench: Workbench, pools: Sequence[str], backups: str) -> str:
    """Back a volume up, write to it, back up what changed, restore that, and compare every byte in Ceph.

    :param pools: where volumes may lie.
    """
    began = time.monotonic()
    source = bench.make_volume("source", image_id=bench.share(bench.image()).id)
    _write(bench, _image_of(bench, pools, source))
    _backed_up(bench, source, "full")
    _write(bench, _image_of(bench, pools, source))
    second = _backed_up(bench, source, "incremental")
    target = bench.make_volume("restored")
    bench.doing("restoring")
    # not by the SDK's own call: older ones make a volume beside the one that is given
    block = bench.member.block_storage
    answer = block.post(f"/backups/{second.id}/restore", json={"restore": {"volume_id": target.id}})
    if answer.status_code != 202:
        raise ProofError(f"Cinder refuses to restore backup {second.id}: {answer.text}")
    bench.settled("backup", second.id, "available", service=ROLE, timeout=300)
    bench.settled("volume", target.id, "available", service=ROLE, timeout=60)
    bench.doing("comparing")
    one, other = (_digest(bench, _image_of(bench, pools, volume)) for volume in (source, target))
    if one != other:
        raise ProofError(
            f"the restored volume {target.id} is not what was backed up ({other[:12]}… and {one[:12]}…); "
            "see LP#2155612 and LP#2031897 for releases that restore wrongly"
        )
    where = bench.ceph("rbd", "ls", backups)
    if source.id not in where:
        raise ProofError(f"the backup of volume {source.id} does not lie in pool {backups}; {_option(bench)}")
    return (
        f"full and incremental, restored equal to the last byte (sha256 {one[:12]}…), {time.monotonic() - began:.1f} s"
    )


def _image_of(bench: Workbench, pools: Sequence[str], volume: Any) -> str:
    """The RBD image of a volume, in whichever pool its backend has."""
    admin, prefix = bench.site.ceph.admin, bench.site.ceph.prefix
    for pool in pools:
        name = f"{pool}/volume-{volume.id}"
        if len(pools) == 1 or bench.attempt(admin, *prefix, "rbd", "info", name).status == 0:
            return name
    raise ProofError(f"volume {volume.id} lies in no pool that is backed up ({', '.join(pools)}); see volumes_pools")


def _write(bench: Workbench, image: str) -> None:
    """Something else than before in the volume, so that a backup has something to find."""
    writing = (
        "--io-type",
        "write",
        "--io-size",
        "64K",
        "--io-total",
        "512K",
        "--io-threads",
        "1",
        "--io-pattern",
        "rand",
    )
    bench.ceph("rbd", "bench", image, *writing)


def _backed_up(bench: Workbench, volume: Any, sort: str) -> Any:
    """A backup of a volume. The scheduler hears of a backup host once a minute only: it is asked until it knows one."""
    bench.doing(f"{sort} backup")
    block, increment = bench.member.block_storage, sort == "incremental"

    def made() -> Any:
        backup = block.create_backup(
            volume_id=volume.id, name=bench.name(sort), description=str(bench.mark), is_incremental=increment
        )
        bench.made("backup", backup.id, bench.CLONES if increment else None)
        try:
            return bench.settled("backup", backup.id, "available", service=ROLE, timeout=240)
        except ProofError as error:
            if "Service not found" in str(error):
                bench.remove("backup", backup.id)
                return None
            raise

    found = bench.wait(made, timeout=75, every=3)
    if found is None:
        raise ProofError("Cinder's scheduler still knows no host for backups after 75 s, though the service is up")
    return found


def _digest(bench: Workbench, image: str) -> str:
    """The SHA-256 of all of an RBD image, made where it is read: nothing of it travels."""
    export = (*bench.site.ceph.prefix, "rbd", "export", "--no-progress", image, "-")
    piped = ("bash", "-o", "pipefail", "-c", '"$@" | sha256sum', "bash")
    return bench.run(bench.site.ceph.admin, *piped, *export, timeout=300).split()[0]


def _option(bench: Workbench) -> str:
    said = [
        f"{bench.configuration(host, ROLE).told('DEFAULT', 'backup_driver')} on {host.name}"
        for host in bench.site.with_role(ROLE)
    ]
    return "; ".join(said)
