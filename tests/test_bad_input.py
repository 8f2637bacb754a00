"""What an operator may get wrong, each told in one line with its place and remedy, and nothing changed.

Through the command itself, as it is installed.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cephdeploy.errors import ExitCode

GOOD = """\
ceph:
  admin: ceph1
hosts:
  ceph1: {address: 127.77.9.1}
  controller1: {address: 127.77.9.2, roles: [glance-api, cinder-volume]}
ssh: {user: root, port: 1, connect_timeout: 2}
"""


def cephdeploy(folder: Path, text: str, *words: str) -> subprocess.CompletedProcess[str]:
    """The command on a site file with that text."""
    (folder / "site.yml").write_text(text)
    program = Path(sys.executable).with_name("cephdeploy")
    return subprocess.run(
        [str(program), *words], cwd=folder, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60
    )


SITE_FAULTS = {
    "an unknown section": ("glanse: {}\n", "site.yml:7:1: glanse: ", "did you mean 'glance'?"),
    "an unknown key": ("glance: {pol: x}\n", "site.yml:7:10: glance.pol: ", ""),
    "a wrong type": ("glance: {chunk_size: big}\n", "site.yml:7:22: glance.chunk_size: ", "number"),
    "a key that stands twice": ("ssh: {user: admin}\n", "site.yml:7:1: ssh: ", "the first is at site.yml:6:1"),
    "a pool name that is an option": ("pools: {images: {name: --force}}\n", "site.yml:7:24: pools.images.name: ", ""),
    "a pool of another purpose": (
        "pools: {images: {name: volumes}}\n",
        "site.yml:7:24: pools.images.name: pools 'volumes' and 'images' are both called 'volumes'",
        "give each a name of its own",
    ),
    "chunks that are no power of two": (
        "glance: {chunk_size: 7}\n",
        "site.yml:7:22: glance.chunk_size: ",
        "must be a power of two, such as 4 or 8",
    ),
    "chunks of nothing": ("glance: {chunk_size: 0}\n", "site.yml:7:22: glance.chunk_size: ", "power of two"),
    "chunks that librbd does not make": ("glance: {chunk_size: 64}\n", "site.yml:7:22: ", "must be 32 or less"),
    "a backend in everybody's section": (
        "cinder: {backends: {DEFAULT: {}}}\n",
        "site.yml:7:21: cinder.backends.DEFAULT: ",
        "can't be a backend's name: cinder.conf has [DEFAULT] for something else",
    ),
    "a backend in oslo's section": (
        "cinder: {backends: {oslo_concurrency: {}}}\n",
        "site.yml:7:21: cinder.backends.oslo_concurrency: ",
        "for something else",
    ),
    "no backend": (
        "cinder: {backends: {}}\n",
        "site.yml:7:20: cinder.backends: ",
        "must have one backend at least, such as ceph: {}",
    ),
    "volumes among the images": (
        "cinder: {backends: {ceph: {pool: images}}}\n",
        "site.yml:7:34: cinder.backends.ceph.pool: ",
        "must be 'volumes' or a key of your own",
    ),
    "a transport that is not installed": (
        "transport: asyncsh\n",
        "site.yml:7:12: transport: no transport 'asyncsh' is installed",
        "did you mean 'asyncssh'?",
    ),
    "a control character": ('pools: {images: {name: "a\\nb"}}\n', "site.yml:7:24: pools.images.name: ", ""),
}
HOST_FAULTS = {
    "an unknown role": ("roles: [glance-api, cinder-volume]", "roles: [glance-ap]", "did you mean 'glance-api'?"),
    "an admin that is no host": ("admin: ceph1", "admin: ceph2", "did you mean 'ceph1'?"),
    "two hosts with one address": ("127.77.9.2", "127.77.9.1", "ceph1"),
    "a host name that is an option": ("  controller1:", "  -oProxyCommand=x:", "host name"),
}


@pytest.mark.fault("F40")
@pytest.mark.parametrize("what", SITE_FAULTS)
def test_a_fault_in_the_site_file_is_told_with_its_place(tmp_path: Path, what: str) -> None:
    more, place, hint = SITE_FAULTS[what]
    ended = cephdeploy(tmp_path, GOOD + more, "validate")
    assert ended.returncode == ExitCode.INVALID
    assert place in ended.stderr
    assert hint in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


@pytest.mark.fault("F40")
@pytest.mark.parametrize("what", HOST_FAULTS)
def test_a_fault_in_a_host_is_told_with_its_place(tmp_path: Path, what: str) -> None:
    old, new, hint = HOST_FAULTS[what]
    ended = cephdeploy(tmp_path, GOOD.replace(old, new), "plan", "--plugins", "glance")
    assert ended.returncode == ExitCode.INVALID
    assert "site.yml:" in ended.stderr
    assert hint in ended.stderr
    assert "Traceback" not in ended.stderr


def test_an_unknown_plugin_is_told_with_the_nearest_name(tmp_path: Path) -> None:
    ended = cephdeploy(tmp_path, GOOD, "run", "--yes", "--plugins", "glance,cindr")
    assert ended.returncode == ExitCode.USAGE
    assert "no plugin 'cindr' is installed; did you mean 'cinder'?" in ended.stderr


def test_a_plugin_whose_role_no_host_has_is_told_with_the_role(tmp_path: Path) -> None:
    ended = cephdeploy(tmp_path, GOOD, "run", "--yes", "--plugins", "glance,nova")
    assert ended.returncode == ExitCode.INVALID
    assert "plugin 'nova' has no host" in ended.stderr
    assert "nova-compute" in ended.stderr


def test_an_unknown_host_in_limit_is_told_before_anything_is_reached(tmp_path: Path) -> None:
    ended = cephdeploy(tmp_path, GOOD, "plan", "--plugins", "glance", "--limit", "controler1")
    assert ended.returncode == ExitCode.USAGE
    assert "did you mean 'controller1'?" in ended.stderr


def test_every_host_that_can_not_be_reached_is_told_with_where(tmp_path: Path) -> None:
    ended = cephdeploy(tmp_path, GOOD, "plan", "--plugins", "glance")
    assert ended.returncode == ExitCode.UNREACHABLE
    assert "ceph1: not reachable at 127.77.9.1 port 1" in ended.stderr
    assert "controller1: not reachable at 127.77.9.2 port 1" in ended.stderr


def test_a_missing_site_file_is_told_with_how_to_begin(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("cephdeploy")
    ended = subprocess.run([str(program), "plan"], cwd=tmp_path, capture_output=True, text=True)
    assert ended.returncode == ExitCode.INVALID
    assert "cephdeploy init" in ended.stderr


def test_run_without_a_terminal_asks_for_yes_instead_of_guessing(tmp_path: Path) -> None:
    ended = cephdeploy(tmp_path, GOOD, "run", "--plugins", "glance")
    assert ended.returncode in (ExitCode.USAGE, ExitCode.UNREACHABLE)
    assert "Traceback" not in ended.stderr
