"""The parts of the site file: the cluster, the hosts, the way to them, pools, the login of the proofs."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, Field

from .base import Own
from .ranges import AddressRange
from .types import (
    Address,
    Entity,
    HostName,
    Jump,
    LocalPath,
    Name,
    PoolName,
    Port,
    RemotePath,
    Roles,
    UserName,
    power_of_two,
)

__all__ = ["CephSettings", "HostGroup", "HostSettings", "OpenStackSettings", "PoolSettings", "SshSettings"]


class CephSettings(Own):
    """The Ceph cluster that OpenStack is to use."""

    admin: HostName = Field(
        description="The host on which `ceph` may be run as client.admin: one of `hosts`. "
        "There is no default; `cephadm shell` is found by itself."
    )
    cluster: Name = Field(
        default="ceph",
        description="The cluster's name: it names its conf and keyring files. Default: ceph, as Ceph's own.",
    )
    caps: Literal["widen", "exact"] = Field(
        default="widen",
        description="How the capabilities of a user that exists are changed. widen: only what is missing is "
        "added; exact: they become what the plugins ask for and nothing else. Default: widen, so that nothing "
        "that works stops working.",
    )
    conf: RemotePath = Field(
        default_factory=lambda known: f"/etc/ceph/{known.get('cluster', 'ceph')}.conf",
        description="The cluster's configuration file on the hosts that use Ceph. "
        "Default: /etc/ceph/CLUSTER.conf, where librados looks for it.",
    )
    secret_uuids: dict[Entity, UUID] = Field(
        default_factory=dict,
        description="The uuid of libvirt's secret for a Ceph user, where one is in use already. "
        "Default: derived from the cluster's fsid and the user.",
        examples=[{"client.cinder": "457eb676-33da-42ec-9a8c-9293d545c337"}],
    )


class _HostSettings(Own):
    roles: Roles = Field(
        default=(),
        description="What the host does for OpenStack. Default: nothing.",
        examples=[["cinder-volume"]],
    )
    user: UserName | None = Field(
        default=None, description="The user to log in as. Default: `ssh.user`.", examples=["root"]
    )
    port: Port | None = Field(default=None, description="The TCP port of sshd. Default: `ssh.port`.", examples=[22])
    key: LocalPath | None = Field(
        default=None,
        description="The private key to log in with. Default: `ssh.key`.",
        examples=["~/.ssh/id_ed25519"],
    )
    distro: Name | None = Field(
        default=None,
        description="The distribution driver for this host. Default: the one that recognises the host.",
        examples=["debian"],
    )
    jump: Jump | None = Field(
        default=None,
        description="The host to jump over: a name or user@host:port; none: go there directly. Default: `ssh.jump`.",
        examples=["none"],
    )
    bastion: Name | None = Field(
        default=None,
        description="With `executor: dask`: the worker whose machine the host is reached from, by its name. "
        "Default: any worker.",
        examples=["bastion1"],
    )


class HostGroup(_HostSettings):
    """One entry under `hosts`: a host, or all hosts of a range such as compute[1-20]."""

    address: AddressRange | None = Field(
        default=None,
        description="A host name, IPv4 or IPv6 address; beside a range of names, a range of the same "
        "length such as 10.77.0.[21-40]. Default: the host's own name.",
        examples=["10.77.0.11"],
    )


class HostSettings(_HostSettings):
    """One host."""

    address: Address = Field(description="A host name, IPv4 or IPv6 address. Default: the host's own name.")


# text, because a default is judged by the rules of the file, where a path is text
_SSH_CONFIG: Final[Any] = "~/.ssh/config"


class SshSettings(Own):
    """How the hosts are reached."""

    user: UserName | None = Field(
        default=None,
        description="The user to log in as. Default: what `ssh.config` says, else the user of this process.",
        examples=["root"],
    )
    port: Port | None = Field(
        default=None,
        description="The TCP port of sshd. Default: what `ssh.config` says, else 22.",
        examples=[22],
    )
    key: LocalPath | None = Field(
        default=None,
        description="The private key to log in with. Default: the agent's keys and what `ssh.config` says.",
        examples=["~/.ssh/id_ed25519"],
    )
    known_hosts: LocalPath | None = Field(
        default=None,
        description="The file of the hosts' public keys. Default: what `ssh.config` says, else OpenSSH's own files.",
        examples=["~/.ssh/known_hosts"],
    )
    config: LocalPath = Field(
        default=_SSH_CONFIG,
        validate_default=True,
        description="The OpenSSH client configuration to follow. Default: ~/.ssh/config, as OpenSSH's own.",
    )
    jump: Jump | None = Field(
        default=None,
        description="The host to jump over: a name or user@host:port. Default: what `ssh.config` says.",
        examples=["operator@bastion.example.com:22"],
    )
    connect_timeout: Annotated[int, Field(ge=1, le=600)] = Field(
        default=10,
        description="Seconds until a host that does not answer counts as unreachable. Default: 10.",
    )
    sudo: bool | None = Field(
        default=None,
        description="Whether to become root by sudo. Default: when the login is not root's own.",
        examples=[True],
    )
    keepalive: Annotated[int, Field(ge=0, le=3600)] = Field(
        default=15,
        description="Seconds between two signs of life on a quiet connection; 0: none. Default: 15.",
    )


_PG_NUM = ", such as 32 or 64: for any other Ceph warns POOL_PG_NUM_NOT_POWER_OF_TWO"


class PoolSettings(Own):
    """One pool."""

    name: PoolName | None = Field(
        default=None,
        description="What the pool is called in Ceph. Default: its key under `pools`.",
        examples=["glance-images"],
    )
    pg_num: Annotated[int, AfterValidator(power_of_two(_PG_NUM)), Field(le=65536)] | None = Field(
        default=None,
        description="How many placement groups: a power of two. Default: the autoscaler decides.",
        examples=[64],
    )
    bulk: bool = Field(
        default=False,
        description="Whether the autoscaler is to begin with many placement groups, for a pool that will be "
        "large. Default: false, as Ceph's own.",
    )


class OpenStackSettings(Own):
    """How the proofs log in to OpenStack."""

    cloud: Name | None = Field(
        default=None,
        description="The entry of clouds.yaml to use. Default: the OS_* variables of the environment.",
        examples=["mycloud"],
    )
    clouds: LocalPath | None = Field(
        default=None,
        description="The clouds.yaml to read. Default: where openstacksdk looks for it.",
        examples=["~/.config/openstack/clouds.yaml"],
    )
