"""A plan as JSON for programs: stable, versioned, with fingerprints where secrets are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..planner import Action
from .words import masked, stored

if TYPE_CHECKING:
    from ..planner import Change, Plan
    from ..values import Address
    from .header import Header

__all__ = ["FORMAT", "address_of", "change_json", "plan_json"]

#: Raised when a key changes its meaning or goes away; new keys don't raise it.
FORMAT = 1


def plan_json(plan: Plan, header: Header, **more: object) -> str:
    """The plan, a change a line; the same plan is the same text.

    :param more: further keys beside those of the plan.
    """
    frame = {
        "format": FORMAT,
        "site": header.path,
        "plugins": list(header.plugins),
        "limit": sorted(header.limit),
        "hosts": [{"name": name, "roles": list(roles)} for name, roles in header.hosts.items()],
        "versions": {"cephdeploy": __version__, "ceph": header.ceph, "openstack": dict(header.releases)},
        "counts": {**{str(action): plan.count(action) for action in Action}, "unchanged": plan.unchanged},
        **more,
    }
    # line by line, as a large site's changes are more than should be in memory twice
    lines = (f"\n    {json.dumps(change_json(change))}" for change in plan)
    return f'{json.dumps(frame, indent=2)[:-2]},\n  "changes": [{",".join(lines)}\n  ]\n}}'


def address_of(address: Address) -> dict[str, str]:
    """An address in its parts, and as it is written in one."""
    return {"address": str(address), "host": address.host, "kind": address.kind, "name": address.name}


def change_json(change: Change) -> dict[str, Any]:
    """One change."""
    return {
        **address_of(change.address),
        "action": str(change.action),
        "plugins": list(change.plugins),
        "differences": [
            {"name": one.name, "have": stored(one.name, one.have), "want": stored(one.name, one.want)}
            for one in change.differences
        ],
        "because": [str(address) for address in change.because],
        "notes": [masked(note) for note in change.notes],
        "diff": _whole(change),
    }


def _whole(change: Change) -> str:
    """The diff with the lines that name its two sides, as ``patch`` has them."""
    return (
        f"--- {change.address.name} on {change.address.host}\n+++ wanted\n{masked(change.diff)}" if change.diff else ""
    )
