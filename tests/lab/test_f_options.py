"""Every option that we write is one that this release reads: none dead, none deprecated, no complaint in a log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from cephdeploy.dialects import DIALECTS
from cephdeploy.kinds import IniOptions
from cephdeploy.testing import FakeSite

from .conftest import ALL, SUITE, Lab

RELEASES = {"bookworm": "zed", "trixie": "2025.1", "sid": "2026.2"}
SITE = {
    "ceph1": [],
    "controller1": ["glance-api", "cinder-volume", "cinder-backup"],
    "compute1": ["nova-compute"],
}
#: By file: the host that has it, and where its service's own code lists all its options.
READ_BY = {
    "/etc/glance/glance-api.conf": ("controller1", "glance.api glance.multi_store"),
    "/etc/cinder/cinder.conf": ("controller1", "cinder"),
    "/etc/nova/nova.conf": ("compute1", "nova.conf"),
}
UNITS = {
    "glance-api": ("controller1", "/var/log/glance/glance-api.log"),
    "cinder-volume": ("controller1", "/var/log/cinder/cinder-volume.log"),
    "cinder-backup": ("controller1", "/var/log/cinder/cinder-backup.log"),
    "nova-compute": ("compute1", "/var/log/nova/nova-compute.log"),
}
#: Sections that are named by us, and what their options are listed under.
ALIASES = {
    "ceph": "backend_defaults",
    "rbd": "glance.store.rbd.store",
    "os_glance_staging_store": "file",
    "os_glance_tasks_store": "file",
}
#: What keystoneauth reads in any section, by the auth_type that stands there: it is listed nowhere.
LOGIN = re.compile(r"auth_type|auth_url|(project|user)_domain_name|project_name|username|password")

_LISTED = """
import json, sys
from oslo_config import generator
known, former = set(), set()
for _, groups in generator._list_opts(sys.argv[1:]):
    for group, options in groups:
        group = getattr(group, "name", group) or "DEFAULT"
        for option in options:
            (former if option.deprecated_for_removal else known).add(f"{group}/{option.dest}")
            for old in option.deprecated_opts:
                former.add(f"{old.group or group}/{(old.name or option.dest).replace('-', '_')}")
print(json.dumps([sorted(known), sorted(former)]))
"""


def ours() -> Iterator[tuple[str, str, str]]:
    """Path, section and name of each option that the plugins want set on this suite's release."""
    with FakeSite(SITE, release=RELEASES[SUITE]).deployment(ALL.split(",")) as deployment:
        for one in deployment.plugins.declarations(deployment.site):
            if isinstance(one.resource, IniOptions):
                for section, pairs in one.resource.options.items():
                    yield from ((one.resource.path, section, name) for name, value in pairs.items() if value)


@pytest.fixture(scope="module", autouse=True)
def converged(lab: Lab) -> None:
    ended = lab.run()
    assert ended.status == 0, ended.said


@pytest.mark.parametrize("path", READ_BY)
def test_each_of_our_options_is_known_to_the_service_by_its_present_name(lab: Lab, path: str) -> None:
    host, namespaces = READ_BY[path]
    known, former = map(set, json.loads(lab.on(host, f"python3 -W ignore - {namespaces}", stdin=_LISTED)))
    present = DIALECTS["oslo"].read(lab.on(host, f"cat {path}").encode())
    mine = {(section, name) for at, section, name in ours() if at == path}
    assert mine
    assert mine <= set(present)
    written = {f"{ALIASES.get(section, section)}/{name}" for section, name in mine if not LOGIN.fullmatch(name)}
    assert written - known == set()
    assert written & former == set()


@pytest.mark.parametrize("unit", UNITS)
def test_no_service_complains_of_an_option_of_ours_since_its_start(lab: Lab, unit: str) -> None:
    host, log = UNITS[unit]
    began = f"$(systemctl show -P ExecMainStartTimestamp {unit})"
    since = lab.on(host, f"date -d \"{began}\" '+%F %T'").strip()
    journal = lab.on(host, f'journalctl -q -o cat -u {unit} --since "{since}"').splitlines()
    logged = [line for line in lab.on(host, f"cat {log}").splitlines() if line >= since]
    assert logged, f"{unit} wrote nothing since {since}"

    lines = [line for line in (*journal, *logged) if re.search(r"[Dd]eprecat|[Uu]nknown option", line)]

    names = {name for _, _, name in ours()}
    assert [line for line in lines if names & set(re.findall(r"[\w-]+", line.replace("-", "_")))] == []
