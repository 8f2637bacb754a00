"""The whole site file, as it is written and as it is meant."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from pydantic import Field, SerializeAsAny, ValidationInfo, field_validator, model_validator

from .base import Own, Settings
from .clashes import clashes
from .parts import CephSettings, HostGroup, HostSettings, OpenStackSettings, PoolSettings, SshSettings
from .ranges import HostRange, Range
from .repositories import RepositorySettings
from .serial import DEFAULT_SERIAL, Serial
from .types import HostName, Name, PoolName, Role, address

__all__ = ["CoreSettings", "SiteFile", "SiteSettings", "expand"]


class CoreSettings(Own):
    """What the core itself knows of the site, without its hosts and without the plugins' sections."""

    ceph: CephSettings = Field(description="The Ceph cluster that OpenStack is to use.")
    ssh: SshSettings = Field(default_factory=lambda: SshSettings(), description="How the hosts are reached.")
    pools: dict[PoolName, PoolSettings] = Field(
        default_factory=dict,
        description="Pools that are not to be as Ceph makes them by default, by their names.",
    )
    serial: dict[Role, Serial] = Field(
        default_factory=dict,
        description="How many hosts of a role are changed at once: a number, a share such as '25%', or a list "
        "of these for the first, the second, … batch, the last one repeating. Default: [1, 25%].",
    )
    etc_hosts: bool = Field(
        default=False,
        description="Whether each host's /etc/hosts gets a managed block with all hosts of the site. Default: false.",
    )
    packages: bool = Field(
        default=True,
        description="Whether missing packages are installed; false: they are only reported. Default: true.",
    )
    repositories: tuple[RepositorySettings, ...] = Field(
        default=(),
        description="Package repositories that the hosts are to have. Default: only what they have already.",
    )
    transport: Name = Field(default="fabric", description="The driver that reaches the hosts. Default: fabric.")
    executor: Name = Field(
        default="process",
        description="The driver that holds the lines to the hosts: this process, or workers elsewhere. "
        "Default: process.",
    )
    openstack: OpenStackSettings = Field(
        default_factory=lambda: OpenStackSettings(), description="How the proofs log in to OpenStack."
    )

    def serial_of(self, role: str) -> tuple[int | str, ...]:
        """The sizes of the batches for ``role``, which may be left to the default."""
        return self.serial.get(role, DEFAULT_SERIAL)


class SiteFile(CoreSettings):
    """The site file as it is written: hosts may be ranges; a plugin's section is one more key."""

    hosts: dict[HostRange, HostGroup] = Field(
        description="The hosts by their names; compute[1-20] stands for twenty of them."
    )


class SiteSettings(CoreSettings):
    """The whole site: every range written out, every default in its place, every name known."""

    hosts: dict[HostName, HostSettings] = Field(description="Each host by its name.")
    components: dict[str, SerializeAsAny[Settings]] = Field(
        default_factory=dict, description="The sections of the components, by their names."
    )

    @field_validator("hosts", mode="before")
    @classmethod
    def _expanded(cls, value: object, info: ValidationInfo) -> object:
        if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
            return value
        hosts: dict[str, object] = {}
        for name, host in value.items():
            if isinstance(host, Mapping):
                host = HostGroup.model_validate(host, context=info.context)
            one = expand(name, host) if isinstance(host, HostGroup) else {name: host}
            if twice := hosts.keys() & one.keys():
                raise ValueError(f"host {min(twice)!r} stands there twice")
            hosts.update(one)
        return hosts

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if faults := clashes(self.hosts, self.ceph.admin, self.ssh, self.pools):
            raise ValueError("; ".join(fault.message for fault in faults))
        return self


def expand(name: str, group: HostGroup) -> dict[str, HostSettings]:
    """The hosts that one entry of the site file stands for.

    :raises ValueError: there is not one address for each host; the text goes on from "address".
    """
    names = Range.of(name)
    addresses = Range.of(group.address) if group.address is not None else names
    if len(names) != len(addresses):
        raise ValueError(
            f"has {_hosts(len(addresses), 'address', 'addresses')} for {_hosts(len(names), 'host', 'hosts')}"
        )
    if group.address is None:
        try:
            for end in names.ends:
                address(end)
        except ValueError:
            raise ValueError("is missing, and the host's name can't be its address") from None
    rest = {key: getattr(group, key) for key in group.model_fields_set if key != "address"}
    return {one: HostSettings(address=address, **rest) for one, address in zip(names, addresses, strict=True)}


def _hosts(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"
