"""libvirt and QEMU as clients of Ceph: the secret, QEMU's rbd driver, and its side of ceph.conf."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING

from cephdeploy import Check, Component, Host, Proof, Settings, Site, hookimpl
from cephdeploy.kinds import CephConf, Command, Directory, File, LibvirtSecret, Packages
from cephdeploy.resource import Resource
from cephdeploy.settings import RemotePath, UserName

from .proof import guests_socket_answers, no_driver, no_socket_directory, secret_is_the_key

if TYPE_CHECKING:
    from jinja2 import Template

__all__ = ["LibvirtSettings"]

ROLE = "nova-compute"


class LibvirtSettings(Settings):
    """What QEMU does with Ceph on a compute host."""

    users: tuple[UserName, ...] = ("cinder",)
    """cephx users whose keys libvirt holds, without ``client.``."""
    admin_sockets: RemotePath = "/run/ceph/guests"
    """Where each guest's librbd answers questions; on a file system that a reboot empties."""
    logs: RemotePath = "/var/log/qemu"
    """Where each guest's librbd logs. Not /var/log/ceph, which belongs to Ceph's own daemons."""
    concurrent_management_ops: int = 20
    """How many management operations of one client run at once."""


@hookimpl
def settings() -> Component:
    return Component("libvirt", LibvirtSettings, {ROLE: "runs nova-compute and libvirt"})


def _client(site: Site) -> dict[str, str]:
    """ceph.conf's ``[client]``. Source: Ceph's manual, "Block Devices and OpenStack"."""
    wish = site.component(LibvirtSettings)
    return {
        "rbd_cache": "true",
        "rbd_cache_writethrough_until_flush": "true",
        "rbd_concurrent_management_ops": str(wish.concurrent_management_ops),
        "admin_socket": f"{wish.admin_sockets}/$cluster-$type.$id.$pid.$cctid.asok",
        "log_file": f"{wish.logs}/qemu-guest-$pid.log",
    }


@hookimpl
def distribute_keys(site: Site) -> Iterator[Resource]:
    for host in site.with_role(ROLE):
        yield CephConf.of(site, host, client=_client(site))
        for user in site.component(LibvirtSettings).users:
            yield LibvirtSecret.of(site, host, f"client.{user}")


@hookimpl
def configure_service(site: Site) -> Iterator[Resource]:
    for host in site.with_role(ROLE):
        packages = Packages.of(site, host, "qemu-rbd", "rbd-client")
        yield packages
        yield from _directories(site, host, packages)


@cache
def _template() -> Template:
    """Compiled once: a site may have thousands of compute hosts."""
    text = resources.files(__name__).joinpath("templates/tmpfiles.conf.j2").read_text()
    from jinja2 import Environment, StrictUndefined  # 15 ms that not every command needs

    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True, autoescape=False)
    return environment.from_string(text)


def _directories(site: Site, host: Host, packages: Packages) -> Iterator[Resource]:
    """The sockets' directory, made anew by systemd at each boot, with QEMU's way in to it."""
    wish, qemu = site.component(LibvirtSettings), host.distro.qemu
    tmpfiles = File(
        host=host.name,
        path="/etc/tmpfiles.d/cephdeploy-guests.conf",
        content=_template().render(sockets=wish.admin_sockets, logs=wish.logs, qemu=qemu),
        after=(packages.address,),
    )
    yield tmpfiles
    yield Command(
        host=host.name,
        title="let QEMU reach its admin sockets",
        argv=("systemd-tmpfiles", "--create", tmpfiles.path),
        unless=("test", "-w", wish.admin_sockets, "-a", "-x", wish.admin_sockets),
        unless_user=qemu.user,
        after=(tmpfiles.address,),
    )
    yield Directory(
        host=host.name,
        path=wish.logs,
        owner=qemu.user,
        group=qemu.group,
        mode=0o2770,
        after=(packages.address,),
    )


@hookimpl
def verify(site: Site) -> Iterator[Check | Proof]:
    wish = site.component(LibvirtSettings)
    for host in site.with_role(ROLE):
        yield Check(
            host=host.name,
            title="QEMU has its rbd driver",
            # without the driver the protocol itself is unknown; with it, there is nobody to connect to
            commands=(("qemu-img", "info", "rbd:none/none:id=none:conf=/dev/null"),),
            refusal="error connecting|error reading|no monitors",
            explain=lambda bench, host=host: no_driver(bench, host),  # type: ignore[misc]
        )
        yield Check(
            host=host.name,
            title="QEMU can make its admin socket",
            commands=(("test", "-w", wish.admin_sockets), ("test", "-x", wish.admin_sockets)),
            user=host.distro.qemu.user,
            explain=lambda bench, host=host: no_socket_directory(bench, host, wish.admin_sockets),  # type: ignore[misc]
        )
        for user in wish.users:
            yield Proof(
                title=f"libvirt on {host.name} holds client.{user}'s key",
                prove=lambda bench, host=host, user=user: secret_is_the_key(bench, host, f"client.{user}"),  # type: ignore[misc]
                host=host.name,
                quick=True,
            )
    if site.with_role(ROLE):
        yield Proof(
            title="a running guest's librbd answers on its admin socket",
            prove=lambda bench: guests_socket_answers(bench, wish.admin_sockets),
            uses=("glance-api", ROLE),
            pools=(site.pool_name("vms"), site.pool_name("images")),
        )
