"""A plan in a file: made true later, and refused if what it saw is not there any more.

It holds what ``plan -f json`` prints, so secrets are fingerprints; the values are read again when it runs.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import __version__
from .errors import CephdeployError, StalePlanError, UsageError
from .plugins import installed
from .report.plan_json import FORMAT, change_json, plan_json

if TYPE_CHECKING:
    from .planner import Plan
    from .report.header import Header

__all__ = ["SavedPlan", "check_place", "load", "save"]


@dataclass(frozen=True)
class SavedPlan:
    """What a saved plan was made of.

    :param changes: the address of each, and a digest of what it was.
    """

    path: Path
    plugins: tuple[str, ...]
    limit: tuple[str, ...]
    changes: Mapping[str, str]

    def check(self, plan: Plan) -> None:
        """Compare it with what a new look at the hosts gives.

        :raises StalePlanError: they differ; the text names what.
        """
        now, then = dict(_digested(change_json(change)) for change in plan), self.changes
        differing = sorted(address for address in now.keys() | then.keys() if now.get(address) != then.get(address))
        if differing:
            more = f" and {len(differing) - 1:,} more" if len(differing) > 1 else ""
            raise StalePlanError(
                f"the plan {self.path} is stale: {differing[0]}{more} is not as it saw it; nothing was changed. "
                f"Look again: cephdeploy plan -o {self.path}"
            )


def _digested(change: dict[str, Any]) -> tuple[str, str]:
    """A change's address, and a digest of what is compared of it: a large site's changes are many."""
    compared = [change[name] for name in ("action", "differences", "because")]
    return change["address"], hashlib.sha256(json.dumps(compared).encode()).hexdigest()


def check_place(path: Path) -> None:
    """Look whether a plan can be saved there, before anything else is done for it.

    :raises UsageError: there is no folder for it, it is one itself, or we may not write there.
    """
    if path.is_dir():
        raise UsageError(f"can't save the plan in {path}: it is a folder; name a file in it")
    if not path.parent.is_dir():
        raise UsageError(f"can't save the plan in {path}: there is no folder {path.parent}; make it first")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageError(f"can't save the plan in {path}: you may not write there; name another place")


def save(path: Path, plan: Plan, header: Header) -> None:
    """Write a plan, for its owner alone.

    :raises CephdeployError: it can't be written there.
    """
    text = plan_json(plan, header, plugin_versions=_versions(header.plugins))
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w") as file:
            if path.is_file():
                os.fchmod(handle, 0o600)  # it may have stood there, open to others
            file.write(text)
    except OSError as error:
        raise CephdeployError(f"can't save the plan in {path}: {error.strerror}") from error


def load(path: Path) -> SavedPlan:
    """Read a saved plan.

    :raises UsageError: there is none, or it is no plan.
    :raises StalePlanError: another version of cephdeploy or of a plugin made it.
    """
    try:
        # each change becomes its digest as it is read, so that they are not all in memory at once
        document = json.loads(path.read_text(), object_hook=lambda one: _digested(one) if "action" in one else one)
        plugins, limit = tuple(document["plugins"]), tuple(document["limit"])
        changes = dict(document["changes"])
        versions = document["plugin_versions"]
        made_by = document["versions"]["cephdeploy"]
    except OSError as error:
        raise UsageError(f"can't read the plan {path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(f"{path} is no saved plan; make one: cephdeploy plan -o {path}") from error
    if document.get("format") != FORMAT or made_by != __version__ or versions != _versions(plugins):
        raise StalePlanError(
            f"the plan {path} was made by another version of cephdeploy or of a plugin; make it anew: "
            f"cephdeploy plan -o {path}"
        )
    return SavedPlan(path, plugins, limit, changes)


def _versions(plugins: tuple[str, ...]) -> dict[str, str]:
    known = installed()
    return {name: known[name].version for name in plugins if name in known}
