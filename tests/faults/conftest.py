"""Fixtures of the fault tests: networks with hosts in them, one for each test that wants several at once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .hosts import Hosts, Network

PROGRAMS = ("/usr/sbin/sshd", "ip", "nsenter", "unshare", "ssh-keygen", "systemd-tmpfiles")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        ours = Path(__file__).parent in item.path.parents
        if ours and "networks" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.ssh)
            item.add_marker(pytest.mark.timeout(1800))


#: Sets of hosts that are worked on side by side.
AT_ONCE = 3


@pytest.fixture(scope="session")
def networks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Network]]:
    """Networks of their own with the same addresses; each is gone with its two processes."""
    if os.geteuid() != 0:
        pytest.skip("real hosts in namespaces need root")
    for program in PROGRAMS:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not here; install openssh, iproute2, util-linux and systemd")
    made: list[Network] = []
    keys = tmp_path_factory.mktemp("keys")
    try:
        for _ in range(AT_ONCE):
            made.append(Network(tmp_path_factory.mktemp("network"), keys))
        yield made
    except OSError as error:
        pytest.skip(f"this machine lets nobody make namespaces: {error}")
    finally:
        for one in made:
            one.close()


@pytest.fixture(scope="session")
def network(networks: list[Network]) -> Network:
    return networks[0]


@pytest.fixture
def hosts(network: Network) -> Iterator[Hosts]:
    """Three fresh hosts: a cluster's admin host, a controller, a compute host."""
    with network.hosts() as made:
        yield made
