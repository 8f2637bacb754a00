"""The root that every host of the lab shares: built once, kept, and built anew when its contents should differ."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from cephdeploy_lab import machine
from cephdeploy_lab.mirror import mirror_of_machine
from cephdeploy_lab.processes import Processes
from cephdeploy_lab.state import Folder, write
from cephdeploy_lab.suites import Suite

SCRIPTS = Path(__file__).with_name("scripts")
_BUILDER = SCRIPTS / "build-base.sh"
# the build's mounts and processes end with it, and it ends with this process, however that comes about
_CONTAINED = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child")
_FILLING_DATABASES = ("controller.sh", "credentials.sh", "fill-catalog")


def digest_of(suite: Suite, builder: str) -> str:
    """Return what a base is known by: the suite, the packages, and the script that builds it."""
    absent = {role: list(packages) for role, packages in suite.absent.items()}
    contents = json.dumps([suite.name, list(suite.packages), absent, builder], sort_keys=True)
    return hashlib.sha256(contents.encode()).hexdigest()


def is_current(folder: Folder, suite: Suite) -> bool:
    """Tell whether the base that is kept is the one that would be built now."""
    try:
        manifest = json.loads((folder.base / "manifest.json").read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return False
    return bool(manifest.get("digest") == digest_of(suite, _BUILDER.read_text()))


def suite_of(folder: Folder) -> str | None:
    """Return the suite that the kept base is of."""
    try:
        suite = json.loads((folder.base / "manifest.json").read_text())["suite"]
    except (FileNotFoundError, json.JSONDecodeError, KeyError):
        return None
    return str(suite)


def databases_file(folder: Folder, environment: str) -> Path:
    """Return where the filled databases of a lab on this base are kept; their name says what they depend on."""
    contents = [environment, *((SCRIPTS / name).read_text() for name in _FILLING_DATABASES)]
    digest = hashlib.sha256("\0".join(contents).encode()).hexdigest()
    return folder.base / f"databases-{digest[:16]}.sql"


def build(
    folder: Folder, suite: Suite, *, mirror: str | None, processes: Processes, say: Callable[[str], None]
) -> None:
    """Build the base beside its place and move it there when it is whole."""
    mirror = mirror or mirror_of_machine()
    partial = folder.unfinished_base
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    say(f"no base for {suite.name} is kept: building one from {mirror}")
    write(partial / "packages", "\n".join(suite.packages) + "\n")
    for role, packages in suite.absent.items():
        write(partial / f"absent.{role}", "\n".join(packages) + "\n")
    write(partial / "apt.conf", machine.apt_settings())
    processes.run(
        (*_CONTAINED, "sh", str(_BUILDER), str(partial), suite.name, mirror),
        what=f"the build of the base for {suite.name}",
        log=folder.log("base"),
        say=say,
        timeout=3600,
    )
    manifest = {
        "suite": suite.name,
        "digest": digest_of(suite, _BUILDER.read_text()),
        "packages": list(suite.packages),
    }
    write(partial / "manifest.json", json.dumps(manifest, indent=2) + "\n")
    shutil.rmtree(folder.base, ignore_errors=True)
    partial.rename(folder.base)
