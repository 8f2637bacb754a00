"""The proofs that libvirt holds Ceph's own keys, and that a guest's librbd answers on its admin socket."""

from __future__ import annotations

import json

from cephdeploy import Host
from cephdeploy.distros import asked, told
from cephdeploy.errors import ProofError
from cephdeploy.verify import Workbench

__all__ = ["guests_socket_answers", "no_driver", "no_socket_directory", "secret_is_the_key"]


def secret_is_the_key(bench: Workbench, host: Host, entity: str) -> str:
    """The secret under the uuid that cinder.conf and nova.conf name; compared by digests made on the hosts."""
    uuid = bench.site.secret_uuid(entity)
    real = bench.shared(f"a key of {entity}", lambda: bench.key(entity))
    held = bench.fingerprint(host.name, "virsh", "-q", "secret-get-value", uuid)
    if real is None:
        raise ProofError(f"Ceph has no {entity}; cephdeploy run makes it")
    if held is None:
        raise ProofError(f"libvirt on {host.name} has no value for secret {uuid}; cephdeploy run puts it there")
    if held != real:
        raise ProofError(
            f"libvirt's secret {uuid} on {host.name} holds {held}, and {entity}'s key in Ceph is {real}: no guest "
            "there gets its disk from now on; cephdeploy run puts it right"
        )
    return str(real)


def guests_socket_answers(bench: Workbench, directory: str) -> str:
    """Ask the librbd of a guest that runs for its version."""
    server = bench.cloud.compute.get_server(bench.guest().id)
    host, name = server.compute_host, server.instance_name
    if host not in bench.site.hosts:
        raise ProofError(f"the guest is on {host}, which is no host of the site")
    process = bench.run(host, "cat", f"/run/libvirt/qemu/{name}.pid").strip()
    sockets = [path for path in bench.run(host, "ls", directory).split() if f".{process}." in path]
    if not sockets and "protocol='rbd'" not in bench.run(host, "virsh", "dumpxml", name):
        raise ProofError(
            f"guest {server.id} on {host} has no disk in Ceph, and so no librbd to ask: its disks are local ones; "
            "look at images_type in nova.conf"
        )
    if not sockets:
        refused = f"grep -h 'failed to bind' /var/log/libvirt/qemu/{name}.log /var/log/qemu/qemu-guest-{process}.log"
        said = bench.attempt(host, "sh", "-c", f"{refused} | tail -n 1").text.strip()
        option = bench.run(
            host, "ceph-conf", "--conf", bench.site.ceph.conf, "--name", "client.x", "--lookup", "admin_socket"
        )
        raise ProofError(
            f"QEMU {process} on {host} has no socket in {directory}: admin_socket is {option.strip()}; "
            f"{said or 'a guest that runs since before the directory has none until it is started anew'}"
        )
    answer = bench.run(host, "ceph", "--admin-daemon", f"{directory}/{sockets[0]}", "version", timeout=15)
    return f"on {host}, librbd {json.loads(answer)['version']}"


def no_driver(bench: Workbench, host: Host) -> str:
    """Why QEMU has no rbd driver."""
    packages = host.distro.packages["qemu-rbd"]
    (answer,) = bench.ask(host.name, asked(packages, query=host.distro.query, record=host.distro.record))
    there = told(answer)
    lacking = [name for name in packages if name not in there]
    if lacking:
        return (
            f"QEMU on {host.name} has no rbd driver: {', '.join(lacking)} is not installed; cephdeploy run installs it"
        )
    return ""


def no_socket_directory(bench: Workbench, host: Host, directory: str) -> str:
    """Why QEMU can't make its socket: the directory is on a file system that a boot empties."""
    account = host.distro.qemu.user
    way = []
    for path in ("/run/ceph", directory):
        ran = bench.attempt(host.name, "stat", "-c", "%U:%G %a", path)
        if ran.status != 0:
            return (
                f"there is no {path} on {host.name}, so guests have no admin socket: nothing makes it at boot; "
                "cephdeploy run writes /etc/tmpfiles.d/cephdeploy-guests.conf, which does"
            )
        way.append(f"{path} is {ran.text.strip()}")
    return f"{account} can't write to it: {', '.join(way)}; cephdeploy run puts it right"
