"""Tables that are made from the code itself, so that the reference says what is really written.

``{from-code} options`` in a page is replaced by the table of that name below. What the plugins write is learnt
by asking them, for a fake site of each OpenStack release; no host is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from cephdeploy.kinds import CephConf, CephUser, IniOptions
from cephdeploy.plugins import driver, installed
from cephdeploy.testing import FakeSite
from cephdeploy.values import Default, Items, Same

PLUGINS = ("glance", "cinder", "cinder_backup", "nova", "libvirt")
HOSTS = {
    "ceph1": [],
    "controller1": ["glance-api", "cinder-volume", "cinder-backup"],
    "compute1": ["nova-compute"],
}
#: Every release that has a version of its own, from the first that is supported.
RELEASES = tuple(f"{year}.{half}" for year in range(2019, 2027) for half in (1, 2))[:-1]
ROLES = ("glance-api", "cinder-volume", "cinder-backup", "nova-compute")


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return [*lines, *(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)]


def code(text: str) -> str:
    return f"`{text}`" if text else ""


@cache
def declared(release: str) -> list[tuple[str, Any]]:
    """Each plugin's name with each resource that it declares for a site of that release, and the site's uuid."""
    with FakeSite(HOSTS, release=release).deployment(PLUGINS) as deployment:
        uuid = deployment.site.secret_uuid("client.cinder")
        found = [(one.plugin, one.resource) for one in deployment.plugins.declarations(deployment.site)]
        return [("uuid", uuid), *found]


def shown(value: object, uuid: str) -> str:
    if value is None:
        return "taken out"
    if isinstance(value, Items):
        return f"{code(','.join(value.items))} added to the list"
    if isinstance(value, Default):
        return f"{code(value.value)}, unless it is set"
    if isinstance(value, Same):
        return f"as in `[{value.section}]`, unless it is set"
    return "the secret's uuid" if value == uuid else code(str(value))


def span(releases: Sequence[str]) -> str:
    """Releases in a row as a reader says them."""
    first, last = releases[0], releases[-1]
    if (first, last) == (RELEASES[0], RELEASES[-1]):
        return "all"
    return f"from {first}" if last == RELEASES[-1] else f"to {last}" if first == RELEASES[0] else f"{first} to {last}"


def options(plugin: str) -> list[str]:
    """Every option that a plugin writes, with the releases for which it does."""
    seen: dict[tuple[str, str, str], list[str]] = {}
    for release in RELEASES:
        (_, uuid), *rest = declared(release)
        for name, resource in rest:
            if name == plugin and isinstance(resource, IniOptions | CephConf):
                for section, pairs in resource.options.items():
                    for option, value in pairs.items():
                        # of the cluster itself, and so different everywhere
                        if isinstance(resource, CephConf) and section == "global":
                            continue
                        key = (resource.path, f"[{section}] {option}", shown(value, uuid))
                        seen.setdefault(key, []).append(release)
    rows = [(code(path), code(option), value, span(releases)) for (path, option, value), releases in seen.items()]
    return table(("file", "option", "value", "releases"), rows)


def caps() -> list[str]:
    """What each plugin asks for; the caps of one user add up."""
    rows = []
    for plugin, resource in declared(RELEASES[-1]):
        if isinstance(resource, CephUser):
            rows.append(
                (code(resource.entity), plugin, *(code(resource.caps.get(s, "")) for s in ("mon", "osd", "mgr")))
            )
    return table(("user", "asked for by", "mon", "osd", "mgr"), sorted(rows))


def distributions() -> Iterator[tuple[str, Any]]:
    for name in installed("cephdeploy.distros"):
        yield name, driver("cephdeploy.distros", name)


def packages() -> list[str]:
    rows = []
    for name, one in distributions():
        roles = (" ".join(map(code, one.packages[role])) for role in ("rbd-client", "qemu-rbd"))
        rows.append((code(name), *roles, code(one.install[0])))
    return table(("distribution", "Ceph client", "QEMU's rbd driver", "installed by"), rows)


def names() -> list[str]:
    rows = []
    for name, one in distributions():
        units = " ".join(code(one.unit(role).removesuffix(".service")) for role in ROLES)
        files = " ".join(code(path) for path in one.config_files("nova-compute"))
        rows.append((code(name), units, code(f"{one.qemu.user}:{one.qemu.group}"), files))
    return table(("distribution", "units", "QEMU runs as", "what nova-compute reads"), rows)


def settings() -> list[str]:
    from cephdeploy.deployment import components
    from cephdeploy.report.keys import keys

    rows = []
    for key in keys(components(PLUGINS)):
        text = key.description or commented(key.key)
        rows.append((code(key.key), "(required)" if key.required else code(key.default), " ".join(text.split())))
    return table(("key", "default", "what it is for"), rows)


def commented(key: str) -> str:
    """What stands above a plugin's key in its code, as ``#:``."""
    from sphinx.pycode import ModuleAnalyzer

    section, _, rest = key.partition(".")
    if section not in PLUGINS or not rest:
        return ""
    docs = ModuleAnalyzer.for_module(f"cephdeploy_{section}").find_attr_docs()
    return next((" ".join(lines) for (_, name), lines in docs.items() if name == rest.rpartition(".")[2]), "")


def exit_codes() -> list[str]:
    from cephdeploy.cli import EXIT_CODES

    return [line for status, text in EXIT_CODES.items() for line in (str(int(status)), f": {text}", "")]


TABLES: dict[str, Callable[[], list[str]]] = {
    "caps": caps,
    "exit-codes": exit_codes,
    "names": names,
    "packages": packages,
    "settings": settings,
    **{f"options-{plugin}": lambda plugin=plugin: options(plugin) for plugin in PLUGINS},  # type: ignore[misc]
}


class FromCode(SphinxDirective):
    """The directive."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        found = nodes.container()
        lines = StringList(TABLES[self.arguments[0]](), source=f"from-code {self.arguments[0]}")
        self.state.nested_parse(lines, self.content_offset, found)
        return list(found.children)


def setup(app: Sphinx) -> dict[str, object]:
    app.add_directive("from-code", FromCode)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
