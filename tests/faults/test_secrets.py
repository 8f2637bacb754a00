"""The keys of the cluster and the operator's passwords are planted, and found nowhere but where they belong."""

from __future__ import annotations

import json

import pytest

from ..lab.sampler import Sampler
from ..ssh.lines import TRANSPORTS
from .hosts import ADMIN, ALL, Hosts, canaries, cephx_key

RUN = ("run", "--plugins", ALL, "--yes", "--no-verify", "-v", "--debug")


def leaked(sampler: Sampler) -> list[bytes]:
    """The arguments and environments that held a planted secret."""
    return [seen for seen in sampler.seen for secret in canaries() if secret in seen]


def test_a_planted_key_is_where_it_belongs_and_found_by_the_search(hosts: Hosts) -> None:
    """The search itself: it finds what is there to be found."""
    assert hosts.run().status == 0
    keyring = hosts.path("controller1", "/etc/ceph/ceph.client.cinder.keyring").read_text()
    assert cephx_key("client.cinder") in keyring
    assert hosts.leaks(keyring)
    hosts.path("compute1", "/var/tmp/forgotten").write_text(keyring)
    assert hosts.leaks() == ["compute1:/var/tmp/forgotten"]


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_whole_life_shows_no_key_to_anybody(hosts: Hosts, transport: str) -> None:
    hosts.write_site(transport=transport)
    saved = hosts.network.files / f"{hosts.folder.name}.plan"
    said = []
    with Sampler() as sampler:
        forward: list[tuple[str, ...]] = [
            ("plan", "--plugins", ALL, "-v", "-o", str(saved)),
            ("plan", "--plugins", ALL, "-f", "json"),
            ("run", str(saved), "--yes", "--no-verify", "--debug"),
            RUN,
            ("history", "-f", "json"),
        ]
        for words in forward:
            ended = hosts.fresh(*words)
            assert ended.status == 0, ended.said
            said.append(ended.said)
        run = json.loads(said[-1])["runs"][-1]["run"]
        backward: list[tuple[str, ...]] = [("show", run, "-f", "json"), ("rollback", run, "--yes", "--debug")]
        for words in backward:
            ended = hosts.fresh(*words)
            assert ended.status == 0, ended.said
            said.append(ended.said)
    assert sampler.rounds > 100
    assert any(b"zlib.decompress" in seen for seen in sampler.seen)
    assert leaked(sampler) == []
    assert hosts.leaks(*said) == []
    assert saved.stat().st_mode & 0o777 == 0o600
    saved.unlink()


@pytest.mark.parametrize(
    "what", ["ceph fails with its keyring", "virsh fails with the value", "a service dumps its configuration"]
)
def test_what_a_program_says_when_it_fails_is_searched_for_keys(hosts: Hosts, what: str) -> None:
    key = cephx_key("client.cinder")
    if what.startswith("ceph"):
        said = f"#!/bin/sh\nprintf '[client.cinder]\\n\\tkey = {key}\\nboom {key}\\n' >&2; exit 22\n"
        hosts.path(ADMIN, "/usr/bin/rbd").unlink()
        hosts.path(ADMIN, "/usr/bin/rbd").write_text(said)
        hosts.path(ADMIN, "/usr/bin/rbd").chmod(0o755)
    elif what.startswith("virsh"):
        said = f"#!/bin/sh\ncase $2 in *secret-list) exit 0;; esac\necho 'error: cannot set {key}' >&2; exit 1\n"
        hosts.path("compute1", "/usr/bin/virsh").write_text(said)
    else:
        said = f"#!/bin/sh\necho 'transport_url = rabbit://u:{canaries()[0].decode()}@h'; echo 'key = {key}'\n"
        hosts.path("controller1", "/usr/bin/journalctl").write_text(said)
        hosts.path("controller1", "/srv/state/units/glance-api.service/fails").write_text("enabled_backends")
    with Sampler() as sampler:
        ended = hosts.fresh(*RUN)
    assert ended.status in (1, 3), ended.said
    assert leaked(sampler) == []
    assert hosts.leaks(ended.said) == []


def test_a_fault_of_our_own_shows_no_key_in_its_traceback(hosts: Hosts) -> None:
    hosts.path(ADMIN, "/usr/bin/ceph").write_text(
        f"#!/bin/sh\necho '[client.cinder] key = {cephx_key('client.cinder')}'\n"
    )
    ended = hosts.fresh(*RUN)
    assert ended.status == 4, ended.said
    assert hosts.leaks(ended.said) == []
