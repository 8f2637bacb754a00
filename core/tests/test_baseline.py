"""What core itself declares for a site: name resolution and package repositories, where they are asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cephdeploy.baseline import declarations
from cephdeploy.errors import SettingsError
from cephdeploy.kinds import Packages
from cephdeploy.testing import FakeSite, apply_twice, plugin_of

HOSTS = {"ceph1": [], "compute1": ["nova-compute"]}


def installing() -> object:
    """A plugin that wants packages on the computes."""
    return plugin_of(
        name="nova",
        roles={"nova-compute": "runs nova-compute"},
        configure_service=lambda site: [
            Packages.of(site, host, "rbd-client") for host in site.with_role("nova-compute")
        ],
    )


def test_nothing_is_declared_unless_the_site_file_asks() -> None:
    site = FakeSite(HOSTS)
    apply_twice(site.deployment([("nova", installing())]))
    assert not any("/etc/hosts" in str(write) or "sources.list.d" in str(write) for write in site.writes)


def test_every_host_gets_every_hosts_name_in_one_managed_block() -> None:
    site = FakeSite(HOSTS)
    host = site.hosts["compute1"]
    host.put("/etc/hosts", "127.0.0.1 localhost\n")
    apply_twice(site.deployment([("nova", installing())], etc_hosts=True))
    lines = host.text("/etc/hosts").splitlines()
    assert lines[0] == "127.0.0.1 localhost"
    assert lines[1] == "# begin hosts of cephdeploy"
    assert [line.split()[1] for line in lines[2:4]] == ["ceph1", "compute1"]
    assert lines[4:] == ["# end hosts of cephdeploy"]


def test_a_key_that_goes_away_after_the_site_file_was_read_is_a_sentence(tmp_path: Path) -> None:
    key = tmp_path / "key.asc"
    key.write_text("public key\n")
    site = FakeSite(HOSTS)
    wish = {"name": "ceph", "content": "Types: deb\n", "key": str(key)}
    settings = site.settings(repositories=[wish]).site_settings([("nova", installing())])
    key.unlink()
    looked = site.deployment([("nova", installing())], repositories=[]).site
    with pytest.raises(SettingsError) as raised:
        list(declarations(replace(looked, settings=settings)))
    assert str(raised.value) == (
        f"the key of the repository 'ceph': can't read {key}: No such file or directory; put the public key there, or "
        "leave 'key' out"
    )
    assert site.writes == []


@pytest.mark.parametrize(
    ("distro", "path"), [("debian", "/etc/apt/sources.list.d/ceph.sources"), ("rocky", "/etc/yum.repos.d/ceph.repo")]
)
def test_a_repository_is_written_before_packages_are_installed(distro: str, path: str, tmp_path: Path) -> None:
    key = tmp_path / "key.asc"
    key.write_text("public key\n")
    site = FakeSite(HOSTS, distro=distro)
    computes = site.hosts["compute1"]
    # the fake has no clock: the lists are newer than the repository once they were read

    def not_refreshed(argv: tuple[str, ...], stdin: bytes, user: str) -> tuple[int, bytes, bytes]:
        return int(("apt-get", "update") not in {command[:2] for command in computes.commands}), b"", b""

    computes.programs["test"] = not_refreshed
    wish = {"name": "ceph", "content": "Types: deb\n", "key": str(key), "roles": ["nova-compute"]}
    plan = apply_twice(site.deployment([("nova", installing())], repositories=[wish]))
    order = [str(address) for address in plan.graph.order()]
    assert order.index(f"compute1/file:{path}") < order.index("compute1/packages:all")
    assert site.hosts["compute1"].text(path) == "Types: deb\n"
    assert path not in site.hosts["ceph1"].files
