"""What an operator may say in the site file, as typed and frozen values; reads no file and touches no host.

A plugin subclasses :class:`Settings` for its own section and builds it from the types below
(``HostName``, ``PoolName``, ``Entity``, ``LocalPath``, …), which refuse whatever could be taken for an
option, a second line or a second word where the value is used.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SerializeAsAny,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from .errors import PluginError

__all__ = [
    "DEFAULT_SERIAL",
    "MAX_HOSTS",
    "PURPOSES",
    "Address",
    "AddressRange",
    "CephSettings",
    "Clash",
    "Component",
    "CoreSettings",
    "Entity",
    "HostGroup",
    "HostName",
    "HostRange",
    "HostSettings",
    "Jump",
    "LocalPath",
    "Name",
    "OpenStackSettings",
    "PoolName",
    "PoolSettings",
    "Port",
    "PowerOfTwo",
    "RemotePath",
    "RepositorySettings",
    "Role",
    "Serial",
    "Settings",
    "SiteFile",
    "SiteSettings",
    "SshSettings",
    "UserName",
    "clashes",
    "expand",
    "names_of",
    "signing_key",
]

MAX_HOSTS: Final = 10_000
"""How many hosts one site may have, all ranges written out."""

PURPOSES: Final = ("images", "volumes", "backups", "vms")
"""What the pools of Glance, Cinder, cinder-backup and Nova are for: their keys under ``pools``."""

DEFAULT_SERIAL: Final[tuple[int | str, ...]] = (1, "25%")
"""One host first, then a quarter of them at a time."""


class Settings(BaseModel):
    """The base of every part of the site file: unknown keys are refused, values can't be changed."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
        defer_build=True,
    )


# for what is derived from it: the text under a field is its description in `cephdeploy settings`, `init` and the
# schema. It has no field itself, and reading its source for none costs a start 10 ms.
Settings.model_config["use_attribute_docstrings"] = True


class _Own(Settings):
    """The base of the parts that are core's: their fields say what they are by ``description``.

    Reading the text under the fields costs a start 40 ms.
    """

    model_config = ConfigDict(use_attribute_docstrings=False)


# Names


def _named(pattern: str, allowed: str, longest: int = 253) -> Callable[[str], str]:
    """A validator for one sort of name; ``allowed`` ends the sentence "must be …"."""

    def check(value: str) -> str:
        if len(value) > longest:
            raise ValueError(f"must be {allowed}, and at most {longest} characters")
        if not re.fullmatch(pattern, value, re.ASCII):
            raise ValueError(f"must be {allowed}")
        return value

    return check


def _string(pattern: str | None = None, **more: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", **({"pattern": f"^{pattern}$"} if pattern else {}), **more})


_HOST = r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?"
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]*"
_ROLE = r"[a-z][a-z0-9_-]*"
_SECTION = r"[a-z][a-z0-9_]*"
_USER = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_POOL = r"[A-Za-z0-9_.][A-Za-z0-9_.-]*"
_ENTITY = r"client\.[A-Za-z0-9_][A-Za-z0-9_.-]*"
_REMOTE = r"(?:/[A-Za-z0-9_@+.-]+)+"

_host_name = _named(
    _HOST,
    "a host name: letters, digits, '.', '-' and '_', with a letter or a digit at both ends",
)
_user_name = _named(_USER, "a user name: letters, digits, '.', '-' and '_', not beginning with '.' or '-'", 32)

HostName = Annotated[str, AfterValidator(_host_name), _string(_HOST)]
"""The name of a host, as it stands under ``hosts``."""

Name = Annotated[
    str,
    AfterValidator(_named(_NAME, "letters, digits, '.', '-' and '_', beginning with a letter or digit", 64)),
    _string(_NAME),
]
"""A plain name of something that has no type of its own."""

Role = Annotated[
    str,
    AfterValidator(_named(_ROLE, "a role: lower-case letters, digits, '-' and '_', beginning with a letter", 64)),
    _string(_ROLE, format="role"),
]
"""What a host does for OpenStack, such as ``cinder-volume``; which there are, the plugins say."""

UserName = Annotated[str, AfterValidator(_user_name), _string(_USER)]
"""A user of a host."""

PoolName = Annotated[
    str,
    AfterValidator(_named(_POOL, "a pool name: letters, digits, '.', '-' and '_', not beginning with '-'", 128)),
    _string(_POOL),
]
"""A pool of Ceph."""

Entity = Annotated[
    str,
    AfterValidator(_named(_ENTITY, "a Ceph user: 'client.' and then letters, digits, '.', '-' and '_'", 128)),
    _string(_ENTITY),
]
"""A user of Ceph, such as ``client.cinder``."""


# Addresses and paths


def _address(value: str) -> str:
    """An IPv4 or IPv6 address or a name: what an SSH client can be given as its destination."""
    if value.startswith("[") and value.endswith("]") and ":" in value:
        raise ValueError("must be an IPv6 address without brackets")
    try:
        if ":" in value:
            scope = value.partition("%")[2]
            if "%" in value and not re.fullmatch(_NAME, scope, re.ASCII):
                raise ValueError
            ipaddress.IPv6Address(value)
        elif value and not value.strip("0123456789."):
            ipaddress.IPv4Address(value)
        else:
            _host_name(value)
    except ValueError:
        raise ValueError(
            "must be an IPv4 or IPv6 address or a host name (letters, digits, '.', '-' and '_', "
            "with a letter or a digit at both ends)"
        ) from None
    return value


def _jump(value: str) -> str:
    user, at, where = value.rpartition("@")
    bracketed = re.fullmatch(r"\[([^\]]*)\](?::([0-9]{1,5}))?", where, re.ASCII)
    plain = re.fullmatch(r"([^:\[\]]*)(?::([0-9]{1,5}))?", where, re.ASCII)
    match = bracketed or plain
    try:
        if match is None or (bracketed and ":" not in match[1]):
            raise ValueError
        if at:
            _user_name(user)
        _address(match[1])
        if match[2] is not None and not 1 <= int(match[2]) <= 65535:
            raise ValueError
    except ValueError:
        raise ValueError(
            "must be one host to jump over: a name, user@host:port (an IPv6 address in brackets), or none"
        ) from None
    return value


def _remote_path(value: str) -> str:
    if not re.fullmatch(_REMOTE, value, re.ASCII) or ".." in value.split("/") or len(value) > 1024:
        raise ValueError(
            "must be a full path on the host: '/', letters, digits, '_', '-', '.', '@' and '+', and no '..'"
        )
    return value


def _local_path(value: Path, info: ValidationInfo) -> Path:
    text = str(value)
    if _control(text) or text.startswith("-"):
        raise ValueError("must be a path on this machine, without control characters and not beginning with '-'")
    try:
        path = value.expanduser()
    except RuntimeError:
        raise ValueError("names a user with no home directory on this machine") from None
    folder = (info.context or {}).get("folder")
    return folder / path if folder is not None else path


def _control(text: str, but: str = "") -> bool:
    """Whether something in ``text`` is no printed character (bidirectional overrides are none)."""
    return any(unicodedata.category(c) in {"Cc", "Cf", "Cs", "Zl", "Zp"} and c not in but for c in text)


Address = Annotated[str, AfterValidator(_address), _string()]
"""An IPv4 or IPv6 address, or a name that resolves."""

Jump = Annotated[str, AfterValidator(_jump), _string()]
"""A host to jump over, as OpenSSH's ProxyJump has it, but one only."""

Port = Annotated[int, Field(ge=1, le=65535)]
"""A TCP port."""

RemotePath = Annotated[str, AfterValidator(_remote_path), _string(_REMOTE)]
"""A full path on a host of the site."""

LocalPath = Annotated[Path, AfterValidator(_local_path), WithJsonSchema({"type": "string", "format": "path"})]
"""A path on the operator's machine: ``~`` is expanded; a relative one begins at the site file's folder."""


# Ranges of hosts

_RANGE = re.compile(r"\[([0-9]{1,9})-([0-9]{1,9})\]", re.ASCII)


@dataclass(frozen=True)
class _Range:
    """``before[first-last]after``; a text without brackets stands for itself once."""

    before: str
    after: str = ""
    first: str = ""
    last: str = ""

    @classmethod
    def of(cls, text: str) -> _Range:
        found = _RANGE.search(text)
        if found is None:
            return cls(text)
        before, after = text[: found.start()], text[found.end() :]
        if _RANGE.search(after):
            raise ValueError("must have one range at most, such as compute[1-20]")
        if int(found[1]) > int(found[2]):
            raise ValueError(f"the range [{found[1]}-{found[2]}] ends before it begins")
        if found[2].startswith("0") and len(found[1]) != len(found[2]):
            raise ValueError(f"both ends of the range [{found[1]}-{found[2]}] must have the same width")
        made = cls(before, after, found[1], found[2])
        if len(made) > MAX_HOSTS:
            raise ValueError(f"the range [{found[1]}-{found[2]}] has more than {MAX_HOSTS:,} hosts")
        return made

    def __len__(self) -> int:
        return int(self.last) - int(self.first) + 1 if self.first else 1

    def __iter__(self) -> Iterator[str]:
        if not self.first:
            yield self.before
            return
        for number in range(int(self.first), int(self.last) + 1):
            yield f"{self.before}{str(number).zfill(len(self.first))}{self.after}"

    @property
    def ends(self) -> tuple[str, str]:
        if not self.first:
            return self.before, self.before
        return f"{self.before}{self.first}{self.after}", f"{self.before}{self.last}{self.after}"


def _ranged(check: Callable[[str], str], allowed: str) -> Callable[[str], str]:
    """``check`` for both ends of a range: what stands between them differs by its digits only."""

    def checked(value: str) -> str:
        both = _Range.of(value)
        try:
            for end in both.ends:
                check(end)
        except ValueError as error:
            if both.first and both.ends[0] != both.ends[1]:
                raise ValueError(f"{error}; the range goes from '{both.ends[0]}' to '{both.ends[1]}'") from None
            meant = "[" in value and "-" in value and not both.first
            raise ValueError(f"{error}; {allowed}" if meant else str(error)) from None
        return value

    return checked


HostRange = Annotated[
    str,
    AfterValidator(_ranged(_host_name, "a range is written [1-20]")),
    _string(r"[A-Za-z0-9](?:[A-Za-z0-9._\[\]-]*[A-Za-z0-9\]])?"),
]
"""A host name, or several with one range in them."""

AddressRange = Annotated[str, AfterValidator(_ranged(_address, "a range is written [21-40]")), _string()]
"""An address, or several with one range in them."""


# The parts of the site file


class CephSettings(_Own):
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


class _HostSettings(_Own):
    roles: Annotated[tuple[Role, ...], AfterValidator(lambda roles: _once(roles))] = Field(
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


class SshSettings(_Own):
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


def _power_of_two(more: str) -> Callable[[int], int]:
    def check(value: int) -> int:
        if value < 1 or value & (value - 1):
            raise ValueError(f"must be a power of two{more}")
        return value

    return check


PowerOfTwo = Annotated[int, AfterValidator(_power_of_two(", such as 4 or 8"))]
"""A number such as 1, 2, 4, 8."""

_PG_NUM = ", such as 32 or 64: for any other Ceph warns POOL_PG_NUM_NOT_POWER_OF_TWO"


class PoolSettings(_Own):
    """One pool."""

    name: PoolName | None = Field(
        default=None,
        description="What the pool is called in Ceph. Default: its key under `pools`.",
        examples=["glance-images"],
    )
    pg_num: Annotated[int, AfterValidator(_power_of_two(_PG_NUM)), Field(le=65536)] | None = Field(
        default=None,
        description="How many placement groups: a power of two. Default: the autoscaler decides.",
        examples=[64],
    )
    bulk: bool = Field(
        default=False,
        description="Whether the autoscaler is to begin with many placement groups, for a pool that will be "
        "large. Default: false, as Ceph's own.",
    )


def _batch(value: object) -> object:
    share = isinstance(value, str) and re.fullmatch(r"(?:100|[1-9][0-9]?)%", value, re.ASCII)
    count = isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MAX_HOSTS
    if not (share or count):
        raise ValueError("must be a number of hosts, a share such as '25%', or a list of these")
    return value


def _batches(value: object) -> object:
    batches = tuple(value) if isinstance(value, list | tuple) else (value,)
    if not batches:
        raise ValueError("must be a number of hosts, a share such as '25%', or a list of these")
    return batches


_ONE_BATCH: Final[dict[str, Any]] = {
    "anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": "^(100|[1-9][0-9]?)%$"}]
}
_Batch = Annotated[int | str, BeforeValidator(_batch), WithJsonSchema(_ONE_BATCH)]

Serial = Annotated[
    tuple[_Batch, ...],
    BeforeValidator(_batches),
    WithJsonSchema({"anyOf": [*_ONE_BATCH["anyOf"], {"type": "array", "items": _ONE_BATCH, "minItems": 1}]}),
]
"""The sizes of the batches in which hosts are changed; the last one repeats, as in Ansible's ``serial``."""


def _plain_text(value: str) -> str:
    if not value.strip() or _control(value, but="\n\t") or len(value) > 65536:
        raise ValueError("must be text of at most 65536 characters, without control characters")
    return value


class RepositorySettings(_Own):
    """One package repository that the hosts are to have."""

    name: Name = Field(description="Names the file of the repository on the hosts.")
    content: Annotated[str, AfterValidator(_plain_text), _string()] = Field(
        description="What stands in that file: a deb822 paragraph or `deb` lines (Debian, Ubuntu), or a "
        "section of a .repo file (RHEL and its kin)."
    )
    key: LocalPath | None = Field(
        default=None,
        description="The file of the public key that signs the repository, ASCII-armoured. Default: none is installed.",
    )
    roles: Annotated[tuple[Role, ...], AfterValidator(lambda roles: _once(roles))] = Field(
        default=(), description="Only hosts with one of these roles have it. Default: all hosts."
    )


def signing_key(path: Path) -> str:
    """The public key that stands in a file.

    :raises ValueError: it can't be installed on a host; why, and what helps.
    """
    try:
        if path.exists() and not path.is_file():
            raise ValueError(f"{path} is no file; name the file of the public key")
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ValueError(f"can't read {path}: {error.strerror}; put the public key there, or leave 'key' out") from None
    except UnicodeDecodeError:
        export = f"gpg --no-default-keyring --keyring {shlex.quote(str(path))} --export --armor"
        raise ValueError(f"{path} is not text; name one that is ASCII-armoured, as this makes it: {export}") from None


class OpenStackSettings(_Own):
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


def _once(values: tuple[str, ...]) -> tuple[str, ...]:
    for place, value in enumerate(values):
        if value in values[:place]:
            raise ValueError(f"names '{value}' twice")
    return values


class CoreSettings(_Own):
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


def names_of(text: str) -> tuple[str, ...]:
    """The names that ``text`` stands for: all of a range such as ``compute[1-20]``, or itself.

    :raises ValueError: the range is none.
    """
    return tuple(_Range.of(text))


def expand(name: str, group: HostGroup) -> dict[str, HostSettings]:
    """The hosts that one entry of the site file stands for.

    :raises ValueError: there is not one address for each host; the text goes on from "address".
    """
    names = _Range.of(name)
    addresses = _Range.of(group.address) if group.address is not None else names
    if len(names) != len(addresses):
        raise ValueError(
            f"has {_hosts(len(addresses), 'address', 'addresses')} for {_hosts(len(names), 'host', 'hosts')}"
        )
    if group.address is None:
        try:
            for end in names.ends:
                _address(end)
        except ValueError:
            raise ValueError("is missing, and the host's name can't be its address") from None
    rest = {key: getattr(group, key) for key in group.model_fields_set if key != "address"}
    return {one: HostSettings(address=address, **rest) for one, address in zip(names, addresses, strict=True)}


def _hosts(count: int, one: str, more: str) -> str:
    return f"{count} {one if count == 1 else more}"


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


# What plugins hand in


@dataclass(frozen=True)
class Component:
    """What a plugin's ``settings`` hook returns: its part of the site file.

    :param name: its section, such as ``cinder``.
    :param settings: the model of that section; every key has a default, as the section may be absent.
    :param roles: the roles of hosts that the plugin knows, each with one line on what such hosts run.
    """

    name: str
    settings: type[Settings] = Settings
    roles: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not re.fullmatch(_SECTION, self.name, re.ASCII):
            raise PluginError(
                f"component {self.name!r}: its name must be lower-case letters, digits and '_', beginning with a letter"
            )
        if self.name in SiteFile.model_fields:
            raise PluginError(f"component {self.name!r}: the core has a key of that name in the site file")
        for role in self.roles:
            if not re.fullmatch(_ROLE, role, re.ASCII):
                raise PluginError(
                    f"component {self.name!r}: role {role!r} must be lower-case letters, digits, '-' and "
                    "'_', beginning with a letter"
                )
        needed = sorted(key for key, value in self.settings.model_fields.items() if value.is_required())
        if needed:
            raise PluginError(
                f"component {self.name!r}: its section may be absent, so these keys need a default: {', '.join(needed)}"
            )

    @classmethod
    def check(cls, components: Iterable[Component]) -> tuple[Component, ...]:
        """``components``, each of another name.

        :raises PluginError: two have the same name.
        """
        known: dict[str, Component] = {}
        for component in components:
            if known.setdefault(component.name, component) != component:
                raise PluginError(f"two plugins have a section {component.name!r} in the site file")
        return tuple(known.values())
