"""verify on the real lab: every proof, nothing left of them, also when killed; and sabotages whose cause it names."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .conftest import ALL, STATE, SUITE, Lab
from .sabotages import SABOTAGES

#: What a user of OpenStack's APIs sees of everything that a proof makes.
_LISTED = """
import json, openstack
c = openstack.connect(cloud="lab")
v, n, i = c.block_storage, c.compute, c.identity
print(json.dumps({
    "servers": sorted(x.id for x in n.servers(all_projects=True)),
    "flavors": sorted(x.id for x in n.flavors(is_public=None)),
    "volumes": sorted(x.id for x in v.volumes(all_projects=True)),
    "snapshots": sorted(x.id for x in v.snapshots(all_projects=True)),
    "backups": sorted(x.id for x in v.backups(all_tenants=True)),
    "images": sorted(x.id for x in c.image.images()),
    "users": sorted(x.name for x in i.users()),
    "projects": sorted(x.name for x in i.projects()),
}))
"""
POOLS = ("images", "volumes", "backups", "vms")


def environment() -> dict[str, str]:
    """With the operator's credentials."""
    return {**os.environ, "OS_CLIENT_CONFIG_FILE": str(STATE / "clouds.yaml")}


def everything(lab: Lab) -> dict[str, Any]:
    """All that a proof could leave: what the APIs list, and what lies in the pools and in their trash."""
    listed = subprocess.run(
        [sys.executable, "-c", _LISTED], env=environment(), capture_output=True, text=True, check=True
    )
    ceph = "; ".join(f"echo {pool}; rbd ls {pool}; rbd trash ls --all {pool}; rados -p {pool} ls" for pool in POOLS)
    objects = [line for line in lab.on("ceph1", ceph).splitlines() if not line.startswith("rbd_")]
    secrets = [lab.on(host, "virsh -q list --all; ls /var/lib/nova/instances") for host in ("compute1", "compute2")]
    # nova's own bookkeeping of a compute host, and its cache of images, come with the first guest
    kept = [re.sub(r"_base|compute_nodes|locks|snapshots", "", text).split() for text in secrets]
    return {**json.loads(listed.stdout), "ceph": sorted(objects), "computes": kept}


@pytest.fixture(scope="module", autouse=True)
def converged(lab: Lab) -> None:
    """An OpenStack on Ceph, also when this file runs alone."""
    ended = lab.run()
    assert ended.status == 0, ended.said


def verified(lab: Lab, *, plugins: str = ALL) -> tuple[int, list[dict[str, Any]]]:
    """The status and the probes."""
    ended = lab.cephdeploy("verify", "--plugins", plugins, "-f", "json")
    assert ended.out, ended.err
    probes: list[dict[str, Any]] = json.loads(ended.out)["probes"]
    return ended.status, probes


def told(probes: list[dict[str, Any]]) -> str:
    """The probes as text, for a failing test's message."""
    return "\n".join(f"{one['ok']} {one['seconds']:6.1f} {one['title']}: {one['detail']}" for one in probes)


# the proofs


def test_every_proof_is_green_and_leaves_everything_as_it_was(lab: Lab) -> None:
    before = everything(lab)

    status, probes = verified(lab)

    print(told(probes))
    assert status == 0, told(probes)
    found = {one["title"]: one["detail"] for one in probes}
    clone = found["a volume in pool volumes made from an image is a clone of it"]
    assert re.match(r"clone of images/[0-9a-f-]{36}@snap, \d+ KiB of its own, in [\d.]+ s, as a member$", clone)
    assert "full copy, as it must be" in found["control: a volume made from a qcow2 image is a copy"]
    assert "restored equal to the last byte" in found["a volume comes back from its backups as it was"]
    assert "as a member" in found["a guest made from an image runs from pool vms, copy-on-write"]
    assert re.match(r"compute\d to compute\d and back", found["a running guest moves to another host"])
    assert "as client.cinder by libvirt's secret" in found["a volume is attached to a running guest"]
    assert "suspended" in found["a snapshot of a running guest becomes an image"]
    assert "librbd" in found["a running guest's librbd answers on its admin socket"]
    assert found["all that the proofs made is gone again"]
    assert everything(lab) == before


def started(lab: Lab) -> subprocess.Popen[bytes]:
    """A verify under way, a session of its own."""
    program = str(Path(sys.executable).with_name("cephdeploy"))
    return subprocess.Popen(
        # whoever runs the tests in a shell's background hands down that interruptions are ignored
        ["env", "--default-signal=INT", program, "--site", str(lab.site), "verify", "--plugins", ALL],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def until(what: Callable[[], object], seconds: float = 120) -> None:
    """Wait for something."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.3)


#: Each of these is a verify, or two, of its own: together they take longer than all other tests.
thorough = pytest.mark.skipif(
    "CEPHDEPLOY_THOROUGH" not in os.environ, reason="some twenty minutes more; make test-lab runs it"
)


@thorough
@pytest.mark.parametrize("pool", ["volumes", "backups", "vms"])
def test_what_a_killed_verify_left_is_gone_after_the_next(lab: Lab, pool: str) -> None:
    before = everything(lab)
    process = started(lab)
    until(lambda: lab.on("ceph1", f"rbd ls {pool}").strip())
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert lab.on("ceph1", "rbd ls volumes").strip()

    status, probes = verified(lab)

    assert status == 0, told(probes)
    assert any(one["title"] == "what an earlier verify left is gone" for one in probes), told(probes)
    assert everything(lab) == before


@thorough
def test_an_interrupted_verify_leaves_nothing(lab: Lab) -> None:
    before = everything(lab)
    process = started(lab)
    until(lambda: lab.on("ceph1", "rbd ls vms").strip())
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=180) == 130
    assert everything(lab) == before


# images


@pytest.fixture
def packed(tmp_path: Path) -> Path:
    """A small disk as qcow2."""
    if shutil.which("qemu-img") is None:
        pytest.skip("there is no qemu-img here")
    raw, made = tmp_path / "disk.raw", tmp_path / "small disk.qcow2"
    data = bytearray(os.urandom(1 << 20).ljust(8 << 20, b"\0"))
    data[446:462] = bytes.fromhex("80000100830001000100000001000000")
    data[510:512] = b"\x55\xaa"
    raw.write_bytes(data)
    subprocess.run(["qemu-img", "convert", "-O", "qcow2", str(raw), str(made)], check=True)
    return made


def openstack(script: str) -> str:
    """Run a line or two against the cloud; ``c`` is the connection."""
    lines = f"import openstack\nc = openstack.connect(cloud='lab')\n{script}"
    ended = subprocess.run([sys.executable, "-c", lines], env=environment(), capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


@thorough
def test_a_qcow2_image_is_found_by_the_audit_and_imported_it_can_be_cloned(lab: Lab, packed: Path) -> None:
    copied = openstack(
        f"print(c.image.create_image(name='old', filename={str(packed)!r}, disk_format='qcow2', "
        "container_format='bare', validate_checksum=False).id)"
    )
    try:
        audit = lab.cephdeploy("image", "audit")
        assert audit.status == 1, audit.said
        assert re.search(rf"{copied} .* is qcow2, and only raw can be cloned", audit.out), audit.said

        ended = lab.cephdeploy("image", "import", str(packed), "--recommended", "--property", "os_distro=none")

        assert ended.status == 0, ended.said
        ident = ended.out.split()[0]
        assert "as Glance has it" in ended.out
        shown = json.loads(openstack(f"import json; print(json.dumps(c.image.get_image({ident!r}).to_dict()))"))
        assert (shown["name"], shown["disk_format"], shown["size"]) == ("small disk", "raw", 8 << 20)
        assert (shown["hw_scsi_model"], shown["os_distro"]) == ("virtio-scsi", "none")
        assert "snap" in lab.on("ceph1", f"rbd snap ls images/{ident}")
        again = lab.cephdeploy("image", "audit", "--all")
        assert re.search(rf"{ident} .* can be cloned", again.out), again.said
        openstack(f"c.image.delete_image({ident!r})")
    finally:
        openstack(f"c.image.delete_image({copied!r})")
    assert lab.cephdeploy("image", "audit").status == 0


# sabotages


#: Those of one suite are for every run on it: elsewhere they can't be tried.
HERE = [
    pytest.param(what, marks=() if sabotage.suite else thorough)
    for what, sabotage in SABOTAGES.items()
    if sabotage.suite in ("", SUITE)
]


@pytest.mark.parametrize("what", HERE)
def test_verify_names_the_cause_and_run_repairs_what_is_ours(lab: Lab, what: str) -> None:
    sabotage = SABOTAGES[what]
    for host in sabotage.hosts:
        lab.on(host, sabotage.command)
    try:
        status, probes = verified(lab)
        print(told([one for one in probes if not one["ok"]]))
        assert status == 1
        failed = [f"{one['title']}: {one['detail']}" for one in probes if not one["ok"]]
        assert any(re.search(sabotage.says, line) for line in failed), told(probes)
    finally:
        if sabotage.undo:
            for host in sabotage.hosts:
                lab.on(host, sabotage.undo)
        ended = lab.run()
    assert ended.status == 0, ended.said
    assert lab.plan() == []


@thorough
def test_after_all_sabotages_everything_is_proven_again(lab: Lab) -> None:
    status, probes = verified(lab)
    assert status == 0, told(probes)
