"""A scheduler and workers as an operator starts them: processes of their own on loopback, with TLS."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sysconfig
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

#: Everything is logged: what is secret must be in no log, at any level.
LOUD = {"DASK_LOGGING__DISTRIBUTED": "debug"}
PATIENCE = 60


@dataclass
class Cluster:
    """What runs, and where it writes.

    :param settings: dask's configuration of whoever is to reach it.
    """

    folder: Path
    settings: Mapping[str, str]
    address: str = ""
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """The same configuration for another process."""
        given = {name.upper().replace("-", "_").replace(".", "__"): value for name, value in self.settings.items()}
        return {f"DASK_{name}": value for name, value in given.items()} | {"DASK_SCHEDULER_ADDRESS": self.address}

    def start(self, name: str, *arguments: str, **environment: str) -> None:
        program = f"{sysconfig.get_path('scripts')}/dask"
        log = self.folder / f"{name}.log"
        with log.open("wb") as file:
            self.processes[name] = subprocess.Popen(
                [program, *arguments],
                stdout=file,
                stderr=file,
                env={**os.environ, **LOUD, **self.environment, **environment},
                start_new_session=True,
            )

    def work(self, name: str, **environment: str) -> None:
        """Start a worker of that name, without a nanny that would start it again."""
        local = self.folder / f"scratch-{name}"
        arguments = ("--no-nanny", "--nthreads", "1", "--no-dashboard", "--local-directory", str(local))
        self.start(name, "worker", self.address, "--name", name, "--host", "127.0.0.1", *arguments, **environment)

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def await_log(self, name: str, words: str) -> None:
        until = time.monotonic() + PATIENCE
        while words not in self.log(name):
            assert self.processes[name].poll() is None, self.log(name)
            assert time.monotonic() < until, self.log(name)
            time.sleep(0.02)

    def kill(self, name: str) -> None:
        """As by the out-of-memory killer."""
        self.processes[name].send_signal(signal.SIGKILL)
        self.processes[name].wait()


Running = Callable[..., Any]


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """dask's configuration for TLS: a certificate for each part, by an authority of our own."""
    distributed = pytest.importorskip("distributed", reason="install cephdeploy-core[dask]")
    folder = tmp_path_factory.mktemp("certificates")
    made = distributed.Security.temporary()

    def kept(name: str) -> str:
        path = folder / f"{name}.pem"
        path.touch(mode=0o600)
        path.write_text(getattr(made, name))
        return str(path)

    found = {"distributed.comm.tls.ca-file": kept("tls_ca_file"), "distributed.comm.timeouts.connect": "10s"}
    for role in ("client", "scheduler", "worker"):
        found[f"distributed.comm.tls.{role}.cert"] = kept(f"tls_{role}_cert")
        found[f"distributed.comm.tls.{role}.key"] = kept(f"tls_{role}_key")
    return found


@pytest.fixture(scope="session")
def running(certificates: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Running:
    """Makes a cluster for a while, which this process is configured for."""
    from dask import config

    @contextmanager
    def made(*names: str, **environments: Mapping[str, str]) -> Iterator[Cluster]:
        """
        :param environments: what a worker has in its environment beside the usual.
        """
        cluster = Cluster(tmp_path_factory.mktemp("cluster"), certificates)
        told = cluster.folder / "scheduler.json"
        with ExitStack() as stack:
            stack.callback(lambda: [cluster.kill(name) for name in cluster.processes])
            arguments = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", str(told))
            cluster.start("scheduler", "scheduler", "--protocol", "tls", *arguments)
            cluster.await_log("scheduler", "Scheduler at:")
            while not told.exists() or not told.read_text():
                time.sleep(0.02)
            cluster.address = json.loads(told.read_text())["address"]
            for name in names:
                cluster.work(name, **environments.get(name, {}))
            for name in names:
                cluster.await_log(name, "Registered to:")
            stack.enter_context(config.set({**certificates, "scheduler-address": cluster.address}))
            yield cluster
        with warnings.catch_warnings():
            # dask leaves what it gave up to connect to the collector
            warnings.simplefilter("ignore", ResourceWarning)
            gc.collect()

    return made


@pytest.fixture(scope="module")
def cluster(running: Running) -> Iterator[Cluster]:
    """Two workers, for tests that leave them as they are."""
    with running("east", "west") as made:
        yield made
