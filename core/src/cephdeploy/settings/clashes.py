"""What does not go together although each part is right by itself."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from .parts import HostSettings, PoolSettings, SshSettings

__all__ = ["PURPOSES", "Clash", "clashes"]

PURPOSES: Final = ("images", "volumes", "backups", "vms")
"""What the pools of Glance, Cinder, cinder-backup and Nova are for: their keys under ``pools``."""


@dataclass(frozen=True)
class Clash:
    """A fault between parts that are right by themselves: its place in the site file, and what is wrong.

    :param other: the host that stood there first, if it is about two.
    """

    keys: tuple[str, ...]
    message: str
    other: str | None = None


def clashes(
    hosts: Mapping[str, HostSettings],
    admin: str | None,
    ssh: SshSettings | None,
    pools: Mapping[str, PoolSettings],
) -> tuple[Clash, ...]:
    """Everything that does not go together; ``None`` stands for a part that is wrong by itself."""
    found: list[Clash] = []
    if admin is not None and admin not in hosts:
        found.append(Clash(("ceph", "admin"), f"no host '{admin}' under hosts"))
    port, jump = (ssh.port, ssh.jump) if ssh is not None else (None, None)
    seen: dict[tuple[str, int, str | None, str | None], str] = {}
    for name, host in hosts.items():
        # one private address behind two jump hosts or bastions is two hosts
        way = (_same(host.address), host.port or port or 22, host.jump or jump, host.bastion)
        first = seen.setdefault(way, name)
        if first != name:
            message = f"hosts '{first}' and '{name}' have the same address {host.address}, port {way[1]}"
            found.append(Clash(("hosts", name, "address"), message, first))
    return (*found, *_one_pool_for_two(pools))


def _one_pool_for_two(pools: Mapping[str, PoolSettings]) -> Iterator[Clash]:
    """Where two purposes have one pool: there the user of the one may delete what is the other's."""
    names = {key: pool.name for key, pool in pools.items()}
    # without a name of its own a pool is called by its key, also if the file says nothing of it
    owners = {key: key for key in (*PURPOSES, *names) if names.get(key) is None}
    for key, name in names.items():
        if name is not None and (first := owners.setdefault(name, key)) != key:
            yield Clash(
                ("pools", key, "name"),
                f"pools '{first}' and '{key}' are both called '{name}' in Ceph, where the users of the one could "
                "delete what is the other's; give each a name of its own",
            )


def _same(address: str) -> str:
    """One text for all ways to write an address."""
    if ":" in address:
        return str(ipaddress.IPv6Address(address))
    return address.lower()
