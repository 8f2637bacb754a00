"""The proof that images are kept in Ceph: one goes in through the API, and is looked for in the pool."""

from __future__ import annotations

import json
import secrets

from cephdeploy.errors import ProofError
from cephdeploy.verify import Workbench

__all__ = ["image_is_in_ceph"]


def image_is_in_ceph(bench: Workbench, pool: str) -> str:
    """Upload a small raw image, and find it in the pool with the snapshot that clones are made from."""
    image = bench.upload_image(f"cephdeploy-proof-{secrets.token_hex(4)}")
    found = json.loads(bench.ceph("rbd", "snap", "ls", f"{pool}/{image.id}", "--format", "json"))
    if not any(snapshot.get("name") == "snap" for snapshot in found):
        raise ProofError(f"image {image.id} is in pool {pool} but has no snapshot 'snap'; it can't be cloned")
    where = getattr(image, "direct_url", None) or ""
    if where and bench.site.ceph.fsid not in where:
        raise ProofError(f"its location {where} names another cluster than {bench.site.ceph.fsid}; clones will fail")
    return f"{pool}/{image.id}@snap"
