"""What the proofs of libvirt conclude from digests and directories."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cephdeploy.errors import ProofError
from cephdeploy.requests import Ran, Request
from cephdeploy.values import Fingerprint
from cephdeploy_libvirt.proof import guests_socket_answers, no_driver, no_socket_directory, secret_is_the_key

HOST: Any = SimpleNamespace(
    name="compute1",
    distro=SimpleNamespace(
        packages={"qemu-rbd": ("qemu-block-extra",)},
        query=(),
        record="status",
        qemu=SimpleNamespace(user="libvirt-qemu"),
    ),
)


class Bench:
    """A workbench that knows two digests, and answers every command with the same."""

    def __init__(self, real: str | None = None, held: str | None = None, answer: Ran | None = None) -> None:
        self._real, self._held, self._answer = real, held, answer
        self.site = SimpleNamespace(secret_uuid=lambda entity: "6f1c")

    def shared(self, what: str, make: Any) -> Any:
        return make()

    def key(self, entity: str) -> Fingerprint | None:
        return Fingerprint(self._real) if self._real else None

    def fingerprint(self, host: str, *argv: str) -> Fingerprint | None:
        return Fingerprint(self._held) if self._held else None

    def attempt(self, host: str, *argv: str) -> Ran:
        assert self._answer is not None
        return self._answer

    def ask(self, host: str, request: Request) -> list[Ran]:
        return [self.attempt(host)]


def judged(real: str | None, held: str | None) -> str:
    return secret_is_the_key(Bench(real, held), HOST, "client.cinder")  # type: ignore[arg-type]


def test_equal_digests_are_equal_keys() -> None:
    assert judged("aaaaaaaa11", "aaaaaaaa11") == "<secret aaaaaaaa>"


@pytest.mark.parametrize(
    ("real", "held", "said"),
    [
        ("aaaaaaaa11", "bbbbbbbb22", "6f1c on compute1 holds <secret bbbbbbbb>, and client.cinder's key in Ceph is"),
        ("aaaaaaaa11", None, "has no value for secret 6f1c; cephdeploy run puts it there"),
        (None, "bbbbbbbb22", "Ceph has no client.cinder; cephdeploy run makes it"),
    ],
)  # fmt: skip
def test_a_secret_that_is_not_the_key_is_told_by_fingerprints(real: str | None, held: str | None, said: str) -> None:
    with pytest.raises(ProofError, match=said):
        judged(real, held)


def test_a_missing_driver_is_told_by_its_package() -> None:
    absent = Bench(answer=Ran(status=0, out=b""))
    assert no_driver(absent, HOST).startswith("QEMU on compute1 has no rbd driver: qemu-block-extra is not")  # type: ignore[arg-type]
    there = Bench(answer=Ran(status=0, out=b"qemu-block-extra 1:7.2\n"))
    assert no_driver(there, HOST) == ""  # type: ignore[arg-type]


def test_a_directory_that_is_gone_and_one_that_is_closed_are_told_apart() -> None:
    gone = no_socket_directory(Bench(answer=Ran(status=1)), HOST, "/run/ceph/guests")  # type: ignore[arg-type]
    assert gone.startswith("there is no /run/ceph on compute1")
    closed = no_socket_directory(Bench(answer=Ran(status=0, out=b"root:root 700\n")), HOST, "/run/ceph/guests")  # type: ignore[arg-type]
    assert closed.startswith("libvirt-qemu can't write to it: /run/ceph is root:root 700")


class Guests:
    """A workbench with a guest, whose host says of it what it is told to say."""

    def __init__(self, xml: str) -> None:
        server = SimpleNamespace(id="d9f2", compute_host="compute1", instance_name="instance-1")
        self.cloud = SimpleNamespace(compute=SimpleNamespace(get_server=lambda ident: server))
        self.site = SimpleNamespace(hosts={"compute1": HOST}, ceph=SimpleNamespace(conf="/etc/ceph/ceph.conf"))
        self.guest = lambda: server
        self._says = {"cat": "77\n", "ls": "", "virsh": xml, "ceph-conf": "/run/ceph/guests/x.asok\n"}

    def run(self, host: str, *argv: str) -> str:
        return self._says[argv[0]]

    def attempt(self, host: str, *argv: str) -> Ran:
        return Ran(status=1)


@pytest.mark.parametrize(
    ("xml", "said"),
    [
        ("<source file='/var/lib/nova/instances/d9f2/disk'/>", "has no disk in Ceph, and so no librbd to ask"),
        ("<source protocol='rbd' name='vms/d9f2_disk'/>", "QEMU 77 on compute1 has no socket in /run/ceph/guests"),
    ],
)
def test_a_guest_on_local_disks_has_no_socket_and_is_told_apart_from_one_that_should(xml: str, said: str) -> None:
    with pytest.raises(ProofError, match=said):
        guests_socket_answers(Guests(xml), "/run/ceph/guests")  # type: ignore[arg-type]
