"""The main job on real parts, in the order in which an operator does it.

The tests of this file build on each other: plan, run, look, run again.
"""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

import pytest

from .conftest import ALL, STATE, Lab, addresses
from .sampler import Sampler

UNITS = {
    "controller1": ["glance-api", "cinder-volume", "cinder-backup"],
    "compute1": ["nova-compute"],
    "compute2": ["nova-compute"],
}
FILES = {
    "controller1": "/etc/glance/glance-api.conf /etc/cinder/cinder.conf",
    "compute1": "/etc/nova/nova.conf",
    "compute2": "/etc/nova/nova.conf",
}


def main_pids(lab: Lab) -> dict[str, str]:
    """Every service's main process: it changes with a restart."""
    return {host: lab.on(host, "systemctl show -p MainPID --value " + " ".join(units)) for host, units in UNITS.items()}


def fingerprint(lab: Lab) -> dict[str, str]:
    """What a plan must not touch: all of /etc, libvirt's secrets, pools and users, and the processes."""
    etc = "find /etc /var/lib/cephdeploy /run/ceph -printf '%p %m %u %g %T@\\n' 2>/dev/null | sort | sha256sum"
    found = {host: lab.on(host, etc) for host in UNITS}
    found["users"] = lab.on("ceph1", "ceph auth ls -f json")
    pools = json.loads(lab.on("ceph1", "ceph osd pool ls detail -f json").strip())
    # the rest is the cluster's own: placement groups, scores, epochs
    ours = ("pool_name", "size", "min_size", "crush_rule", "pg_autoscale_mode", "application_metadata", "flags_names")
    found["pools"] = str([{name: pool.get(name) for name in ours} for pool in pools])
    found["secrets"] = "".join(lab.on(host, "virsh -q secret-list") for host in ("compute1", "compute2"))
    return found | {"pids": str(main_pids(lab))}


def keys(lab: Lab) -> list[str]:
    """The secret keys of the three users."""
    users = ("client.glance", "client.cinder", "client.cinder-backup")
    return [lab.on("ceph1", f"ceph auth get-key {user}").strip() for user in users]


def comments(lab: Lab) -> dict[str, list[str]]:
    """Every comment and empty line of the services' files."""
    return {host: lab.on(host, f"grep -hE '^(#|$)' {files}").splitlines() for host, files in FILES.items()}


@pytest.fixture(scope="module")
def before(lab: Lab) -> dict[str, list[str]]:
    """The comments before anything was changed."""
    return comments(lab)


def test_a_plan_says_what_is_to_be_done_and_touches_nothing(lab: Lab, before: object) -> None:
    state = fingerprint(lab)

    ended = lab.cephdeploy("plan", "--plugins", ALL, "--detailed-exitcode")

    assert ended.status == 2, ended.said
    for part in ("pool volumes", "client.cinder", "ceph.client.glance.keyring", "images_type", "nova-compute"):
        assert part in ended.out
    assert "known after apply" in ended.out
    assert fingerprint(lab) == state


def test_one_run_converges_everything_and_no_key_is_ever_to_be_seen(lab: Lab, before: object) -> None:
    with Sampler() as sampler:
        ended = lab.cephdeploy("run", "--plugins", ALL, "--yes", "--no-verify", "-v")
    assert ended.status == 0, ended.said
    assert sampler.rounds > 500
    assert any(b"payload" in seen or b"python3" in seen for seen in sampler.seen)

    journals = [path.read_text() for path in lab.runs.rglob("*.jsonl")]
    assert journals
    # what the services themselves log is not ours; where a temporary file could be left, it is
    left = "".join(
        lab.on(
            host, "grep -rIsl 'key = A' /tmp /var/tmp /root /run /dev/shm /var/log/cephdeploy /var/lib/cephdeploy; true"
        )
        for host in (*UNITS, "ceph1")
    )
    assert left == ""
    local = [str(path) for folder in ("/tmp", "/var/tmp", "/dev/shm") for path in Path(folder).glob("*cephdeploy*")]
    assert local == []
    for key in keys(lab):
        raw = base64.b64decode(key)
        for form in (key, raw.hex(), base64.b64encode(key.encode()).decode()):
            assert form not in ended.said
            assert not any(form in journal for journal in journals)
            assert not any(form.encode() in seen for seen in sampler.seen)


def test_a_second_run_changes_nothing_and_restarts_nothing(lab: Lab) -> None:
    state = fingerprint(lab)

    ended = lab.run("--detailed-exitcode")

    assert ended.status == 0, ended.said
    assert "othing to do" in ended.out
    assert lab.plan() == []
    assert fingerprint(lab) == state


def test_the_files_keep_every_comment_and_the_services_take_our_values(lab: Lab, before: dict[str, list[str]]) -> None:
    after = comments(lab)
    for host, lines in before.items():
        assert [line for line in after[host] if line] == [line for line in lines if line]
    # by the services' own configuration code, from the very files that they are started with
    read = (
        "python3 -c \"from nova import config; import nova.conf; config.parse_args(['x', '--config-file', "
        "'/etc/nova/nova.conf', '--config-file', '/etc/nova/nova-compute.conf']); c = nova.conf.CONF.libvirt; "
        'print(c.images_type, c.images_rbd_pool, c.rbd_user, c.hw_disk_discard, c.disk_cachemodes)"'
    )
    assert lab.on("compute1", read).split("\n")[-2] == "rbd vms cinder unmap ['network=writeback']"


def test_keyrings_are_readable_by_their_service_and_nobody_else(lab: Lab) -> None:
    shown = lab.on("controller1", "stat -c '%n %U:%G %a' /etc/ceph/*.keyring")
    assert shown.splitlines() == [
        "/etc/ceph/ceph.client.cinder-backup.keyring cinder:cinder 640",
        "/etc/ceph/ceph.client.cinder.keyring cinder:cinder 640",
        "/etc/ceph/ceph.client.glance.keyring glance:glance 640",
    ]
    assert lab.on("compute2", "stat -c '%n %U:%G %a' /etc/ceph/*.keyring").splitlines() == [
        "/etc/ceph/ceph.client.cinder.keyring nova:nova 640",
    ]


def test_libvirt_holds_the_key_under_the_uuid_that_both_services_name(lab: Lab) -> None:
    key = keys(lab)[1]
    uuid = lab.on("controller1", "sed -n 's/^rbd_secret_uuid *= *//p' /etc/cinder/cinder.conf").strip()
    for host in ("compute1", "compute2"):
        assert lab.on(host, "sed -n 's/^rbd_secret_uuid *= *//p' /etc/nova/nova.conf").strip() == uuid
        assert lab.on(host, f"virsh -q secret-get-value {uuid} 2>/dev/null").strip() == key


def test_qemus_user_still_reaches_its_socket_directory_after_a_boot(lab: Lab) -> None:
    # what systemd does at a boot, on an empty /run
    lab.on("compute1", "rm -rf /run/ceph && systemd-tmpfiles --create --boot --prefix=/run/ceph")
    found = lab.on("compute1", "stat -c '%U:%G %a' /run/ceph/guests")
    assert found.strip() == "libvirt-qemu:libvirt 2770"
    lab.on("compute1", "setpriv --reuid libvirt-qemu --regid kvm --clear-groups touch /run/ceph/guests/probe")
    lab.on("compute1", "rm /run/ceph/guests/probe")


def test_the_admin_host_may_not_be_named_root_only_sudo_works_too(lab: Lab, tmp_path: Path) -> None:
    site = tmp_path / "site.yml"
    site.write_text(lab.site.read_text().replace("user: root", "user: operator"))
    assert lab.plan(site=site) == []


def test_a_login_without_sudo_is_told_so_and_nothing_happens(lab: Lab, tmp_path: Path) -> None:
    site = tmp_path / "site.yml"
    site.write_text(lab.site.read_text().replace("user: root", "user: nosudo"))
    ended = lab.cephdeploy("plan", "--plugins", ALL, site=site)
    assert ended.status == 6
    assert "sudo" in ended.err
    assert "Traceback" not in ended.err


def test_ceph_takes_our_ceph_conf(lab: Lab) -> None:
    fsid = lab.on("ceph1", "ceph fsid").strip()
    assert lab.on("compute1", "ceph-conf --lookup fsid").strip() == fsid
    assert lab.on("compute1", "ceph-conf --name client.cinder --lookup rbd_concurrent_management_ops").strip() == "20"


def test_the_plan_of_one_host_is_of_that_host_alone(lab: Lab) -> None:
    lab.on("compute1", "chmod 0600 /etc/ceph/ceph.client.cinder.keyring")
    lab.on("compute2", "chmod 0600 /etc/ceph/ceph.client.cinder.keyring")
    changes = lab.plan("--limit", "compute2")
    assert {str(change["host"]) for change in changes} == {"compute2"}
    ended = lab.run("--limit", "compute2")
    assert ended.status == 0, ended.said
    assert {address.partition("/")[0] for address in addresses(lab.plan())} == {"compute1"}
    assert lab.run().status == 0


@pytest.mark.fault("F02")
def test_the_lab_hands_over_strict_host_keys_and_a_changed_one_stops_everything(lab: Lab, tmp_path: Path) -> None:
    known = tmp_path / "known_hosts"
    lines = (STATE / "known_hosts").read_text().splitlines()
    ceph = next(line.split()[2] for line in lines if "10.77.0.10" in line)
    known.write_text("\n".join(re.sub(r" \S+$", f" {ceph}", line) if "10.77.0.22" in line else line for line in lines))
    site = tmp_path / "site.yml"
    site.write_text(lab.site.read_text().replace(str(STATE / "known_hosts"), str(known)))
    ended = lab.cephdeploy("run", "--plugins", ALL, "--yes", site=site)
    assert ended.status == 6
    assert "compute2: host key of 10.77.0.22 port 22 is not the one in known_hosts" in ended.err
    assert "SHA256:" in ended.err
