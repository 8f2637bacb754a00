"""Finding plugins and asking them; whatever goes wrong names the plugin and the hook."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pytest

from cephdeploy import Check, Component, deployment, hookimpl
from cephdeploy.errors import GraphError, PluginError, SettingsError, UsageError
from cephdeploy.graph import Phase
from cephdeploy.kinds import Command, File, IniOptions, Service
from cephdeploy.plugins import Plugins, author_of, driver, installed
from cephdeploy.resource import Resource
from cephdeploy.site import Site
from cephdeploy.testing import FakeSite, plugin_of
from cephdeploy.values import Address, Text

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Installs a distribution with one entry point, by hand, on a path of the test's own."""
    modules: list[str] = []
    monkeypatch.syspath_prepend(str(tmp_path))

    def installing(
        name: str,
        source: str,
        *,
        dist: str | None = None,
        module: str | None = None,
        group: str = "cephdeploy.plugins",
    ) -> None:
        dist = dist or f"cephdeploy-{name}"
        module = module or dist.replace("-", "_")
        info = tmp_path / f"{dist.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(f"[{group}]\n{name} = {module}\n")
        (tmp_path / f"{module}.py").write_text(source)
        modules.append(module)

    yield installing
    for module in modules:
        sys.modules.pop(module, None)


GOOD = """
from cephdeploy import Component, deployment, hookimpl
from cephdeploy.kinds import File

@hookimpl
def settings():
    return Component("zz_demo", roles={"zz-server": "a server"})

@hookimpl
def configure_service(site):
    yield File(host=site.ceph.admin, path="/zz", content="")
"""


def site_of(*plugins: tuple[str, object]) -> Site:
    return FakeSite({"ceph1": []}).deployment(list(plugins)).site


def test_an_installed_plugin_is_known_by_its_metadata_and_not_imported(install: Install) -> None:
    install("zz_demo", "raise RuntimeError('imported')")
    found = installed()["zz_demo"]
    assert (found.distribution, found.version) == ("cephdeploy-zz_demo", "1.2")
    assert "cephdeploy_zz_demo" not in sys.modules


def test_a_chosen_plugin_answers(install: Install) -> None:
    install("zz_demo", GOOD)
    plugins = Plugins(["zz_demo"])
    assert plugins.names == ("zz_demo",)
    assert plugins.hooks("zz_demo") == ("settings", "configure_service")
    assert plugins.components()["zz_demo"].roles == {"zz-server": "a server"}


def test_an_unknown_name_is_met_with_the_nearest(install: Install) -> None:
    install("zz_demo", GOOD)
    with pytest.raises(UsageError, match=r"no plugin 'zz_dmeo' is installed; did you mean 'zz_demo'?"):
        Plugins(["zz_dmeo"])
    with pytest.raises(UsageError, match=r"no plugin '!' is installed; there are: .*zz_demo"):
        Plugins(["!"])


def test_two_distributions_with_one_name_are_both_named(install: Install) -> None:
    install("zz_demo", GOOD, dist="one")
    install("zz_demo", GOOD, dist="two")
    with pytest.raises(PluginError, match=r"'zz_demo': (one 1.2 and two|two 1.2 and one) 1.2; uninstall one of them"):
        Plugins(["zz_demo"])


def test_a_plugin_that_does_not_import_is_named_with_its_distribution(install: Install) -> None:
    install("zz_demo", "import nothing_of_that_name")
    with pytest.raises(PluginError, match=r"plugin 'zz_demo' \(cephdeploy-zz_demo\) does not import: No module"):
        Plugins(["zz_demo"])


def test_a_hook_of_a_wrong_name_is_refused() -> None:
    plugin = ModuleType("wrong")
    plugin.prepare_cheph = hookimpl(lambda site: [])  # type: ignore[attr-defined]
    with pytest.raises(PluginError, match=r"hooks: there is no hook 'prepare_cheph'; did you mean 'prepare_ceph'\?$"):
        Plugins([], extra=[("wrong", plugin)])


def test_a_hook_with_an_argument_that_core_does_not_hand_over_is_refused() -> None:
    plugin = ModuleType("wrong")
    plugin.prepare_ceph = hookimpl(lambda site, host: [])  # type: ignore[attr-defined]
    with pytest.raises(PluginError, match=r"does not fit the hooks: prepare_ceph takes host, and is given site$"):
        Plugins([], extra=[("wrong", plugin)])


def test_a_hook_may_take_less_than_is_handed_over() -> None:
    plugin = ModuleType("less")
    plugin.prepare_ceph = hookimpl(lambda: [*()])  # type: ignore[attr-defined]
    assert Plugins([], extra=[("less", plugin)]).declarations(site_of(("p", plugin_of()))) == []


def test_a_plugin_for_a_newer_api_is_refused_with_both_numbers() -> None:
    plugin = plugin_of()
    plugin.CEPHDEPLOY_API = 2  # type: ignore[attr-defined]
    with pytest.raises(PluginError, match="plugin 'newer' needs the plugin API 2, and this core has 1"):
        Plugins([], extra=[("newer", plugin)])


def test_declarations_come_by_phase_and_name() -> None:
    def file(path: str) -> Callable[[Site], list[File]]:
        return lambda site: [File(host="ceph1", path=path, content="")]

    b = plugin_of(name="b", prepare_ceph=file("/b1"), configure_service=file("/b3"))
    a = plugin_of(name="a", distribute_keys=file("/a2"), configure_service=file("/a3"))
    found = Plugins([], extra=[("b", b), ("a", a)]).declarations(site_of(("p", plugin_of())))
    assert [(d.plugin, d.phase, d.resource.name) for d in found] == [
        ("b", Phase.PREPARE_CEPH, "/b1"),
        ("a", Phase.DISTRIBUTE_KEYS, "/a2"),
        ("a", Phase.CONFIGURE_SERVICE, "/a3"),
        ("b", Phase.CONFIGURE_SERVICE, "/b3"),
    ]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda site: ["text"], "str is no resource"),
        (lambda site: [File(host="elsewhere", path="/f", content="")], "is on a host that the site does not have"),
        (lambda site: 1 / 0, r"ZeroDivisionError: division by zero \(.*test_plugins.py:\d+\)"),
        (lambda site: (1 / 0 for _ in "x"), "ZeroDivisionError: division by zero"),
    ],
)
def test_a_hook_that_fails_is_named_with_its_plugin(answer: Callable[[Site], object], said: str) -> None:
    plugins = Plugins([], extra=[("bad", plugin_of(prepare_ceph=answer))])  # type: ignore[arg-type]
    with pytest.raises(PluginError, match=f"plugin 'bad' failed in prepare_ceph: .*{said}"):
        plugins.declarations(site_of(("p", plugin_of())))


def test_a_function_with_a_hooks_name_that_is_not_marked_is_refused(install: Install) -> None:
    install("zz_demo", GOOD.replace("@hookimpl\ndef configure", "def configure"))
    said = "its function 'configure_service' has a hook's name and no @hookimpl; mark it, or name it otherwise$"
    with pytest.raises(PluginError, match=f"^plugin 'zz_demo' does not fit the hooks: {said}"):
        Plugins(["zz_demo"])


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            lambda site: File(host=site.hosts["ceph1"], path="/f", content=""),
            "the File's host must be str, and is Host; write host=host.name",
        ),
        (
            lambda site: File(host="ceph1", path="/f", content="", mode="0644"),  # type: ignore[arg-type]
            "the File's mode must be int, and is str; write 0o644",
        ),
        (
            lambda site: File(host="ceph1", path="/f", content=b"x"),  # type: ignore[arg-type]
            "the File's content must be str, Secret, Text or Ref, and is bytes",
        ),
        (
            lambda site: IniOptions.of(site.hosts["ceph1"], "glance-api", {"storage": {"workers": 3}}),  # type: ignore[dict-item]
            "the IniOptions's options['storage']['workers'] must be str, Items, Default, Same, Secret, Ref or None, "
            'and is int; write "3"',
        ),
        (
            lambda site: IniOptions.of(site.hosts["ceph1"], "glance-api", {"workers": "3"}),  # type: ignore[dict-item]
            "the IniOptions's options['workers'] must be a mapping, and is str",
        ),
        (
            lambda site: Command(host="ceph1", title="t", argv="ls /", unless=("true",)),  # type: ignore[arg-type]
            "the Command's argv must be a tuple of str, and is str; put it into a tuple",
        ),
        (
            lambda site: Service(host="ceph1", role="r", unit="u", restart_on=("ceph1/file:/f",)),  # type: ignore[arg-type]
            "the Service's restart_on[0] must be Address, and is str",
        ),
    ],
)
@pytest.mark.parametrize("hook", ["configure_service", "unwire"])
def test_a_field_of_a_wrong_type_is_named_with_plugin_hook_and_kind(
    made: Callable[[Site], object], said: str, hook: str
) -> None:
    plugins = Plugins([], extra=[("bad", plugin_of(**{hook: lambda site: [made(site)]}))])  # type: ignore[arg-type]
    site = site_of(("p", plugin_of()))
    with pytest.raises(PluginError) as refused:
        plugins.instead(site) if hook == "unwire" else plugins.declarations(site)
    assert str(refused.value) == f"plugin 'bad' failed in {hook}: {said}"


def test_values_that_wait_for_others_and_kinds_of_a_plugins_own_are_taken() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Own(File):
        more: Callable[[], Whatever] | None = None  # type: ignore[name-defined]  # noqa: F821
        lines: Sequence[str] = ()
        size: float = 1

    def declared(site: Site) -> list[Resource]:
        key = site.key("client.admin")
        return [
            Own(host="ceph1", path="/own", content=Text("{k}", {"k": key}), more=lambda: None, lines=["a"], size=2),
            Command(host="ceph1", title="t", argv=("a", key), unless=["true"]),  # type: ignore[arg-type]
        ]

    plugins = Plugins([], extra=[("own", plugin_of(configure_service=declared))])
    assert len(plugins.declarations(site_of(("p", plugin_of())))) == 2


@pytest.mark.parametrize(
    ("probe", "said"),
    [
        (lambda site: "text", "str is no Check and no Proof"),
        (lambda site: Check(host="ceph1", title="t", commands=("ls",)), r"the Check's commands\[0\] must be a tuple"),
        (lambda site: Check(host="x", title="t", commands=(("ls",),)), "'t' is on x, a host that the site does not"),
    ],
)
def test_a_probe_that_is_none_is_named_with_its_plugin(probe: Callable[[Site], object], said: str) -> None:
    plugins = Plugins([], extra=[("bad", plugin_of(verify=lambda site: [probe(site)]))])  # type: ignore[list-item]
    with pytest.raises(PluginError, match=f"^plugin 'bad' failed in verify: {said}"):
        plugins.probes(site_of(("p", plugin_of())))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("Packages.of(site, site.hosts['ceph1'], 'rbd-cleint')",
         "the distribution 'debian' has no packages for 'rbd-cleint'; did you mean 'rbd-client'?"),
        ("Packages.of(site, 'ceph1', 'rbd-client')", "AttributeError: 'str' object has no attribute 'distro'"),
        ("File(host='ceph1', path='etc/f', content='')", "path 'etc/f' must be a full path on the host: "),
        ("CephUser.of(site, 'demo', {})", "entity 'demo' must be a type, a dot and a name, such as client.cinder"),
        ("CephPool(host='ceph1', pool='-x')", "pool '-x' must be a pool name: "),
        ("site.with_role('zz-sever')", "no component has the role 'zz-sever'; did you mean 'zz-server'?"),
        ("f'key = {site.key(str())}'", "TypeError: the value of ceph1/user:[key] is not there yet and can't become"),
    ],
)  # fmt: skip
def test_what_fails_inside_core_is_told_with_the_plugins_own_line(install: Install, line: str, said: str) -> None:
    install("zz_demo", f"from cephdeploy.kinds import *\n{GOOD}\n    {line}\n")
    with pytest.raises(PluginError) as refused:
        Plugins(["zz_demo"]).declarations(site_of(("p", plugin_of())))
    assert str(refused.value).startswith(f"plugin 'zz_demo' failed in configure_service: {said}")
    assert str(refused.value).endswith("/cephdeploy_zz_demo.py:14)")


def test_a_role_of_another_plugin_may_be_on_no_host_also_if_that_is_not_installed(install: Install) -> None:
    install("zz_demo", GOOD)
    found: list[object] = []
    plugin = plugin_of(configure_service=lambda s: found.extend(map(s.with_role, ("zz-server", "manila-share"))) or [])
    Plugins([], extra=[("p", plugin)]).declarations(site_of(("q", plugin_of())))
    assert found == [(), ()]


def test_a_settings_hook_that_gives_something_else_is_named() -> None:
    plugin = ModuleType("bad")
    plugin.settings = hookimpl(lambda: {"name": "bad"})  # type: ignore[attr-defined]
    with pytest.raises(PluginError, match="plugin 'bad' failed in settings: it gave str"):
        Plugins([], extra=[("bad", plugin)]).components()


def test_a_plugin_that_would_help_is_found_among_the_installed(install: Install) -> None:
    install("zz_demo", GOOD)
    site = site_of(("p", plugin_of()))
    address = Address("ceph1", "file", "/zz")
    assert author_of(address, site, ["p"]) == "zz_demo"
    assert author_of(address, site, ["zz_demo"]) is None


def test_a_missing_producer_names_the_installed_plugin_that_has_it(install: Install) -> None:
    install("zz_demo", GOOD)
    needy = File(host="ceph1", path="/f", content="", after=(Address("ceph1", "file", "/zz"),))
    with pytest.raises(GraphError, match=r"which zz_demo declares; include it: --plugins zz_demo,needy"):
        site_of(("needy", plugin_of(configure_service=lambda site: [needy])))


# drivers


def test_a_driver_is_found_by_its_name() -> None:
    assert driver("cephdeploy.distros", "debian").name == "debian"


@pytest.mark.parametrize(
    ("group", "name", "said"),
    [
        ("cephdeploy.distros", "debain", r"^no distribution 'debain' is installed; did you mean 'debian'\?$"),
        ("cephdeploy.transports", "asyncsh", r"^no transport 'asyncsh' is installed; did you mean 'asyncssh'\?$"),
        ("cephdeploy.executors", "foo", r"^no executor 'foo' is installed; there are: .*process"),
    ],
)
def test_an_unknown_driver_is_called_what_it_is_and_met_with_the_nearest(group: str, name: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        driver(group, name)


@pytest.mark.parametrize("source", ["import nothing_of_that_name", "1 / 0"])
def test_a_driver_that_does_not_import_is_named(install: Install, source: str) -> None:
    install("zz_linux", source, group="cephdeploy.distros")
    with pytest.raises(PluginError, match=r"the distribution 'zz_linux' does not import: "):
        driver("cephdeploy.distros", "zz_linux")


def test_a_component_is_what_core_exports() -> None:
    assert Component("zz_demo").name == "zz_demo"


def test_a_site_file_that_does_not_name_it_is_read_without_a_plugin(install: Install, tmp_path: Path) -> None:
    install("zz_demo", GOOD)
    install("zz_broken", "import zz_not_there")
    (tmp_path / "site.yml").write_text("ceph: {admin: a}\nhosts: {a: {address: a, roles: [zz-server]}}\n")
    assert deployment.load(tmp_path / "site.yml", ["zz_demo"]).hosts["a"].roles == ("zz-server",)
    with pytest.raises(PluginError, match="plugin 'zz_broken'"):
        deployment.load(tmp_path / "site.yml")
