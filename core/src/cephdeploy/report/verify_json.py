"""What verify found, as JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .. import __version__
from ..redaction import redacted
from .plan_json import FORMAT

if TYPE_CHECKING:
    from ..verify import ProbeResult
    from .header import Header

__all__ = ["verify_json"]


def verify_json(results: Sequence[ProbeResult], header: Header) -> str:
    """Every probe with how it ended."""
    document = {
        "format": FORMAT,
        "site": header.path,
        "plugins": list(header.plugins),
        "versions": {"cephdeploy": __version__, "ceph": header.ceph, "openstack": dict(header.releases)},
        "ok": all(result.ok for result in results),
        "probes": [
            {
                "plugin": result.plugin,
                "title": result.title,
                "ok": result.ok,
                "detail": redacted(result.detail),
                "seconds": round(result.seconds, 3),
            }
            for result in results
        ],
    }
    return json.dumps(document, indent=2)
