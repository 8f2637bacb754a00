"""The benchmark's own parts: its hosts, its judge, what it counts, and what it makes of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import chart, goals, job, speed_page
from benchmarks.__main__ import PUBLISHED, plans
from benchmarks.bench import Plan, Sample, Wrong, run
from benchmarks.contestants import CONTESTANTS, Contestant, Start
from benchmarks.distance import Apart, apart
from benchmarks.farm import ACCOUNTS, Farm, running
from benchmarks.judge import faults
from benchmarks.meter import measured

ROOT = Path(__file__).parents[2]
NOVA_CONF = ROOT / "benchmarks/hosts/nova.conf"


@contextmanager
def hosts(count: int, network: Apart | None = None) -> Iterator[Farm]:
    if os.geteuid() != 0 or not Path("/usr/sbin/sshd").exists():
        pytest.skip("hosts in namespaces need root and openssh-server")
    with running(count, network=network and network.hosts, prefix="10.77" if network else "127.77") as farm:
        yield farm


def ssh(farm: Farm, command: str) -> list[str]:
    host = farm.hosts[0]
    options = ("-F", "none", "-i", str(farm.key), "-o", f"UserKnownHostsFile={farm.known_hosts}", "-p", str(host.port))
    return ["ssh", *options, f"root@{host.address}", command]


# the judge


@pytest.fixture
def done(tmp_path: Path) -> SimpleNamespace:
    """A host on which the job is done: a folder is all that the judge looks at."""
    for file in job.FILES:
        path = tmp_path / file.path[1:]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.content)
    for directory in job.DIRECTORIES:
        (tmp_path / directory.path[1:]).mkdir(parents=True)
    for thing in (*job.FILES, *job.DIRECTORIES):
        ids = {"root": 0} | ACCOUNTS
        path = tmp_path / thing.path[1:]
        path.chmod(thing.mode)
        if os.geteuid() == 0:
            os.chown(path, ids[thing.owner], ids[thing.group])
    conf = tmp_path / job.NOVA_CONF[1:]
    conf.parent.mkdir(parents=True)
    lines = []
    for line in NOVA_CONF.read_text().splitlines():
        lines.append(line)
        if line.startswith("["):
            lines += [f"{name} = {value}" for name, value in job.OPTIONS.get(line[1:-1], {}).items()]
    conf.write_text("\n".join(lines) + "\n")
    conf.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(conf, ACCOUNTS["nova"], ACCOUNTS["nova"])
    secrets = tmp_path / "var/lib/stubs/secrets"
    secrets.mkdir(parents=True)
    (secrets / f"{job.SECRET_UUID}.usage").write_text(job.SECRET_USAGE + "\n")
    (secrets / f"{job.SECRET_UUID}.value").write_text(job.SECRET_KEY + "\n")
    (secrets.parent / "restarts").write_text("restart nova-compute.service\n")
    return SimpleNamespace(root=tmp_path)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="files of other owners need root")


@needs_root
def test_a_host_that_is_as_the_job_says_has_no_fault(done: SimpleNamespace) -> None:
    assert faults(done, restarts=1) == []


def _edit(path: str, old: str, new: str):  # type: ignore[no-untyped-def]
    def break_it(root: Path) -> None:
        text = (root / path).read_text()
        assert old in text
        (root / path).write_text(text.replace(old, new, 1))

    return break_it


@needs_root
@pytest.mark.parametrize(
    ("broken", "fault"),
    [
        (_edit("etc/ceph/ceph.conf", "fsid", "fsidd"), "/etc/ceph/ceph.conf has another content"),
        (
            lambda root: (root / "etc/ceph/ceph.client.cinder.keyring").chmod(0o644),
            "/etc/ceph/ceph.client.cinder.keyring has mode 0644, not 0640",
        ),
        (lambda root: os.chown(root / "var/log/qemu", 0, 0), "/var/log/qemu belongs to root:root"),
        (lambda root: shutil.rmtree(root / "run/ceph"), "there is no directory /run/ceph/guests"),
        (_edit("etc/nova/nova.conf", "= rbd\n", "= raw\n"), "nova.conf: [libvirt] images_type is 'raw', not 'rbd'"),
        (_edit("etc/nova/nova.conf", "\nmy_ip =", "\n#\nmy_host ="), "nova.conf: another option is not as it was"),
        (
            _edit("etc/nova/nova.conf", "#images_type = default\n", ""),
            "nova.conf: a line of before is gone, or has moved",
        ),
        (
            lambda root: (root / f"var/lib/stubs/secrets/{job.SECRET_UUID}.value").write_text("other"),
            "the value of libvirt's secret is not what it must be",
        ),
        (
            lambda root: (root / "var/lib/stubs/restarts").write_text("once\nagain\n"),
            "nova-compute was restarted 2 times, not 1",
        ),
    ],
)
def test_what_is_not_as_the_job_says_is_a_fault(done: SimpleNamespace, broken: object, fault: str) -> None:
    broken(done.root)  # type: ignore[operator]
    assert fault in faults(done, restarts=1)


# the hosts


@pytest.mark.ssh
def test_a_fresh_host_is_a_machine_of_its_own_and_gone_afterwards(tmp_path: Path) -> None:
    with hosts(2) as farm:
        name = subprocess.run(ssh(farm, "hostname; echo x >> /etc/nova/nova.conf"), capture_output=True, text=True)
        assert name.stdout == "compute0001\n"
        others = [(host.root / "etc/nova/nova.conf").read_text() for host in farm.hosts]
        assert others[1] == NOVA_CONF.read_text() == others[0].removesuffix("x\n") != others[0]
        pids, place = [host.pid for host in farm.hosts], farm.group.place
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not place.exists() and not farm.files.exists()


@pytest.mark.ssh
def test_hosts_end_with_the_process_that_runs_them() -> None:
    with hosts(1):
        pass
    command = [sys.executable, "-m", "benchmarks.farm", "2"]

    def hear() -> None:
        """What was started in the background ignores interrupts, and hands that on."""
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, preexec_fn=hear) as farm:
        assert farm.stdout is not None
        folder = Path(farm.stdout.readline().split()[-1]).parent
        pids = [host["pid"] for host in json.loads((folder / "farm.json").read_text())["hosts"]]
        farm.send_signal(signal.SIGINT)
        try:
            assert farm.wait(20) == 0
        finally:
            farm.kill()  # or leaving this block would wait for it for ever
    assert not folder.exists() and not any(Path(f"/proc/{pid}").exists() for pid in pids)


@pytest.mark.ssh
def test_connections_execs_bytes_and_processor_time_are_counted(tmp_path: Path) -> None:
    with hosts(1) as farm:
        command = ssh(farm, "head -c 100000 /dev/zero; i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done")
        took = measured(command, {"PATH": os.environ["PATH"]}, farm, output=tmp_path / "said")
    assert (tmp_path / "said").stat().st_size == 100000
    assert (took.connections_per_host, took.execs_per_host, took.sftps_per_host) == (1, 1, 0)
    assert 100 < took.kib_per_host < 115
    assert took.client_cpu > 0 and took.server_cpu > 0 and took.memory > 1 and took.threads == took.processes == 1


@pytest.mark.ssh
def test_a_network_that_is_far_away_takes_a_round_trip_as_long_as_it_says() -> None:
    with apart(40) as network, hosts(1, network) as farm:
        inside = ["nsenter", f"--net={network.client}", "--"]
        fetch = f"import socket;socket.create_connection(('{farm.hosts[0].address}', 22), 5)"
        network.round_trips()
        began = time.monotonic()
        subprocess.run([*inside, sys.executable, "-c", fetch], check=True)
        assert time.monotonic() - began >= 0.04
        assert network.round_trips() >= 1


@pytest.mark.ssh
@pytest.mark.parametrize("name", ["floor", "ours", "fabric"])
def test_a_contestant_does_the_job_and_then_nothing(name: str) -> None:
    with hosts(1):
        pass
    samples = list(run(Plan(2, 0, (CONTESTANTS[name],)), lambda said: None))
    assert [sample.phase for sample in samples] == ["first", "noop"]


@pytest.mark.ssh
def test_a_contestant_that_does_not_do_the_job_ends_the_benchmark(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with hosts(1):
        pass
    lazy = Contestant("lazy", "nobody", lambda farm, folder: Start(("true",), {}))
    with pytest.raises(Wrong, match=r"lazy left \d+ faults after its first run, such as compute0001: there is no"):
        list(run(Plan(1, 0, (lazy,)), lambda said: None))


# who takes part


def test_of_a_large_site_those_take_part_that_can_finish_and_whoever_is_asked_for() -> None:
    names = [[one.name for one in plan.contestants] for plan in plans([200, 1000], [])]
    assert names == [["floor", "ours", "ours-asyncssh", "ours-openssh", "pyinfra"], ["ours", "ours-asyncssh"]]
    (plan,) = plans([1000], [], ["fabric"])
    assert [one.name for one in plan.contestants] == ["fabric"]


# what is made of it


def results(**walls: float) -> dict[str, object]:
    figures = dict.fromkeys(("client_cpu", "server_cpu", "memory", "kib_per_host"), 1.0) | dict.fromkeys(
        ("threads", "fds", "processes", "connections_per_host", "execs_per_host", "sftps_per_host"), 1
    )
    samples = [
        vars(Sample(name, 10, 0, phase, figures | {"wall": wall}))
        for name, wall in walls.items()
        for phase in ("first", "noop")
    ]
    return {"machine": {}, "samples": samples}


def met(judged: dict[str, object], what: str) -> bool | None:
    (goal,) = [goal for goal in goals.judged(judged) if what in goal.what]
    return goal.met


@pytest.mark.parametrize(("ansible", "so"), [(25.0, True), (24.9, False)])
def test_a_goal_is_met_by_the_ratio_within_one_run(ansible: float, so: bool) -> None:
    assert met(results(ours=1.0, ansible=ansible), "25 times below ansible's, 10 hosts") is so


def test_a_goal_that_was_not_measured_is_neither_met_nor_missed() -> None:
    assert met(results(ours=1.0), "25 times below ansible's, 10 hosts") is None


def test_the_page_and_its_chart_show_the_published_results() -> None:
    published = json.loads(PUBLISHED.read_text())
    assert speed_page.figures(published) in (ROOT / "docs/speed.md").read_text()
    assert chart.drawn(published) == (ROOT / "docs/speed.svg").read_text()
