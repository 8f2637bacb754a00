"""The site that hooks are given."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cephdeploy.errors import SettingsError
from cephdeploy.kinds import CephUser
from cephdeploy.settings import Settings
from cephdeploy.site import Release, Site
from cephdeploy.testing import FakeSite, plugin_of


class Demo(Settings):
    pool: str = "demo"


def opened(**sections: object) -> Site:
    fake = FakeSite({"ceph1": [], "b": ["nova-compute"], "a": ["nova-compute", "cinder-volume"]}, release="yoga")
    fake.settings(**sections)
    plugin = plugin_of(name="demo", roles=["nova-compute", "cinder-volume"], settings=Demo)
    return fake.deployment([("demo", plugin)]).site


@pytest.mark.parametrize(
    ("project", "version", "release"),
    [
        ("nova", "26.2.2", Release(2022, 2)),
        ("nova", "2:26.2.2-1~deb12u3", Release(2022, 2)),
        ("nova", "27.0.0", Release(2023, 1)),
        ("cinder", "15.0.0", Release(2019, 2)),
        ("glance", "30.0.0", Release(2025, 1)),
    ],
)
def test_a_version_tells_its_release(project: str, version: str, release: Release) -> None:
    assert Release.of(project, version) == release


@given(st.integers(14, 60))
def test_each_major_version_is_half_a_year_later(major: int) -> None:
    assert Release.of("cinder", f"{major}.0.0") < Release.of("cinder", f"{major + 1}.0.0")


def test_the_sites_release_is_that_of_its_oldest_host() -> None:
    fake = FakeSite({"ceph1": [], "a": ["nova-compute"], "b": ["nova-compute"]}, release="2025.1")
    fake.hosts["b"].packages["nova-common"] = "2:26.2.2-1"
    site = fake.deployment([("demo", plugin_of(roles=["nova-compute"]))]).site
    assert str(site.release("nova")) == "zed"
    with pytest.raises(SettingsError, match="glance is installed on no host"):
        site.release("glance")


def test_a_fake_sites_release_is_the_one_that_was_asked_for() -> None:
    for name, release in {"yoga": "2022.1", "zed": "zed", "2024.2": "2024.2", "epoxy": "2025.1"}.items():
        fake = FakeSite({"ceph1": [], "a": ["nova-compute"]}, release=name)
        site = fake.deployment([("demo", plugin_of(roles=["nova-compute"]))]).site
        assert str(site.release("nova")) == release


def test_hosts_with_a_role_come_by_name() -> None:
    assert [host.name for host in opened().with_role("nova-compute")] == ["a", "b"]
    assert opened().with_role("glance-api") == ()


def test_a_plugins_section_is_typed_and_has_its_defaults() -> None:
    assert opened().component(Demo).pool == "demo"
    assert opened(demo={"pool": "fast"}).component(Demo).pool == "fast"


def test_the_secrets_uuid_follows_from_cluster_and_user_alone() -> None:
    site = opened()
    assert site.secret_uuid("client.cinder") == opened().secret_uuid("client.cinder")
    assert site.secret_uuid("client.cinder") != site.secret_uuid("client.nova")


def test_a_key_is_a_reference_to_the_user_that_some_plugin_declares() -> None:
    site = opened()
    assert site.key("client.x") == CephUser.of(site, "client.x", {"mon": "profile rbd"})["key"]
