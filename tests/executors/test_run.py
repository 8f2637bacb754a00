"""Whole runs by a cluster, on real OpenSSH servers."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from benchmarks.contestants import CONTESTANTS, Start
from benchmarks.farm import Farm
from benchmarks.farm import running as hosts
from benchmarks.judge import faults
from cephdeploy.deployment import Deployment, load
from cephdeploy.engine import Finished, Started, Status

from .conftest import Cluster, Running

pytest.importorskip("distributed", reason="install cephdeploy-core[dask]")
pytestmark = pytest.mark.ssh


@pytest.fixture
def farm() -> Iterator[Farm]:
    if os.geteuid() != 0 or not Path("/usr/sbin/sshd").exists():
        pytest.skip("hosts in namespaces need root and openssh-server")
    with hosts(6) as made:
        yield made


def prepared(farm: Farm, folder: Path, executor: str) -> Start:
    """The command for a job on all hosts, whose site file is in the folder."""
    folder.mkdir()
    start = CONTESTANTS["ours"].prepare(farm, folder)
    assert isinstance(start, Start)
    site = folder / "site.yml"
    site.write_text(yaml.safe_dump(yaml.safe_load(site.read_text()) | {"executor": executor}, sort_keys=False))
    return start


def ran(start: Start, folder: Path, **environment: str) -> str:
    """What the command says, without what differs from time to time."""
    whole = {"PATH": os.environ["PATH"], "HOME": str(folder), **start.environment, **environment}
    done = subprocess.run(start.argv, env=whole, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    said = re.sub(r"\d+\.\d+ s|\d{8}-\d{6}-\w+", "…", done.stdout)
    return "\n".join(sorted(re.sub(r" +", " ", line) for line in said.splitlines()))


def test_a_run_by_workers_says_and_does_what_a_run_from_here_does(cluster: Cluster, farm: Farm, tmp_path: Path) -> None:
    start = prepared(farm, tmp_path / "dask", "dask")
    by_workers = [ran(start, tmp_path / "dask", **cluster.environment) for _ in range(2)]
    assert [fault for host in farm.hosts for fault in faults(host, restarts=1)] == []
    with hosts(6) as others:
        start = prepared(others, tmp_path / "process", "process")
        from_here = [ran(start, tmp_path / "process") for _ in range(2)]
    assert by_workers == from_here


def test_a_run_goes_on_without_a_lost_worker_and_the_next_one_finishes_it(
    running: Running, farm: Farm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = prepared(farm, tmp_path / "dask", "dask")
    monkeypatch.syspath_prepend(tmp_path / "dask/plugin")
    with running("east", "west") as cluster:
        west = cluster.processes["west"]
        stopped: list[threading.Timer] = []

        def lose_west(event: Started | Finished) -> None:
            """What is sent to it from now on is not done, and then it is gone."""
            if not stopped:
                west.send_signal(signal.SIGSTOP)
                stopped.append(threading.Timer(2, west.kill))
                stopped[0].start()

        with Deployment.open(load(tmp_path / "dask/site.yml"), ["compute_job"]) as deployment:
            result = deployment.apply(deployment.plan(), listener=lose_west)
        lost = result.of(Status.UNKNOWN)
        assert {one.address.host for one in lost} < {host.name for host in farm.hosts}
        assert lost and all("the worker 'west' was lost" in one.detail for one in lost)
        assert len({one.address.host for one in result.of(Status.CHANGED)}) >= 3
        assert not result.of(Status.FAILED)
        ran(start, tmp_path / "dask", **cluster.environment)
    assert [fault for host in farm.hosts for fault in faults(host, restarts=1)] == []
