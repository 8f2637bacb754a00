"""The proofs that cinder-volume works on Ceph: its own word, and a volume whose parent is looked at."""

from __future__ import annotations

import json
import secrets
from typing import Any

from cephdeploy import Host
from cephdeploy.errors import ProofError
from cephdeploy.verify import Workbench

__all__ = ["backend_is_up", "volume_is_a_clone"]


def backend_is_up(bench: Workbench, host: Host, backend: str) -> str:
    """Cinder's own word, waited for: a service reports every 10 s, and after a restart not at once."""
    name = f"{host.name}@{backend}"

    def up() -> str | None:
        for service in bench.cloud.block_storage.services(binary="cinder-volume"):
            if service.host == name and service.state == "up":
                return f"{service.status}, up"
        return None

    found = bench.wait(up, timeout=90, every=2)
    if found is None:
        raise ProofError(f"cinder-volume {name} is not up after 90 s; see /var/log/cinder/cinder-volume.log there")
    return found


def volume_is_a_clone(bench: Workbench, pool: str, images: str) -> str:
    """Make a volume from a raw image, and read its parent from RBD: the one thing that can't lie."""
    image = bench.upload_image(f"cephdeploy-proof-{secrets.token_hex(4)}")
    block = bench.cloud.block_storage
    volume = block.create_volume(name=image.name, size=1, image_id=image.id)
    bench.cleanup(_delete, bench, volume)
    ended = bench.wait(lambda: _ended(block.get_volume(volume.id)), timeout=180)
    if ended is None or ended.status != "available":
        state = ended.status if ended else "still creating after 180 s"
        raise ProofError(f"volume {volume.id} is {state}; see cinder-volume's log")
    info = json.loads(bench.ceph("rbd", "info", f"{pool}/volume-{volume.id}", "--format", "json"))
    parent = info.get("parent")
    if not parent:
        raise ProofError(
            f"volume {volume.id} has no parent: it is a full copy. Cinder did not learn where the image lies: look "
            "at show_image_direct_url under [DEFAULT] of glance-api.conf, and at the image's format"
        )
    where = f"{parent['pool']}/{parent['image']}@{parent['snapshot']}"
    if where != f"{images}/{image.id}@snap":
        raise ProofError(f"volume {volume.id} is a clone of {where}, not of {images}/{image.id}@snap")
    return f"clone of {where}"


def _ended(volume: Any) -> Any:
    return volume if volume.status in ("available", "error") else None


def _delete(bench: Workbench, volume: Any) -> None:
    block = bench.cloud.block_storage
    block.delete_volume(volume.id, force=volume.status == "error")
    # the image can't be deleted while its clone is there
    bench.wait(lambda: True if block.find_volume(volume.id, ignore_missing=True) is None else None, timeout=90)
