"""A whole site of fake hosts, and what a test of a plugin asserts of it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ..baseline import AUTHOR
from ..errors import CephdeployError
from ..requests import Run, Write
from ..values import Secret
from ._ceph import FakeCeph
from ._disk import FakeDirectory, FakeFile
from ._host import FakeHost
from ._systemd import FakeUnit

if TYPE_CHECKING:
    from ..deployment import Deployment
    from ..distros import Distro
    from ..planner import Plan
    from ..plugins import Plugins
    from ..resource import Resource
    from ..settings import Component, Settings, SiteSettings
    from ..site import Site
    from ..verify import Probe

__all__ = ["PASSWORD", "FakeSite", "apply_twice", "assert_no_secrets", "plugin_of"]

#: The year and half of the releases that have a name.
_RELEASES = {
    "stein": (2019, 1),
    "train": (2019, 2),
    "ussuri": (2020, 1),
    "victoria": (2020, 2),
    "wallaby": (2021, 1),
    "xena": (2021, 2),
    "yoga": (2022, 1),
    "zed": (2022, 2),
    "antelope": (2023, 1),
    "bobcat": (2023, 2),
    "caracal": (2024, 1),
    "dalmatian": (2024, 2),
    "epoxy": (2025, 1),
    "flamingo": (2025, 2),
    "gazpacho": (2026, 1),
}
_MAJORS_OF_ZED = {"cinder": 21, "glance": 25, "nova": 26}
_OS_RELEASE = {
    "debian": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nVERSION_ID="12"\nID=debian\n',
    "ubuntu": 'PRETTY_NAME="Ubuntu 24.04 LTS"\nVERSION_ID="24.04"\nID=ubuntu\nID_LIKE=debian\n',
    "rhel": 'NAME="Red Hat Enterprise Linux"\nVERSION_ID="9.4"\nID="rhel"\nID_LIKE="fedora"\n',
    "rocky": 'NAME="Rocky Linux"\nVERSION_ID="9.4"\nID="rocky"\nID_LIKE="rhel centos fedora"\n',
    "almalinux": 'NAME="AlmaLinux"\nVERSION_ID="9.4"\nID="almalinux"\nID_LIKE="rhel centos fedora"\n',
    "centos": 'NAME="CentOS Stream"\nVERSION_ID="9"\nID="centos"\nID_LIKE="rhel fedora"\n',
    "centos7": 'NAME="CentOS Linux"\nVERSION_ID="7"\nID="centos"\nID_LIKE="rhel fedora"\n',
    "fedora": 'NAME="Fedora Linux"\nVERSION_ID=40\nID=fedora\n',
}

#: The password that stands in every configuration file of the fake; no plan, diff or log may show it.
PASSWORD = "Tr0ub4dor-and-3"

_CONF = """\
[DEFAULT]

#
# From {project}.conf
#

# The messaging driver's address. (string value)
#transport_url = rabbit://
transport_url = rabbit://openstack:{password}@controller1:5672/
debug = false
{default}
[database]
# The SQLAlchemy connection string. (string value)
#connection = <None>
connection = mysql+pymysql://{project}:{password}@controller1/{project}

[keystone_authtoken]
www_authenticate_uri = http://controller1:5000
auth_type = password
username = {project}
password = {password}
{sections}"""

_PARTS: dict[str, tuple[str, str]] = {
    "glance": (
        "",
        "\n[glance_store]\n# List of enabled Glance stores.\n#stores = file,http\nstores = file,http\n"
        "default_store = file\nfilesystem_store_datadir = /var/lib/glance/images\n",
    ),
    "cinder": (
        "# A list of backend names to use.\n#enabled_backends = <None>\nenabled_backends = lvm\n",
        "\n[lvm]\nvolume_driver = cinder.volume.drivers.lvm.LVMVolumeDriver\nvolume_backend_name = lvm\n",
    ),
    "nova": ("", "\n[glance]\napi_servers = http://controller1:9292\n\n[libvirt]\n#images_type = default\n"),
}


class FakeSite:
    """A site of fake hosts with an OpenStack that does not know of Ceph yet.

    :param hosts: name to roles; each role's unit, files, account and package are there.
    :param release: of OpenStack: a name or such as ``2025.1``.
    :param distro: a driver of the group ``cephdeploy.distros``, for all hosts.
    :param admin: the host with ``ceph``; the first one unless told.
    :param cephadm: the admin host has ``cephadm`` only, as clusters of today have.
    """

    def __init__(
        self,
        hosts: Mapping[str, Sequence[str]],
        *,
        release: str = "zed",
        distro: str = "debian",
        admin: str | None = None,
        cephadm: bool = False,
        ceph: FakeCeph | None = None,
    ) -> None:
        from ..plugins import driver

        self.roles = {name: tuple(roles) for name, roles in hosts.items()}
        self.admin = admin or next(iter(self.roles))
        self.ceph = ceph or FakeCeph()
        self._distro: Distro = driver("cephdeploy.distros", distro)
        self._distro_name = distro
        self._release = _release(release)
        self._sections: dict[str, Any] = {}
        self.hosts: dict[str, FakeHost] = {name: self._host(name) for name in self.roles}
        #: Hosts that can't be reached, with why.
        self.unreachable: dict[str, str] = {}
        self._equip_admin(self.hosts[self.admin], cephadm)

    # what a test says

    def settings(self, **sections: Any) -> FakeSite:
        """Set parts of the site file: ``.settings(ceph={"caps": "exact"}, cinder={"pool": "fast"})``.

        The sections ``ceph`` and ``hosts`` are laid over the fake's own. The site itself, so that calls chain.
        """
        for name, value in sections.items():
            old = self._sections.get(name)
            self._sections[name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
        return self

    def site_settings(self, plugins: Sequence[str | tuple[str, ModuleType | object]] | Plugins = ()) -> SiteSettings:
        """The site file as it is read with these plugins, by the real reader.

        :raises SiteFileError: a section is wrong.
        """
        import yaml

        from .. import sitefile

        chosen = self._chosen(plugins)
        hosts = {
            name: {"address": f"10.77.{number >> 8}.{number & 255}", "roles": list(roles)}
            for number, (name, roles) in enumerate(self.roles.items(), 11)
        }
        for name, more in self._sections.get("hosts", {}).items():
            hosts[name] = {**hosts[name], **more}
        document = {
            **self._sections,
            "ceph": {"admin": self.admin, **self._sections.get("ceph", {})},
            "hosts": hosts,
        }
        text = yaml.safe_dump(_plain(document), sort_keys=False)
        return sitefile.load(text, self._components(chosen, document))

    def deployment(
        self,
        plugins: Sequence[str | tuple[str, ModuleType | object]] | Plugins,
        *,
        off: bool = False,
        **sections: Any,
    ) -> Deployment:
        """A real :class:`~cephdeploy.deployment.Deployment` over the fake hosts, their lines mended.

        :param plugins: names of installed plugins, or names with a module or object of hooks.
        :param off: whether it takes the plugins' components off Ceph, as ``cephdeploy unwire`` does.
        :param sections: as for :meth:`settings`.
        """
        from ..deployment import Deployment

        self.settings(**sections)
        chosen = self._chosen(plugins)
        settings = self.site_settings(chosen)
        return Deployment.open(settings, chosen, reach=lambda settings, name: self._reach(name), off=off)

    def deployment_of(self, declare: Callable[[Site], Iterable[Resource]], **sections: Any) -> Deployment:
        """A deployment of nothing but these resources, declared by a plugin named ``test``."""
        roles = {role for given in self.roles.values() for role in given}
        return self.deployment([("test", plugin_of(roles=sorted(roles), configure_service=declare))], **sections)

    # what a test asks

    @property
    def restarts(self) -> list[tuple[str, str]]:
        """Every restart, host and unit: by host, in order."""
        return [(name, unit) for name, host in self.hosts.items() for unit in host.restarts]

    @property
    def writes(self) -> list[tuple[str, str]]:
        """Every file that was written, host and path: by host, in order."""
        return [(name, path) for name, host in self.hosts.items() for path in host.writes]

    @property
    def commands(self) -> list[tuple[str, ...]]:
        """The arguments of every command: by host, in order."""
        return [argv for host in self.hosts.values() for argv in host.commands]

    @property
    def round_trips(self) -> dict[str, int]:
        """How many batches each host was sent."""
        return {name: len(host.trips) for name, host in self.hosts.items()}

    def forget(self) -> None:
        """Empty every host's log."""
        for host in self.hosts.values():
            host.forget()

    # how it is made

    def _reach(self, name: str) -> FakeHost:
        host = self.hosts[name]
        host.down, host.closed = self.unreachable.get(name, ""), False
        return host

    def _chosen(self, plugins: Sequence[str | tuple[str, ModuleType | object]] | Plugins) -> Plugins:
        from ..plugins import Plugins

        if isinstance(plugins, Plugins):
            return plugins
        names = [plugin for plugin in plugins if isinstance(plugin, str)]
        return Plugins(names, extra=[plugin for plugin in plugins if not isinstance(plugin, str)])

    def _components(self, chosen: Plugins, document: Mapping[str, object]) -> list[Component]:
        """The chosen plugins' sections; the other installed ones' where the site speaks of them."""
        from ..plugins import Plugins, installed
        from ..settings import Component, SiteFile

        found = {component.name: component for component in chosen.components().values()}

        def unknown() -> tuple[set[str], set[str]]:
            roles = {role for one in found.values() for role in one.roles}
            sections = {name for name in document if not name.startswith("x-")} - {*SiteFile.model_fields, *found}
            return {role for given in self.roles.values() for role in given} - roles, sections

        if any(unknown()):
            for name in installed():
                if name in chosen.names:
                    continue
                try:
                    for component in Plugins([name]).components().values():
                        found.setdefault(component.name, component)
                except CephdeployError:
                    continue  # a broken plugin that takes no part is not what is tested
        roles, _ = unknown()
        if roles:
            found["x_of_the_fake"] = Component("x_of_the_fake", roles=dict.fromkeys(sorted(roles), "of no plugin"))
        return list(found.values())

    def _host(self, name: str) -> FakeHost:
        distro = self._distro
        host = FakeHost(name, distro, self.ceph)
        release = _OS_RELEASE.get(self._distro_name) or f"ID={self._distro_name}\n"
        host.files["/etc/os-release"] = FakeFile(release.encode())
        host.put("/etc/hostname", f"{name}\n")
        host.put("/etc/hosts", f"127.0.0.1\tlocalhost\n127.0.1.1\t{name}\n")
        host.directories["/run/systemd/system"] = FakeDirectory()
        host.available.update((one, self._version("librbd")) for role in distro.packages.values() for one in role)
        librbd = distro.versions.get("librbd")
        for package in host.available:
            host.on_install[package] = lambda there: self._bring(there, librbd)
        for role in self.roles[name]:
            self._equip(host, role)
        return host

    def _bring(self, host: FakeHost, librbd: str | None) -> None:
        """What the installation of any package of Ceph's brings along."""
        if librbd:
            host.packages.setdefault(librbd, self._version("librbd"))
        if "ceph-common" in host.packages:
            host.directories.setdefault("/etc/ceph", FakeDirectory())
            host.put("/usr/bin/ceph", "#!/usr/bin/python3\n", 0o755)

    def _equip(self, host: FakeHost, role: str) -> None:
        """A service of OpenStack: its package, account, files and unit."""
        distro = self._distro
        project = role.partition("-")[0]
        account = distro.account(role)
        host.accounts.setdefault(account.user, (account.group,))
        if package := distro.versions.get(project):
            host.packages[package] = self._version(project)
        files = distro.config_files(role)
        default, sections = _PARTS.get(project, ("", ""))
        text = _CONF.format(project=project, password=PASSWORD, default=default, sections=sections)
        owner = account.user if distro.install[0] == "apt-get" else "root"
        if files[0] not in host.files:
            host.put(files[0], text, 0o640, owner, account.group)
        for further in files[1:]:
            host.put(further, "[DEFAULT]\ncompute_driver=libvirt.LibvirtDriver\n[libvirt]\nvirt_type=kvm\n", 0o640)
        argv = ["/usr/bin/python3", f"/usr/bin/{role}"]
        if len(files) > 1 or distro.install[0] == "apt-get":
            argv += [f"--config-file={path}" for path in files]
        argv.append(f"--log-file=/var/log/{project}/{role}.log")
        host.units[distro.unit(role)] = FakeUnit(argv=tuple(argv))
        if role == "nova-compute":
            host.libvirt = True
            host.accounts[account.user] = tuple(dict.fromkeys((account.group, "libvirt", "kvm")))
            host.accounts.setdefault(distro.qemu.user, tuple(dict.fromkeys((distro.qemu.group, "kvm"))))
            host.packages[distro.versions["libvirt"]] = self._version("libvirt")
            host.units["libvirtd.service"] = FakeUnit(argv=("/usr/sbin/libvirtd",))

    def _equip_admin(self, host: FakeHost, cephadm: bool) -> None:
        if cephadm:
            host.put("/usr/sbin/cephadm", "#!/usr/bin/python3\n", 0o755)
            return
        host.packages["ceph-common"] = self._version("librbd")
        host.put("/usr/bin/ceph", "#!/usr/bin/python3\n", 0o755)
        host.put("/etc/ceph/ceph.conf", self.ceph.minimal_conf())
        host.put("/etc/ceph/ceph.client.admin.keyring", self.ceph.keyring("client.admin"), 0o600)

    def _version(self, project: str) -> str:
        """A package's version, written as the distribution writes it."""
        debian = self._distro.install[0] == "apt-get"
        if project in _MAJORS_OF_ZED:
            year, half = self._release
            major = _MAJORS_OF_ZED[project] + (year * 2 + half) - (2022 * 2 + 2)
            return f"2:{major}.2.2-1~deb12u3" if debian else f"{major}.2.2"
        number = {"libvirt": "9.0.0"}.get(project, self.ceph.version)
        return f"{number}-4+deb12u2" if debian else number


def _release(text: str) -> tuple[int, int]:
    named = _RELEASES.get(text.lower())
    if named:
        return named
    year, _, half = text.partition(".")
    if not (year.isdigit() and half in ("1", "2")):
        raise ValueError(f"no release of OpenStack: {text!r}; write a name such as zed, or such as 2025.1")
    return int(year), int(half)


def _plain(value: Any) -> Any:
    """A value as YAML can write it."""
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return str(value) if isinstance(value, Path) else value


def plugin_of(
    *,
    name: str = "test",
    roles: Iterable[str] = (),
    settings: type[Settings] | None = None,
    prepare_ceph: Callable[[Site], Iterable[Resource]] | None = None,
    distribute_keys: Callable[[Site], Iterable[Resource]] | None = None,
    configure_service: Callable[[Site], Iterable[Resource]] | None = None,
    verify: Callable[[Site], Iterable[Probe]] | None = None,
    unwire: Callable[[Site], Iterable[Resource]] | None = None,
) -> object:
    """A plugin made of functions, without a module or a package of its own.

    :param name: of its section in the site file.
    """
    from .. import settings as models
    from ..hookspecs import hookimpl

    component = models.Component(name, settings or models.Settings, dict.fromkeys(roles, "of a test"))
    made = ModuleType(f"cephdeploy_{name}_of_a_test")
    made.settings = hookimpl(lambda: component)  # type: ignore[attr-defined]
    given = {
        "prepare_ceph": prepare_ceph,
        "distribute_keys": distribute_keys,
        "configure_service": configure_service,
        "verify": verify,
        "unwire": unwire,
    }
    for hook, answer in given.items():
        if answer is not None:
            setattr(made, hook, hookimpl(_asking(answer)))
    return made


def _asking(answer: Callable[[Site], object]) -> Callable[[Site], object]:
    def hook(site: Site) -> object:
        return answer(site)

    return hook


def apply_twice(deployment: Deployment, *, nothing: bool = False) -> Plan:
    """Plan and apply; everything must come true, and a second plan be empty. The first plan.

    :param nothing: whether the plugins are to declare nothing; otherwise that is refused, as a test would pass
        that tests nothing.
    :raises AssertionError: with each step that failed, or each difference that is left.
    """
    plan = deployment.plan()
    declared = sorted(str(address) for address, node in plan.graph.nodes.items() if {*node.plugins} - {AUTHOR})
    if nothing and declared:
        raise AssertionError("\n".join(["something is declared:", *declared]))
    if not nothing and not declared and not plan.changes:
        raise AssertionError(
            "no plugin declares anything here, so nothing is tested; look at its hooks and its hosts' roles, or say "
            "apply_twice(…, nothing=True)"
        )
    result = deployment.apply(plan)
    bad = [f"{one.address}: {one.status}: {one.detail}" for one in result.outcomes if one.status != "changed"]
    if bad:
        raise AssertionError("\n".join(["not everything came true:", *bad]))
    left = [f"{change.address}: {change.differences}" for change in deployment.plan()]
    if left:
        raise AssertionError("\n".join(["the second plan is not empty:", *left]))
    return plan


def assert_no_secrets(site: FakeSite, *things: object) -> None:
    """No key and no password is in anything that may be seen: arguments, plain content, ``repr`` of ``things``.

    Diffs and notes of a plan are looked at, too, although its ``repr`` leaves them out.
    """
    secrets = {*site.ceph.secrets, PASSWORD}

    def check(where: str, text: str) -> None:
        found = next((secret for secret in secrets if secret in text), None)
        if found is not None:
            raise AssertionError(f"a secret that begins with {found[:4]!r} is seen in {where}")

    for name, host in site.hosts.items():
        for request in host.log:
            if isinstance(request, Run):
                check(f"an argument on {name}", " ".join(request.argv))
                if not isinstance(request.stdin, Secret):
                    check(f"plain input of {request.argv[0]} on {name}", request.stdin.decode(errors="replace"))
            check(f"the repr of a request on {name}", _without_content(request))
    for thing in things:
        check(f"the repr of {type(thing).__name__}", repr(thing))
        for change in getattr(thing, "changes", ()):
            check(f"the diff of {change.address}", f"{change.diff} {change.notes} {change.differences}")


def _without_content(request: object) -> str:
    if isinstance(request, Write) and not isinstance(request.content, Secret):
        # the file of others that ours is written into; it is sent, and nowhere shown
        return repr(dataclasses.replace(request, content=b""))
    return repr(request)
