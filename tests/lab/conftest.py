"""The real lab for the tests, of the suite that is asked for: from scratch once a session, asked over plain ssh."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: The suite of Debian that the lab's hosts run; one lab is up at a time, so one a session.
SUITE = os.environ.get("CEPHDEPLOY_TEST_SUITE", "bookworm")
SITE = ROOT / "examples/demo/site.yml"
ALL = "glance,cinder,cinder_backup,nova,libvirt"
STATE = Path(os.environ.get("CEPHDEPLOY_LAB_DIR", f"/var/lib/cephdeploy-lab/{SUITE}"))
#: Set to use a lab that is up already, as it is: quicker while writing tests.
KEEP = os.environ.get("CEPHDEPLOY_TEST_KEEP_LAB")


def pytest_collection_modifyitems(items: Sequence[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.lab)
            item.add_marker(pytest.mark.timeout(900))


@dataclass(frozen=True)
class Ended:
    """A finished command."""

    status: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


@dataclass(frozen=True)
class Lab:
    """The lab as an operator has it: an inventory, a key, and the command."""

    site: Path
    runs: Path

    def on(self, host: str, command: str, *, stdin: str = "", check: bool = True) -> str:
        """Run a shell command on a host as root, by ssh and not by what is tested."""
        address = json.loads((STATE / "hosts.json").read_text())[host]["address"]
        ssh = ["ssh", "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={STATE}/known_hosts"]
        ended = subprocess.run(
            [*ssh, "-i", str(STATE / "id_ed25519"), f"root@{address}", command],
            input=stdin,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert not check or ended.returncode == 0, f"{command!r} on {host}: {ended.stderr}"
        return ended.stdout

    def cephdeploy(self, *words: str, site: Path | None = None, environment: dict[str, str] | None = None) -> Ended:
        """The command as an operator types it, without a terminal."""
        program = Path(sys.executable).with_name("cephdeploy")
        ended = subprocess.run(
            [str(program), "--site", str(site or self.site), *words],
            capture_output=True,
            text=True,
            timeout=800,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "XDG_STATE_HOME": str(self.runs), **(environment or {})},
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def plan(self, *words: str, plugins: str = ALL, site: Path | None = None) -> list[dict[str, object]]:
        """The plan's changes, as data."""
        ended = self.cephdeploy("plan", "--plugins", plugins, "-f", "json", *words, site=site)
        assert ended.status == 0, ended.said
        changes: list[dict[str, object]] = json.loads(ended.out)["changes"]
        return changes

    def run(self, *words: str, plugins: str = ALL, site: Path | None = None) -> Ended:
        """``run --yes`` without the proofs, which have tests of their own."""
        return self.cephdeploy("run", "--plugins", plugins, "--yes", "--no-verify", *words, site=site)


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[Lab]:
    """Four hosts with a real Ceph and a real OpenStack that does not use it, from scratch."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    if shutil.which("apt-get") is None:
        pytest.skip("the lab is made by debootstrap and systemd-nspawn, from a Debian machine")
    program = str(Path(sys.executable).with_name("cephdeploy"))
    capture = pytestconfig.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        if not KEEP:
            subprocess.run([program, "lab", "down"], check=True)
        began = time.monotonic()
        subprocess.run([program, "lab", "up", "--suite", SUITE], check=True)
        print(f"lab of {SUITE} ready in {time.monotonic() - began:.0f} s", flush=True)
    site = tmp_path_factory.mktemp("site") / "site.yml"
    site.write_text(SITE.read_text().replace("/var/lib/cephdeploy-lab/bookworm", str(STATE)))
    yield Lab(site, tmp_path_factory.mktemp("state"))
    if not KEEP:
        subprocess.run([program, "lab", "down"], check=True, capture_output=True)


def addresses(changes: list[dict[str, object]]) -> set[str]:
    """The addresses of a plan's changes."""
    return {str(change["address"]) for change in changes}
