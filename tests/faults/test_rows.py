"""Rows of the fault matrix that need whole hosts and the whole command, one after another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .hosts import ADMIN, ALL, HERE, PATIENCE, Hosts, Network
from .test_operators import RUN, until

GLANCE = "/etc/glance/glance-api.conf"


def saved_plan(hosts: Hosts) -> Path:
    path = hosts.folder / "saved.plan"
    ended = hosts.cephdeploy("plan", "--plugins", ALL, "-o", str(path))
    assert ended.status == 0, ended.said
    return path


def with_small_disk(hosts: Hosts, pages: int) -> tuple[int, str]:
    """A run whose state is kept on a file system of so many pages; it is mounted for that process alone."""
    hosts.state.mkdir()
    script = f'mount -t tmpfs -o size={pages * 4}k none {hosts.state} && "$@"; status=$?; '
    script += f"cp -r {hosts.state}/. {hosts.folder}/kept-state; exit $status"
    words = [sys.executable, "-m", "tests.faults.command", "--site", str(hosts.site), *RUN]
    ended = subprocess.run(
        [*hosts.network.inside, "unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *words],
        cwd=HERE.parents[1],
        env=hosts.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return ended.returncode, ended.stdout + ended.stderr


@pytest.mark.fault("F06")
@pytest.mark.parametrize("pages", [1, 2])
def test_a_full_disk_at_the_controller_stops_before_the_next_change(hosts: Hosts, pages: int) -> None:
    before = hosts.end_state()
    status, said = with_small_disk(hosts, pages)
    assert status == 1, said
    assert f"can't write the journal {hosts.state}/cephdeploy/runs/" in said
    assert "No space left on device; nothing more was begun. Make room, or mend it, and run again" in said
    (path,) = (hosts.folder / "kept-state").rglob("*.jsonl")
    whole = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("}\n")]
    records = [json.loads(line) for line in whole]
    sent = [record for record in records if record["event"] == "send"]
    if not sent:
        assert hosts.end_state() == before
    # nothing was changed that the journal does not say was sent
    touched = {record["host"] for record in sent}
    after = hosts.files()
    for key, value in before["etc"].items():  # type: ignore[attr-defined]
        assert key.partition(":")[0] in touched or after[key] == value
    again = hosts.run()
    assert again.status == 0, again.said
    assert hosts.behind() == []
    assert hosts.leaks(said) == []


@pytest.mark.fault("F15")
def test_a_saved_plan_is_refused_when_another_hand_has_changed_what_it_saw(hosts: Hosts) -> None:
    plan = saved_plan(hosts)
    path = hosts.path("controller1", GLANCE)
    changed = path.read_text() + "\n[DEFAULT]\nshow_image_direct_url = theirs\n"
    path.write_text(changed)
    before = hosts.end_state()
    ended = hosts.cephdeploy("run", str(plan), "--yes", "--no-verify")
    assert ended.status == 7, ended.said
    assert f"controller1/options:{GLANCE} is not as it saw it; nothing was changed" in ended.err
    assert hosts.end_state() == before
    assert path.read_text() == changed


@pytest.mark.fault("F42")
@pytest.mark.parametrize("skew", ["tool", "plugin", "format"])
def test_a_saved_plan_of_another_version_is_refused(hosts: Hosts, skew: str) -> None:
    plan = saved_plan(hosts)
    document = json.loads(plan.read_text())
    if skew == "tool":
        document["versions"]["cephdeploy"] = "0.0.9"
    elif skew == "plugin":
        document["plugin_versions"]["glance"] = "0.0.9"
    else:
        document["format"] = 0
    plan.write_text(json.dumps(document))
    before = hosts.end_state()
    ended = hosts.cephdeploy("run", str(plan), "--yes", "--no-verify")
    assert ended.status == 7, ended.said
    assert "was made by another version of cephdeploy or of a plugin; make it anew" in ended.err
    assert hosts.end_state() == before


@pytest.mark.fault("F14")
@pytest.mark.fault("F13")
def test_the_label_of_a_file_is_that_of_the_old_one(hosts: Hosts) -> None:
    path = hosts.path("controller1", GLANCE)
    label = b"system_u:object_r:glance_etc_t:s0\0"
    try:
        os.setxattr(path, "security.selinux", label)
    except OSError as error:
        pytest.skip(f"no file can be labelled here: {error}")
    assert hosts.run().status == 0
    assert "enabled_backends" in path.read_text()
    assert os.getxattr(path, "security.selinux") == label


@pytest.mark.fault("F34")
def test_a_failure_on_the_third_host_leaves_those_behind_it_untouched(network: Network) -> None:
    with network.hosts(computes=4) as hosts:
        hosts.write_site(serial={"nova-compute": 1})
        before = hosts.files()
        hosts.path("compute3", "/srv/state/units/nova-compute.service/fails").write_text("images_type = rbd")
        ended = hosts.run()
        assert ended.status == 3, ended.said
        after = hosts.files()
        nova = {name: after[f"{name}:/etc/nova/nova.conf"] for name in hosts.names[2:]}
        assert b"images_type = rbd" in nova["compute1"][3]
        assert b"images_type = rbd" in nova["compute2"][3]
        for name in ("compute3", "compute4"):
            assert nova[name] == before[f"{name}:/etc/nova/nova.conf"]
        assert hosts.restarts().get("compute4/nova-compute.service") is None
        for line in ("compute1 ", "compute3 ", "compute4 "):
            assert line in ended.out
        assert hosts.leaks(ended.said) == []

        hosts.path("compute3", "/srv/state/units/nova-compute.service/fails").unlink()
        again = hosts.run()
        assert again.status == 0, again.said
        assert hosts.behind() == []


@pytest.mark.fault("F35")
def test_a_restart_that_a_dead_run_owes_is_made_by_the_next_and_no_other(hosts: Hosts) -> None:
    assert hosts.run().status == 0
    site = hosts.write_site("other.yml", glance={"chunk_size": 16})
    # begin, plan, send of the options, and they are changed: the run dies before the restart
    first = hosts.cephdeploy(*RUN, site=site, journal=3, when="after")
    assert first.status == -9
    assert "rbd_store_chunk_size = 16" in hosts.path("controller1", GLANCE).read_text()
    assert hosts.behind() == ["controller1/glance-api.service"]
    before = hosts.restarts()
    again = hosts.cephdeploy(*RUN, site=site)
    assert again.status == 0, again.said
    assert "an earlier run changed its configuration and did not come to restart it" in again.out
    unit = "controller1/glance-api.service"
    assert hosts.restarts() == before | {unit: before[unit] + 1}
    assert hosts.behind() == []


@pytest.mark.fault("F36")
def test_a_user_with_other_caps_keeps_them_and_its_key(hosts: Hosts) -> None:
    theirs = {"mon": "allow r", "osd": "allow rwx pool=images, allow rwx pool=theirs", "mds": "allow r"}
    users = hosts.cluster()["users"]
    hosts.edit_cluster(users=users | {"client.glance": {"entity": "client.glance", "key": "AQ==", "caps": theirs}})
    shown = hosts.cephdeploy("plan", "--plugins", ALL)
    assert shown.status == 0, shown.said
    assert "allow rwx pool=theirs" in shown.out
    ended = hosts.run()
    assert ended.status == 0, ended.said
    user = hosts.cluster()["users"]["client.glance"]
    assert user["key"] == "AQ=="
    assert "allow rwx pool=theirs" in user["caps"]["osd"]
    assert "profile rbd pool=images" in user["caps"]["osd"]
    assert user["caps"]["mds"] == "allow r"


@pytest.mark.fault("F37")
def test_a_pool_that_is_there_is_taken_as_it_is(hosts: Hosts) -> None:
    theirs = {"pool_name": "volumes", "pg_autoscale_mode": "off", "pg_num": 8, "application_metadata": {"rbd": {}}}
    hosts.edit_cluster(pools=[theirs])
    ended = hosts.run()
    assert ended.status == 0, ended.said
    assert theirs in hosts.cluster()["pools"]
    assert not [line for line in hosts.ceph_log() if "volumes" in line and line.startswith(("osd pool", "pool"))]


@pytest.mark.fault("F37")
def test_a_pool_of_another_application_stops_the_run_before_any_change(hosts: Hosts) -> None:
    theirs = {"pool_name": "vms", "pg_autoscale_mode": "on", "pg_num": 8, "application_metadata": {"cephfs": {}}}
    hosts.edit_cluster(pools=[theirs])
    before = hosts.end_state()
    ended = hosts.run()
    assert ended.status == 4, ended.said
    assert "the pool belongs to the application cephfs; name another pool for RBD" in ended.err
    assert hosts.end_state() == before


@pytest.mark.fault("F38")
@pytest.mark.parametrize("taken", ["usage", "uuid"])
def test_a_libvirt_secret_that_is_taken_stops_the_run_with_both_uuids(hosts: Hosts, taken: str) -> None:
    ours = "bc65c6f9-aa75-52ad-9b28-fc1798020511"
    other = "11111111-2222-3333-4444-555555555555"
    secrets = hosts.path("compute1", "/srv/state/secrets")
    if taken == "usage":
        (secrets / f"{other}.usage").write_text("client.cinder secret")
    else:
        (secrets / f"{ours}.usage").write_text("client.theirs secret")
    before = hosts.end_state()
    ended = hosts.run()
    assert ended.status == 4, ended.said
    assert ours in ended.err
    assert (other if taken == "usage" else "client.theirs secret") in ended.err
    assert "ceph.secret_uuids" in ended.err
    assert hosts.end_state() == before


@pytest.mark.fault("F39")
def test_a_key_that_libvirt_garbles_is_not_taken_for_set(hosts: Hosts) -> None:
    hosts.path("compute1", "/srv/state/garbles").touch()
    ended = hosts.run()
    assert ended.status == 3, ended.said
    assert "still differs after the change: value is" in ended.said
    assert hosts.leaks(ended.said) == []
    hosts.path("compute1", "/srv/state/garbles").unlink()
    assert hosts.run().status == 0


@pytest.mark.fault("F40")
def test_a_bad_site_file_is_told_with_its_place_and_nothing_is_reached(hosts: Hosts) -> None:
    hosts.site.write_text(
        "ceph: {admin: ceph1}\nceph: {admin: ceph2}\nhosts:\n  ceph1: {address: 10.77.1.10, roles: [glance-apl]}\n"
        "  ceph2: {address: 10.77.1.10}\nunknown: 0640\n"
    )
    ended = hosts.run()
    assert ended.status == 4, ended.said
    assert f"{hosts.site}:2:1" in ended.err
    assert "Traceback" not in ended.said
    assert not hosts.state.exists()
    assert "Accepted" not in hosts.path(ADMIN, "/var/log/sshd.log").read_text()


def in_a_restart(hosts: Hosts, pause: str) -> None:
    hosts.path("controller1", "/srv/state/units/glance-api.service/pause").write_text(f"{pause}\n")


@pytest.mark.fault("F41")
def test_ctrl_c_finishes_what_is_under_way_and_says_how_to_go_on(hosts: Hosts) -> None:
    in_a_restart(hosts, "3")
    running = hosts.start(*RUN)
    until(lambda: "glance-api" in hosts.path("controller1", "/srv/state/restarts").read_text())
    running.signal(signal.SIGINT)
    ended = running.ended()
    assert ended.status == 130, ended.said
    assert "interrupted: what was sent to a host may have been done. Run the same command again" in ended.err
    # the restart that was under way came to its end, and its stamp says so
    stamp = hosts.path("controller1", "/var/lib/cephdeploy/started-with/glance-api.service")
    assert stamp.read_text() != "pending"
    (records,) = hosts.journals()
    assert records[-1] | {"at": 0} == {"at": 0, "event": "finish", "exit_code": 130}
    before = hosts.restarts()
    again = hosts.rerun()
    assert again.status == 0, again.said
    assert hosts.behind() == []
    assert all(count == before.get(unit, 0) or unit not in before for unit, count in hosts.restarts().items())


@pytest.mark.fault("F41")
def test_ctrl_c_twice_ends_at_once(hosts: Hosts) -> None:
    in_a_restart(hosts, "60")
    running = hosts.start(*RUN)
    until(lambda: "glance-api" in hosts.path("controller1", "/srv/state/restarts").read_text())
    began = time.monotonic()
    running.signal(signal.SIGINT)
    time.sleep(0.5)
    running.signal(signal.SIGINT)
    ended = running.ended()
    assert ended.status == 130, ended.said
    assert time.monotonic() - began < 45
    (records,) = hosts.journals()
    assert records[-1]["event"] == "finish"


@pytest.mark.fault("F18")
@pytest.mark.parametrize("days", [-1, 1])
def test_a_controller_with_a_wrong_clock_makes_the_same_plan(hosts: Hosts, days: int) -> None:
    """The command's own clock is wrong, and every file time with it: a second run finds nothing to do."""
    skewed = ["-c", f"import time; now = time.time; time.time = lambda: now() + {86400 * days}\n" + _START]
    said = []
    for _ in range(2):
        ended = subprocess.run(
            [*hosts.network.inside, sys.executable, *skewed, "--site", str(hosts.site), *RUN],
            cwd=HERE.parents[1],
            env=hosts.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr
        said.append(ended.stdout)
    assert "Nothing to do" in said[1]
    plain = hosts.run()
    assert plain.status == 0
    assert "Nothing to do" in plain.out


_START = "import sys; from tests.faults import command; command.command(sys.argv[1:], {})"
